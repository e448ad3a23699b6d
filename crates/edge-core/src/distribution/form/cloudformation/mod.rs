//! CloudFormation templates into bundles (§1.2.9).
//!
//! One distribution of the template is chosen; every policy, function and key of the template becomes a member of the
//! bundle under its logical id, which is also what `Ref` gives. Property names and shapes that differ from the API's
//! are in `super::shapes`, functions in `functions`.

mod conditions;
mod functions;
mod references;
mod resolve;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use super::super::problem::codes::{INVALID_TEMPLATE, MALFORMED_DOCUMENT, NOT_IN_FORCE};
use super::super::problem::{Problem, Severity};
use super::tree::{Kind, Tree};
use super::{Choices, Turned, choose, parameters, shapes};
use resolve::Resolver;
use template::{Completeness, Template};

/// Turns a template into a bundle.
pub(super) fn turn(root: &Tree, choices: &Choices) -> Result<Turned, Vec<Problem>> {
    let template = Template::new(root);
    let all: Vec<_> = template.cloudfront().collect();
    let given: BTreeMap<String, String> = parameters(choices)?;
    let ids = candidates(&template, &given, &all, choices);
    let chosen = choose(&ids, choices, |ids, chosen| no_distribution(&all, ids, chosen))?;
    let resolver = Resolver::new(&template, &given);
    let mut bundle = root.here(Kind::Object(Vec::new()));
    let mut remarks = Vec::new();
    let distribution = of_kind(&all, "Distribution").find(|(id, _)| *id == chosen);
    if let Some((id, resource)) = distribution {
        add_distribution(&resolver, id, resource, &mut bundle);
    }
    for &(id, kind, resource) in &all {
        if kind != "Distribution" && is_there(&resolver, resource) {
            add_member(&resolver, (id, kind), resource, &mut bundle, &mut remarks);
        }
    }
    let (mut problems, used) = resolver.finish();
    problems.extend(remarks);
    problems.extend(unused(&template, &given, |name| used.contains(name)));
    Ok(Turned { bundle, problems, spelled: str::to_owned })
}

fn of_kind<'a>(
    all: &'a [(&'a str, &'a str, &'a Tree)],
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Tree)> {
    all.iter().filter(move |(_, found, _)| *found == kind).map(|(id, _, resource)| (*id, *resource))
}

/// The distributions to choose from: of several those whose condition may hold. Where that leaves none, all: what is
/// wrong is said of the one that is asked for.
fn candidates<'a>(
    template: &Template<'_>,
    given: &BTreeMap<String, String>,
    all: &'a [(&'a str, &'a str, &'a Tree)],
    choices: &Choices,
) -> Vec<&'a str> {
    let ids: Vec<&str> = of_kind(all, "Distribution").map(|(id, _)| id).collect();
    if choices.resource.is_some() || ids.len() < 2 {
        return ids;
    }
    // What cannot be known is said again, once, where it matters.
    let resolver = Resolver::new(template, given);
    let deployed: Vec<&str> = of_kind(all, "Distribution")
        .filter(|(_, tree)| is_there(&resolver, tree))
        .map(|(id, _)| id)
        .collect();
    if deployed.is_empty() { ids } else { deployed }
}

fn no_distribution(all: &[(&str, &str, &Tree)], ids: &[&str], chosen: Option<&str>) -> Problem {
    let hint = match (ids, of_kind(all, "StreamingDistribution").next()) {
        ([], Some((id, _))) => Some(format!("{id} is a StreamingDistribution: RTMP, which is no more")),
        ([], None) => Some("a resource of the type AWS::CloudFront::Distribution is expected".to_owned()),
        _ => Some(format!("--resource ID, where ID is one of {}{}", ids.join(", "), by_condition(all, ids))),
    };
    let (place, message) = match (chosen, ids) {
        (_, []) => ("Resources".to_owned(), "there is no distribution in this template".to_owned()),
        (Some(chosen), _) => {
            (format!("Resources.{chosen}"), "this is not a distribution of the template".to_owned())
        }
        (None, _) => {
            ("Resources".to_owned(), format!("there are {} distributions in this template", ids.len()))
        }
    };
    Problem { severity: Severity::Error, place, code: MALFORMED_DOCUMENT, message, hint }
}

/// That parameters may decide between them.
fn by_condition(all: &[(&str, &str, &Tree)], ids: &[&str]) -> String {
    let distributions = of_kind(all, "Distribution").filter(|(id, _)| ids.contains(id));
    let conditions: BTreeSet<&str> =
        distributions.filter_map(|(_, tree)| tree.get("Condition")?.as_text()).collect();
    if conditions.is_empty() {
        return String::new();
    }
    let conditions: Vec<&str> = conditions.into_iter().collect();
    format!("; or --parameter NAME=VALUE until one is left by {}", conditions.join(", "))
}

/// Whether the condition of a resource holds.
fn is_there(resolver: &Resolver<'_>, resource: &Tree) -> bool {
    let Some(condition) = resource.get("Condition") else { return true };
    condition.as_text().is_none_or(|name| conditions::named(resolver, name, condition).unwrap_or(true))
}

