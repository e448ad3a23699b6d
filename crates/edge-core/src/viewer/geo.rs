//! Where a viewer is, as far as anybody knows: a value that comes with the request.
//!
//! It refuses to know databases and addresses: whoever drives the core looks a place up. What is not known is absent,
//! here and in the headers made of it (§6).

use std::fmt::Write as _;

use http::HeaderValue;

use crate::distribution::Country;

/// What is known of a viewer's place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Location {
    /// The country.
    pub country: Option<Country>,
    /// Its English name.
    pub country_name: Option<String>,
    /// The code of a state or province, without the country: up to three characters.
    pub region: Option<String>,
    /// Its English name.
    pub region_name: Option<String>,
    /// The English name of the city.
    pub city: Option<String>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// A market in the United States.
    pub metro_code: Option<u16>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// `America/Detroit`.
    pub time_zone: Option<String>,
    /// The number of the autonomous system the address belongs to.
    pub asn: Option<u32>,
}

/// A header and how it is written.
type Row = (&'static str, fn(&Location) -> Option<String>);

/// The headers made of a place (§6).
const HEADERS: [Row; 11] = [
    ("cloudfront-viewer-asn", |at| at.asn.map(|number| number.to_string())),
    ("cloudfront-viewer-city", |at| at.city.as_deref().map(encoded)),
    ("cloudfront-viewer-country", |at| at.country.map(|country| country.to_string())),
    ("cloudfront-viewer-country-name", |at| at.country_name.as_deref().map(encoded)),
    ("cloudfront-viewer-country-region", |at| at.region.as_deref().map(encoded)),
    ("cloudfront-viewer-country-region-name", |at| at.region_name.as_deref().map(encoded)),
    ("cloudfront-viewer-latitude", |at| at.latitude.map(degrees)),
    ("cloudfront-viewer-longitude", |at| at.longitude.map(degrees)),
    ("cloudfront-viewer-metro-code", |at| at.metro_code.map(|code| code.to_string())),
    ("cloudfront-viewer-postal-code", |at| at.postal_code.as_deref().map(encoded)),
    ("cloudfront-viewer-time-zone", |at| at.time_zone.as_deref().map(encoded)),
];

/// Whether the header's value depends on the viewer's place; `name` is in lower case.
pub fn is_about_place(name: &str) -> bool {
    HEADERS.iter().any(|(known, _)| *known == name)
}

impl Location {
    /// A place of which only the country is known.
    pub fn in_country(country: Country) -> Self {
        Self { country: Some(country), ..Self::default() }
    }

    /// The value of the header `name`, which is in lower case; `None` where it is not known, or no header of a place.
    pub fn header(&self, name: &str) -> Option<HeaderValue> {
        let (_, write) = HEADERS.iter().find(|(known, _)| *known == name)?;
        HeaderValue::from_str(&write(self)?).ok()
    }
}

/// Five digits behind the point, as they were seen.
fn degrees(value: f64) -> String {
    format!("{value:.5}")
}

/// What is not ASCII is percent-encoded, what is (a space too) stays. A control byte would be no header.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x20..0x7f).contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_absent() {
        for (name, _) in HEADERS {
            assert_eq!(Location::default().header(name), None, "{name}");
            assert!(is_about_place(name));
        }
        assert!(!is_about_place("cloudfront-viewer-address"));
    }

    #[test]
    fn degrees_have_five_digits() {
        for (value, text) in [(42.3068, "42.30680"), (-83.7059, "-83.70590"), (0.0, "0.00000")] {
            assert_eq!(degrees(value), text);
        }
    }

    #[test]
    fn names_outside_ascii_are_encoded() {
        assert_eq!(encoded("Ann Arbor"), "Ann Arbor");
        assert_eq!(encoded("Zürich"), "Z%C3%BCrich");
        assert_eq!(encoded("a\r\nb"), "a%0D%0Ab");
    }
}
