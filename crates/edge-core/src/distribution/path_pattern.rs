//! Path patterns (§2.1, §2.2): which paths a cache behavior is for.
//!
//! Matching is on the hot path, so a pattern is looked at once, when it is parsed, and a match allocates nothing.
//! This module refuses to know about behaviors and their order, and about query strings, which never take part.

use std::borrow::Cow;
use std::fmt;

use super::Glob;

/// The longest pattern CloudFront takes (§1.3).
pub const PATH_PATTERN_CHARS_MAX: usize = 255;

/// A path pattern: a [`Glob`] that always begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// As it was written.
    written: String,
    /// With the leading `/` that a pattern without one implies.
    glob: Glob,
}

impl PathPattern {
    /// Reads a pattern of a document. `images/*.jpg` and `/images/*.jpg` mean the same.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let chars = text.chars().count();
        if chars > PATH_PATTERN_CHARS_MAX {
            return Err(PatternError::TooLong { chars });
        }
        if let Some(found) = text.chars().find(|&c| !is_allowed(c)) {
            return Err(PatternError::Character { found });
        }
        let glob = if text.starts_with('/') { Glob::new(text) } else { Glob::new(format!("/{text}")) };
        Ok(Self { written: text.to_owned(), glob })
    }

    /// `*`, the pattern of the default behavior: matches even what has no leading `/`, as `OPTIONS *` does.
    pub fn any() -> Self {
        Self { written: "*".to_owned(), glob: Glob::new("*") }
    }

    /// Whether `normalised_path`, made by [`normalise_for_matching`], is one of the pattern's.
    pub fn matches(&self, normalised_path: &str) -> bool {
        self.glob.matches(normalised_path.as_bytes())
    }

    /// The same over bytes.
    pub fn matches_bytes(&self, normalised_path: &[u8]) -> bool {
        self.glob.matches(normalised_path)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// With the leading `/`: two patterns that are equal here match the same paths.
    pub fn anchored(&self) -> &str {
        self.glob.as_str()
    }

    /// Whether every path of `narrow` is one of this pattern's. Where it says so it is so; a few odd pairs of several
    /// `*` it does not see.
    pub fn covers(&self, narrow: &Self) -> bool {
        covers(self.anchored().as_bytes(), narrow.anchored().as_bytes())
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A `*` of `wide` takes any piece of `narrow`, wildcards too; a `?`
/// any one character but not a `*`.
fn covers(wide: &[u8], narrow: &[u8]) -> bool {
    // `reach[at]`: what was read of `wide` so far covers the first `at` bytes of `narrow`.
    let mut reach = vec![false; narrow.len() + 1];
    reach[0] = true;
    for &byte in wide {
        let mut next = vec![false; narrow.len() + 1];
        if byte == b'*' {
            let mut covered = false;
            for (at, before) in reach.iter().enumerate() {
                covered |= before;
                next[at] = covered;
            }
        } else {
            for (at, &other) in narrow.iter().enumerate() {
                let fits = if byte == b'?' { other != b'*' } else { byte == other };
                next[at + 1] = reach[at] && fits;
            }
        }
        reach = next;
    }
    reach.last().copied().unwrap_or_default()
}

/// The characters of §2.1; `*` and `?` are the wildcards among them.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.*$/~\"'@:+&?".contains(c)
}

/// Why a text is no path pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing there.
    Empty,
    /// More than [`PATH_PATTERN_CHARS_MAX`].
    TooLong {
        /// How long it is.
        chars: usize,
    },
    /// A character CloudFront does not take.
    Character {
        /// The first of them.
        found: char,
    },
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the pattern is empty"),
            Self::TooLong { chars } => {
                write!(f, "the pattern has {chars} characters, at most {PATH_PATTERN_CHARS_MAX} are allowed")
            }
            Self::Character { found } => write!(f, "the character {found:?} is not allowed in a pattern"),
        }
    }
}

impl std::error::Error for PatternError {}

