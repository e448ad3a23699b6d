//! Ranges as they are written, rightly and wrongly, and the properties of what is made of them.

use http::HeaderName;
use proptest::prelude::*;

use super::*;

fn span(first: u64, last: u64) -> Span {
    Span { first, last }
}

fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
}

fn asking(range: &str) -> HeaderMap {
    with(RANGE, &[range])
}

fn of(length: u64, range: &str) -> Selected {
    select(&asking(range), length)
}

use Selected::{Spans, Unsatisfiable, Whole};

#[test]
fn one_range() {
    for (range, expected) in [
        ("bytes=0-0", span(0, 0)),
        ("bytes=0-999", span(0, 999)),
        ("bytes=999-999", span(999, 999)),
        ("bytes=100-", span(100, 999)),
        ("bytes=0-", span(0, 999)),
        ("bytes=-1", span(999, 999)),
        ("bytes=-1000", span(0, 999)),
        // Longer than the object.
        ("bytes=0-1000", span(0, 999)),
        ("bytes=500-99999999999999999999999", span(500, 999)),
        ("bytes=-1001", span(0, 999)),
        ("bytes=-99999999999999999999999", span(0, 999)),
        // As recipients have to read it.
        ("BYTES=0-1", span(0, 1)),
        ("Bytes=0-1", span(0, 1)),
        (" bytes=0-1\t", span(0, 1)),
        ("bytes= 0-1", span(0, 1)),
        ("bytes=,0-1 ,\t,", span(0, 1)),
        ("bytes=000000000000000000000000000-0001", span(0, 1)),
    ] {
        assert_eq!(of(1_000, range), Spans(vec![expected]), "{range}");
        assert!(is_forwardable(&asking(range)), "{range}");
        assert_eq!(single(&asking(range)).unwrap().within(1_000), Some(expected), "{range}");
    }
}

#[test]
fn one_range_behind_the_end() {
    for range in ["bytes=1000-", "bytes=1000-1000", "bytes=99999999999999999999999-", "bytes=-0"] {
        assert_eq!(of(1_000, range), Unsatisfiable, "{range}");
        assert!(is_forwardable(&asking(range)), "{range}");
        assert_eq!(single(&asking(range)).unwrap().within(1_000), None, "{range}");
    }
    assert_eq!(of(u64::MAX, "bytes=18446744073709551615-"), Unsatisfiable);
    assert_eq!(of(u64::MAX, "bytes=18446744073709551614-"), Spans(vec![span(u64::MAX - 1, u64::MAX - 1)]));
}

#[test]
fn what_is_no_range_gets_the_whole() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes= ",
        "bytes=-",
        "bytes=--1",
        "bytes=-1-",
        "bytes=-1-2",
        "bytes=0",
        "bytes=0-1-2",
        "bytes=2-1",
        "bytes=+0-1",
        "bytes=0x0-1",
        "bytes=a-b",
        "bytes=0 - 1",
        "bytes=0- 1",
        "bytes=0-1;2-3",
        "bytes =0-1",
        "bytes:0-1",
        "bytes 0-1",
        "bytes 0-1/2",
        "=0-1",
        "items=0-1",
        "bytesx=0-1",
        "byte=0-1",
        "0-1",
        "bytes=0-1\u{fc}",
        // One that is not valid spoils the others (§7.12).
        "bytes=0-1,x",
        "bytes=0-1,5-4",
        "bytes=5-4,0-1",
    ] {
        assert_eq!(of(1_000, range), Whole, "{range}");
        assert!(!is_forwardable(&asking(range)), "{range}");
        assert_eq!(single(&asking(range)), None, "{range}");
    }
    let none = HeaderMap::new();
    assert!(select(&none, 1_000) == Whole && !is_forwardable(&none) && single(&none).is_none());
    let two = with(RANGE, &["bytes=0-1", "bytes=3-4"]);
    assert!(select(&two, 1_000) == Whole && !is_forwardable(&two) && single(&two).is_none());
}

#[test]
fn several_ranges() {
    for (range, expected) in [
        ("bytes=100-200,300-400", vec![span(100, 200), span(300, 400)]), // §18 vector 36
        ("bytes=0-0, 2-2 ,4-4", vec![span(0, 0), span(2, 2), span(4, 4)]),
        ("bytes=0-499,500-999", vec![span(0, 499), span(500, 999)]),
        ("bytes=0-0,,990-", vec![span(0, 0), span(990, 999)]),
        ("bytes=0-0,-10", vec![span(0, 0), span(990, 999)]),
        ("bytes=0-989,990-5000", vec![span(0, 989), span(990, 999)]),
    ] {
        assert_eq!(of(1_000, range), Spans(expected), "{range}");
        assert!(is_forwardable(&asking(range)), "{range}");
        assert_eq!(single(&asking(range)), None, "{range}");
    }
}

