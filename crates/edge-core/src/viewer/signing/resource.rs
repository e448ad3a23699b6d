//! Which URLs the `Resource` of a custom policy covers (§12.2).
//!
//! A pattern has the sections of a URL: protocol, domain, path, query string. `*` is any number of characters, `?` is
//! one, and neither crosses into the next section; but a `*` that ends the path covers any query string, and one that
//! ends the domain covers everything behind it. It refuses to know what else a policy says.

use std::fmt;

use crate::header::glob::Glob;

/// The URL of a request as its viewer wrote it, without what signs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    /// With its port, if the viewer sent one *(unsure)*.
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// Empty where there is none: a question mark with nothing behind it is like none (§4.2).
    pub(super) query: &'a str,
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, path, query } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        write!(f, "{scheme}://{host}{path}{mark}{query}")
    }
}

/// Whether the pattern covers the URL. The work is at most the length of the one times that of the other.
pub(super) fn covers(pattern: &str, url: &Url<'_>) -> bool {
    let Some((protocol, rest)) = protocol(pattern) else { return false };
    if !Glob::new(protocol).matches(url.scheme.as_bytes()) {
        return false;
    }
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !Glob::new(domain).matches(url.host.as_bytes()) {
        return false;
    }
    match path {
        "" if domain.ends_with('*') => true,
        "" => covers_path("/", url), // a URL has a path *(unsure)*
        path => covers_path(path, url),
    }
}

/// The protocol of a pattern and what is behind it. One that is not there is any, if the pattern begins with `*`.
fn protocol(pattern: &str) -> Option<(&str, &str)> {
    match pattern.split_once("://") {
        Some((protocol, rest)) if !protocol.contains(['/', '.']) => Some((protocol, rest)),
        _ => pattern.starts_with('*').then_some(("*", pattern)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one character, or the question mark before the query string *(unsure)*.
    One,
    /// `\?`: that question mark.
    Mark,
    /// `*`.
    Any,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut bytes = pattern.bytes().peekable();
    let mut tokens = Vec::with_capacity(pattern.len());
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'*' => Token::Any,
            b'?' => Token::One,
            b'\\' if bytes.next_if_eq(&b'?').is_some() => Token::Mark,
            byte => Token::Byte(byte),
        });
    }
    tokens
}

/// Path and query string. All readings are followed at once, so no pattern makes it slow.
fn covers_path(pattern: &str, url: &Url<'_>) -> bool {
    let tokens = tokens(pattern);
    let mut readings = Readings::new(&tokens);
    for byte in url.path.bytes() {
        readings.advance(|token| token == Token::One || token == Token::Byte(byte), Stars::Go);
    }
    if readings.at_end() && (url.query.is_empty() || tokens.last() == Some(&Token::Any)) {
        return true;
    }
    readings.advance(|token| matches!(token, Token::One | Token::Mark), Stars::Stop);
    for byte in url.query.bytes() {
        let is_mark = |token| token == Token::Mark && byte == b'?';
        readings
            .advance(|token| token == Token::One || token == Token::Byte(byte) || is_mark(token), Stars::Go);
    }
    readings.at_end()
}

/// Whether a `*` goes on over a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stars {
    Go,
    /// The section ends.
    Stop,
}

/// How far in the pattern one may be, after so much of the URL.
struct Readings<'a> {
    tokens: &'a [Token],
    /// One more than there are tokens: the last is the end.
    may_be_at: Vec<bool>,
}

impl<'a> Readings<'a> {
    fn new(tokens: &'a [Token]) -> Self {
        let mut may_be_at = vec![false; tokens.len() + 1];
        may_be_at[0] = true;
        let mut readings = Self { tokens, may_be_at };
        readings.pass_stars();
        readings
    }

    /// Over one character.
    fn advance(&mut self, takes: impl Fn(Token) -> bool, stars: Stars) {
        self.may_be_at[self.tokens.len()] = false;
        // From the end, so that nothing goes on twice.
        for (at, &token) in self.tokens.iter().enumerate().rev() {
            let here = std::mem::take(&mut self.may_be_at[at]);
            if token == Token::Any {
                self.may_be_at[at] = here && stars == Stars::Go;
            } else if here && takes(token) {
                self.may_be_at[at + 1] = true;
            }
        }
        self.pass_stars();
    }

    /// A `*` may be nothing.
    fn pass_stars(&mut self) {
        for (at, token) in self.tokens.iter().enumerate() {
            if self.may_be_at[at] && *token == Token::Any {
                self.may_be_at[at + 1] = true;
            }
        }
    }

