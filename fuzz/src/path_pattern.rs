//! A path pattern matches what a naive matcher matches, and normalising a path for it twice changes no more.

use edge_core::distribution::PathPattern;
use edge_core::distribution::path_pattern::normalise_for_matching;

use crate::first_line;

/// The first line is the pattern, the rest the path.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (pattern, path) = first_line(text);
    let normalised = normalise_for_matching(path);
    if path.starts_with('/') {
        assert!(normalised.starts_with('/') && !normalised.contains("//"), "{path:?} became {normalised:?}");
        let climbs = normalised.split('/').any(|segment| segment == "." || segment == "..");
        assert!(!climbs, "{path:?} became {normalised:?}");
    }
    if let Ok(parsed) = PathPattern::parse(pattern) {
        let anchored = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/{pattern}") };
        let expected = naive(anchored.as_bytes(), normalised.as_bytes());
        assert_eq!(parsed.matches(&normalised), expected, "{pattern:?} and {normalised:?}");
        assert_eq!(parsed.as_str(), pattern);
    }
}

/// Row by row over the pattern: which prefixes of the text it matches so far.
fn naive(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for &byte in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match byte {
                b'*' => reached[at] || at > 0 && next[at - 1],
                _ => at > 0 && reached[at - 1] && (byte == b'?' || byte == text[at - 1]),
            };
        }
        reached = next;
    }
    reached[text.len()]
}

/// Wildcards of every shape, and paths that need normalising.
pub const SEEDS: &[&str] = &[
    "wp-admin/*\n/wp-admin/edit.php",
    "*.jpg\n/a/b.c/../d.jpg",
    "/a?c*e*\n/abcde//f/./%61%2f",
    "*a*b*\n/aaaaaaaaab",
    "/\n/%2e%2e/",
];
