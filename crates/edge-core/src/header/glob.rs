//! A pattern with `*` and `?`, over bytes.
//!
//! Path patterns and names of cookies share it. It refuses to know what it is matched against: no implied slash, no
//! case, no encoding.

/// A pattern over bytes: `*` is any number of them (`/` included), `?` exactly one. Anchored at both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    shape: Shape,
}

/// What a look at the pattern found out, so that most matches are one or two comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No wildcard.
    Exact,
    /// One `*` at this position and no `?`: a prefix and a suffix, either may be empty.
    OneStar(usize),
    /// Anything else.
    General,
}

impl Glob {
    /// Every text is a glob.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let mut wildcards = text.bytes().enumerate().filter(|&(_, byte)| byte == b'*' || byte == b'?');
        let shape = match (wildcards.next(), wildcards.next()) {
            (None, _) => Shape::Exact,
            (Some((at, b'*')), None) => Shape::OneStar(at),
            _ => Shape::General,
        };
        Self { text, shape }
    }

    /// Whether all of `bytes` fits.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let pattern = self.text.as_bytes();
        match self.shape {
            Shape::Exact => bytes == pattern,
            Shape::OneStar(at) => {
                bytes.len() + 1 >= pattern.len()
                    && bytes.starts_with(&pattern[..at])
                    && bytes.ends_with(&pattern[at + 1..])
            }
            Shape::General => matches_general(pattern, bytes),
        }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The classic two pointers: only the last `*` can ever need another try, so there is no recursion and the work is
/// at most `pattern × bytes`.
fn matches_general(pattern: &[u8], bytes: &[u8]) -> bool {
    let (mut p, mut b) = (0, 0);
    let mut retry: Option<(usize, usize)> = None; // after the last `*`, and the first byte it does not cover
    while b < bytes.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, b));
            }
            Some(&byte) if byte == b'?' || byte == bytes[b] => {
                p += 1;
                b += 1;
            }
            _ => {
                let Some((after_star, covered)) = retry else { return false };
                retry = Some((after_star, covered + 1));
                p = after_star;
                b = covered + 1;
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hostile_pattern_stays_cheap() {
        let glob = Glob::new("*a".repeat(120) + "*b");
        assert!(!glob.matches(&[b'a'; 8192]));
    }

    fn naive(pattern: &[u8], bytes: &[u8]) -> bool {
        match (pattern.split_first(), bytes.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=bytes.len()).any(|n| naive(rest, &bytes[n..])),
            (Some((b'?', p)), Some((_, b))) => naive(p, b),
            (Some((x, p)), Some((y, b))) => x == y && naive(p, b),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_equals_the_naive_one(pattern in "[ab*?/]{0,8}", text in "[ab/]{0,10}") {
            prop_assert_eq!(
                Glob::new(pattern.clone()).matches(text.as_bytes()),
                naive(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
