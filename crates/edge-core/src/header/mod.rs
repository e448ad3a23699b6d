//! Headers past the door are types: small parsers, total over any bytes.
//!
//! Each module reads one field, or one family of fields, into values that decisions can be made with. None of them
//! knows what a cache does with the value, which policy is in force beyond a list of names, or what time it is.

pub mod cache_control;
pub mod conditional;
pub mod cookie;
pub mod date;
pub mod encoding;
pub mod glob;
pub mod hop;
pub mod names;
pub mod query;
pub mod range;
pub mod together;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field's value if it has exactly one line.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// The instant a field names if it has exactly one line, and that is a date.
pub(crate) fn only_date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    only(headers, name).and_then(|value| date::parse(value.as_bytes()))
}

/// Bytes of the header lines, as HTTP/1.1 writes them.
pub(crate) fn lines_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// `bytes` without spaces and tabs at either end (OWS of RFC 9110 §5.6.3).
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The number `digits` spells, `None` if anything but decimal digits is there; what overflows is `u64::MAX`.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}
