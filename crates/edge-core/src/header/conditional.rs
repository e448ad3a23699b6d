//! Validators, and the conditions viewers put on them (RFC 9110 §13, §7.8).
//!
//! It compares; it refuses to know whether the stored response is fresh, and asks the caller for two things it cannot
//! see: the request is a GET or HEAD, and the stored response would be answered with a 2xx. Ranges have their own
//! condition (`If-Range`), and what they come to is another module's.

use std::time::{Duration, SystemTime};

use http::header::{
    DATE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{date, only, only_date, trim};

/// The fields that make a request one for what a viewer has, or for a part (RFC 9110 §13.1, §14.2).
pub(crate) const CONDITIONS: [HeaderName; 6] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// 304: the viewer has it.
    NotModified,
    /// 412: the viewer wanted another one.
    Failed,
}

/// Evaluates the conditions of a GET or HEAD against the headers of the stored response, in RFC 9110 §13.2.2's order.
///
/// A field that cannot be read is ignored; so is a date next to an entity-tag condition, readable or not.
pub fn evaluate(request: &HeaderMap, stored: &HeaderMap) -> Precondition {
    if !is_asked(request) {
        return Precondition::Proceed;
    }
    let etag = only(stored, &ETAG);
    // Steps 1 and 2.
    let failed = match listed(request, &IF_MATCH, etag, strongly) {
        Listed::Absent => only_date(request, &IF_UNMODIFIED_SINCE).is_some_and(|unmodified_since| {
            only_date(stored, &LAST_MODIFIED).is_some_and(|modified| modified > unmodified_since)
        }),
        Listed::Unreadable | Listed::Matches => false,
        Listed::Differs => true,
    };
    if failed {
        return Precondition::Failed;
    }
    // Steps 3 and 4.
    let not_modified = match listed(request, &IF_NONE_MATCH, etag, weakly) {
        Listed::Matches => true,
        Listed::Unreadable | Listed::Differs => false,
        Listed::Absent => only_date(request, &IF_MODIFIED_SINCE).is_some_and(|since| {
            // RFC 9111 §4.3.2: without a Last-Modified the Date stands in; with an unreadable one nothing does.
            let known = if stored.contains_key(LAST_MODIFIED) { &LAST_MODIFIED } else { &DATE };
            only_date(stored, known).is_some_and(|modified| modified <= since)
        }),
    };
    if not_modified { Precondition::NotModified } else { Precondition::Proceed }
}

/// Whether a request carries a validator of its own (RFC 9110 §13.1).
pub fn is_asked(request: &HeaderMap) -> bool {
    [&IF_NONE_MATCH, &IF_MODIFIED_SINCE, &IF_MATCH, &IF_UNMODIFIED_SINCE]
        .iter()
        .any(|&name| request.contains_key(name))
}

/// Whether a `Range` applies: there is no `If-Range`, or it names the stored response by a validator that is strong on
/// both sides (RFC 9110 §13.1.5). What cannot be read names nothing, and the viewer gets the whole.
pub fn if_range(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if !request.contains_key(IF_RANGE) {
        return true;
    }
    let Some(validator) = only(request, &IF_RANGE) else { return false };
    match Tag::whole(trim(validator.as_bytes())) {
        Some(tag) => !tag.weak && strong_etag(stored) == Some(tag.opaque),
        None => {
            let date = date::parse(validator.as_bytes());
            date.is_some() && date == strong_last_modified(stored)
        }
    }
}

/// What is between the quotes of the `ETag` if it is one strong entity tag.
pub(crate) fn strong_etag(headers: &HeaderMap) -> Option<&[u8]> {
    let tag = Tag::whole(trim(only(headers, &ETAG)?.as_bytes()))?;
    (!tag.weak).then_some(tag.opaque)
}

/// How long before `Date` a `Last-Modified` is to be strong. RFC 9110 §8.8.2.2 asks for a second where both are read
/// off one clock; that cannot be known here (the edge adds a missing `Date`), so it is the minute of RFC 7232 §2.2.2.
const STRONG_AFTER: Duration = Duration::from_secs(60);

