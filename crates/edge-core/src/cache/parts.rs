//! The parts a cache holds of a representation it does not have whole (RFC 9111 §3.3, §3.4; threats S2).
//!
//! A part never stands for more than its own bytes, and is joined to another only if both are certain to be of one
//! representation. Where the bytes are kept, and how long they may be used, is not known here.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE, ETAG};

use super::{Holds, Stored};
use crate::header::conditional::{strong_etag, strong_last_modified};
use crate::header::range::{Span, content_range};

/// More parts than this, apart from one another, are not held of one object: it would be bookkeeping without end for
/// a viewer who asks for every other byte.
pub const PARTS_MAX: usize = 16;

/// Which parts of a representation are held: ascending, apart from one another (touching ones are joined), at most
/// [`PARTS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    total: u64,
    spans: Vec<Span>,
}

impl Parts {
    /// One part of a representation of `total` bytes. A span that is not inside it is nothing.
    pub fn one(span: Span, total: u64) -> Self {
        let spans = if is_inside(span, total) { vec![span] } else { Vec::new() };
        Self { total, spans }
    }

    /// How long the whole is, in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What is held.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether every byte of `span` is held.
    pub fn holds(&self, span: Span) -> bool {
        self.spans.iter().any(|held| held.contains(span)) // in one piece: what touches was joined
    }

    /// Whether every byte is held.
    pub fn is_whole(&self) -> bool {
        matches!(*self.spans, [Span { first: 0, last }] if last + 1 == self.total)
    }

    /// These and one part more of the same representation. `None` when that would be more than [`PARTS_MAX`], or the
    /// span is not inside the representation.
    pub fn with(&self, span: Span) -> Option<Self> {
        if !is_inside(span, self.total) {
            return None;
        }
        let mut joined = span;
        let mut spans = Vec::with_capacity(self.spans.len() + 1);
        for held in &self.spans {
            if touch(joined, *held) {
                joined = Span { first: joined.first.min(held.first), last: joined.last.max(held.last) };
            } else {
                spans.push(*held);
            }
        }
        let at = spans.partition_point(|held| held.last < joined.first);
        spans.insert(at, joined);
        (spans.len() <= PARTS_MAX).then_some(Self { total: self.total, spans })
    }
}

/// What becomes of a part that arrived.
#[derive(Debug)]
pub enum Placing {
    /// It is kept in place of what is held.
    Instead,
    /// It is kept beside the parts that are held, all under this head.
    Beside(Box<Stored>),
    /// It is not kept: the whole is there.
    Needless,
}

/// Where an arrived part goes, given what is held under its key by now.
pub fn place(arrived: &Stored, held: Option<&Stored>) -> Placing {
    let (Holds::Parts(part), Some(held)) = (&arrived.holds, held) else { return Placing::Instead };
    let parts = match &held.holds {
        Holds::Whole
            if held.stored_at >= arrived.stored_at
                || is_same(strong_etag(&held.headers), strong_etag(&arrived.headers)) =>
        {
            return Placing::Needless;
        }
        Holds::Whole | Holds::Head => return Placing::Instead,
        Holds::Parts(parts) => parts,
    };
    let joined = match part.spans() {
        [span] if same_representation(&held.headers, &arrived.headers) => parts.with(*span),
        _ => None,
    };
    let Some(joined) = joined else { return Placing::Instead };
    // What covers one of the parts covers them all.
    let mut head = Stored { since: arrived.since.min(held.since), ..arrived.clone() };
    if joined.is_whole() {
        head.headers.remove(CONTENT_RANGE);
        head.holds = Holds::Whole;
    } else {
        head.holds = Holds::Parts(joined);
    }
    Placing::Beside(Box::new(head))
}

/// Whether `span` is one, and ends before `total`.
fn is_inside(span: Span, total: u64) -> bool {
    span.first <= span.last && span.last < total
}

/// Whether no byte is between them.
fn touch(a: Span, b: Span) -> bool {
    a.first <= b.last.saturating_add(1) && b.first <= a.last.saturating_add(1)
}

