//! `Cache-Control` of a response, read as strictly as its words allow.
//!
//! Nonsense never makes a response more cacheable: a directive that forbids counts wherever it can be recognised, also
//! between the wrong separators or with an argument it does not take; a directive that allows counts only as RFC 9111
//! §5.2 writes it. Of repeated ages the smallest holds (§4.2.1 of the RFC leaves the choice, threats.md S3 makes it).
//! What a directive does to a lifetime is `cache::freshness`'s business; request directives are nobody's (§7.1).

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName};

/// No age is longer than the longest TTL CloudFront has, a hundred years (§7.1); larger numbers mean this one.
pub const AGE_MAX: Duration = Duration::from_secs(3_153_600_000);

/// What the `Cache-Control` lines of a response say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheControl {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`, whole or for named fields.
    pub no_cache: NoCache,
    /// `private`, also in the form that names fields (§7.1).
    pub private: bool,
    /// `public`.
    pub public: bool,
    /// `max-age`, if it is a number; at most [`AGE_MAX`].
    pub max_age: Option<Duration>,
    /// `s-maxage`, likewise.
    pub s_maxage: Option<Duration>,
    /// `must-revalidate`, or `proxy-revalidate`, which says the same to a shared cache.
    pub must_revalidate: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `stale-while-revalidate` (§7.5).
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error` (§7.5).
    pub stale_if_error: Option<Duration>,
    /// Whether any `Cache-Control` line was there.
    pub present: bool,
}

/// How far `no-cache` reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NoCache {
    /// Not said.
    #[default]
    Absent,
    /// The response must not be reused without asking the origin.
    Whole,
    /// Only these fields must not be: the response may, without them (§7.1). Never empty.
    Fields(Vec<HeaderName>),
}

impl CacheControl {
    /// What all `Cache-Control` lines of `headers` say together.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            said.present = true;
            // A quoted string ends with its line at the latest, so that no line can swallow the next.
            for directive in Directives(line.as_bytes()) {
                said.take(&directive);
            }
        }
        said
    }

    fn take(&mut self, directive: &Directive<'_>) {
        let is = |name: &str| directive.name.eq_ignore_ascii_case(name.as_bytes());
        if is("max-age") {
            shorten(&mut self.max_age, directive);
        } else if is("s-maxage") {
            shorten(&mut self.s_maxage, directive);
        } else if is("no-cache") {
            self.no_cache.extend(directive.argument);
        } else if is("no-store") {
            self.no_store = true;
        } else if is("private") {
            self.private = true;
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") || is("proxy-revalidate") {
            // RFC 9111 §5.2.2.8: for a shared cache the two are the same.
            self.must_revalidate = true;
        } else if is("no-transform") {
            self.no_transform = true;
        } else if is("stale-while-revalidate") {
            shorten(&mut self.stale_while_revalidate, directive);
        } else if is("stale-if-error") {
            shorten(&mut self.stale_if_error, directive);
        }
    }
}

impl NoCache {
    /// Takes one more `no-cache` into account. A list of fields that cannot be read means the whole response.
    fn extend(&mut self, argument: Option<&[u8]>) {
        let fields: Option<Vec<HeaderName>> = argument.and_then(|list| {
            list.split(|byte| *byte == b',')
                .map(|name| HeaderName::from_bytes(super::trim(name)).ok())
                .collect()
        });
        match (fields, &mut *self) {
            (None, _) => *self = Self::Whole,
            (Some(_), Self::Whole) => {}
            (Some(new), Self::Absent) => *self = Self::Fields(new),
            (Some(new), Self::Fields(old)) => old.extend(new),
        }
    }
}

/// Keeps the smaller of the age known and the directive's. A number that is none is ignored (§7.1).
fn shorten(age: &mut Option<Duration>, directive: &Directive<'_>) {
    if let Some(seconds) = directive.argument.and_then(super::decimal) {
        let new = Duration::from_secs(seconds).min(AGE_MAX);
        *age = Some(age.map_or(new, |old| old.min(new)));
    }
}

/// `name`, `name=argument` or `name="argument"`; the quotes are not part of the argument.
struct Directive<'a> {
    name: &'a [u8],
    argument: Option<&'a [u8]>,
}

/// The directives of one line.
///
/// They end at a comma, and where people err: at a semicolon or white space. `private; max-age=60` is private, and
/// `max-age =60` is two directives that say nothing.
struct Directives<'a>(&'a [u8]);

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        let start = self.0.iter().position(|byte| !separates(*byte))?;
        let line = &self.0[start..];
        let end = |from: &[u8]| from.iter().position(|byte| separates(*byte)).unwrap_or(from.len());
        let bare = end(line);
        let Some(equals) = line[..bare].iter().position(|byte| *byte == b'=') else {
            self.0 = &line[bare..];
            return Some(Directive { name: &line[..bare], argument: None });
        };
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        // A quote that is never closed is an ordinary byte: what follows it must not go unread.
        if let [b'"', inside @ ..] = value
            && let Some(close) = closing_quote(inside)
        {
            let rest = &inside[close + 1..];
            let junk = end(rest);
            self.0 = &rest[junk..];
            // `"10"x` is neither form of an argument; the empty one is not a number nor a list of fields.
            return Some(Directive { name, argument: Some(if junk == 0 { &inside[..close] } else { b"" }) });
        }
        self.0 = &line[bare..];
        Some(Directive { name, argument: Some(&line[equals + 1..bare]) })
    }
}

fn separates(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b' ' | b'\t')
}

/// Where the quoted string ends whose inside begins here; a backslash hides the byte after it (RFC 9110 §5.6.4).
fn closing_quote(inside: &[u8]) -> Option<usize> {
    let mut hidden = false;
    inside.iter().position(|byte| {
        let closes = *byte == b'"' && !hidden;
        hidden = *byte == b'\\' && !hidden;
        closes
    })
}
