//! Byte ranges: what a viewer's `Range` comes to, what a `Content-Range` says, and the framing of several parts in one
//! body (RFC 9110 §14, §7.12).
//!
//! It counts bytes; it refuses to know the method, whether `If-Range` lets the range apply, what is stored and where
//! bodies come from. CloudFront is stricter than the RFC about several ranges: unless all of them can be had, in
//! ascending order and apart, the whole is sent. What is unreadable asks for the whole too.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use super::{decimal, only, trim};

/// More ranges than this in one request ask for the whole. CloudFront names no number; players ask for one or two, and
/// each part costs a head of its own in the answer (RFC 9110 §17.15, threats "HEAD / range").
pub const RANGES_MAX: usize = 10;

const UNIT: &str = "bytes";

/// Bytes of a representation, both ends included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte; not before the first.
    pub last: u64,
}

impl Span {
    /// How many bytes it is.
    pub fn length(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Whether every byte of `other` is one of these.
    pub fn contains(&self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// What a viewer's Range comes to for a representation of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// All of it, with 200: no range was asked for, or none that is honored.
    Whole,
    /// These bytes, with 206: at least one span and at most [`RANGES_MAX`], ascending, not overlapping.
    Spans(Vec<Span>),
    /// 416: every range begins behind the end.
    Unsatisfiable,
}

/// What the `Range` of `request` comes to for a representation of `length` bytes.
pub fn select(request: &HeaderMap, length: u64) -> Selected {
    let Some(ranges) = read(request) else { return Selected::Whole };
    let spans: Vec<Span> = ranges.iter().filter_map(|range| range.within(length)).collect();
    if spans.is_empty() {
        // RFC 9110 §14.1.2: any suffix but 0 can be satisfied, even of nothing; only 200 can say so.
        let of_nothing = ranges.iter().any(|range| matches!(range, Wanted::Suffix(1..)));
        return if of_nothing { Selected::Whole } else { Selected::Unsatisfiable };
    }
    // §7.12: several ranges have to be valid without exception. Those that touch do not overlap.
    let apart = spans.is_sorted_by(|a, b| a.last < b.first);
    if apart && spans.len() == ranges.len() { Selected::Spans(spans) } else { Selected::Whole }
}

/// Whether the Range header may go to the origin as it is: readable, `bytes`, ascending, not overlapping as far as
/// that can be told without the length, at most [`RANGES_MAX`]. Otherwise the whole is asked for.
pub fn is_forwardable(request: &HeaderMap) -> bool {
    let Some(ranges) = read(request) else { return false };
    ranges.is_sorted_by(|before, after| match (before, after) {
        (Wanted::Between { last, .. }, Wanted::Between { first, .. } | Wanted::From(first)) => last < first,
        (Wanted::Between { .. }, Wanted::Suffix(length)) => *length > 0,
        // These reach the end: nothing comes after them.
        (Wanted::From(_) | Wanted::Suffix(_), _) => false,
    })
}

/// The range asked for if it is exactly one and readable.
pub fn single(request: &HeaderMap) -> Option<Wanted> {
    match *read(request)? {
        [range] => Some(range),
        _ => None,
    }
}

/// One range as it was asked for. A number that is too large for 64 bits is the largest: it lies behind every end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `first-last`, both included.
    Between {
        /// The first byte, counted from 0.
        first: u64,
        /// The last byte; not before the first.
        last: u64,
    },
    /// `first-`: from this byte to the end.
    From(u64),
    /// `-length`: so many bytes at the end.
    Suffix(u64),
}

impl Wanted {
    /// Its bytes in a representation of `total` bytes; `None` if there are none.
    pub fn within(self, total: u64) -> Option<Span> {
        let end = total.checked_sub(1)?;
        let (first, last) = match self {
            Self::Between { first, last } => (first, last.min(end)),
            Self::From(first) => (first, end),
            Self::Suffix(0) => return None,
            Self::Suffix(length) => (total.saturating_sub(length), end),
        };
        (first <= last).then_some(Span { first, last })
    }