    fn at_end(&self) -> bool {
        self.may_be_at.last() == Some(&true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of a URL as people write it.
    fn url(text: &str) -> Url<'_> {
        let (scheme, rest) = text.split_once("://").unwrap();
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Url { scheme, host, path, query }
    }

    #[test]
    fn the_examples_of_the_guide() {
        for (pattern, yes, no) in [
            ("https://e.com/hello*world", "https://e.com/hello-world", "https://e.com/hello-world?a=1"),
            ("https://e.com/hello*world", "https://e.com/helloworld", "https://f.com/hello-world"),
            ("http://e.com/hello*", "http://e.com/hello", "http://e.com/hell"),
            ("http://e.com/hello*", "http://e.com/hello/x?a=1?b", "https://e.com/hello"),
            ("http://e.com/hello*\\?*", "http://e.com/hello", "http://e.com/hell?o"),
            ("http://e.com/hello*\\?*", "http://e.com/hello-1?a=1", "http://e.com/x"),
            ("https://e.com/*game.zip*", "https://e.com/game.zip", "https://e.com/game.tar"),
            (
                "https://e.com/*game.zip*",
                "https://e.com/old/a_game.zip?license=yes",
                "https://e.com/?game.zip",
            ),
            ("*", "http://e.com/a?b", "x://"),
            ("*://e.com/a", "http://e.com/a", "http://e.org/a"),
            ("http*://e.com/a", "https://e.com/a", "https://e.com/b"),
            ("*e.com/a", "https://the.e.com/a", "https://e.com.org/a"),
            ("*/a", "https://e.com/a", "https://e.com/b/a"),
            ("https://*.e.com/a", "https://x.y.e.com/a", "https://e.com/a"),
            ("https://e*", "https://e.com/a?b", "https://d.com/a"),
            ("https://e*/a", "https://e.com/a", "https://e.com/a?b"),
            ("https://e.com", "https://e.com/", "https://e.com/a"),
            ("https://e.com:8443/a", "https://e.com:8443/a", "https://e.com/a"),
            ("https://e.com/a?c", "https://e.com/abc", "https://e.com/ac"),
            ("https://e.com/a?c", "https://e.com/a?c", "https://e.com/a/b/c"),
            ("https://e.com/a?b=1", "https://e.com/a?b=1", "https://e.com/a?b=12"),
            ("https://e.com/a\\?b=*", "https://e.com/a?b=1?2", "https://e.com/axb=1"),
            ("https://e.com/a*b?c=*", "https://e.com/a/b?c=", "https://e.com/a?b?c="),
            ("https://e.com/a\\?b\\?c", "https://e.com/a?b?c", "https://e.com/a?b-c"),
            ("https://e.com/a\\b", "https://e.com/a\\b", "https://e.com/ab"),
        ] {
            assert!(covers(pattern, &url(yes)), "{pattern} covers {yes}");
            if no != "x://" {
                assert!(!covers(pattern, &url(no)), "{pattern} does not cover {no}");
            }
        }
        for nowhere in ["", "e.com/a", "/a", "https://", "https:/e.com/a", "https://e.com/A"] {
            assert!(!covers(nowhere, &url("https://e.com/a")), "{nowhere}");
        }
    }

    #[test]
    fn a_hostile_pattern_stays_cheap() {
        let pattern = format!("https://e.com/{}b", "*?a\\?".repeat(300));
        let path = "/".to_owned() + &"a".repeat(1_000);
        let query = "a?".repeat(500);
        assert!(!covers(&pattern, &Url { scheme: "https", host: "e.com", path: &path, query: &query }));
    }

    /// By the words of the guide: every way to put the separator somewhere, every length of every star.
    fn naive(pattern: &[u8], path: &[u8], query: Option<&[u8]>) -> bool {
        let (text, last) = match query {
            Some(query) => (path, Some(query)),
            None => (path, None),
        };
        match (pattern, text) {
            ([], []) => last.is_none_or(<[u8]>::is_empty),
            ([b'*'], _) if last.is_some() => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| naive(rest, &text[n..], last)),
            ([b'\\', b'?', rest @ ..], []) if last.is_some() => naive(rest, last.unwrap_or_default(), None),
            ([b'\\', b'?', rest @ ..], [b'?', after @ ..]) if last.is_none() => naive(rest, after, None),
            ([b'\\', b'?', ..], _) => false,
            ([b'?', rest @ ..], []) => last.is_some_and(|query| naive(rest, query, None)),
            ([b'?', rest @ ..], [_, after @ ..]) => naive(rest, after, last),
            ([x, rest @ ..], [y, after @ ..]) => x == y && naive(rest, after, last),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_path_pattern_equals_the_naive_one(
            pattern in r"([ab/*?]|\\[?]){0,7}", path in "[ab/]{0,6}", query in "[ab?]{0,5}",
        ) {
            let url = Url { scheme: "https", host: "e", path: &path, query: &query };
            prop_assert_eq!(
                covers_path(&pattern, &url),
                naive(pattern.as_bytes(), path.as_bytes(), Some(query.as_bytes()))
            );
        }

        #[test]
        fn any_pattern_is_survived(pattern: String, path in "/[ -~]{0,20}", query in "[ -~]{0,20}") {
            let url = Url { scheme: "https", host: "e", path: &path, query: &query };
            let _ = covers(&pattern, &url);
            let exact = url.to_string();
            if !exact.contains(['*', '?', '\\']) {
                prop_assert!(covers(&exact, &url));
            }
        }
    }
}
