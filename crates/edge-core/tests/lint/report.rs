//! The forms machines read, held against what is published about them.

use std::collections::BTreeSet;

use edge_core::lint::lines::Lines;
use edge_core::lint::report::{JSON_SCHEMA, json, sarif};
use edge_core::lint::{Finding, RULES};
use serde_json::{Value, json};

use crate::documents::findings;

/// One finding of each severity at least, one of them about a behavior.
fn some() -> Vec<Finding> {
    findings(&json!({
        "default": { "OriginRequestPolicyId": "216adef6-5c7f-47e4-b989-5492eafa07d3", "ViewerProtocolPolicy": "allow-all" },
    }))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_has_what_the_page_says() {
    let found = some();
    let document = json(&found, "d.json", &Lines::of("{\n\"DistributionConfig\":\n{}}"));
    assert_eq!(keys(&document), ["schema", "file", "summary", "findings"].into());
    assert_eq!((&document["schema"], &document["file"]), (&json!(JSON_SCHEMA), &json!("d.json")));
    let listed = document["findings"].as_array().unwrap();
    let counts = ["errors", "warnings", "infos"].map(|key| document["summary"][key].as_u64().unwrap());
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    assert_eq!(usize::try_from(counts.iter().sum::<u64>()).unwrap(), listed.len());
    let fields = [
        "code", "name", "severity", "title", "place", "line", "pattern", "value", "message", "why", "fix",
        "link",
    ];
    for finding in listed {
        assert_eq!(keys(finding), fields.into());
        assert!(["error", "warning", "info"].contains(&finding["severity"].as_str().unwrap()));
        assert_eq!(finding["line"], 2);
        assert!(finding["pattern"].is_null() || finding["pattern"].is_string());
    }
    let leak = listed.iter().find(|finding| finding["code"] == "EDGE102").unwrap();
    assert_eq!((&leak["pattern"], &leak["value"]), (&json!("*"), &json!("cookies: all")));
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"));
    assert!(!text.is_empty(), "{key} is empty in {value}");
    text
}

/// SARIF 2.1.0, by the sections that require or forbid something.
#[test]
fn sarif_is_as_published() {
    let found = some();
    let log = sarif(&found, "conf/my site.json", &Lines::of("{\n\"DistributionConfig\":\n{}}"));
    // §3.13: sarifLog.
    assert_eq!(text(&log, "version"), "2.1.0");
    assert!(text(&log, "$schema").ends_with("sarif-2.1.0.json"));
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("one run") };
    assert_eq!(keys(run), ["tool", "results"].into()); // §3.14
    let driver = &run["tool"]["driver"]; // §3.18, §3.19
    text(driver, "name");
    assert_eq!(text(driver, "semanticVersion").split('.').count(), 3); // §3.19.12
    let rules = driver["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    let mut ids = BTreeSet::new();
    for rule in rules {
        assert!(ids.insert(text(rule, "id")), "§3.19.23: ids are unique"); // §3.49.3
        for message in ["shortDescription", "fullDescription", "help"] {
            assert!(text(&rule[message], "text").ends_with('.') || message == "shortDescription");
        }
        assert!(text(rule, "helpUri").starts_with("https://")); // §3.49.12: absolute
        assert!(["error", "warning", "note"].contains(&text(&rule["defaultConfiguration"], "level"))); // §3.50.3
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), found.len());
    let mut prints = BTreeSet::new();
    for result in results {
        text(&result["message"], "text"); // §3.27.11: required
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap(); // §3.27.6
        assert_eq!(rules[index]["id"], result["ruleId"], "§3.27.5: they agree");
        assert!(["error", "warning", "note"].contains(&text(result, "level"))); // §3.27.10
        let [location] = result["locations"].as_array().unwrap().as_slice() else { panic!("one place") };
        let uri = text(&location["physicalLocation"]["artifactLocation"], "uri"); // §3.29.2, §3.4.3
        assert_eq!(uri, "conf/my%20site.json");
        assert_eq!(location["physicalLocation"]["region"]["startLine"], 2); // §3.30.5
        let [logical] = location["logicalLocations"].as_array().unwrap().as_slice() else {
            panic!("one name")
        };
        text(logical, "fullyQualifiedName"); // §3.33.5
        let print = text(&result["partialFingerprints"], "edgeLint/v1"); // §3.27.17: values are texts
        assert!(prints.insert(print), "{print} is there twice");
    }
    let levels: BTreeSet<&str> = results.iter().map(|result| text(result, "level")).collect();
    assert_eq!(levels, ["error", "warning", "note"].into());
}
