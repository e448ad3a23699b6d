//! Invalidations (§13.1, §13.3): which stored objects may not be used any more, whoever still holds them.
//!
//! An invalidation is a rule with a place in a sequence. An object carries the place at which its request went to the
//! origin, and a rule that came later covers it if it matches. So nothing has to be found and removed for an
//! invalidation to be in force: what was being fetched at that moment is covered as well, and what is fetched after it
//! never is, however close together they are. Places are counted, not timed: two events may share a nanosecond.
//!
//! It refuses to know where objects are kept, and who removes them from there.

mod ledger;
mod ledgers;
mod rule;

use std::borrow::Cow;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};

use super::key::Kind;
use super::{Key, Stored};

use ledger::Ledger;
pub use ledger::{RULES_BYTES_MAX, RULES_MAX};
pub use ledgers::Ledgers;
pub use rule::{InvalidRule, PATH_CHARS_MAX, Rule, TAG_CHARS_MAX};

/// A place in the sequence of invalidations: before the first one, or after the n-th.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What rules are compared with: the raw path, the query as far as it is in the key (§13.1), and tags. Cookies,
/// headers and encodings make no difference: all variants go.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its own domain name: rules of another one are not about it.
    pub distribution: &'a [u8],
    /// As it stands in the key: what the default root object made of `/`.
    pub path: &'a [u8],
    /// Without the question mark.
    pub query: Option<&'a [u8]>,
    /// What it is tagged with.
    pub tags: Tags<'a>,
}

/// Where the tags of an object stand.
#[derive(Debug, Clone, Copy)]
pub enum Tags<'a> {
    /// It has none.
    None,
    /// Its head has not arrived: it may turn out to have any.
    Unknown,
    /// In the lines of this header.
    In(&'a HeaderMap, &'a HeaderName),
}

/// How many tags of an object count; further ones do not (§13.3).
pub const TAGS_MAX: usize = 50;

impl<'a> Subject<'a> {
    /// A stored object.
    pub fn of(key: &'a Key, stored: &'a Stored) -> Self {
        let tags = match &stored.tagged_by {
            Some(name) => Tags::In(&stored.headers, name),
            None => Tags::None,
        };
        Self::with(key, tags)
    }

    /// What somebody asks an origin for.
    pub fn awaited(key: &'a Key) -> Self {
        Self::with(key, Tags::Unknown)
    }

    /// The same for what a viewer asked for, of which a function made what is in the key. Tags are the object's business.
    pub fn asked(key: &'a Key, target: &'a PathAndQuery) -> Self {
        let of_key = Self::with(key, Tags::None);
        let query = target.query().filter(|_| of_key.query.is_some()).map(str::as_bytes);
        Self { path: target.path().as_bytes(), query, ..of_key }
    }

    fn with(key: &'a Key, tags: Tags<'a>) -> Self {
        let mut subject = Self { distribution: b"", path: b"", query: None, tags };
        for (kind, part) in key.parts() {
            match kind {
                Kind::Distribution => subject.distribution = part,
                Kind::Path => subject.path = part,
                Kind::Query => subject.query = Some(part),
                _ => {}
            }
        }
        subject
    }

    /// `path`, or `path?query`.
    fn text(&self) -> Cow<'a, [u8]> {
        match self.query {
            None => Cow::Borrowed(self.path),
            Some(query) => Cow::Owned([self.path, b"?", query].concat()),
        }
    }
}

/// The tags in these lines, in lower case: the first fifty that are tags.
fn tags(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Vec<u8>> {
    let lines = headers.get_all(name).iter();
    let items = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let tags = items.map(<[u8]>::trim_ascii).filter(|tag| rule::is_tag(tag));
    tags.take(TAGS_MAX).map(<[u8]>::to_ascii_lowercase)
}
