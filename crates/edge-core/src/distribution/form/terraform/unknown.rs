//! What a plan does not know yet, from the references in its configuration.
//!
//! A plan leaves out values that depend on what is not created yet, such as the id of a policy of the same plan. The
//! configuration beside it says what each refers to. A reference is followed through variables and outputs of modules
//! until it names a resource; local values are not in a plan, so what goes through one ends there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::super::policy::{CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES};
use super::super::super::problem::codes::{INVALID_TEMPLATE, STANDS_IN};
use super::super::super::problem::{Problem, Severity};
use super::super::stand_in::{Asked, Surroundings, stand_in};
use super::super::tree::{Kind, Place, Tree};
use super::plan::{Plan, Resource, id_of, module_names};

/// Steps through variables and outputs.
const STEPS_MAX: usize = 32;
/// References followed in all: where each leads to several, they would not come to an end.
const FOLLOWED_MAX: usize = 100_000;

/// Fills in what is not known.
pub(super) struct Unknown<'a> {
    plan: &'a Plan<'a>,
    given: &'a BTreeMap<String, String>,
    used: RefCell<Vec<String>>,
    followed: Cell<usize>,
    problems: RefCell<Vec<Problem>>,
}

/// Where a value stands: its resource, its expression, and what it is called.
struct Site<'a> {
    resource: &'a Resource<'a>,
    expression: &'a Value,
    /// The attribute in the configuration.
    name: &'a str,
}

impl<'a> Unknown<'a> {
    pub(super) fn new(plan: &'a Plan<'a>, given: &'a BTreeMap<String, String>) -> Self {
        Self { plan, given, used: RefCell::default(), followed: Cell::new(0), problems: RefCell::default() }
    }

