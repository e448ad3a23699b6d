//! Validators, and the conditions viewers put on them (RFC 9110 §13, §7.8).
//!
//! It compares; it refuses to know whether the stored response is fresh, and asks the caller for two things it cannot
//! see: the request is a GET or HEAD, and the stored response would be answered with a 2xx. Ranges have their own
//! condition (`If-Range`) and their own module.

use http::header::{
    DATE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{only, only_date, trim};

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
    let etag = only(stored, &ETAG);
    // Steps 1 and 2.
    let failed = match listed(request, &IF_MATCH, etag, strongly) {
        Listed::Absent => match (only_date(request, &IF_UNMODIFIED_SINCE), only_date(stored, &LAST_MODIFIED))
        {
            (Some(unmodified_since), Some(modified)) => modified > unmodified_since,
            _ => false,
        },
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