/// Whether two 206 responses are parts of one representation: the same total in both `Content-Range` (so the held head
/// must have kept one), the same coding, and the same strong validator (RFC 9111 §3.4, RFC 9110 §15.3.7.3). Where one
/// has an `ETag`, only that counts; dates speak where there is none in either.
pub fn same_representation(held: &HeaderMap, arrived: &HeaderMap) -> bool {
    let total = |headers| content_range(headers).and_then(|range| range.total);
    let is_validated = if held.contains_key(ETAG) || arrived.contains_key(ETAG) {
        is_same(strong_etag(held), strong_etag(arrived))
    } else {
        is_same(strong_last_modified(held), strong_last_modified(arrived))
    };
    // Servers that compress as they send have been known to leave the tag as it was.
    let coding = |headers: &HeaderMap| headers.get(CONTENT_ENCODING).cloned();
    is_validated && is_same(total(held), total(arrived)) && coding(held) == coding(arrived)
}

/// Two unknowns are not the same.
fn is_same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_some() && a == b
}

#[cfg(test)]
mod tests {
    use http::header::{DATE, LAST_MODIFIED};
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span { first, last }
    }

    #[test]
    fn touching_parts_are_joined() {
        let parts = Parts::one(span(10, 19), 100);
        for (further, expected) in [
            (span(10, 19), vec![span(10, 19)]),
            (span(12, 15), vec![span(10, 19)]),
            (span(20, 29), vec![span(10, 29)]),
            (span(0, 9), vec![span(0, 19)]),
            (span(15, 40), vec![span(10, 40)]),
            (span(0, 99), vec![span(0, 99)]),
            (span(21, 29), vec![span(10, 19), span(21, 29)]),
            (span(0, 8), vec![span(0, 8), span(10, 19)]),
        ] {
            assert_eq!(parts.with(further).unwrap().spans(), expected, "{further:?}");
        }
        let bridged =
            parts.with(span(30, 39)).unwrap().with(span(50, 59)).unwrap().with(span(20, 49)).unwrap();
        assert_eq!(bridged.spans(), [span(10, 59)]);
    }

    #[test]
    fn holds_and_is_whole() {
        let parts = Parts::one(span(0, 4), 10).with(span(6, 8)).unwrap();
        assert!(parts.holds(span(0, 4)) && parts.holds(span(7, 7)) && !parts.is_whole());
        assert!(!parts.holds(span(4, 6)) && !parts.holds(span(5, 5)) && !parts.holds(span(8, 9)));
        let parts = parts.with(span(5, 5)).unwrap();
        assert!(parts.holds(span(0, 8)) && !parts.is_whole());
        let parts = parts.with(span(9, 9)).unwrap();
        assert!(parts.is_whole() && parts.spans() == [span(0, 9)] && parts.total() == 10);
        assert!(!Parts::one(span(1, 9), 10).is_whole());
    }

    #[test]
    fn what_is_not_inside_is_not_held() {
        for (outside, total) in [
            (span(0, 10), 10),
            (span(10, 10), 10),
            (span(5, 4), 10),
            (span(0, 0), 0),
            (span(0, u64::MAX), u64::MAX),
        ] {
            let parts = Parts::one(outside, total);
            assert!(parts.spans().is_empty() && !parts.is_whole() && !parts.holds(outside), "{outside:?}");
            assert_eq!(parts.with(outside), None, "{outside:?}");
        }
        let far = span(u64::MAX - 2, u64::MAX - 1);
        let parts = Parts::one(far, u64::MAX).with(span(0, u64::MAX - 3)).unwrap();
        assert!(parts.is_whole());
    }

    #[test]
    fn no_more_than_so_many_apart() {
        let last = 2 * (PARTS_MAX as u64 - 1);
        let full = (0..=last)
            .step_by(2)
            .try_fold(Parts::one(span(0, 0), 1_000), |parts, at| parts.with(span(at, at)));
        let full = full.unwrap();
        assert_eq!(full.spans().len(), PARTS_MAX);
        assert_eq!(full.with(span(last + 2, last + 2)), None);
        assert_eq!(full.with(span(1, 1)).unwrap().spans().len(), PARTS_MAX - 1);
        assert_eq!(full.with(span(0, 999)).unwrap().spans(), [span(0, 999)]);
    }

    const MODIFIED: (HeaderName, &str) = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT");
    const DATED: (HeaderName, &str) = (DATE, "Sun, 06 Nov 1994 08:50:37 GMT");
    const LATER: (HeaderName, &str) = (DATE, "Sun, 06 Nov 1994 09:00:00 GMT");
    const AT_ONCE: (HeaderName, &str) = (DATE, "Sun, 06 Nov 1994 08:49:38 GMT");
    const START: (HeaderName, &str) = (CONTENT_RANGE, "bytes 0-4/10");
    const END: (HeaderName, &str) = (CONTENT_RANGE, "bytes 5-9/10");

    fn same(held: &[(HeaderName, &str)], arrived: &[(HeaderName, &str)]) -> bool {
        let [held, arrived] = [held, arrived].map(|lines| {
            let mut map = HeaderMap::new();
            for (name, value) in lines {
                map.append(name, HeaderValue::from_str(value).unwrap());
            }
            map
        });
        let verdict = same_representation(&held, &arrived);
        assert_eq!(verdict, same_representation(&arrived, &held));
        verdict
    }

    #[test]
    fn one_representation_by_its_tag() {
        let tag = |value| (ETAG, value);
        assert!(same(&[START, tag("\"a\"")], &[END, tag("\"a\"")]));
        assert!(!same(&[START, tag("\"a\"")], &[END, tag("\"b\"")]));
        assert!(!same(&[START, tag("W/\"a\"")], &[END, tag("W/\"a\"")]));
        assert!(!same(&[START, tag("W/\"a\"")], &[END, tag("\"a\"")]));
        assert!(!same(&[START, tag("a")], &[END, tag("a")]));
        assert!(!same(&[START, tag("\"a\""), tag("\"a\"")], &[END, tag("\"a\""), tag("\"a\"")]));
        // The whole is another length, or of none that is known.
        assert!(!same(&[START, tag("\"a\"")], &[(CONTENT_RANGE, "bytes 5-9/11"), tag("\"a\"")]));
        assert!(!same(&[START, tag("\"a\"")], &[(CONTENT_RANGE, "bytes 5-9/*"), tag("\"a\"")]));
        let unknown = (CONTENT_RANGE, "bytes 0-4/*");
        assert!(!same(&[unknown.clone(), tag("\"a\"")], &[unknown, tag("\"a\"")]));
        assert!(!same(&[tag("\"a\"")], &[tag("\"a\"")]));
        let gzip = (CONTENT_ENCODING, "gzip");
        assert!(!same(&[START, tag("\"a\""), gzip.clone()], &[END, tag("\"a\"")]));
        assert!(same(&[START, tag("\"a\""), gzip.clone()], &[END, tag("\"a\""), gzip]));
    }

    #[test]
    fn one_representation_by_its_date() {
        assert!(same(&[START, MODIFIED, DATED], &[END, MODIFIED, LATER]));
        assert!(!same(&[START, MODIFIED, AT_ONCE], &[END, MODIFIED, LATER]));
        assert!(!same(&[START, MODIFIED], &[END, MODIFIED]));
        assert!(!same(&[START, MODIFIED, DATED, (ETAG, "W/\"a\"")], &[END, MODIFIED, LATER]));
        assert!(!same(
            &[START, MODIFIED, DATED, (ETAG, "W/\"a\"")],
            &[END, MODIFIED, LATER, (ETAG, "W/\"a\"")]
        ));
        let earlier = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:36 GMT");
        assert!(!same(&[START, MODIFIED, DATED], &[END, earlier, DATED]));
        assert!(!same(&[START], &[END]));
    }

    proptest! {
        /// Against a set of bytes.
        #[test]
        fn with_is_the_union(firsts in prop::collection::vec((0u64..40, 0u64..8), 1..30)) {
            const TOTAL: u64 = 40;
            let mut parts: Option<Parts> = None;
            let mut bytes = [false; TOTAL as usize];
            for (first, more) in firsts {
                let span = span(first, (first + more).min(TOTAL - 1));
                let mut united = bytes;
                united[span.first as usize..=span.last as usize].fill(true);
                let apart = united.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
                let next = match &parts {
                    None => Some(Parts::one(span, TOTAL)),
                    Some(held) => held.with(span),
                };
                prop_assert_eq!(next.is_none(), apart > PARTS_MAX);
                let Some(next) = next else { continue };
                prop_assert_eq!(next.spans().len(), apart);
                prop_assert!(next.spans().is_sorted_by(|a, b| a.last + 1 < b.first));
                for byte in 0..TOTAL {
                    prop_assert_eq!(next.holds(Span { first: byte, last: byte }), united[byte as usize]);
                }
                prop_assert_eq!(next.is_whole(), united.iter().all(|held| *held));
                (parts, bytes) = (Some(next), united);
            }
        }
    }
}
