//! A bundle taken apart: its resources in the order they have to be made in, and who names whom.
//!
//! What a printer needs of a resource is here once: a short name of its own, the settings as the API has them, links
//! to the others. Managed policies and what the bundle does not carry stay what they are: ids.

use std::collections::HashSet;

use serde_json::Value;

use super::part::{Attribute, Field, Link, Part};
use super::remarks::Remark;
use super::{refused, remarks};
use crate::distribution::form::spelling::exact;
use crate::distribution::{Problem, Problems};

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PublicKey,
    KeyGroup,
    KeyValueStore,
    OriginAccessControl,
    CachePolicy,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    Function,
    Distribution,
}

/// How a bundle carries a kind: in the order in which each names only those before it.
struct Row {
    kind: Kind,
    list: &'static str,
    /// What `get-` prints around it.
    wrapper: &'static str,
    /// The object its settings are in; none: the item itself.
    config: &'static str,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { kind: Kind::PublicKey, list: "PublicKeys", wrapper: "PublicKey", config: "PublicKeyConfig" },
    Row { kind: Kind::KeyGroup, list: "KeyGroups", wrapper: "KeyGroup", config: "KeyGroupConfig" },
    Row { kind: Kind::KeyValueStore, list: "KeyValueStores", wrapper: "KeyValueStore", config: "" },
    Row { kind: Kind::OriginAccessControl, list: "OriginAccessControls", wrapper: "OriginAccessControl", config: "OriginAccessControlConfig" },
    Row { kind: Kind::CachePolicy, list: "CachePolicies", wrapper: "CachePolicy", config: "CachePolicyConfig" },
    Row { kind: Kind::OriginRequestPolicy, list: "OriginRequestPolicies", wrapper: "OriginRequestPolicy", config: "OriginRequestPolicyConfig" },
    Row { kind: Kind::ResponseHeadersPolicy, list: "ResponseHeadersPolicies", wrapper: "ResponseHeadersPolicy", config: "ResponseHeadersPolicyConfig" },
    Row { kind: Kind::Function, list: "Functions", wrapper: "FunctionSummary", config: "FunctionConfig" },
];

impl Kind {
    /// `CachePolicy`: the type's name in CloudFormation, and the end of a logical id.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Distribution => "Distribution",
            other => ROWS.iter().find(|row| row.kind == other).map_or("", |row| row.wrapper_or_kind()),
        }
    }

    /// `CachePolicyConfig`; none where the settings are the resource's own.
    pub(super) fn config(self) -> &'static str {
        match self {
            Self::Distribution => "DistributionConfig",
            other => ROWS.iter().find(|row| row.kind == other).map_or("", |row| row.config),
        }
    }
}

impl Row {
    fn wrapper_or_kind(&self) -> &'static str {
        if self.kind == Kind::Function { "Function" } else { self.wrapper }
    }
}

/// A resource of AWS to be.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    /// What it is called at AWS, unique in an account; of a distribution, its `CallerReference`.
    pub(super) name: String,
    /// What tells it from the others of its kind here: `pages`, `viewer-request`.
    pub(super) short: String,
    /// By what the bundle's own references name it.
    id: String,
    /// As the API has them, with links to other resources.
    pub(super) settings: Part,
    /// Of a function.
    pub(super) code: Option<String>,
}

/// All of a bundle.
#[derive(Debug, Clone)]
pub(super) struct Set {
    /// The distribution is the last.
    pub(super) resources: Vec<Resource>,
}

