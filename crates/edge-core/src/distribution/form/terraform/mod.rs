//! Terraform plans and states (`terraform show -json`) into bundles.
//!
//! One `aws_cloudfront_distribution` is chosen; every policy, function and key of the plan becomes a member of the
//! bundle, under its id where it has one already, else under its address. What a plan does not know yet is looked up
//! in its configuration (`unknown`). This module refuses to read HCL.

mod names;
mod plan;
mod unknown;

use serde_json::Value;

use super::super::problem::codes::MALFORMED_DOCUMENT;
use super::super::problem::{Problem, Severity};
use super::tree::{Kind, Place, Tree};
use super::{Choices, Turned, choose, parameters, shape, shapes};
pub(super) use names::{repeats, terraform_name};
use plan::{Plan, Resource};
use unknown::Unknown;

/// Turns a plan or a state into a bundle.
pub(super) fn turn(document: &Value, choices: &Choices) -> Result<Turned, Vec<Problem>> {
    let plan = Plan::read(document);
    let all: Vec<&Resource<'_>> = plan.managed("aws_cloudfront_distribution").collect();
    let addresses: Vec<&str> = all.iter().map(|resource| resource.address).collect();
    let chosen = choose(&addresses, choices, no_distribution)?;
    let given = parameters(choices)?;
    let unknown = Unknown::new(&plan, &given);
    let mut bundle = Tree { kind: Kind::Object(Vec::new()), place: Place::top("") };
    for resource in all.into_iter().filter(|resource| resource.address == chosen) {
        add_distribution(resource, &unknown, &mut bundle);
    }
    for member in MEMBERS {
        for resource in plan.managed(member.kind) {
            add_member(member, resource, &unknown, &mut bundle);
        }
    }
    Ok(Turned { bundle, problems: unknown.finish(), spelled: names::spelled })
}

fn no_distribution(addresses: &[&str], chosen: Option<&str>) -> Problem {
    let (place, message) = match (chosen, addresses) {
        (_, []) => ("", "there is no aws_cloudfront_distribution in this plan".to_owned()),
        (Some(chosen), _) => (chosen, "this is not a distribution of the plan".to_owned()),
        (None, _) => ("", format!("there are {} distributions in this plan", addresses.len())),
    };
    let hint = (!addresses.is_empty())
        .then(|| format!("--resource ADDRESS, where ADDRESS is one of {}", addresses.join(", ")));
    Problem { severity: Severity::Error, place: place.to_owned(), code: MALFORMED_DOCUMENT, message, hint }
}

/// What a distribution has of itself and of Terraform, and a `DistributionConfig` has not.
const NOT_CONFIG: &[&str] = &[
    "arn",
    "domain_name",
    "etag",
    "hosted_zone_id",
    "id",
    "in_progress_validation_batches",
    "last_modified_time",
    "logging_v1_enabled",
    "region",
    "retain_on_delete",
    "status",
    "tags",
    "tags_all",
    "timeouts",
    "trusted_key_groups",
    "trusted_signers",
    "wait_for_deployment",
];

fn add_distribution(resource: &Resource<'_>, unknown: &Unknown<'_>, bundle: &mut Tree) {
    let mut values = unknown.filled(resource);
    for (field, name) in [("id", "Id"), ("domain_name", "DomainName")] {
        if let Some(value) = values.get(field).filter(|value| value.as_text().is_some()) {
            bundle.set(name, value.clone());
        }
    }
    for name in NOT_CONFIG {
        values.take(name);
    }
    let mut config = names::renamed("", values);
    config.set_default("CallerReference", Kind::Text(format!("terraform/{}", resource.address)));
    for key in ["DefaultCacheBehavior", "CacheBehaviors"] {
        config.each(key, policies_have_ttls);
    }
    config.each("CustomErrorResponses", zero_is_no_code);
    config.each("Origins", bucket_by_default);
    shapes::distribution(&mut config);
    bundle.set("DistributionConfig", config);
}

/// Beside a cache policy, Terraform's TTLs of 0 are not set but its default.
fn policies_have_ttls(behavior: &mut Tree) {
    if behavior.get("CachePolicyId").is_some() {
        for key in ["MinTTL", "DefaultTTL", "MaxTTL"] {
            if behavior.get(key).and_then(Tree::scalar).as_deref() == Some("0") {
                behavior.take(key);
            }
        }
    }
}

/// The provider makes a bucket of an origin whose kind is not said.
fn bucket_by_default(origin: &mut Tree) {
    if ["CustomOriginConfig", "S3OriginConfig", "VpcOriginConfig"].iter().all(|key| origin.get(key).is_none())
    {
        origin.set_default("S3OriginConfig", Kind::Object(Vec::new()));
    }
}

