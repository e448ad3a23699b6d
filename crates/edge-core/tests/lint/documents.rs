//! The short documents of `fixtures/lint/`: what they stand for.

use std::path::{Path, PathBuf};

use edge_core::distribution::document;
use edge_core::lint::{Finding, lint};
use serde_json::{Map, Value, json};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn base() -> Value {
    read(&root().join("fixtures/lint/base.json"))
}

/// RFC 7396, with the lists of the API written as plain arrays.
fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = json!({});
            }
            for (key, value) in fields {
                if value.is_null() {
                    target.as_object_mut().unwrap().shift_remove(key);
                } else if key == "Items" {
                    target[key] = value.clone(); // Written out, beside fields of the list's own.
                } else {
                    merge(&mut target[key], value);
                }
            }
        }
        Value::Array(items) => *target = list(items.iter().map(|item| merged(&Value::Null, item)).collect()),
        other => *target = other.clone(),
    }
}

fn merged(base: &Value, patch: &Value) -> Value {
    let mut value = base.clone();
    merge(&mut value, patch);
    value
}

fn list(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

/// The bundle that a short document stands for.
fn bundle(short: &Value) -> Value {
    const PARTS: [&str; 9] =
        ["why", "place", "value", "default", "behaviors", "origins", "cache", "forward", "headers"];
    let base = base();
    let given = |part: &str| short.get(part).filter(|value| !value.is_null());
    let known = |key: &String| PARTS.contains(&key.as_str()) || key == "config" || key == "functions";
    assert!(short.as_object().unwrap().keys().all(known), "an unknown part: {short}");
    let mut config = base["config"].clone();
    let mut default = base["behavior"].clone();
    let mut bundle = Map::new();
    for (part, field, list, wrapper) in [
        ("cache", "CachePolicyId", "CachePolicies", "CachePolicyConfig"),
        ("forward", "OriginRequestPolicyId", "OriginRequestPolicies", "OriginRequestPolicyConfig"),
        ("headers", "ResponseHeadersPolicyId", "ResponseHeadersPolicies", "ResponseHeadersPolicyConfig"),
    ] {
        let Some(patch) = given(part) else { continue };
        default[field] = json!(part);
        let mut policy = json!({ "Id": part });
        policy[wrapper] = merged(&base[part], patch);
        bundle.insert(list.to_owned(), json!([policy]));
    }
    if let Some(patch) = given("default") {
        merge(&mut default, patch);
    }
    config["DefaultCacheBehavior"] = default;
    let each = |part: &str, base: &Value| {
        given(part)
            .map(|patches| patches.as_array().unwrap().iter().map(|patch| merged(base, patch)).collect())
    };
    if let Some(behaviors) = each("behaviors", &base["behavior"]) {
        config["CacheBehaviors"] = list(behaviors);
    }
    config["Origins"] =
        list(each("origins", &base["origin"]).unwrap_or_else(|| vec![base["origin"].clone()]));
    if let Some(patch) = given("config") {
        merge(&mut config, patch);
    }
    if let Some(functions) = given("functions") {
        bundle.insert("Functions".to_owned(), functions.clone());
    }
    bundle.insert("DistributionConfig".to_owned(), config);
    Value::Object(bundle)
}

pub(crate) fn findings(short: &Value) -> Vec<Finding> {
    lint(&document::load_value(bundle(short)))
}
