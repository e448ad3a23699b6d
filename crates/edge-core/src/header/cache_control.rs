//! `Cache-Control` of a response, read as strictly as its words allow.
//!
//! Strictly means: a directive that forbids counts wherever it can be recognised, also behind the wrong separator or
//! with an argument it does not take, and no quoted string reaches past its line; an age counts only if it is a plain
//! number, and of several the smallest (RFC 9111 §4.2.1 leaves the choice, threats.md S3 makes it).
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> CacheControl {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        CacheControl::of(&headers)
    }

    fn max_age(lines: &[&str]) -> Option<u64> {
        of(lines).max_age.map(|age| age.as_secs())
    }

    fn fields(names: &[&'static str]) -> NoCache {
        NoCache::Fields(names.iter().map(|name| HeaderName::from_static(name)).collect())
    }

    #[test]
    fn all_directives_in_any_case_over_all_lines() {
        assert_eq!(of(&[]), CacheControl::default());
        assert_eq!(of(&[""]), CacheControl { present: true, ..CacheControl::default() });
        let said = of(&[
            "No-Store, NO-CACHE,private",
            "PUBLIC,\tMax-Age=1, S-MaxAge=2 , must-revalidate, no-transform",
            "stale-while-revalidate=3, Stale-If-Error=4, immutable, extension=\"x\"",
        ]);
        let expected = CacheControl {
            no_store: true,
            no_cache: NoCache::Whole,
            private: true,
            public: true,
            max_age: Some(Duration::from_secs(1)),
            s_maxage: Some(Duration::from_secs(2)),
            must_revalidate: true,
            no_transform: true,
            stale_while_revalidate: Some(Duration::from_secs(3)),
            stale_if_error: Some(Duration::from_secs(4)),
            present: true,
        };
        assert_eq!(said, expected);
        assert!(of(&["proxy-revalidate"]).must_revalidate);
    }

    #[test]
    fn numbers() {
        for (line, seconds) in [
            ("max-age=3600", 3600),
            ("max-age=0", 0),
            ("max-age=003600", 3600),
            ("max-age=\"3600\"", 3600),
            ("max-age=2147483648", 2_147_483_648),
            ("max-age=99999999999", AGE_MAX.as_secs()),
            ("max-age=99999999999999999999999999999", AGE_MAX.as_secs()),
            ("foobar, max-age=3600", 3600),
            ("max-age=60; public", 60),
        ] {
            assert_eq!(max_age(&[line]), Some(seconds), "{line}");
        }
        for line in [
            "max-age",
            "max-age=",
            "max-age=\"\"",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=3600.0",
            "max-age=a100",
            "max-age=100a",
            "max-age='3600'",
            "max-age =100",
            "max-age= 100",
            "max-age\t=\t100",
            "max-age=\"1\"0",
            "max-age=\" 10\"",
            "max-age=\"10",
            "max-age=1e3",
            "max-age=0x10",
            "max-age=\u{661}",
            "max_age=10",
            "xmax-age=10",
            "maxage=10",
            "max-age==10",
        ] {
            assert_eq!(max_age(&[line]), None, "{line}");
        }
    }

    #[test]
    fn of_repeated_ages_the_smallest() {
        assert_eq!(max_age(&["max-age=1800, max-age=1"]), Some(1));
        assert_eq!(max_age(&["max-age=1, max-age=1800"]), Some(1));
        assert_eq!(max_age(&["max-age=1800", "max-age=1"]), Some(1));
        assert_eq!(max_age(&["max-age=x, max-age=1800"]), Some(1800));
        assert_eq!(of(&["stale-if-error=9, stale-if-error=0"]).stale_if_error, Some(Duration::ZERO));
    }

    #[test]
    fn quoted_strings_hide_what_is_in_them() {
        assert_eq!(max_age(&["extension=\"max-age=3600\", max-age=1"]), Some(1));
        assert_eq!(max_age(&["max-age=1, extension=\"max-age=3600\""]), Some(1));
        assert_eq!(max_age(&["extension=\"a, max-age=3600\""]), None);
        assert_eq!(max_age(&["extension=\"\\\", max-age=3600\""]), None, "an escaped quote does not close");
        assert_eq!(
            max_age(&["extension=\"\\\\\", max-age=3600"]),
            Some(3600),
            "an escaped backslash does not escape"
        );
        assert!(!of(&["extension=\"no-store, private\""]).no_store);
    }

    #[test]
    fn what_forbids_is_found_in_nonsense() {
        for line in [
            "private",
            "PRIVATE",
            "private=\"set-cookie\"",
            "private=x",
            "private=",
            "private=\"\"",
            "max-age=60;private",
            "max-age=60 private",
            "private; max-age=60",
            "private = \"x\"",
            "public, private",
            ",,private,,",
            "extension=\"never closed, private",
            "no-cache=\"set-cookie, private",
            "x=\"a\"private, private",
            "\u{e9}, private",
        ] {
            assert!(of(&[line]).private, "{line}");
            assert!(of(&["max-age=60", line]).private, "{line}");
            assert!(of(&["extension=\"never closed", line]).private, "{line}");
        }
        assert!(of(&["no-store=1"]).no_store);
        for other in ["not-private", "privatex", "x=private", "\"private\""] {
            assert!(!of(&[other]).private, "{other}");
        }
    }

    #[test]
    fn no_cache_whole_or_for_fields() {
        assert_eq!(of(&["no-cache=\"Set-Cookie\""]).no_cache, fields(&["set-cookie"]));
        assert_eq!(of(&["no-cache=\"Set-Cookie, X-A\", no-cache=x-b"]).no_cache, {
            fields(&["set-cookie", "x-a", "x-b"])
        });
        for whole in [
            "no-cache",
            "no-cache=",
            "no-cache=\"\"",
            "no-cache=\"set-cookie,\"",
            "no-cache=\"a b\"",
            "no-cache = \"a\"",
            "no-cache=\"set-cookie",
            "no-cache=\"set-cookie\"x",
            "no-cache, no-cache=\"set-cookie\"",
            "no-cache=\"set-cookie\", no-cache",
        ] {
            assert_eq!(of(&[whole]).no_cache, NoCache::Whole, "{whole}");
        }
    }

    /// Anything a header value may hold, often nearly a directive.
    fn line() -> impl Strategy<Value = HeaderValue> {
        let piece = prop::sample::select(vec![
            "no-store", "private", "no-cache", "max-age", "s-maxage", "=", "\"", "\\", ",", ";", " ", "0",
            "60", "x",
        ]);
        let nearly = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
        prop_oneof![nearly, any::<Vec<u8>>()]
            .prop_filter_map("not a header value", |bytes| HeaderValue::from_bytes(&bytes).ok())
    }

    proptest! {
        #[test]
        fn another_line_only_forbids_more(first in line(), second in line()) {
            let alone = |line: &HeaderValue| {
                CacheControl::of(&HeaderMap::from_iter([(CACHE_CONTROL, line.clone())]))
            };
            let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, first.clone())]);
            headers.append(CACHE_CONTROL, second.clone());
            let (a, b, both) = (alone(&first), alone(&second), CacheControl::of(&headers));
            prop_assert_eq!(both.no_store, a.no_store || b.no_store);
            prop_assert_eq!(both.private, a.private || b.private);
            prop_assert_eq!(both.no_cache == NoCache::Whole, [&a, &b].iter().any(|cc| cc.no_cache == NoCache::Whole));
            let smallest = [a.max_age, b.max_age].into_iter().flatten().min();
            prop_assert_eq!(both.max_age, smallest);
            prop_assert!(both.max_age.is_none_or(|age| age <= AGE_MAX));
        }

        #[test]
        fn a_bare_word_at_the_end_always_counts(nonsense in line()) {
            let mut bytes = nonsense.as_bytes().to_vec();
            bytes.extend_from_slice(b", private");
            // No quoted string is open at the end of a line: one that is not closed has never begun.
            let value = HeaderValue::from_bytes(&bytes).unwrap();
            prop_assert!(CacheControl::of(&HeaderMap::from_iter([(CACHE_CONTROL, value)])).private);
        }
    }
}
