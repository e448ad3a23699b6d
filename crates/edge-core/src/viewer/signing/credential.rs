//! Where a signature is carried, and how it is written: parameters of the URL or cookies (§12.2).
//!
//! It refuses to know whether a signature is good.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};

use crate::header::cookie;

/// The five parameters; the cookies are called the same with a prefix.
const NAMES: [&str; 5] = [EXPIRES, POLICY, SIGNATURE, KEY_PAIR_ID, HASH_ALGORITHM];
const EXPIRES: &str = "Expires";
const POLICY: &str = "Policy";
const SIGNATURE: &str = "Signature";
const KEY_PAIR_ID: &str = "Key-Pair-Id";
const HASH_ALGORITHM: &str = "Hash-Algorithm";
const COOKIE_PREFIX: &[u8] = b"CloudFront-";

/// What carries a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The URL's parameters.
    Url,
    /// Cookies.
    Cookies,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "a signed URL",
            Self::Cookies => "signed cookies",
        })
    }
}

/// A parameter or cookie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Field<'a> {
    #[default]
    Absent,
    /// There, with this value.
    Once(&'a [u8]),
    /// Which of them is meant, nobody can tell (threats T4).
    Repeated,
}

impl<'a> Field<'a> {
    pub(super) fn once(self) -> Option<&'a [u8]> {
        match self {
            Self::Once(value) => Some(value),
            Self::Absent | Self::Repeated => None,
        }
    }
}

/// What a request carries of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credential<'a> {
    pub(super) carrier: Carrier,
    pub(super) expires: Field<'a>,
    pub(super) policy: Field<'a>,
    pub(super) signature: Field<'a>,
    pub(super) key: Field<'a>,
    pub(super) hash: Field<'a>,
}

impl<'a> Credential<'a> {
    /// One of the five parameters makes it a signed URL, and the cookies are not looked at then.
    pub(super) fn select(query: &'a str, cookies: &'a [u8]) -> Option<Self> {
        let parameters = query.split('&').map(|raw| raw.split_once('=').unwrap_or((raw, "")));
        let parameters = parameters.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let cookies = cookie::pairs(cookies)
            .filter_map(|pair| Some((pair.name.strip_prefix(COOKIE_PREFIX)?, pair.value)));
        Self::collect(Carrier::Url, parameters).or_else(|| Self::collect(Carrier::Cookies, cookies))
    }

    fn collect(carrier: Carrier, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Self> {
        let mut values = [Field::Absent; NAMES.len()];
        for (name, value) in fields {
            if let Some(at) = NAMES.iter().position(|known| known.as_bytes() == name) {
                values[at] = match values[at] {
                    Field::Absent => Field::Once(value),
                    Field::Once(_) | Field::Repeated => Field::Repeated,
                };
            }
        }
        if values == [Field::Absent; NAMES.len()] {
            return None;
        }
        let [expires, policy, signature, key, hash] = values;
        Some(Self { carrier, expires, policy, signature, key, hash })
    }
}

/// The query string without the five parameters; all else as it was, empty parameters included.
pub(super) fn without_parameters(query: &str) -> String {
    let is_own = |raw: &str| NAMES.contains(&raw.split('=').next().unwrap_or_default());
    query.split('&').filter(|raw| !is_own(raw)).collect::<Vec<_>>().join("&")
}

/// Whether a cookie of this name signs a request.
pub(super) fn is_cookie(name: &[u8]) -> bool {
    name.strip_prefix(COOKIE_PREFIX).is_some_and(|name| NAMES.iter().any(|known| known.as_bytes() == name))
}

/// Base64 as CloudFront has it: `-`, `_` and `~` for `+`, `=` and `/`. Every text of it has one spelling: what is not in
/// the alphabet, padding that is missing, and bits nobody reads are refused.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || text.contains(&b'=') {
        return None;
    }
    let padded: Vec<u8> = text.iter().map(|&byte| if byte == b'_' { b'=' } else { byte }).collect();
    ENGINE.decode(padded).ok()
}

const ENGINE: GeneralPurpose = GeneralPurpose::new(&ALPHABET, PAD);
const ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~") {
        Ok(alphabet) => alphabet,
        Err(_) => base64::alphabet::STANDARD, // sixty-four different letters: a test reads all of them
    };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_comes_first() {
        let both = Credential::select("a=1&Signature=x", b"CloudFront-Policy=p").unwrap();
        assert_eq!((both.carrier, both.policy), (Carrier::Url, Field::Absent));
        let bare = Credential::select("Policy", b"CloudFront-Policy=p").unwrap();
        assert_eq!((bare.carrier, bare.policy), (Carrier::Url, Field::Once(b"")));
        let cookies = Credential::select("policy=1&x-Policy=2", b"a=b; CloudFront-Policy=p=q").unwrap();
        assert_eq!((cookies.carrier, cookies.policy), (Carrier::Cookies, Field::Once(b"p=q")));
        assert_eq!(Credential::select("a", b"Policy=p; cloudfront-Policy=p; CloudFront-=1"), None);
    }

    #[test]
    fn what_is_there_twice_is_no_value() {
        let twice = Credential::select("Expires=1&Policy=a&Expires=1&Policy=", b"").unwrap();
        assert_eq!((twice.expires, twice.policy), (Field::Repeated, Field::Repeated));
        assert_eq!(twice.expires.once(), None);
    }

    #[test]
    fn the_rest_of_a_query_stays_as_it_was() {
        for (query, rest) in [
            ("", ""),
            ("Expires=1&Signature=2&Key-Pair-Id=3&Policy=4&Hash-Algorithm=5", ""),
            ("b=2&Expires=1&a=1", "b=2&a=1"),
            ("a=1&&Policy&b=%41&", "a=1&&b=%41&"),
            ("expires=1&Expires2=1&x=Policy", "expires=1&Expires2=1&x=Policy"),
        ] {
            assert_eq!(without_parameters(query), rest, "{query}");
        }
    }

    #[test]
    fn there_is_one_spelling() {
        assert_eq!(decode(b"AP~-").unwrap(), [0, 0xff, 0xfe]);
        assert_eq!(decode(b"AAECAw__").unwrap(), [0, 1, 2, 3]);
        let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";
        assert_eq!(decode(all).unwrap().len(), 48);
        for (bad, why) in [
            ("", "empty"),
            ("AP/+", "the standard letters"),
            ("AAECAw==", "the standard padding"),
            ("AAECAw", "no padding"),
            ("AAECAw_", "half of it"),
            ("AAECAx__", "bits nobody reads"),
            ("AAECAw__AAAA", "something behind it"),
            ("AAEC Aw__", "white space"),
            ("AAECAw%5F%5F", "percent-encoding"),
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{why}");
        }
    }
}