/// The `Last-Modified` if the representation cannot have changed again within that second (RFC 9110 §8.8.2.2).
pub(crate) fn strong_last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    let modified = only_date(headers, &LAST_MODIFIED)?;
    let quiet = only_date(headers, &DATE)?.duration_since(modified).ok()?;
    (quiet >= STRONG_AFTER).then_some(modified)
}

/// Makes the `ETag` fit a body that was transformed (§9): strong becomes weak, weak stays, anything else goes.
pub fn weaken(headers: &mut HeaderMap) {
    let weakened = match only(headers, &ETAG).map(HeaderValue::as_bytes) {
        Some([b'W', b'/', ..]) => return,
        Some(strong @ [b'"', ..]) => HeaderValue::from_bytes(&[b"W/", strong].concat()).ok(),
        _ => None,
    };
    match weakened {
        Some(weak) => headers.insert(ETAG, weak),
        None => headers.remove(ETAG),
    };
}

/// What a stored response can be revalidated with, as the origin wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Validators {
    /// For `If-None-Match`.
    pub etag: Option<HeaderValue>,
    /// For `If-Modified-Since`.
    pub last_modified: Option<HeaderValue>,
}

impl Validators {
    /// The validators among the headers of a stored response. A field on several lines is none.
    pub fn of(stored: &HeaderMap) -> Self {
        Self { etag: only(stored, &ETAG).cloned(), last_modified: only(stored, &LAST_MODIFIED).cloned() }
    }

    /// Whether there is nothing to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// What a list of entity tags says about the stored one.
enum Listed {
    Absent,
    /// There, but neither `*` nor with any entity tag in it.
    Unreadable,
    Matches,
    Differs,
}

/// Reads every line of `name`, a list of entity tags or `*`, and compares each with the stored `etag`.
fn listed(
    request: &HeaderMap,
    name: &HeaderName,
    etag: Option<&HeaderValue>,
    compare: fn(Tag<'_>, Tag<'_>) -> bool,
) -> Listed {
    let stored = etag.and_then(|value| Tag::whole(trim(value.as_bytes())));
    let mut verdict = Listed::Absent;
    for line in request.get_all(name) {
        let line = trim(line.as_bytes());
        if line == b"*" {
            return Listed::Matches;
        }
        if matches!(verdict, Listed::Absent) {
            verdict = Listed::Unreadable;
        }
        for tag in Tags(line) {
            if stored.is_some_and(|stored| compare(tag, stored)) {
                return Listed::Matches;
            }
            verdict = Listed::Differs;
        }
    }
    verdict
}

/// An entity tag: `"opaque"` or `W/"opaque"`.
#[derive(Debug, Clone, Copy)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag at the beginning of `bytes` and what follows it.
    fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, quoted) = match bytes {
            [b'W', b'/', quoted @ ..] => (true, quoted),
            quoted => (false, quoted),
        };
        let [b'"', inside @ ..] = quoted else { return None };
        // No escapes: a backslash is a character of the tag (RFC 9110 §8.8.3).
        let close = inside.iter().position(|byte| *byte == b'"')?;
        Some((Self { weak, opaque: &inside[..close] }, &inside[close + 1..]))
    }

    /// The tag `bytes` is, if it is one and nothing else.
    fn whole(bytes: &'a [u8]) -> Option<Self> {
        Self::first(bytes).and_then(|(tag, rest)| rest.is_empty().then_some(tag))
    }
}

/// RFC 9110 §8.8.3.2: both strong, and the same.
fn strongly(a: Tag<'_>, b: Tag<'_>) -> bool {
    !a.weak && !b.weak && a.opaque == b.opaque
}

/// RFC 9110 §8.8.3.2: the same, weak or not.
fn weakly(a: Tag<'_>, b: Tag<'_>) -> bool {
    a.opaque == b.opaque
}

