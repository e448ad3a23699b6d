//! Ranges of viewers and origins: what is selected is there, in order and once; what is said of it reads back.

use edge_core::cache::parts::{PARTS_MAX, Parts};
use edge_core::header::range::{
    RANGES_MAX, Selected, Slice, Span, content_range, is_forwardable, multipart, select, single,
};
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// `Range`, the length of what it is about, and `Content-Range`, each on a line.
pub fn check(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (range, length, said) = (line(), line(), line());
    let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    if let Some(request) = one(RANGE, range) {
        selected(&request, length);
    }
    let Some(response) = one(CONTENT_RANGE, said) else { return };
    if let Some(said) = content_range(&response) {
        assert!(said.span.first <= said.span.last);
        assert!(said.total.is_none_or(|total| said.span.last < total));
        assert_eq!(content_range(&HeaderMap::from_iter([(CONTENT_RANGE, said.value())])), Some(said));
    }
}

fn selected(request: &HeaderMap, length: u64) {
    let selected = select(request, length);
    if let Some(range) = single(request) {
        match range.within(length) {
            Some(span) => assert_eq!(selected, Selected::Spans(vec![span])),
            None => assert!(!matches!(selected, Selected::Spans(_))),
        }
    }
    let Selected::Spans(spans) = selected else { return };
    assert!((1..=RANGES_MAX).contains(&spans.len()));
    assert!(spans.iter().all(|span| span.first <= span.last && span.last < length));
    assert!(spans.is_sorted_by(|a, b| a.last < b.first));
    assert!(is_forwardable(request), "what can be cut here, the origin may be asked for");
    let (slices, body_length) = multipart(&spans, length, None, "boundary");
    let lengths = slices.iter().map(|slice| match slice {
        Slice::Text(text) => text.len() as u64,
        Slice::Stored(span) => span.length(),
    });
    assert_eq!(lengths.fold(0, u64::saturating_add), body_length);
    // In whatever order they arrive, the same is held.
    let held = joined(spans.iter(), length);
    assert_eq!(held, joined(spans.iter().rev(), length));
    let held = held.expect("fewer ranges than parts");
    assert!(held.spans().len() <= PARTS_MAX && spans.iter().all(|span| held.holds(*span)));
}

fn joined<'a>(mut spans: impl Iterator<Item = &'a Span>, length: u64) -> Option<Parts> {
    let first = Parts::one(*spans.next()?, length);
    spans.try_fold(first, |parts, span| parts.with(*span))
}

fn one(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    HeaderValue::from_bytes(value).ok().map(|value| HeaderMap::from_iter([(name, value)]))
}

/// One range, several, and nearly some.
pub const SEEDS: &[&str] = &[
    "bytes=0-499,500-999\n1000\nbytes 0-499/1000",
    "bytes=100-, -5\n18446744073709551615\nbytes 42-1233/*",
    "BYTES=,1-2 ,4-4,7-\n9\nbytes */9",
    "bytes=0-0,-1\n0\nbytes 9223372036854775807-18446744073709551614/18446744073709551615",
    "bytes=1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-99999999999999999999\n20\nbytes 7-6/8",
];
