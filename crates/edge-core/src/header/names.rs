//! Selections of cookies and query string parameters by name: what policies say, and what a header is read with.
//!
//! It refuses to know which list a name came from, and what is done with what is selected.

use super::glob::Glob;

/// A selection of cookies or query string parameters by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// No one.
    None,
    /// Every one.
    All,
    /// The listed ones.
    Only(Vec<Name>),
    /// Every one but the listed.
    AllExcept(Vec<Name>),
}

impl Names {
    /// Whether the parameter or cookie called `name` is selected. Names are case-sensitive (§4.2, §4.3).
    pub fn select(&self, name: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(list) => list.iter().any(|entry| entry.matches(name)),
            Self::AllExcept(list) => !list.iter().any(|entry| entry.matches(name)),
        }
    }

    /// Whether nothing can be selected.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// One entry of a list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Exactly this.
    Literal(String),
    /// `*` and `?` are wildcards: cookies only (§4.3, confidence "observed").
    Pattern(Glob),
}

impl Name {
    /// Whether the entry names `name`.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal(text) => text.as_bytes() == name,
            Self::Pattern(glob) => glob.matches(name),
        }
    }
}
