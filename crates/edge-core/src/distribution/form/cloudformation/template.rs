//! What a template has: parameters, mappings, conditions, resources.

use super::super::tree::{Kind, Tree};

/// Whether the template says all it refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It has other things than CloudFront's resources: what it names and does not have, is a mistake.
    Whole,
    /// CloudFront's resources alone, cut out of something larger: what they name may be elsewhere.
    Excerpt,
}

/// A template, as it was written.
pub(in super::super) struct Template<'a> {
    root: &'a Tree,
    pub(super) completeness: Completeness,
}

impl<'a> Template<'a> {
    pub(super) fn new(root: &'a Tree) -> Self {
        let has = |section: &str| root.get(section).is_some_and(|section| !section.fields().is_empty());
        let foreign =
            |resource: &Tree| kind(resource).is_none_or(|kind| !kind.starts_with("AWS::CloudFront::"));
        let resources = root.get("Resources").map(Tree::fields).unwrap_or_default();
        let is_whole = ["Parameters", "Mappings", "Conditions"].into_iter().any(has)
            || resources.iter().any(|(_, resource)| foreign(resource));
        let completeness = if is_whole { Completeness::Whole } else { Completeness::Excerpt };
        Self { root, completeness }
    }

    fn section(&self, section: &str, name: &str) -> Option<&'a Tree> {
        self.root.get(section)?.get(name)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&'a Tree> {
        self.section("Parameters", name)
    }

    pub(super) fn mapping(&self, name: &str) -> Option<&'a Tree> {
        self.section("Mappings", name)
    }

    pub(super) fn condition(&self, name: &str) -> Option<&'a Tree> {
        self.section("Conditions", name)
    }

    pub(super) fn resource(&self, id: &str) -> Option<&'a Tree> {
        self.section("Resources", id)
    }

    /// CloudFront's resources, in their order, with what follows `AWS::CloudFront::`.
    pub(super) fn cloudfront(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a Tree)> {
        let resources = self.root.get("Resources").map(Tree::fields).unwrap_or_default();
        resources.iter().filter_map(|(id, resource)| {
            Some((id.as_str(), kind(resource)?.strip_prefix("AWS::CloudFront::")?, resource))
        })
    }

    /// What can be meant where nothing is called `name`.
    pub(super) fn nearly(&self, name: &str) -> String {
        let names = |section: &str| self.root.get(section).map(Tree::fields).unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let all = names("Parameters").iter().chain(names("Resources"));
        let near = all.map(|(known, _)| known).find(|known| known.to_ascii_lowercase() == lower);
        match near {
            Some(known) => format!("did you mean {known}?"),
            None => format!("declare it in the template, or say what it is: --parameter {name}=VALUE"),
        }
    }

    /// Names of parameters, for a message.
    pub(super) fn parameters(&self) -> Vec<&'a str> {
        let fields = self.root.get("Parameters").map(Tree::fields).unwrap_or_default();
        fields.iter().map(|(name, _)| name.as_str()).collect()
    }
}

fn kind(resource: &Tree) -> Option<&str> {
    match &resource.get("Type")?.kind {
        Kind::Text(kind) => Some(kind),
        _ => None,
    }
}
