//! What `Ref`, `Fn::GetAtt` and `Fn::ImportValue` give: parameters, resources, and what is elsewhere.
//!
//! A name the caller gave (`--parameter`) comes before everything but the template's own parameters, whose values it
//! sets. What exists only once it is deployed gets a made-up name.

use super::super::stand_in::{Asked, stand_in};
use super::super::tree::{Kind, Tree};
use super::resolve::Resolver;
use super::template::Completeness;

impl<'a> Resolver<'a> {
    pub(super) fn given(&self, name: &str) -> Option<&'a String> {
        let value = self.given.get(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(value)
    }

    /// `Ref`: a pseudo parameter, a parameter, a resource.
    pub(super) fn reference(&self, name: &str, tree: &Tree) -> Option<Tree> {
        if name == "AWS::NoValue" {
            return None;
        }
        if let Some(text) = self.pseudo(name) {
            return self.made(tree, text);
        }
        if let Some(parameter) = self.template.parameter(name) {
            return self.parameter(name, parameter, tree);
        }
        if let Some(value) = self.given(name) {
            return self.made(tree, value.clone());
        }
        self.of_resource(name, "", tree)
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        let around = &self.around;
        let text = match name {
            "AWS::Region" => around.region.clone(),
            "AWS::AccountId" => around.account.clone(),
            "AWS::Partition" => around.partition.clone(),
            "AWS::URLSuffix" => around.suffix.clone(),
            "AWS::StackName" => self.stack_name(),
            "AWS::StackId" => self.given("AWS::StackId").cloned().unwrap_or_else(|| {
                format!(
                    "arn:{}:cloudformation:{}:{}:stack/{}/00000000-0000-0000-0000-000000000000",
                    around.partition,
                    around.region,
                    around.account,
                    self.stack_name()
                )
            }),
            _ => return None,
        };
        if self.given.contains_key(name) {
            self.used.borrow_mut().insert(name.to_owned());
        }
        Some(text)
    }

    /// Part of the caller reference, so that the same stack is the same distribution each time.
    pub(super) fn stack_name(&self) -> String {
        self.given("AWS::StackName").map_or("stack", String::as_str).to_owned()
    }

    fn parameter(&self, name: &str, parameter: &Tree, tree: &Tree) -> Option<Tree> {
        let kind = parameter.get("Type").and_then(Tree::as_text).unwrap_or("String");
        let text = match (self.given(name), parameter.get("Default").and_then(Tree::scalar)) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) if !kind.starts_with("AWS::SSM::") => default,
            (None, default) => {
                let message = match default {
                    Some(default) => format!(
                        "the parameter {name} is {default} of the Parameter Store, which is not asked"
                    ),
                    None => format!("the parameter {name} has no default"),
                };
                self.error_with(tree, message, format!("--parameter {name}=VALUE"));
                return None;
            }
        };
        let allowed = parameter.get("AllowedValues").map(Tree::items).unwrap_or_default();
        let texts: Vec<String> = allowed.iter().filter_map(Tree::scalar).collect();
        if !texts.is_empty() && !texts.contains(&text) {
            let message = format!("{text:?} is not one of the allowed values of the parameter {name}");
            self.error_with(tree, message, format!("use one of {}", texts.join(", ")));
            return None;
        }
        if kind == "CommaDelimitedList" || kind.starts_with("List<") {
            let items = text.split(',').map(|item| tree.text_here(item.trim()));
            self.count(tree, text.len().saturating_mul(4));
            return Some(tree.here(Kind::List(items.collect())));
        }
        self.made(tree, text)
    }

    pub(super) fn attribute(&self, id: &str, attribute: &str, tree: &Tree) -> Option<Tree> {
        if let Some(value) = self.given(&format!("{id}.{attribute}")) {
            return self.made(tree, value.clone());
        }
        self.of_resource(id, attribute, tree)
    }

    fn of_resource(&self, id: &str, attribute: &str, tree: &Tree) -> Option<Tree> {
        let resource = self.template.resource(id);
        if resource.is_none() && !self.may_be_elsewhere(id, attribute, tree) {
            return None;
        }
        let kind = resource.and_then(|resource| resource.get("Type")?.as_text()).unwrap_or_default();
        let name = resource.and_then(|resource| self.name_of(kind, resource));
        let asked = Asked { id, kind, attribute, name: name.as_deref() };
        let text = stand_in(&asked, &self.around);
        if resource.is_none() {
            let full = if attribute.is_empty() { id.to_owned() } else { format!("{id}.{attribute}") };
            let message = format!("{full} is not in this template: {text} stands in");
            self.stands_in(tree, &message, Some(format!("--parameter {full}=VALUE")));
        }
        self.made(tree, text)
    }

    /// An excerpt may name what it does not show; a whole template may not.
    fn may_be_elsewhere(&self, id: &str, attribute: &str, tree: &Tree) -> bool {
        if self.template.completeness == Completeness::Excerpt {
            return true;
        }
        let what = if attribute.is_empty() { "parameter or resource" } else { "resource" };
        self.error_with(tree, format!("the template has no {what} called {id}"), self.template.nearly(id));
        false
    }

    /// The name a resource was given.
    fn name_of(&self, kind: &str, resource: &Tree) -> Option<String> {
        let field = match kind {
            "AWS::S3::Bucket" => "BucketName",
            "AWS::ApiGateway::Stage" | "AWS::ApiGatewayV2::Stage" => "StageName",
            "AWS::Lambda::Function" => "FunctionName",
            kind if kind.starts_with("AWS::ElasticLoadBalancing") => "Name",
            "AWS::CloudFront::Function" | "AWS::CloudFront::KeyValueStore" | "AWS::WAFv2::WebACL" => "Name",
            _ => return None,
        };
        let name = resource.get("Properties")?.get(field)?;
        self.value(name)?.scalar().filter(|name| !name.is_empty())
    }

    /// `Fn::ImportValue`: another stack knows it.
    pub(super) fn imported(&self, export: &str, tree: &Tree) -> Option<Tree> {
        if let Some(value) = self.given(export) {
            return self.made(tree, value.clone());
        }
        let text = stand_in(&Asked { id: export, kind: "", attribute: "", name: None }, &self.around);
        let message = format!("{export} is imported from another stack: {text} stands in");
        self.stands_in(tree, &message, Some(format!("--parameter {export}=VALUE")));
        self.made(tree, text)
    }
}
