//! Lists of names: headers, cookies, query string parameters.
//!
//! The same list means the same in a cache policy, an origin request policy and `ForwardedValues`; only quotas and
//! forbidden names differ, and those are the caller's.

use http::HeaderName;

use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{Glob, Name, Names};
use super::node::Node;

/// Header names in order, each once. `check` refuses names that are valid but not allowed there.
pub(super) fn header_names(
    items: &[Node<'_>],
    check: fn(&HeaderName) -> Result<(), String>,
) -> Vec<HeaderName> {
    let read = |item: &Node<'_>| {
        let name = header_name(item)?;
        item.checked(INVALID_ARGUMENT, check(&name));
        Some(name)
    };
    let mut names: Vec<HeaderName> = items.iter().filter_map(read).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// The name of a header; `*` is none, though HTTP would allow it.
pub(super) fn header_name(item: &Node<'_>) -> Option<HeaderName> {
    let text = item.as_text()?;
    if text.contains('*') {
        item.error_with(INVALID_ARGUMENT, "header names have no wildcards here", "name each header");
        return None;
    }
    let name = HeaderName::from_bytes(text.as_bytes());
    item.checked(INVALID_ARGUMENT, name.map_err(|_| format!("{text:?} is not the name of a header")))
}

/// Whether `*` and `?` mean anything in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcards {
    /// Cookies (§4.3): documented for the legacy list, "observed" for policies.
    Meant,
    /// Query strings (§4.2).
    Literal,
}

/// Cookie or parameter names, in the order of the document.
pub(super) fn names(items: &[Node<'_>], wildcards: Wildcards) -> Vec<Name> {
    let read = |item: &Node<'_>| {
        let text = item.as_text()?;
        if text.is_empty() {
            item.error(INVALID_ARGUMENT, "the name is empty");
            return None;
        }
        let is_pattern = wildcards == Wildcards::Meant && text.contains(['*', '?']);
        Some(if is_pattern { Name::Pattern(Glob::new(text)) } else { Name::Literal(text.to_owned()) })
    };
    items.iter().filter_map(read).collect()
}

/// The words of `CookieBehavior` and `QueryStringBehavior`.
pub(super) const BEHAVIORS: &[(&str, Selecting)] = &[
    ("none", Selecting::None),
    ("whitelist", Selecting::Listed),
    ("allExcept", Selecting::AllButListed),
    ("all", Selecting::All),
];

/// What a behavior word says about the list beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Selecting {
    None,
    Listed,
    AllButListed,
    All,
}

impl Selecting {
    pub(super) fn of(self, list: Vec<Name>) -> Names {
        match self {
            Self::None => Names::None,
            Self::Listed => Names::Only(list),
            Self::AllButListed => Names::AllExcept(list),
            Self::All => Names::All,
        }
    }

    /// Reports a list that is missing, or beside a word that takes none.
    pub(super) fn check_list(self, list: &Node<'_>, items: &[Node<'_>]) {
        let takes_list = matches!(self, Self::Listed | Self::AllButListed);
        check_list(takes_list, list, items);
    }
}

/// Reports a list that is missing where it is needed, or given where it is not looked at.
pub(super) fn check_list(takes_list: bool, list: &Node<'_>, items: &[Node<'_>]) {
    if takes_list && items.is_empty() {
        list.error(INVALID_ARGUMENT, "the behavior beside it needs at least one name");
    } else if !takes_list && !items.is_empty() {
        list.warn(INVALID_ARGUMENT, "the behavior beside it takes no names: these are ignored");
    }
}

/// How long all the names are together.
pub(super) fn total_chars(items: &[Node<'_>]) -> usize {
    items.iter().filter_map(|item| item.value()?.as_str()).map(|name| name.chars().count()).sum()
}