fn add_distribution(resolver: &Resolver<'_>, id: &str, resource: &Tree, bundle: &mut Tree) {
    if !is_there(resolver, resource) {
        let condition = resource.get("Condition").unwrap_or(resource);
        resolver.error_with(
            condition,
            format!("{id} is not deployed: its condition does not hold"),
            "--parameter NAME=VALUE changes what conditions are made of",
        );
        return;
    }
    let config = resource.get("Properties").and_then(|properties| properties.get("DistributionConfig"));
    let Some(mut config) = config.and_then(|config| resolver.value(config)) else {
        resolver.error(resource, format!("{id} has no DistributionConfig"));
        return;
    };
    // The reference is the stack's and the resource's name: the same each time, and no other distribution's.
    let reference = format!("{}/{id}", resolver.stack_name());
    config.set_default("CallerReference", Kind::Text(reference));
    shapes::distribution(&mut config);
    bundle.set("DistributionConfig", config);
}

/// A policy, function or key: its list in the bundle, the field its settings are in, and how they differ.
struct Member {
    kind: &'static str,
    list: &'static str,
    config: &'static str,
    reshape: fn(&mut Tree),
}

const MEMBERS: &[Member] = &[
    Member {
        kind: "CachePolicy",
        list: "CachePolicies",
        config: "CachePolicyConfig",
        reshape: shapes::cache_policy,
    },
    Member {
        kind: "OriginRequestPolicy",
        list: "OriginRequestPolicies",
        config: "OriginRequestPolicyConfig",
        reshape: |_| {},
    },
    Member {
        kind: "ResponseHeadersPolicy",
        list: "ResponseHeadersPolicies",
        config: "ResponseHeadersPolicyConfig",
        reshape: shapes::response_headers_policy,
    },
    Member { kind: "KeyGroup", list: "KeyGroups", config: "KeyGroupConfig", reshape: |_| {} },
    Member { kind: "PublicKey", list: "PublicKeys", config: "PublicKeyConfig", reshape: |_| {} },
    Member {
        kind: "OriginAccessControl",
        list: "OriginAccessControls",
        config: "OriginAccessControlConfig",
        reshape: |_| {},
    },
    Member {
        kind: "CloudFrontOriginAccessIdentity",
        list: "CloudFrontOriginAccessIdentities",
        config: "CloudFrontOriginAccessIdentityConfig",
        reshape: |_| {},
    },
    Member {
        kind: "ContinuousDeploymentPolicy",
        list: "ContinuousDeploymentPolicies",
        config: "ContinuousDeploymentPolicyConfig",
        reshape: |_| {},
    },
];

fn add_member(
    resolver: &Resolver<'_>,
    (id, kind): (&str, &str),
    resource: &Tree,
    bundle: &mut Tree,
    remarks: &mut Vec<Problem>,
) {
    let empty = resource.here(Kind::Object(Vec::new()));
    let properties = resource.get("Properties").unwrap_or(&empty);
    let (list, member) = match (kind, MEMBERS.iter().find(|member| member.kind == kind)) {
        (_, Some(member)) => {
            let config = properties.get(member.config).unwrap_or(properties);
            let Some(mut config) = resolver.value(config) else { return };
            (member.reshape)(&mut config);
            super::shape::fit(member.config, &mut config);
            let fields = vec![("Id".to_owned(), resource.text_here(id)), (member.config.to_owned(), config)];
            (member.list, resource.here(Kind::Object(fields)))
        }
        ("Function", None) => {
            let Some(mut function) = resolver.value(properties) else { return };
            shapes::function(&mut function, id);
            ("Functions", function)
        }
        ("ConnectionFunction", None) => {
            let Some(mut function) = resolver.value(properties) else { return };
            shapes::connection_function(&mut function, id);
            ("ConnectionFunctions", function)
        }
        ("KeyValueStore", None) => {
            let Some(mut store) = resolver.value(properties) else { return };
            store.set_default("Name", Kind::Text(id.to_owned()));
            store.set_default("Id", Kind::Text(id.to_owned()));
            // As functions refer to it.
            let asked = vec![resource.text_here(id), resource.text_here("Arn")];
            let asked = vec![("Fn::GetAtt".to_owned(), resource.here(Kind::List(asked)))];
            if let Some(arn) = resolver.value(&resource.here(Kind::Object(asked))) {
                store.set("ARN", arn);
            }
            ("KeyValueStores", store)
        }
        _ => {
            let message = format!("{id} is a {kind}, which is not served here");
            let place = resource.place.text("");
            let code = NOT_IN_FORCE;
            remarks.push(Problem { severity: Severity::Warning, place, code, message, hint: None });
            return;
        }
    };
    if bundle.get(list).is_none() {
        bundle.set(list, resource.here(Kind::List(Vec::new())));
    }
    if let Some(Tree { kind: Kind::List(members), .. }) = bundle.get_mut(list) {
        members.push(member);
    }
}

/// Names that were given and are nobody's.
fn unused(
    template: &Template<'_>,
    given: &BTreeMap<String, String>,
    used: impl Fn(&str) -> bool,
) -> Vec<Problem> {
    let declared = template.parameters();
    let known = |name: &str| {
        used(name)
            || name.starts_with("AWS::")
            || declared.contains(&name)
            || template.resource(name.split('.').next().unwrap_or(name)).is_some()
            || template.completeness == Completeness::Excerpt
    };
    let wrong = given.keys().filter(|name| !known(name));
    wrong
        .map(|name| Problem {
            severity: Severity::Error,
            place: format!("--parameter {name}"),
            code: INVALID_TEMPLATE,
            message: format!("the template has no parameter {name}, and refers to nothing of that name"),
            hint: (!declared.is_empty()).then(|| format!("there is {}", declared.join(", "))),
        })
        .collect()
}
