//! Which countries a distribution serves (§12.1).
//!
//! It refuses to know where a viewer is: that is told to it.

use std::fmt;

/// A country by its two capital letters (ISO 3166-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Two capital letters; whether such a country exists is nobody's business here.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `GeoRestriction`, for the whole distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GeoRestriction {
    /// `none`: everybody is served.
    #[default]
    None,
    /// `whitelist`: only these.
    Only(Vec<Country>),
    /// `blacklist`: all but these.
    AllBut(Vec<Country>),
}

impl GeoRestriction {
    /// Whether viewers from there are served. Whose country nobody knows is served always.
    pub fn allows(&self, country: Option<Country>) -> bool {
        match (self, country) {
            (Self::None, _) | (_, None) => true,
            (Self::Only(countries), Some(country)) => countries.contains(&country),
            (Self::AllBut(countries), Some(country)) => !countries.contains(&country),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_two_capital_letters() {
        assert_eq!(Country::parse("DE").unwrap().to_string(), "DE");
        for bad in ["", "D", "de", "DEU", "D1", "Ä"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
    }
}