impl Set {
    /// Takes a bundle apart that loads.
    pub(super) fn of(document: &Value) -> Result<Self, Problems> {
        let document = &exact(document);
        let inside = document.pointer("/Distribution/DistributionConfig");
        let config = inside.or_else(|| document.get("DistributionConfig")).unwrap_or(document);
        let reference = text(config, "CallerReference").to_owned();
        let mut set = Self { resources: Vec::new() };
        let (mut problems, mut said) = (Vec::new(), HashSet::new());
        for row in ROWS {
            for item in document.get(row.list).and_then(Value::as_array).into_iter().flatten() {
                match set.member(row, item, &reference, &mut said) {
                    Ok(resource) => set.resources.extend(resource),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let settings = set.part("DistributionConfig", Kind::Distribution, config, &mut said);
        set.resources.push(Resource {
            kind: Kind::Distribution,
            name: reference.clone(),
            short: String::new(),
            id: reference,
            settings: settings.unwrap_or(Part::Object(Vec::new())),
            code: None,
        });
        Ok(set)
    }

    /// A member of a list of the bundle; nothing where it is AWS's own, or known by its name only.
    fn member(
        &self,
        row: &Row,
        item: &Value,
        reference: &str,
        said: &mut HashSet<String>,
    ) -> Result<Option<Resource>, Problem> {
        let code =
            ["FunctionCode", "Code"].iter().map(|field| text(item, field)).find(|code| !code.is_empty());
        let has_rule = item.get("Rule").is_some();
        let item = item.get(row.wrapper).unwrap_or(item);
        if remarks::is_managed(text(item, "Id")) {
            return Ok(None);
        }
        let config = item.get(row.config).unwrap_or(item);
        let named = [text(config, "Name"), text(item, "Name"), text(item, "Id")];
        let name = named.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        if row.kind == Kind::Function && code.is_none() {
            if !has_rule {
                return Ok(None);
            }
            return Err(refused(
                row.list,
                format!("the function {name} has no code to print"),
                "put its source into the bundle as \"FunctionCode\"",
            ));
        }
        let id = match row.kind {
            Kind::Function => name,
            Kind::KeyValueStore => text(item, "ARN"),
            _ => text(item, "Id"),
        };
        let mut settings = self.part(row.config, row.kind, config, said).unwrap_or(Part::Object(Vec::new()));
        if row.kind == Kind::KeyValueStore {
            settings = Part::object([("Name", name.into()), ("Comment", text(item, "Comment").into())]);
        }
        Ok(Some(Resource {
            kind: row.kind,
            name: name.to_owned(),
            short: short(name, reference),
            id: id.to_owned(),
            settings,
            code: code.map(|code| code.trim_end().to_owned() + "\n"),
        }))
    }

    /// The settings with links, without what is null.
    fn part(&self, name: &str, of: Kind, value: &Value, said: &mut HashSet<String>) -> Option<Part> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(truth) => Part::Boolean(*truth),
            Value::Number(number) => Part::Number(number.clone()),
            Value::String(text) => self.link(name, text).unwrap_or_else(|| text.as_str().into()),
            Value::Array(items) => {
                Part::List(items.iter().filter_map(|item| self.part(name, of, item, said)).collect())
            }
            Value::Object(fields) => {
                let mut parts = Vec::new();
                for (key, value) in fields {
                    // Members of a list are what the list is called.
                    let inner = if key == "Items" { name } else { key };
                    let Some(value) = self.part(inner, of, value, said) else { continue };
                    let remark = match remarks::about(of, key, &value) {
                        Some(Remark::Always(text)) => Some(text),
                        Some(Remark::Once(text)) => Some(text).filter(|text| said.insert(text.clone())),
                        None => None,
                    };
                    parts.push(Field { name: key.clone(), value, remark });
                }
                Part::Object(parts)
            }
        })
    }

    /// The resource that a text of the field `name` means.
    fn link(&self, name: &str, text: &str) -> Option<Part> {
        let (kind, attribute) = match name {
            "CachePolicyId" => (Kind::CachePolicy, Attribute::Id),
            "OriginRequestPolicyId" => (Kind::OriginRequestPolicy, Attribute::Id),
            "ResponseHeadersPolicyId" => (Kind::ResponseHeadersPolicy, Attribute::Id),
            "OriginAccessControlId" => (Kind::OriginAccessControl, Attribute::Id),
            "TrustedKeyGroups" => (Kind::KeyGroup, Attribute::Id),
            "KeyGroupConfig" => (Kind::PublicKey, Attribute::Id),
            "FunctionARN" => (Kind::Function, Attribute::Arn),
            "KeyValueStoreARN" => (Kind::KeyValueStore, Attribute::Arn),
            _ => return None,
        };
        let id = if kind == Kind::Function { text.split_once(":function/")?.1 } else { text };
        let is_it = |resource: &Resource| resource.kind == kind && resource.id == id;
        let member = self.resources.iter().position(is_it)?;
        Some(Part::Link(Link { member, kind, attribute }))
    }

    /// Where the distribution is, and all that is made before it.
    pub(super) fn distribution(&self) -> Option<&Resource> {
        self.resources.last()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `pages` of `blog-example-com-pages`: without what it has in common with the end of the caller reference.
fn short(name: &str, reference: &str) -> String {
    let ends = reference.match_indices('-').map(|(at, _)| &reference[at + 1..]);
    let rest = |end: &str| name.strip_prefix(end)?.strip_prefix('-').filter(|rest| !rest.is_empty());
    std::iter::once(reference).chain(ends).find_map(rest).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names() {
        for (name, reference, expected) in [
            ("blog-example-com-pages", "edge-wordpress-blog-example-com", "pages"),
            ("blog-example-com-pages", "blog-example-com", "pages"),
            ("com-pages", "edge-com", "pages"),
            ("pages", "edge-com", "pages"),
            ("edge-com", "edge-com", "edge-com"),
            ("x-y", "", "x-y"),
        ] {
            assert_eq!(short(name, reference), expected, "{name} {reference}");
        }
    }
}