/// The entity tags of one line; a member that is none is skipped to the next comma.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while !self.0.is_empty() {
            let member = trim(self.0);
            let read = Tag::first(member);
            let after = read.map_or(member, |(_, rest)| rest);
            let comma = after.iter().position(|byte| *byte == b',').unwrap_or(after.len());
            self.0 = after.get(comma + 1..).unwrap_or_default();
            if let Some((tag, _)) = read
                && trim(&after[..comma]).is_empty()
            {
                return Some(tag);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATE: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    fn ask(request: &[(HeaderName, &str)], stored: &[(HeaderName, &str)]) -> Precondition {
        evaluate(&headers(request), &headers(stored))
    }

    use Precondition::{Failed, NotModified, Proceed};

    #[test]
    fn if_none_match() {
        for (condition, etag, expected) in [
            ("\"a\"", "\"a\"", NotModified),
            ("\"a\"", "W/\"a\"", NotModified),
            ("W/\"a\"", "\"a\"", NotModified),
            ("W/\"a\"", "W/\"a\"", NotModified),
            ("\"a\"", "\"b\"", Proceed),
            ("\"A\"", "\"a\"", Proceed),
            ("\"a\", \"1\", \"2\"", "\"a\"", NotModified),
            ("\"1\", \"a\", \"2\"", "\"a\"", NotModified),
            ("\"1\",\"2\" , W/\"a\"", "\"a\"", NotModified),
            ("\"1,a\"", "\"1,a\"", NotModified),
            ("\"a\\\"", "\"a\\\"", NotModified),
            ("\"\"", "\"\"", NotModified),
            ("\"\u{fc}\"", "\"\u{fc}\"", NotModified),
            ("*", "\"a\"", NotModified),
            ("nonsense, \"a\"", "\"a\"", NotModified),
            // Not entity tags.
            ("a", "\"a\"", Proceed),
            ("a", "a", Proceed),
            ("\"a\"", "a", Proceed),
            ("w/\"a\"", "\"a\"", Proceed),
            ("W\"a\"", "\"a\"", Proceed),
            ("\"a", "\"a\"", Proceed),
            ("\"a\"x", "\"a\"", Proceed),
            ("\"*\"", "\"a\"", Proceed),
            ("", "\"a\"", Proceed),
        ] {
            assert_eq!(ask(&[(IF_NONE_MATCH, condition)], &[(ETAG, etag)]), expected, "{condition} {etag}");
        }
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"a\"")], &[]), Proceed);
        assert_eq!(ask(&[(IF_NONE_MATCH, "*")], &[]), NotModified);
        let lines = [(IF_NONE_MATCH, "\"1\""), (IF_NONE_MATCH, "\"a\"")];
        assert_eq!(ask(&lines, &[(ETAG, "\"a\"")]), NotModified);
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"a\"")], &[(ETAG, "\"a\""), (ETAG, "\"b\"")]), Proceed);
    }

    #[test]
    fn if_modified_since_only_without_if_none_match() {
        let stored = [(LAST_MODIFIED, EARLY), (ETAG, "\"a\"")];
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, EARLY)], &stored), NotModified);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, LATE)], &stored), NotModified);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT")], &stored), NotModified);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, EARLY)], &[(LAST_MODIFIED, LATE)]), Proceed);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, "yesterday")], &stored), Proceed);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, LATE), (IF_MODIFIED_SINCE, LATE)], &stored), Proceed);
        for etags in ["\"b\"", "nonsense", ""] {
            assert_eq!(
                ask(&[(IF_NONE_MATCH, etags), (IF_MODIFIED_SINCE, LATE)], &stored),
                Proceed,
                "{etags}"
            );
        }
        assert_eq!(ask(&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, "x")], &stored), NotModified);
        // RFC 9111 §4.3.2: Date stands in.
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, LATE)], &[(DATE, EARLY)]), NotModified);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, EARLY)], &[(DATE, LATE)]), Proceed);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, LATE)], &[(DATE, EARLY), (LAST_MODIFIED, "x")]), Proceed);
        assert_eq!(ask(&[(IF_MODIFIED_SINCE, LATE)], &[]), Proceed);
    }

    #[test]
    fn if_match_is_strong_and_first() {
        let stored = [(ETAG, "\"a\""), (LAST_MODIFIED, LATE)];
        assert_eq!(ask(&[(IF_MATCH, "\"a\"")], &stored), Proceed);
        assert_eq!(ask(&[(IF_MATCH, "\"b\", \"a\"")], &stored), Proceed);
        assert_eq!(ask(&[(IF_MATCH, "*")], &stored), Proceed);
        assert_eq!(ask(&[(IF_MATCH, "\"b\"")], &stored), Failed);
        assert_eq!(ask(&[(IF_MATCH, "W/\"a\"")], &stored), Failed);
        assert_eq!(ask(&[(IF_MATCH, "W/\"a\"")], &[(ETAG, "W/\"a\"")]), Failed);
        assert_eq!(ask(&[(IF_MATCH, "\"a\"")], &[]), Failed);
        assert_eq!(ask(&[(IF_MATCH, "nonsense")], &stored), Proceed);
        assert_eq!(ask(&[(IF_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")], &stored), Failed);
        assert_eq!(ask(&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "\"a\"")], &stored), NotModified);
        // If-Unmodified-Since only without If-Match.
        assert_eq!(ask(&[(IF_UNMODIFIED_SINCE, EARLY)], &stored), Failed);
        assert_eq!(ask(&[(IF_UNMODIFIED_SINCE, LATE)], &stored), Proceed);
        assert_eq!(ask(&[(IF_UNMODIFIED_SINCE, "x")], &stored), Proceed);
        assert_eq!(ask(&[(IF_UNMODIFIED_SINCE, EARLY)], &[(ETAG, "\"a\"")]), Proceed);
        assert_eq!(ask(&[(IF_MATCH, "\"a\""), (IF_UNMODIFIED_SINCE, EARLY)], &stored), Proceed);
        assert_eq!(ask(&[], &stored), Proceed);
    }

    #[test]
    fn a_range_applies_to_what_it_was_asked_of() {
        type Line = (HeaderName, &'static str);
        const DATED: Line = (DATE, "Sun, 06 Nov 1994 08:50:37 GMT");
        let cases: &[(&str, &[Line], bool)] = &[
            ("\"a\"", &[(ETAG, "\"a\"")], true),
            (" \"a\"\t", &[(ETAG, "\"a\"")], true),
            ("\"a\"", &[(ETAG, "\"b\"")], false),
            ("\"A\"", &[(ETAG, "\"a\"")], false),
            ("W/\"a\"", &[(ETAG, "\"a\"")], false),
            ("\"a\"", &[(ETAG, "W/\"a\"")], false),
            ("W/\"a\"", &[(ETAG, "W/\"a\"")], false),
            ("\"a\"", &[], false),
            ("\"a\"", &[(ETAG, "\"a\""), (ETAG, "\"a\"")], false),
            // Neither lists nor `*`.
            ("\"a\", \"b\"", &[(ETAG, "\"a\"")], false),
            ("*", &[(ETAG, "\"a\"")], false),
            ("a", &[(ETAG, "a")], false),
            ("", &[(ETAG, "\"\"")], false),
            ("", &[], false),
            // Dates.
            (EARLY, &[(LAST_MODIFIED, EARLY), DATED], true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", &[(LAST_MODIFIED, EARLY), DATED, (ETAG, "\"a\"")], true),
            (LATE, &[(LAST_MODIFIED, EARLY), DATED], false),
            (LATE, &[(LAST_MODIFIED, LATE), DATED], false), // 59 seconds
            (EARLY, &[(LAST_MODIFIED, EARLY)], false),
            (EARLY, &[(LAST_MODIFIED, EARLY), (DATE, EARLY)], false),
            (LATE, &[(LAST_MODIFIED, LATE), (DATE, EARLY)], false),
            (EARLY, &[(LAST_MODIFIED, EARLY), DATED, DATED], false),
            (EARLY, &[DATED], false),
            ("yesterday", &[(LAST_MODIFIED, "yesterday"), DATED], false),
            ("yesterday", &[], false),
        ];
        for (condition, stored, expected) in cases {
            let request = headers(&[(IF_RANGE, condition)]);
            assert_eq!(if_range(&request, &headers(stored)), *expected, "{condition} {stored:?}");
        }
        let stored = headers(&[(ETAG, "\"a\"")]);
        assert!(if_range(&HeaderMap::new(), &stored) && if_range(&HeaderMap::new(), &HeaderMap::new()));
        assert!(!if_range(&headers(&[(IF_RANGE, "\"a\""), (IF_RANGE, "\"a\"")]), &stored));
    }

    #[test]
    fn weakened() {
        for (before, after) in [
            ("\"x\"", Some("W/\"x\"")), // §18 vector 32
            ("W/\"x\"", Some("W/\"x\"")),
            ("x", None),
            ("w/\"x\"", None),
            ("", None),
        ] {
            let mut map = headers(&[(ETAG, before), (LAST_MODIFIED, EARLY)]);
            weaken(&mut map);
            assert_eq!(map.get(ETAG).map(HeaderValue::as_bytes), after.map(str::as_bytes), "{before}");
            assert!(map.contains_key(LAST_MODIFIED));
        }
        let mut two = headers(&[(ETAG, "\"x\""), (ETAG, "\"y\"")]);
        weaken(&mut two);
        assert!(!two.contains_key(ETAG));
        let mut none = HeaderMap::new();
        weaken(&mut none);
        assert!(none.is_empty());
    }

    #[test]
    fn validators() {
        assert!(Validators::of(&HeaderMap::new()).is_empty());
        let found = Validators::of(&headers(&[(ETAG, "W/\"a\""), (LAST_MODIFIED, EARLY)]));
        assert_eq!(found.etag.unwrap(), "W/\"a\"");
        assert_eq!(found.last_modified.unwrap(), EARLY);
        assert!(Validators::of(&headers(&[(ETAG, "\"a\""), (ETAG, "\"b\"")])).is_empty());
    }

    fn tag() -> impl Strategy<Value = String> {
        ("(W/)?", "[!#-~]{0,3}").prop_map(|(weak, opaque)| format!("{weak}\"{opaque}\""))
    }

    proptest! {
        #[test]
        fn laws_of_comparison(a in tag(), b in tag()) {
            let weak = |a: &str, b: &str| ask(&[(IF_NONE_MATCH, a)], &[(ETAG, b)]) == NotModified;
            let strong = |a: &str, b: &str| ask(&[(IF_MATCH, a)], &[(ETAG, b)]) == Proceed;
            prop_assert!(weak(&a, &a));
            prop_assert_eq!(strong(&a, &a), !a.starts_with('W'));
            prop_assert_eq!(weak(&a, &b), weak(&b, &a));
            prop_assert_eq!(strong(&a, &b), strong(&b, &a));
            prop_assert!(!strong(&a, &b) || weak(&a, &b), "what is strongly the same is weakly");
            // Weakening is idempotent, and keeps the weak comparison.
            let mut map = headers(&[(ETAG, &a)]);
            weaken(&mut map);
            let once = map.clone();
            weaken(&mut map);
            prop_assert_eq!(&once, &map);
            let condition = headers(&[(IF_NONE_MATCH, &a)]);
            prop_assert_eq!(evaluate(&condition, &map), NotModified);
        }

        #[test]
        fn any_bytes_are_survived(condition: Vec<u8>, etag: Vec<u8>) {
            let (Ok(condition), Ok(etag)) = (HeaderValue::from_bytes(&condition), HeaderValue::from_bytes(&etag)) else {
                return Ok(());
            };
            for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE] {
                let request = HeaderMap::from_iter([(name, condition.clone())]);
                let mut stored = HeaderMap::from_iter([(ETAG, etag.clone()), (LAST_MODIFIED, etag.clone())]);
                evaluate(&request, &stored);
                if_range(&request, &stored);
                weaken(&mut stored);
            }
        }
    }
}
