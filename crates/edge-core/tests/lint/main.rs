//! The rules of `lint` from outside: each with a document that it speaks about and one that it does not.
//!
//! `fixtures/lint/README.md` says how such a document is written.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod documents;
mod page;
mod report;

use std::collections::BTreeSet;

use documents::{findings, read, root};
use edge_core::distribution::{Severity, document};
use edge_core::lint::{Finding, RULES, Rule, lint, rule_called};
use edge_core::site::preset::PRESETS;
use edge_core::site::{Policy, Style, compile};
use serde_json::{Value, json};

fn printed(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        format!("    {} {} {} [{}]\n", finding.rule.code, finding.place, finding.message, finding.value)
    };
    findings.iter().map(line).collect()
}

/// The documents of a rule, as they are to be.
fn pair(rule: &Rule) -> [Value; 2] {
    let directory = root().join("fixtures/lint").join(format!("{}-{}", rule.code, rule.name));
    ["fires.json", "quiet.json"].map(|name| read(&directory.join(name)))
}

/// What is wrong with a pair of documents of a rule.
fn check(rule: &Rule, [fires, quiet]: &[Value; 2]) -> Vec<String> {
    let of_rule = |findings: &[Finding]| -> Vec<Finding> {
        findings.iter().filter(|finding| finding.rule.code == rule.code).cloned().collect()
    };
    let mut wrong = Vec::new();
    let all = findings(fires);
    let meant = |finding: &Finding| {
        fires["place"] == finding.place
            && fires["value"] == finding.value
            && finding.severity == rule.severity
    };
    if !of_rule(&all).iter().any(meant) {
        let (place, value) = (&fires["place"], &fires["value"]);
        wrong.push(format!("{} is silent at {place} {value}:\n{}", rule.code, printed(&all)));
    }
    let all = findings(quiet);
    if !of_rule(&all).is_empty() {
        wrong.push(format!("{} is not quiet:\n{}", rule.code, printed(&of_rule(&all))));
    }
    let unloadable: Vec<Finding> = all.into_iter().filter(|finding| finding.rule.code < "EDGE010").collect();
    if !unloadable.is_empty() {
        wrong.push(format!("{}: its quiet document does not load:\n{}", rule.code, printed(&unloadable)));
    }
    for document in [fires, quiet] {
        if document["why"].as_str().is_none_or(|why| !why.ends_with('.')) {
            wrong.push(format!("{}: a document without a sentence on why", rule.code));
        }
    }
    wrong
}

