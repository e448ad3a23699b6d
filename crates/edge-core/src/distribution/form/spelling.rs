//! The tables of the reading side, the other way round: how CloudFormation and Terraform spell what the API has.
//!
//! What is written with these names is read with the same rows, so the two sides cannot come apart. This module knows
//! what fields are called and how their values look, and none of their meaning.

use serde_json::Value;

use super::shape::{self, COUNTED};
use super::tree::{Place, Tree};
use super::{shapes, terraform};

/// How a form writes a list that the API counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListShape {
    /// The members alone.
    Plain,
    /// An object with `Items`.
    Items,
    /// As the API has it.
    Counted,
}

/// A document of the API with every number and truth value as the API has it, where its owner wrote texts.
pub fn exact(document: &Value) -> Value {
    let mut tree = Tree::of(document.clone(), Place::top(""));
    shape::fit("", &mut tree);
    tree.value()
}

/// Whether the API counts the members of the field `api`.
pub fn is_counted(api: &str) -> bool {
    COUNTED.iter().any(|(name, _)| *name == api)
}

/// What CloudFormation calls the field of the API.
pub fn cloudformation_name(api: &str) -> &str {
    shapes::NAMES.iter().find(|(_, name)| *name == api).map_or(api, |(template, _)| template)
}

/// How CloudFormation writes the counted list that is the field `api`.
pub fn cloudformation_list(api: &str) -> ListShape {
    shapes::LISTS.iter().find(|(name, _)| *name == api).map_or(ListShape::Plain, |(_, shape)| *shape)
}

/// What Terraform calls the field `api` in a block called `block`.
pub fn terraform_name(block: &str, api: &str) -> String {
    terraform::terraform_name(block, api)
}

/// Whether Terraform writes each member of the list as a block of its own.
pub fn terraform_repeats(name: &str) -> bool {
    terraform::repeats(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_is_read() {
        for (template, api) in shapes::NAMES {
            assert_eq!(cloudformation_name(api), *template);
        }
        assert_eq!(cloudformation_name("Aliases"), "Aliases", "the old name is read and never written");
        for (name, _) in shapes::LISTS {
            assert!(is_counted(name), "{name}");
        }
        for (block, api, expected) in [
            ("", "MinTTL", "min_ttl"),
            ("", "CacheBehaviors", "ordered_cache_behavior"),
            ("origin", "Id", "origin_id"),
            ("custom_header", "HeaderValue", "value"),
            ("", "EnableAcceptEncodingBrotli", "enable_accept_encoding_brotli"),
        ] {
            assert_eq!(terraform_name(block, api), expected);
        }
    }
}