#[test]
fn several_ranges_out_of_order() {
    for range in [
        "bytes=300-400,100-200", // §18 vector 35
        "bytes=0-100,100-200",
        "bytes=0-1,0-1",
        "bytes=0-,10-20",
        "bytes=0-,10-",
        "bytes=-10,0-1",
        "bytes=-10,-5",
        "bytes=0-,-5",
        "bytes=0-1,-0",
        "bytes=0-99999999999999999999999,5-6",
    ] {
        assert_eq!(of(1_000, range), Whole, "{range}");
        assert!(!is_forwardable(&asking(range)), "{range}");
    }
    // What can only be told with the length.
    for range in ["bytes=0-995,-10", "bytes=0-1,1000-1001", "bytes=0-1,-5000"] {
        assert_eq!(of(1_000, range), Whole, "{range}");
        assert!(is_forwardable(&asking(range)), "{range}");
    }
    assert_eq!(of(1_000, "bytes=1000-1001,2000-"), Unsatisfiable);
    assert_eq!(of(1_000, "bytes=2000-2001,1000-1001"), Unsatisfiable);
}

#[test]
fn too_many_ranges() {
    let many = |count: usize| {
        let ranges: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
        format!("bytes={}", ranges.join(","))
    };
    let Spans(spans) = of(1_000, &many(RANGES_MAX)) else { panic!("that many are allowed") };
    assert_eq!(spans.len(), RANGES_MAX);
    assert!(is_forwardable(&asking(&many(RANGES_MAX))));
    for count in [RANGES_MAX + 1, 1_000] {
        assert_eq!(of(10_000, &many(count)), Whole);
        assert!(!is_forwardable(&asking(&many(count))));
    }
}

#[test]
fn nothing_has_no_bytes() {
    for range in ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=5-6"] {
        assert_eq!(of(0, range), Unsatisfiable, "{range}");
    }
    // RFC 9110 §14.1.2: satisfiable.
    for range in ["bytes=-1", "bytes=0-0,-1"] {
        assert_eq!(of(0, range), Whole, "{range}");
    }
}

#[test]
fn wanted_by_hand() {
    assert_eq!(single(&asking("bytes=3-7")), Some(Wanted::Between { first: 3, last: 7 }));
    assert_eq!(single(&asking("bytes=3-")), Some(Wanted::From(3)));
    assert_eq!(single(&asking("bytes=-3")), Some(Wanted::Suffix(3)));
    assert_eq!(Wanted::Between { first: 7, last: 3 }.within(10), None);
    assert_eq!(Wanted::Suffix(u64::MAX).within(u64::MAX), Some(span(0, u64::MAX - 1)));
    assert_eq!(span(0, u64::MAX).length(), u64::MAX);
    assert!(span(2, 5).contains(span(2, 5)) && span(2, 5).contains(span(3, 4)));
    assert!(!span(2, 5).contains(span(1, 2)) && !span(2, 5).contains(span(5, 6)));
}

#[test]
fn content_ranges() {
    let read = |value: &str| content_range(&with(CONTENT_RANGE, &[value]));
    for (value, first, last, total) in [
        ("bytes 0-0/1", 0, 0, Some(1)),
        ("bytes 42-1233/1234", 42, 1_233, Some(1_234)),
        ("bytes 42-1233/*", 42, 1_233, None),
        (" Bytes 1-2/9 ", 1, 2, Some(9)),
        (
            "bytes 18446744073709551612-18446744073709551613/18446744073709551614",
            u64::MAX - 3,
            u64::MAX - 2,
            Some(u64::MAX - 1),
        ),
    ] {
        let said = read(value).unwrap();
        assert_eq!(said, ContentRange { span: span(first, last), total }, "{value}");
        assert_eq!(said.value().to_str().unwrap(), value.trim().to_ascii_lowercase());
    }
    for value in [
        "",
        "bytes",
        "bytes ",
        "bytes */10",
        "bytes */*",
        "bytes 0-4",
        "bytes 0-4/",
        "bytes 0-4/5/6",
        "bytes 0-4/ 5",
        "bytes  0-4/5",
        "bytes=0-4/5",
        "bytes 0 -4/5",
        "bytes -4/5",
        "bytes 0-/5",
        "bytes 0-5/5",
        "bytes 4-3/5",
        "bytes 0-0/0",
        "bytes 0-+4/5",
        "bytes 0-4/5, bytes 6-7/8",
        "items 0-4/5",
        "bytes 0-4/99999999999999999999999",
        "bytes 0-99999999999999999999999/*",
        "bytes 99999999999999999999999-99999999999999999999999/*",
        "bytes 0-18446744073709551615/*",
    ] {
        assert_eq!(read(value), None, "{value}");
    }
    assert_eq!(content_range(&HeaderMap::new()), None);
    assert_eq!(content_range(&with(CONTENT_RANGE, &["bytes 0-4/5", "bytes 0-4/5"])), None);
    assert_eq!(unsatisfied(0), "bytes */0");
    assert_eq!(unsatisfied(u64::MAX), "bytes */18446744073709551615");
}

/// The body as the viewer gets it.
fn body(slices: &[Slice], object: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for slice in slices {
        match slice {
            Slice::Text(text) => body.extend_from_slice(text),
            Slice::Stored(span) => body.extend_from_slice(&object[span.first as usize..=span.last as usize]),
        }
    }
    body
}

