//! Query strings (§4.2): `&` is the only delimiter, nothing is decoded, order and repetition are data.
//!
//! It refuses to know what a parameter means; signed URLs take theirs out before this is asked.

use crate::distribution::Names;

/// One `name=value`, or a bare `name`, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// What is before the first `=`; case and percent-encoding as sent.
    pub name: &'a str,
    /// The whole parameter.
    pub raw: &'a str,
}

/// The parameters of a query string (without its `?`) in their order; empty ones, as in `a&&b`, are left out.
pub fn parameters(query: &str) -> impl Iterator<Item = Parameter<'_>> {
    query.split('&').filter(|raw| !raw.is_empty()).map(|raw| Parameter { name: before(raw, b'='), raw })
}

/// Appends the selected parameters to `out`, in their order and byte-exact; whether there were any.
///
/// With [`Names::All`] that is the query string as it came, empty parameters included.
pub fn select(query: &str, names: &Names, out: &mut Vec<u8>) -> bool {
    match names {
        Names::None => false,
        Names::All => {
            out.extend_from_slice(query.as_bytes());
            !query.is_empty()
        }
        Names::Only(_) | Names::AllExcept(_) => {
            let mut any = false;
            for parameter in parameters(query).filter(|parameter| names.select(parameter.name.as_bytes())) {
                if any {
                    out.push(b'&');
                }
                out.extend_from_slice(parameter.raw.as_bytes());
                any = true;
            }
            any
        }
    }
}

fn before(text: &str, byte: u8) -> &str {
    text.split_once(char::from(byte)).map_or(text, |(name, _)| name)
}