#[test]
fn each_rule_speaks_and_is_quiet() {
    let wrong: Vec<String> = RULES.iter().flat_map(|rule| check(rule, &pair(rule))).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Each pair tells the rule from no rule, and from one that always speaks.
#[test]
fn each_pair_the_wrong_way_round_is_noticed() {
    for rule in RULES {
        let [fires, quiet] = pair(rule);
        assert!(check(rule, &[quiet, fires]).len() >= 2, "{}", rule.code);
    }
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

/// Findings that are more than notes.
fn loud(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| finding.severity != Severity::Info).collect()
}

#[test]
fn presets_are_clean() {
    for preset in PRESETS.iter().map(|preset| preset.name) {
        for server in ["https://origin.example.com", "http://127.0.0.1:8000"] {
            for style in [Style::Function, Style::Policy] {
                let mut policy = Policy::from_preset(preset, &[server]).unwrap();
                policy.set_style(style).unwrap();
                let found = loud(lint(&document::load_value(compile(&policy).document)));
                assert!(found.is_empty(), "{preset} {server} {style:?}:\n{}", printed(&found));
            }
        }
    }
}

/// The example of every field asks its origin over plain HTTP, and says so.
#[test]
fn the_example_policy_says_one_thing() {
    let bundle = read(&root().join("fixtures/site/wordpress.bundle.json"));
    let found = loud(lint(&document::load_value(bundle)));
    let codes: Vec<&str> = found.iter().map(|finding| finding.rule.code).collect();
    assert_eq!(codes, ["EDGE303"], "\n{}", printed(&found));
}

/// What AWS's own pages recommend for an origin of a kind.
#[test]
fn recommended_setups_are_clean() {
    const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
    const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
    const USE_ORIGIN: &str = "83da9c7e-98b4-4e11-a168-04f0df8e2c65";
    const USE_ORIGIN_QUERY: &str = "4cc15a8a-d715-48a4-82b8-cc0b614638fe";
    const AMPLIFY: &str = "2e54312d-136d-493c-8eb9-b001f22f67d2";
    const MEDIA_PACKAGE: &str = "08627262-05a9-4f76-9ded-b50ca2e3a84f";
    const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
    const EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
    const CORS_CUSTOM: &str = "59781a5b-3903-41f3-afcb-af62929ccde1";
    const CORS_S3: &str = "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf";
    let web = json!({});
    let bucket = json!({
        "DomainName": "files.s3.eu-central-1.amazonaws.com",
        "CustomOriginConfig": null,
        "S3OriginConfig": { "OriginAccessIdentity": "" },
        "OriginAccessControlId": "E2ABCDEFGHIJKL",
    });
    let interface = json!({ "DomainName": "abc123.execute-api.eu-central-1.amazonaws.com" });
    let function = json!({ "DomainName": "abc123.lambda-url.eu-central-1.on.aws" });
    for (origin, cache, forward) in [
        (&web, CACHING_OPTIMIZED, None),
        (&web, CACHING_OPTIMIZED, Some(CORS_CUSTOM)),
        (&web, CACHING_DISABLED, Some(ALL_VIEWER)),
        (&web, USE_ORIGIN, Some(EXCEPT_HOST)),
        (&web, USE_ORIGIN_QUERY, Some(ALL_VIEWER)),
        (&web, AMPLIFY, None),
        (&web, MEDIA_PACKAGE, None),
        (&bucket, CACHING_OPTIMIZED, None),
        (&bucket, CACHING_OPTIMIZED, Some(CORS_S3)),
        (&interface, CACHING_DISABLED, Some(EXCEPT_HOST)),
        (&function, CACHING_DISABLED, Some(EXCEPT_HOST)),
    ] {
        let mut behavior = json!({ "CachePolicyId": cache });
        if let Some(forward) = forward {
            behavior["OriginRequestPolicyId"] = json!(forward);
        }
        let short = json!({
            "config": { "DefaultRootObject": "index.html" },
            "origins": [origin],
            "default": behavior,
        });
        let found = loud(findings(&short));
        assert!(found.is_empty(), "{short}:\n{}", printed(&found));
    }
}

/// What a function may have mended is a note; a function that is sure to run later has mended nothing.
#[test]
fn a_function_that_is_not_understood_makes_a_note() {
    for (event, expected) in [("viewer-request", Severity::Info), ("viewer-response", Severity::Error)] {
        let short = json!({
            "cache": {},
            "forward": { "CookiesConfig": { "CookieBehavior": "all" } },
            "default": { "FunctionAssociations": [
                { "FunctionARN": "arn:aws:cloudfront::123456789012:function/any", "EventType": event },
            ] },
        });
        let found = findings(&short);
        let leak = found.iter().find(|finding| finding.rule.code == "EDGE102").unwrap();
        assert_eq!(leak.severity, expected, "{event}");
    }
}

#[test]
fn the_table_is_in_order() {
    for pair in RULES.windows(2) {
        assert!(pair[0].code < pair[1].code, "{} {}", pair[0].code, pair[1].code);
    }
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len(), "a name is there twice");
    for rule in RULES {
        let digits = rule.code.strip_prefix("EDGE").unwrap();
        assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", rule.code);
        assert!(rule.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(!rule.title.ends_with('.') && rule.title.len() <= 80, "{}", rule.code);
        for text in [rule.why, rule.fix, rule.sure] {
            assert!(text.ends_with('.'), "{}: {text}", rule.code);
        }
        assert!(rule.link.starts_with("https://"), "{}", rule.link);
        for called in [rule.code, &rule.code.to_ascii_lowercase(), rule.name] {
            assert_eq!(rule_called(called).unwrap().code, rule.code);
        }
    }
    assert!(rule_called("EDGE").is_none());
}

/// Whatever the documents of the loader's tests hold: errors come first, and every finding is whole.
#[test]
fn findings_are_whole() {
    for entry in std::fs::read_dir(root().join("fixtures/distributions")).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let found = lint(&document::load(&text));
        assert!(found.is_sorted_by_key(|finding| finding.severity), "{:?}", entry.path());
        for finding in found {
            assert!(!finding.place.is_empty() && !finding.value.is_empty() && !finding.message.is_empty());
            assert!(finding.severity >= finding.rule.severity, "{}", finding.rule.code);
        }
    }
}

#[test]
fn what_does_not_load_is_findings_too() {
    let found = lint(&document::load("{ not json"));
    assert_eq!(found.len(), 1, "{}", printed(&found));
    assert_eq!((found[0].rule.code, found[0].severity), ("EDGE009", Severity::Error));
    assert!(found[0].place.starts_with("line 1"), "{}", found[0].place);
}