fn zero_is_no_code(response: &mut Tree) {
    if response.get("ResponseCode").and_then(Tree::scalar).as_deref() == Some("0") {
        response.take("ResponseCode");
    }
}

/// A kind of resource, its list in the bundle, and the object its settings are in there.
struct Member {
    kind: &'static str,
    list: &'static str,
    config: &'static str,
}

const MEMBERS: &[Member] = &[
    Member { kind: "aws_cloudfront_cache_policy", list: "CachePolicies", config: "CachePolicyConfig" },
    Member {
        kind: "aws_cloudfront_origin_request_policy",
        list: "OriginRequestPolicies",
        config: "OriginRequestPolicyConfig",
    },
    Member {
        kind: "aws_cloudfront_response_headers_policy",
        list: "ResponseHeadersPolicies",
        config: "ResponseHeadersPolicyConfig",
    },
    Member { kind: "aws_cloudfront_key_group", list: "KeyGroups", config: "KeyGroupConfig" },
    Member { kind: "aws_cloudfront_public_key", list: "PublicKeys", config: "PublicKeyConfig" },
    Member {
        kind: "aws_cloudfront_origin_access_control",
        list: "OriginAccessControls",
        config: "OriginAccessControlConfig",
    },
    Member {
        kind: "aws_cloudfront_origin_access_identity",
        list: "CloudFrontOriginAccessIdentities",
        config: "CloudFrontOriginAccessIdentityConfig",
    },
    Member { kind: "aws_cloudfront_function", list: "Functions", config: "FunctionConfig" },
    Member {
        kind: "aws_cloudfront_connection_function",
        list: "ConnectionFunctions",
        config: "ConnectionFunctionConfig",
    },
    Member { kind: "aws_cloudfront_key_value_store", list: "KeyValueStores", config: "" },
];

/// What a resource has of itself, beside its settings.
const NOT_SETTINGS: &[&str] = &[
    "arn",
    "caller_reference",
    "etag",
    "id",
    "last_modified_time",
    "live_stage_etag",
    "publish",
    "status",
    "timeouts",
];

fn add_member(member: &Member, resource: &Resource<'_>, unknown: &Unknown<'_>, bundle: &mut Tree) {
    let mut values = unknown.filled(resource);
    for name in NOT_SETTINGS {
        values.take(name);
    }
    let mut settings = names::renamed("", values);
    let item = match member.config {
        "FunctionConfig" => function(settings),
        "ConnectionFunctionConfig" => {
            settings.set("Id", settings.text_here(plan::id_of(resource)));
            connection_function(settings)
        }
        "" => {
            settings.set("Id", settings.text_here(plan::id_of(resource)));
            settings.set("ARN", settings.text_here(unknown::arn_of(resource)));
            settings
        }
        config => {
            shape::fit(config, &mut settings);
            let id = settings.text_here(plan::id_of(resource));
            let place = settings.place.clone();
            let fields = vec![("Id".to_owned(), id), (config.to_owned(), settings)];
            Tree { kind: Kind::Object(fields), place }
        }
    };
    if bundle.get(member.list).is_none() {
        let list = item.here(Kind::List(Vec::new()));
        bundle.set(member.list, list);
    }
    if let Some(Tree { kind: Kind::List(items), .. }) = bundle.get_mut(member.list) {
        items.push(item);
    }
}

/// Its settings stand in a block, with a block for its store.
fn connection_function(mut function: Tree) -> Tree {
    for computed in ["ConnectionFunctionArn", "Tags", "TagsAll"] {
        function.take(computed);
    }
    function.rename("ConnectionFunctionCode", "Code");
    if let Some(config) = function.get_mut("ConnectionFunctionConfig") {
        config.set_default("Comment", Kind::Text(String::new()));
        if let Some(mut store) = config.take("KeyValueStoreAssociation") {
            store.rename("KeyValueStoreArn", "KeyValueStoreARN");
            let list = store.here(Kind::List(vec![store.clone()]));
            config.set("KeyValueStoreAssociations", list);
        }
        shape::fit("ConnectionFunctionConfig", config);
    }
    function
}

/// Name and code stand beside the settings, stores by their ARN.
fn function(mut settings: Tree) -> Tree {
    let mut fields = Vec::new();
    for key in ["Name", "Code"] {
        fields.extend(settings.take(key).map(|value| (key.to_owned(), value)));
    }
    settings.set_default("Comment", Kind::Text(String::new()));
    settings.each("KeyValueStoreAssociations", |store| {
        let arn = store.clone();
        store.kind = Kind::Object(vec![("KeyValueStoreARN".to_owned(), arn)]);
    });
    shape::fit("FunctionConfig", &mut settings);
    let place = settings.place.clone();
    fields.insert(1.min(fields.len()), ("FunctionConfig".to_owned(), settings));
    Tree { kind: Kind::Object(fields), place }
}