    /// What was found out, names given for nothing among it.
    pub(super) fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        let used = self.used.into_inner();
        for name in self.given.keys().filter(|name| !used.contains(*name)) {
            problems.push(Problem {
                severity: Severity::Error,
                place: format!("--parameter {name}"),
                code: INVALID_TEMPLATE,
                message: "nothing of that name is unknown in this plan".to_owned(),
                hint: Some("a plan has its variables' values: plan it with others".to_owned()),
            });
        }
        problems
    }

    /// The values of a resource, with what refers to others filled in.
    pub(super) fn filled(&self, resource: &Resource<'_>) -> Tree {
        let mut tree = Tree::of(resource.values.clone(), Place::top(resource.address));
        let expressions = self.plan.expressions(resource).unwrap_or(&Value::Null);
        self.fill(&mut tree, resource.after_unknown, expressions, resource);
        tree
    }

    fn fill(&self, tree: &mut Tree, unknown: &Value, expressions: &Value, resource: &Resource<'_>) {
        let Value::Object(unknown) = unknown else { return };
        for (name, unknown) in unknown {
            let expression = expressions.get(name).unwrap_or(&Value::Null);
            match unknown {
                Value::Bool(true) => {
                    let site = Site { resource, expression, name };
                    self.fill_in(tree, &site);
                }
                Value::Array(unknowns) => {
                    let Some(list) = tree.get_mut(name) else { continue };
                    let place = list.place.clone();
                    let Kind::List(items) = &mut list.kind else { continue };
                    for (index, (item, unknown)) in items.iter_mut().zip(unknowns).enumerate() {
                        match unknown {
                            Value::Bool(true) => {
                                let site = Site { resource, expression, name };
                                let here = Tree { kind: Kind::Null, place: place.member(index, None) };
                                if let Some(text) = self.value(&site, &here, Some(index)) {
                                    item.kind = Kind::Text(text);
                                }
                            }
                            _ => self.fill(item, unknown, block(expression, item, index), resource),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// A field that is not known. What nobody wrote is the provider's to fill in.
    fn fill_in(&self, tree: &mut Tree, site: &Site<'_>) {
        let here = Tree { kind: Kind::Null, place: tree.place.field(site.name, None) };
        let is_given = self.given.contains_key(&here.place.path());
        if !site.expression.is_object() && !is_given {
            return;
        }
        if let Some(text) = self.value(site, &here, None) {
            let is_list = LISTS.contains(&site.name);
            let value = here.text_here(text);
            let value = if is_list { here.here(Kind::List(vec![value])) } else { value };
            tree.set(site.name, value);
        }
    }

    fn value(&self, site: &Site<'_>, here: &Tree, index: Option<usize>) -> Option<String> {
        let path = here.place.path();
        if let Some(value) = self.given.get(&path) {
            self.used.borrow_mut().push(path);
            return Some(value.clone());
        }
        let references = references(site.expression);
        let targets = self.targets(site.resource.module, &references, 0);
        let target = match (index, &targets[..]) {
            (None, [target]) => Some(target),
            (Some(index), targets) => targets.get(index),
            (None, _) => None,
        };
        if let Some(found) = target.and_then(|target| self.of(target, site.name)) {
            return Some(found);
        }
        self.say(site, here, &references, target)
    }

    /// What a list of references comes to: each resource once, by its most specific reference.
    fn targets(&self, module: &str, references: &[&str], steps: usize) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        self.followed.set(self.followed.get() + references.len());
        if steps > STEPS_MAX || self.followed.get() > FOLLOWED_MAX {
            return targets;
        }
        // "a.b.id" comes before "a.b", which says no more.
        let mut before = "";
        for reference in references {
            if before.strip_prefix(reference).is_some_and(|rest| rest.starts_with(['.', '['])) {
                continue;
            }
            before = reference;
            for target in self.followed(module, reference, steps) {
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        targets
    }

    fn followed(&self, module: &str, reference: &str, steps: usize) -> Vec<Target> {
        if let Some(name) = reference.strip_prefix("var.") {
            let name = name.split(['.', '[']).next().unwrap_or_default();
            return self.variable(module, name, steps);
        }
        if let Some(rest) = reference.strip_prefix("module.") {
            let Some((call, output)) = rest.rsplit_once('.') else { return Vec::new() };
            let inner =
                if module.is_empty() { format!("module.{call}") } else { format!("{module}.module.{call}") };
            let outputs = self.plan.configuration(&inner).and_then(|inner| inner.get("outputs"));
            let Some(expression) = outputs.and_then(|outputs| outputs.get(output)?.get("expression")) else {
                return Vec::new();
            };
            return self.expression(&inner, expression, steps);
        }
        if ["local.", "each.", "count.", "self.", "path.", "terraform."]
            .iter()
            .any(|start| reference.starts_with(start))
        {
            return Vec::new();
        }
        vec![Target::Resource { module: module.to_owned(), reference: reference.to_owned() }]
    }

    fn expression(&self, module: &str, expression: &Value, steps: usize) -> Vec<Target> {
        match expression.get("constant_value") {
            Some(Value::String(text)) => vec![Target::Text(text.clone())],
            Some(other) => vec![Target::Text(other.to_string())],
            None => self.targets(module, &references(expression), steps + 1),
        }
    }

    fn variable(&self, module: &str, name: &str, steps: usize) -> Vec<Target> {
        let names = module_names(module);
        let Some(call) = names.last() else {
            let value = self.plan.variable(name).and_then(Value::as_str);
            return value.map(|text| Target::Text(text.to_owned())).into_iter().collect();
        };
        let outer = names[..names.len() - 1]
            .iter()
            .map(|name| format!("module.{name}"))
            .collect::<Vec<_>>()
            .join(".");
        let calls = self.plan.configuration(&outer).and_then(|outer| outer.get("module_calls"));
        match calls.and_then(|calls| calls.get(call)?.get("expressions")?.get(name)) {
            Some(expression) => self.expression(&outer, expression, steps),
            None => Vec::new(),
        }
    }

    /// What a target comes to, where it is in the plan.
    fn of(&self, target: &Target, field: &str) -> Option<String> {
        let (module, reference) = match target {
            Target::Text(text) => return Some(text.clone()),
            Target::Resource { module, reference } => (module, reference),
        };
        let attribute = attribute(reference);
        let resource = self.plan.named(module, reference)?;
        if let Some(known) = resource.values.get(attribute).and_then(Value::as_str) {
            return Some(fitted(field, known, resource.kind));
        }
        if reference.starts_with("data.") {
            let expressions = self.plan.expressions(resource)?;
            return managed(expressions.get("name")?.get("constant_value")?.as_str()?).map(str::to_owned);
        }
        let name = ["bucket", "name"].into_iter().find_map(|key| resource.values.get(key)?.as_str());
        let id = if resource.kind.starts_with("aws_cloudfront_") { id_of(resource) } else { resource.name };
        let asked = Asked {
            id,
            kind: cloudformation_type(resource.kind),
            attribute: asked_attribute(attribute),
            name,
        };
        Some(fitted(field, &stand_in(&asked, &surroundings()), resource.kind))
    }

    /// Says that a value is missing, or what stands in.
    fn say(
        &self,
        site: &Site<'_>,
        here: &Tree,
        references: &[&str],
        target: Option<&Target>,
    ) -> Option<String> {
        let path = here.place.path();
        let hint = Some(format!("--parameter '{path}=VALUE'"));
        let from = references.first().copied().unwrap_or("an expression");
        // A policy that is made up is no policy, and a distribution without one is another.
        let must_be_known = site.name.ends_with("_policy_id") || site.name == "target_origin_id";
        let stands = target.map(|target| match target {
            Target::Resource { reference, .. } => {
                let (kind, name) = reference.split_once('.').unwrap_or(("", reference));
                let name = name.split(['.', '[']).next().unwrap_or(name);
                let asked = Asked {
                    id: name,
                    kind: cloudformation_type(kind),
                    attribute: asked_attribute(attribute(reference)),
                    name: None,
                };
                fitted(site.name, &stand_in(&asked, &surroundings()), kind)
            }
            Target::Text(text) => text.clone(),
        });
        let (severity, code, message, value) = match stands {
            Some(text) if !must_be_known => (
                Severity::Warning,
                STANDS_IN,
                format!("not known in this plan ({from}): {text} stands in"),
                Some(text),
            ),
            _ => (
                Severity::Error,
                INVALID_TEMPLATE,
                format!("not known in this plan: it comes from {from}"),
                None,
            ),
        };
        self.problems.borrow_mut().push(Problem { severity, place: path, code, message, hint });
        value
    }
}

/// What a reference comes to.
#[derive(PartialEq, Eq)]
enum Target {
    Resource { module: String, reference: String },
    Text(String),
}

/// Attributes that are lists of texts; a plan that does not know one does not say so.
const LISTS: &[&str] =
    &["aliases", "items", "key_value_store_associations", "trusted_key_groups", "trusted_signers"];

fn references(expression: &Value) -> Vec<&str> {
    super::plan::list(expression, "references").iter().filter_map(Value::as_str).collect()
}

/// `id` of `aws_cloudfront_cache_policy.pages[0].id`.
fn attribute(reference: &str) -> &str {
    let path = reference.strip_prefix("data.").unwrap_or(reference);
    path.splitn(3, '.').nth(2).unwrap_or_default()
}

/// The block of the configuration a block of the plan comes from: sets are in another order there, so constants
/// decide before the index does.
fn block<'v>(expression: &'v Value, item: &Tree, index: usize) -> &'v Value {
    let Some(blocks) = expression.as_array() else { return expression };
    let agrees = |block: &&Value| {
        let constants = block
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, field)| Some((name, field.get("constant_value")?.as_str()?)));
        let mut seen = false;
        let all = constants.into_iter().all(|(name, constant)| {
            seen = true;
            item.get(name).and_then(Tree::as_text) == Some(constant)
        });
        all && seen
    };
    let found = blocks.iter().find(agrees).or_else(|| blocks.get(index));
    found.unwrap_or(&Value::Null)
}

/// A value as the field wants it: a domain name where the attribute is a URL, a path where it is an id.
fn fitted(field: &str, value: &str, kind: &str) -> String {
    match field {
        "domain_name" => {
            let host = value.split_once("://").map_or(value, |(_, rest)| rest);
            host.split('/').next().unwrap_or(host).to_owned()
        }
        "origin_access_identity" if kind.ends_with("_origin_access_identity") && !value.contains('/') => {
            format!("origin-access-identity/cloudfront/{value}")
        }
        _ => value.to_owned(),
    }
}

/// The id of a managed policy by its name, with or without the `Managed-` before it.
fn managed(name: &str) -> Option<&'static str> {
    let fits = |known: &str| known == name || known.strip_prefix("Managed-") == Some(name);
    let cache = CACHE_POLICIES.iter().map(|row| (row.name, row.id));
    let request = ORIGIN_REQUEST_POLICIES.iter().map(|row| (row.name, row.id));
    let response = RESPONSE_HEADERS_POLICIES.iter().map(|row| (row.name, row.id));
    cache.chain(request).chain(response).find(|(known, _)| fits(known)).map(|(_, id)| id)
}

fn surroundings() -> Surroundings {
    Surroundings {
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        partition: "aws".to_owned(),
        suffix: "amazonaws.com".to_owned(),
    }
}

/// The ARN of a resource: the real one in a state, in a plan the one that references to it get.
pub(super) fn arn_of(resource: &Resource<'_>) -> String {
    let known = resource.values.get("arn").and_then(Value::as_str);
    let made_up = || {
        let (id, kind) = (id_of(resource), cloudformation_type(resource.kind));
        stand_in(&Asked { id, kind, attribute: "Arn", name: None }, &surroundings())
    };
    known.map_or_else(made_up, str::to_owned)
}

/// What CloudFormation calls the types whose names are made up in a shape of their own.
fn cloudformation_type(kind: &str) -> &'static str {
    match kind {
        "aws_acm_certificate" | "aws_acm_certificate_validation" => "AWS::CertificateManager::Certificate",
        "aws_alb" | "aws_lb" => "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "aws_cloudfront_function" => "AWS::CloudFront::Function",
        "aws_cloudfront_key_value_store" => "AWS::CloudFront::KeyValueStore",
        "aws_elb" => "AWS::ElasticLoadBalancing::LoadBalancer",
        "aws_lambda_function" => "AWS::Lambda::Version",
        "aws_s3_bucket" | "aws_s3_bucket_website_configuration" => "AWS::S3::Bucket",
        "aws_wafv2_web_acl" => "AWS::WAFv2::WebACL",
        kind if kind.starts_with("aws_cloudfront_") => "AWS::CloudFront::Other",
        _ => "",
    }
}

/// What CloudFormation calls an attribute; empty where it is what `Ref` gives.
fn asked_attribute(attribute: &str) -> &'static str {
    match attribute {
        "bucket_domain_name" => "DomainName",
        "bucket_regional_domain_name" => "RegionalDomainName",
        "website_endpoint" => "WebsiteURL",
        "dns_name" => "DNSName",
        "api_endpoint" | "invoke_url" => "ApiEndpoint",
        "function_url" => "FunctionUrl",
        "certificate_arn"
        | "qualified_arn"
        | "id"
        | "bucket"
        | "name"
        | "cloudfront_access_identity_path"
        | "" => "",
        "arn" => "Arn",
        "domain_name" => "DomainName",
        _ => "Endpoint",
    }
}