/// The path as patterns see it (§2.2): unreserved characters decoded, dot segments removed, repeated `/` collapsed,
/// in this order. The raw path is what goes to the origin and into the key; this one is for matching only.
///
/// AWS documents dot segments and slashes; decoding is *(unsure)* and follows RFC 3986 §6.2.2, as does doing
/// segments before slashes: `/a//../b` is `/a/b`.
pub fn normalise_for_matching(path: &str) -> Cow<'_, str> {
    if is_normal(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let decoded = decode_unreserved(path);
    let flat = remove_dot_segments(&decoded);
    let mut out = String::with_capacity(flat.len());
    for c in flat.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether normalising would change nothing.
fn is_normal(path: &[u8]) -> bool {
    path.iter().enumerate().all(|(at, &byte)| match byte {
        b'/' => !begins_odd_segment(&path[at + 1..]),
        b'%' => match hex_pair(&path[at + 1..]) {
            Some(value) => !is_unreserved(value) && !path[at + 1..at + 3].iter().any(u8::is_ascii_lowercase),
            None => true,
        },
        _ => true,
    })
}

/// Whether what follows a `/` is another `/` or a segment `.` or `..`.
fn begins_odd_segment(rest: &[u8]) -> bool {
    matches!(rest, [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

/// Decodes `%XX` of unreserved characters and writes the hex digits of all others in upper case.
fn decode_unreserved(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match hex_pair(rest.as_bytes()) {
            Some(value) if is_unreserved(value) => out.push(char::from(value)),
            Some(_) => {
                out.push('%');
                out.push_str(&rest[..2].to_ascii_uppercase());
            }
            None => {
                out.push('%');
                continue;
            }
        }
        rest = &rest[2..];
    }
    out.push_str(rest);
    out
}

/// RFC 3986 §5.2.4 for a path that begins with `/`; any other is left alone.
fn remove_dot_segments(path: &str) -> Cow<'_, str> {
    let Some(segments) = path.strip_prefix('/') else { return Cow::Borrowed(path) };
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in segments.split('/') {
        ends_in_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if ends_in_directory || kept.is_empty() {
        out.push('/');
    }
    Cow::Owned(out)
}

/// The value of two leading hex digits.
fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn what_covers_what() {
        for (wide, narrow) in [
            ("/*", "/a/*"),
            ("/*", "/*.jpg"),
            ("/a*", "/a/b*"),
            ("/*.php", "/wp-login.php"),
            ("/*.jp*g", "/i/*.jpeg"),
            ("/a?c", "/abc"),
            ("/a?c", "/a?c"),
            ("/*/x", "/a/*/x"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("/a/*", "/*"),
            ("/a?", "/a*"),
            ("/abc", "/a?c"),
            ("/images/*", "/images"),
            ("/*.jpg", "/*.jp*"),
            ("/A*", "/a"),
        ] {
            assert!(!pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
    }

    #[test]
    fn the_examples_of_the_guide() {
        for (text, path, expected) in [
            ("images/*.jpg", "/images/a.jpg", true),
            ("/images/*.jpg", "/images/a/b.jpg", true),
            ("*product.jpg", "/product.jpg", true),
            ("*product.jpg", "/a/myproduct.jpg", true),
            ("a*.jpg", "/apple.jpg", true),
            ("a*.jpg", "/abra/cadabra/magic.jpg", true),
            ("a*.jpg", "/bapple.jpg", false),
            ("a??.jpg", "/ant.jpg", true),
            ("a??.jpg", "/abe.jpg", true),
            ("a??.jpg", "/ab.jpg", false),
            ("a??.jpg", "/able.jpg", false),
            ("*.doc*", "/x.doc", true),
            ("*.doc*", "/x.docx", true),
            ("*.doc*", "/x.docm", true),
            ("*.doc?", "/x.doc", false),
            ("*.doc?", "/x.docx", true),
            ("/images/*", "/images", false),
            ("/images/*", "/images/", true),
            ("*.jpg", "/LOGO.JPG", false),
            ("*", "/", true),
            ("*", "/a/b", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("a?b", "/a/b", true),
            ("/aa*aa", "/aaa", false),
            ("/aa*aa", "/aaaa", true),
            ("**", "/", true),
        ] {
            assert_eq!(pattern(text).matches(path), expected, "{text} on {path}");
            assert_eq!(pattern(text).matches_bytes(path.as_bytes()), expected);
        }
        assert!(PathPattern::any().matches("*"), "OPTIONS * has a behavior too");
        assert!(PathPattern::any().matches(""));
    }

    #[test]
    fn patterns_are_checked() {
        assert_eq!(PathPattern::parse(""), Err(PatternError::Empty));
        assert_eq!(PathPattern::parse("/a b"), Err(PatternError::Character { found: ' ' }));
        assert_eq!(PathPattern::parse("/a%20b"), Err(PatternError::Character { found: '%' }));
        assert_eq!(PathPattern::parse("/ä"), Err(PatternError::Character { found: 'ä' }));
        assert_eq!(PathPattern::parse(&"a".repeat(256)), Err(PatternError::TooLong { chars: 256 }));
        assert_eq!(pattern(&"a".repeat(255)).as_str().len(), 255);
        assert_eq!(pattern("_-.*$/~\"'@:+&?aZ9").as_str(), "_-.*$/~\"'@:+&?aZ9");
        assert_eq!(pattern("a").anchored(), pattern("/a").anchored());
    }

    #[test]
    fn paths_are_normalised_for_matching() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c", "/a/c"),
            ("/a/./b/.", "/a/b/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("//", "/"),
            ("//a///b/", "/a/b/"),
            ("/a//../b", "/a/b"),
            ("/a/...", "/a/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..", "/a.."),
            ("/%61%2Db%7e", "/a-b~"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/100%", "/100%"),
            ("/%g1%4", "/%g1%4"),
            ("/%%61", "/%a"),
            ("/ä/../ö", "/ö"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(normalise_for_matching(path), expected, "{path}");
        }
        for path in ["/", "/a/b.jpg", "/wp-content/x%20y.css", "/.well-known/acme", "/a%2Fb"] {
            assert!(matches!(normalise_for_matching(path), Cow::Borrowed(_)), "{path} needs no copy");
        }
    }

    #[test]
    fn vectors_1_to_3() {
        let first = |patterns: &[&str], path: &str| {
            let path = normalise_for_matching(path);
            patterns.iter().position(|text| pattern(text).matches(&path))
        };
        assert_eq!(first(&["images/*.jpg", "images/*", "*.gif"], "/images/sample.gif"), Some(1));
        assert_eq!(first(&["/a/b*", "/a*"], "/a/b/.."), Some(1));
        assert_eq!(first(&["/a/b*", "/a*"], "/a/b"), Some(0));
        assert_eq!(first(&["*.jpg"], "/LOGO.JPG"), None);
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(path in "(/|//|\\.|%2e|%2F|%41|%25|a|é){0,12}") {
            let path = format!("/{path}");
            let once = normalise_for_matching(&path).into_owned();
            prop_assert_eq!(normalise_for_matching(&once), once.as_str());
            prop_assert!(once.starts_with('/') && !once.contains("//") && !once.contains("/../") && !once.contains("/./"));
        }
    }
}
