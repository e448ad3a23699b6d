//! The rules of `lint` from outside: each with a document that it speaks about and one that it does not.
//!
//! `fixtures/lint/README.md` says how such a document is written.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edge_core::distribution::document;
use edge_core::lint::{Finding, RULES, Rule, lint};
use serde_json::{Map, Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Value {
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

fn findings(short: &Value) -> Vec<Finding> {
    lint(&document::load_value(bundle(short)))
}

fn printed(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("    {} {} {} [{}]\n", finding.rule.code, finding.place, finding.message, finding.value)
    };
    findings.iter().map(line).collect()
}

/// What is wrong with the pair of documents of a rule.
fn check(rule: &Rule) -> Vec<String> {
    let directory = root().join("fixtures/lint").join(format!("{}-{}", rule.code, rule.name));
    let of_rule = |findings: &[Finding]| -> Vec<Finding> {
        findings.iter().filter(|finding| finding.rule.code == rule.code).cloned().collect()
    };
    let mut wrong = Vec::new();
    let fires = read(&directory.join("fires.json"));
    let all = findings(&fires);
    let found = of_rule(&all);
    let text =
        |key: &str| fires[key].as_str().unwrap_or_else(|| panic!("{}: no {key}", rule.code)).to_owned();
    let (place, value) = (text("place"), text("value"));
    if !found.iter().any(|finding| finding.place == place && finding.value == value) {
        wrong.push(format!(
            "{} {}: says nothing at {place} [{value}], but\n{}",
            rule.code,
            rule.name,
            printed(&all)
        ));
    }
    let quiet = read(&directory.join("quiet.json"));
    let all = findings(&quiet);
    let found = of_rule(&all);
    if !found.is_empty() {
        wrong.push(format!("{} {}: is not quiet:\n{}", rule.code, rule.name, printed(&found)));
    }
    let unloadable: Vec<Finding> = all.into_iter().filter(|finding| finding.rule.code < "EDGE010").collect();
    if !unloadable.is_empty() {
        wrong.push(format!("{}: its quiet document does not load:\n{}", rule.code, printed(&unloadable)));
    }
    for document in [&fires, &quiet] {
        if document["why"].as_str().is_none_or(|why| !why.ends_with('.')) {
            wrong.push(format!("{}: a document without a sentence on why", rule.code));
        }
    }
    wrong
}

#[test]
fn each_rule_speaks_and_is_quiet() {
    let wrong: Vec<String> = RULES.iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_document_is_of_a_rule() {
    let wanted: BTreeSet<String> = RULES.iter().map(|rule| format!("{}-{}", rule.code, rule.name)).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("fixtures/lint")).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            let files = std::fs::read_dir(entry.path()).unwrap().map(|file| file.unwrap().file_name());
            let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
            assert_eq!(files, ["fires.json", "quiet.json"].map(str::to_owned).into(), "{:?}", entry.path());
            found.insert(entry.file_name().into_string().unwrap());
        }
    }
    assert_eq!(found, wanted);
}

/// The base itself, so that a document's findings are its own.
#[test]
fn the_base_is_clean() {
    let found: Vec<Finding> =
        findings(&json!({})).into_iter().filter(|f| !["EDGE013", "EDGE014"].contains(&f.rule.code)).collect();
    assert!(found.is_empty(), "\n{}", printed(&found));
}
