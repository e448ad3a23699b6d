//! One item of an invalidation: a path, a beginning of paths, or a tag.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What one item of an invalidation removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `/a`, `/a?x=1`: exactly this. A path alone does not mean its copies with a query.
    Exact(Arc<[u8]>),
    /// `/a*`: whatever begins so, query included.
    Prefix(Arc<[u8]>),
    /// `#a`: whatever carries the tag, here in lower case.
    Tag(Arc<[u8]>),
}

/// The longest path, in characters (§1.3).
pub const PATH_CHARS_MAX: usize = 4_000;
/// The longest tag, in characters, without the `#` (§13.3).
pub const TAG_CHARS_MAX: usize = 256;

/// Why an item is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRule {
    /// Neither `/…` nor `#…`.
    NoSlash,
    /// Longer than [`PATH_CHARS_MAX`].
    TooLong {
        /// How many characters it has.
        chars: usize,
    },
    /// A `~`, as it is or encoded.
    Tilde,
    /// A character that stands in no request as it is.
    Unencoded(char),
    /// `#` alone.
    EmptyTag,
    /// Longer than [`TAG_CHARS_MAX`].
    TagTooLong {
        /// How many characters it has.
        chars: usize,
    },
    /// A comma, a space or something that is not ASCII in a tag.
    NotInTags(char),
}

impl fmt::Display for InvalidRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash => f.write_str("a path begins with / (and a cache tag with #)"),
            Self::TooLong { chars } => {
                write!(f, "a path has at most {PATH_CHARS_MAX} characters, this one {chars}")
            }
            Self::Tilde => f.write_str("a path with ~, encoded or not, cannot be invalidated"),
            Self::Unencoded(char) => {
                write!(f, "{char:?} is never in a request as it is: write it percent-encoded, as viewers do")
            }
            Self::EmptyTag => f.write_str("a cache tag has at least one character after the #"),
            Self::TagTooLong { chars } => {
                write!(f, "a cache tag has at most {TAG_CHARS_MAX} characters, this one {chars}")
            }
            Self::NotInTags(char) => {
                write!(f, "{char:?} cannot be in a cache tag: visible ASCII characters but the comma can")
            }
        }
    }
}

impl std::error::Error for InvalidRule {}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(item: &str) -> Result<Self, InvalidRule> {
        match item.strip_prefix('#') {
            Some(tag) => Self::tag(tag),
            None => Self::path(item),
        }
    }
}

impl Rule {
    fn path(item: &str) -> Result<Self, InvalidRule> {
        if !item.starts_with('/') {
            return Err(InvalidRule::NoSlash);
        }
        let chars = item.chars().count();
        if chars > PATH_CHARS_MAX {
            return Err(InvalidRule::TooLong { chars });
        }
        if item.contains('~') || item.to_ascii_lowercase().contains("%7e") {
            return Err(InvalidRule::Tilde);
        }
        if let Some(char) = item.chars().find(|char| !char.is_ascii_graphic()) {
            return Err(InvalidRule::Unencoded(char));
        }
        // Only the last character can be a wildcard; any other star is a star.
        Ok(match item.strip_suffix('*') {
            Some(beginning) => Self::Prefix(beginning.as_bytes().into()),
            None => Self::Exact(item.as_bytes().into()),
        })
    }

    fn tag(tag: &str) -> Result<Self, InvalidRule> {
        let chars = tag.chars().count();
        if chars > TAG_CHARS_MAX {
            return Err(InvalidRule::TagTooLong { chars });
        }
        if let Some(char) = tag.chars().find(|char| !char.is_ascii_graphic() || *char == ',') {
            return Err(InvalidRule::NotInTags(char));
        }
        if tag.is_empty() {
            return Err(InvalidRule::EmptyTag);
        }
        Ok(Self::Tag(tag.to_ascii_lowercase().into_bytes().into()))
    }

    /// Whether it ends with a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }

    pub(super) fn text(&self) -> &Arc<[u8]> {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Tag(text) => text,
        }
    }
}

/// What counts as a tag in a response (§13.3).
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    (1..=TAG_CHARS_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}