#[test]
fn parts_of_a_multipart_body() {
    let html = HeaderValue::from_static("text/html");
    let (slices, length) = multipart(&[span(1, 2), span(4, 4)], 6, Some(&html), "xyz");
    let expected = "--xyz\r\nContent-Type: text/html\r\nContent-Range: bytes 1-2/6\r\n\r\nbc\r\n\
                    --xyz\r\nContent-Type: text/html\r\nContent-Range: bytes 4-4/6\r\n\r\ne\r\n--xyz--\r\n";
    assert_eq!(
        body(&slices, b"abcdef").escape_ascii().to_string(),
        expected.as_bytes().escape_ascii().to_string()
    );
    assert_eq!(length, expected.len() as u64);
    let (slices, _) = multipart(&[span(0, 0)], 6, None, "b");
    assert_eq!(body(&slices, b"abcdef"), b"--b\r\nContent-Range: bytes 0-0/6\r\n\r\na\r\n--b--\r\n");
    assert_eq!(multipart_type("xyz"), "multipart/byteranges; boundary=xyz");
    assert_eq!(multipart_type("x\r\ny"), "");
    let (_, length) = multipart(&[span(0, u64::MAX - 1)], u64::MAX, None, "b");
    assert_eq!(length, u64::MAX, "no overflow");
}

/// Ranges that are nearly right.
fn range() -> impl Strategy<Value = String> {
    let number = prop_oneof![3 => (0u64..30).prop_map(|n| n.to_string()), 1 => "[0-9x]{0,21}"];
    let one = (number.clone(), "-?-?", number).prop_map(|(first, dash, last)| format!("{first}{dash}{last}"));
    let set = prop::collection::vec(one, 0..13).prop_map(|ranges| ranges.join(","));
    ("(bytes|BYTES|items| bytes)=?", set).prop_map(|(unit, set)| format!("{unit}{set}"))
}

fn ascending() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((0u64..4, 1u64..6), 1..RANGES_MAX).prop_map(|gaps| {
        let mut next = 0;
        let mut spans = Vec::new();
        for (gap, length) in gaps {
            spans.push(span(next + gap, next + gap + length - 1));
            next += gap + length;
        }
        spans
    })
}

proptest! {
    #[test]
    fn any_bytes_are_survived(value: Vec<u8>, length: u64) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(RANGE, value.clone()), (CONTENT_RANGE, value)]);
        select(&headers, length);
        is_forwardable(&headers);
        single(&headers);
        content_range(&headers);
    }

    #[test]
    fn what_is_selected_is_there(range in range(), length in prop_oneof![0u64..40, Just(u64::MAX)]) {
        let request = asking(&range);
        let selected = select(&request, length);
        if let Spans(spans) = &selected {
            prop_assert!((1..=RANGES_MAX).contains(&spans.len()));
            prop_assert!(spans.iter().all(|span| span.first <= span.last && span.last < length));
            prop_assert!(spans.is_sorted_by(|a, b| a.last < b.first));
            prop_assert!(is_forwardable(&request));
        }
        if let (Some(one), 1..) = (single(&request), length) {
            let expected = one.within(length).map_or(Unsatisfiable, |span| Spans(vec![span]));
            prop_assert_eq!(selected, expected);
        }
    }

    #[test]
    fn spans_are_selected_as_they_are_written(spans in ascending()) {
        let written: Vec<String> = spans.iter().map(|span| format!("{}-{}", span.first, span.last)).collect();
        let length = spans.last().unwrap().last + 1;
        let range = format!("bytes={}", written.join(", "));
        prop_assert_eq!(of(length, &range), Spans(spans.clone()));
        let mut reversed = written.clone();
        reversed.reverse();
        let in_order = if spans.len() == 1 { Spans(spans) } else { Whole };
        prop_assert_eq!(of(length, &format!("bytes={}", reversed.join(","))), in_order);
    }

    #[test]
    fn a_multipart_body_is_as_long_as_it_says(spans in ascending(), boundary in "[a-zA-Z0-9_-]{1,70}") {
        let object: Vec<u8> = (0..200).collect();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        for content_type in [None, Some(&html)] {
            let (slices, length) = multipart(&spans, 200, content_type, &boundary);
            prop_assert_eq!(body(&slices, &object).len() as u64, length);
            let stored = slices.iter().filter_map(|slice| match slice {
                Slice::Stored(span) => Some(*span),
                Slice::Text(_) => None,
            });
            prop_assert!(stored.eq(spans.iter().copied()));
        }
    }

    #[test]
    fn a_content_range_survives_the_round_trip(first in 0..u64::MAX - 1, more: u64, rest: Option<u64>) {
        let last = first.saturating_add(more).min(u64::MAX - 2);
        let total = rest.map(|rest| last.saturating_add(1).saturating_add(rest).min(u64::MAX - 1));
        let said = ContentRange { span: span(first.min(last), last), total };
        prop_assert_eq!(content_range(&HeaderMap::from_iter([(CONTENT_RANGE, said.value())])), Some(said));
    }
}