    fn read(text: &[u8]) -> Option<Self> {
        match split(text, b'-')? {
            ([], length) => decimal(length).map(Self::Suffix),
            (first, []) => decimal(first).map(Self::From),
            (first, last) => {
                let (first, last) = (decimal(first)?, decimal(last)?);
                (first <= last).then_some(Self::Between { first, last })
            }
        }
    }
}

/// The ranges of a readable `Range`: at least one and at most [`RANGES_MAX`]. One that is not valid makes the field
/// unreadable (RFC 9110 §14.1.1); empty members of the list do not (§5.6.1.2).
fn read(request: &HeaderMap) -> Option<Vec<Wanted>> {
    let (unit, set) = split(trim(only(request, &RANGE)?.as_bytes()), b'=')?;
    if !unit.eq_ignore_ascii_case(UNIT.as_bytes()) {
        return None;
    }
    let mut ranges = Vec::new();
    for member in set.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty()) {
        if ranges.len() == RANGES_MAX {
            return None;
        }
        ranges.push(Wanted::read(member)?);
    }
    (!ranges.is_empty()).then_some(ranges)
}

/// What is before and behind the first `delimiter`.
fn split(bytes: &[u8], delimiter: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == delimiter)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// What a 206 says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes in its body.
    pub span: Span,
    /// How long the whole is; `None` if the origin did not know.
    pub total: Option<u64>,
}

/// The `Content-Range` of a response with one part: a single line, in bytes, and possible.
pub fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let (unit, said) = split(trim(only(headers, &CONTENT_RANGE)?.as_bytes()), b' ')?;
    let (span, total) = split(said, b'/')?;
    let (first, last) = split(span, b'-')?;
    let (first, last) = (exact(first)?, exact(last)?);
    let total = if total == b"*" { None } else { Some(exact(total)?) };
    let possible = first <= last && total.is_none_or(|total| last < total);
    (possible && unit.eq_ignore_ascii_case(UNIT.as_bytes()))
        .then_some(ContentRange { span: Span { first, last }, total })
}

/// A number that fits: a clamped one would be a lie about where bytes are. (The largest of all is given up with it.)
fn exact(digits: &[u8]) -> Option<u64> {
    decimal(digits).filter(|number| *number < u64::MAX)
}

/// Whether a 206 says two lengths of its body. Which of the two is wrong nobody knows.
pub fn contradicts_its_length(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let meant = content_range(headers).map(|range| range.span.length());
    said.zip(meant).is_some_and(|(said, meant)| said != meant)
}

impl ContentRange {
    /// The field value.
    pub fn value(&self) -> HeaderValue {
        let Span { first, last } = self.span;
        field(match self.total {
            Some(total) => format!("{UNIT} {first}-{last}/{total}"),
            None => format!("{UNIT} {first}-{last}/*"),
        })
    }
}

/// The `Content-Range` of a 416 about a representation of `total` bytes.
pub fn unsatisfied(total: u64) -> HeaderValue {
    field(format!("{UNIT} */{total}"))
}

/// A piece of the body of a `multipart/byteranges` answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// What stands before, between and behind the parts.
    Text(Bytes),
    /// Bytes of the stored object.
    Stored(Span),
}

/// The body of a `multipart/byteranges` answer about a representation of `total` bytes, piece by piece, and how many
/// bytes that is (RFC 9110 §14.6). The caller has chosen the `boundary`: up to 70 letters, digits, `-` and `_` that
/// the object does not contain (RFC 2046 §5.1.1).
pub fn multipart(
    spans: &[Span],
    total: u64,
    content_type: Option<&HeaderValue>,
    boundary: &str,
) -> (Vec<Slice>, u64) {
    let mut slices = Vec::with_capacity(2 * spans.len() + 1);
    let mut length = 0u64;
    let mut line_end = ""; // the one before a boundary belongs to it, and nothing precedes the first
    for span in spans {
        let mut head = format!("{line_end}--{boundary}\r\n").into_bytes();
        if let Some(content_type) = content_type {
            head.extend([b"Content-Type: ", content_type.as_bytes(), b"\r\n"].concat());
        }
        let range = ContentRange { span: *span, total: Some(total) }.value();
        head.extend([b"Content-Range: ", range.as_bytes(), b"\r\n\r\n"].concat());
        length = length.saturating_add(head.len() as u64).saturating_add(span.length());
        slices.push(Slice::Text(Bytes::from(head)));
        slices.push(Slice::Stored(*span));
        line_end = "\r\n";
    }
    let end = format!("{line_end}--{boundary}--\r\n");
    length = length.saturating_add(end.len() as u64);
    slices.push(Slice::Text(Bytes::from(end)));
    (slices, length)
}

/// The `Content-Type` of such an answer.
pub fn multipart_type(boundary: &str) -> HeaderValue {
    field(format!("multipart/byteranges; boundary={boundary}"))
}

/// `text` as a field value; what cannot be one, which only a boundary against the rules can cause, is empty.
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(const { HeaderValue::from_static("") })
}

#[cfg(test)]
mod tests;
