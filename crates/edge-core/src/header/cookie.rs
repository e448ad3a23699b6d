//! `Cookie` of a request (§4.3): pairs, and the selected ones sorted by name.
//!
//! Names and values are bytes, compared exactly; nothing is decoded or unquoted. It refuses to know what a cookie
//! means: sessions, signatures and device choices are read elsewhere.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;

use crate::distribution::Names;

/// The `Cookie` fields of a request as one, joined with `; ` (threats.md M8); `None` if there is none.
pub fn joined(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let mut lines = headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
    let first = lines.next()?;
    let Some(second) = lines.next() else {
        return Some(Cow::Borrowed(first));
    };
    let mut all = [first, b"; ", second].concat();
    for line in lines {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(line);
    }
    Some(Cow::Owned(all))
}

/// One `name=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What is before the first `=`; never empty, never begins with `$`.
    pub name: &'a [u8],
    /// What is after it.
    pub value: &'a [u8],
    /// The pair as sent, without the white space around it.
    pub raw: &'a [u8],
}

/// The pairs of a `Cookie` field in their order.
///
/// Left out are parts without `=` or without a name, and those whose name begins with `$` (§4.3).
pub fn pairs(header: &[u8]) -> Pairs<'_> {
    Pairs { rest: Some(header) }
}

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        while let Some(header) = self.rest {
            let part = match header.iter().position(|byte| *byte == b';') {
                Some(end) => {
                    self.rest = Some(&header[end + 1..]);
                    &header[..end]
                }
                None => {
                    self.rest = None;
                    header
                }
            };
            let raw = super::trim(part);
            if let Some(equals) = raw.iter().position(|byte| *byte == b'=')
                && equals > 0
                && raw[0] != b'$'
            {
                return Some(Pair { name: &raw[..equals], value: &raw[equals + 1..], raw });
            }
        }
        None
    }
}

/// Whether the field is "standard": what is not, CloudFront does not forward (§4.3).
///
/// The guide does not say where it draws the line (unsure). Here: at least one pair, and no control byte other than a
/// tab. Spaces, commas, quotes and bytes above 0x7F in values are common and pass.
pub fn is_standard(header: &[u8]) -> bool {
    !header.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') && pairs(header).next().is_some()
}

/// How many selected pairs are sorted without the heap.
const FEW: usize = 32;

/// Appends the selected pairs to `out` as `a=1; b=2`, sorted by name, those of one name in their order; whether there
/// were any. A field that is not standard has none.
pub fn select(header: &[u8], names: &Names, out: &mut Vec<u8>) -> bool {
    if names.is_none() || !is_standard(header) {
        return false;
    }
    let mut few: [&[u8]; FEW] = [&[]; FEW];
    let mut count = 0;
    let mut selected = pairs(header).filter(|pair| names.select(pair.name));
    for pair in selected.by_ref() {
        // An insertion sort: stable, and quick for a handful that is mostly in order.
        let mut at = count;
        while at > 0 && name_of(few[at - 1]) > pair.name {
            few[at] = few[at - 1];
            at -= 1;
        }
        few[at] = pair.raw;
        count += 1;
        if count == FEW {
            break;
        }
    }
    let mut rest = selected.map(|pair| pair.raw).peekable();
    if rest.peek().is_none() {
        write(&few[..count], out);
    } else {
        let mut many = few[..count].to_vec();
        many.extend(rest);
        many.sort_by_key(|raw| name_of(raw));
        write(&many, out);
    }
    count > 0
}

/// The name in a pair's raw form.
fn name_of(raw: &[u8]) -> &[u8] {
    raw.split(|byte| *byte == b'=').next().unwrap_or(raw)
}

fn write(pairs: &[&[u8]], out: &mut Vec<u8>) {
    for (index, raw) in pairs.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(raw);
    }
}
