//! Documents in other forms than the API's JSON: what each comes to, and what is said about it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::fs;
use std::path::PathBuf;

use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::{Loaded, Problem, Problems};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/templates")
}

fn load(text: &str) -> Result<Loaded, Problems> {
    form::load(text, &Choices::default())
}

fn fixture(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn given(parameters: &[&str]) -> Choices {
    Choices { parameters: parameters.iter().map(|text| (*text).to_owned()).collect(), ..Choices::default() }
}

fn chosen(resource: &str) -> Choices {
    Choices { resource: Some(resource.to_owned()), ..Choices::default() }
}

/// A distribution of one of the 22 templates: file, logical id (its beginning), and what is wrong with it, part of
/// each error. `[]` loads.
type Row = (&'static str, &'static str, &'static [&'static str]);

const NO_CONFIG: &str = "exactly one of S3OriginConfig, CustomOriginConfig and VpcOriginConfig, this has 0";
const REQUIRED: &str = "this field is required";

#[rustfmt::skip]
const TEMPLATES: &[Row] = &[
    ("cftaplam-customCloudfrontLoggingBucket.template.json", "cfapigw", &[]),
    ("cftaplam-no-arguments.template.json", "test", &[]),
    ("cftapi-use-specrestapi.template.json", "test", &[]),
    ("cftoais3-custom-headers.template.json", "test", &[]),
    ("cftoais3-custom-originPath.template.json", "test", &[]),
    ("cftoais3-existing-bucket.template.json", "test", &[]),
    ("cftoais3-no-arguments.template.json", "test", &[]),
    ("cfts3-bucket-encrypted-with-managed-key-provided-as-existingbucket.template.json", "test", &[]),
    ("cfts3-custom-headers.template.json", "test", &[]),
    ("cfts3-custom-originPath.template.json", "test", &[]),
    ("cfts3-no-cloudfront-s3-access-logs.template.json", "test", &[]),
    ("wafcft-partial-arguments.template.json", "distro", &[]),
    ("StaticWebsiteStack.template.json", "CloudFrontToS3", &[]),
    ("resources_cloudfront_invalid_aliases.yaml", "CloudFrontDistribution", &[
        "Origins[0].DomainName: this is not a domain name", NO_CONFIG, "Aliases[13]: a wildcard",
        "Aliases[14]: alternate domain names are written in lower case", "Aliases[17]: this is not a domain name",
    ]),
    ("conditions.yaml", "CloudFrontDistribution", &[]),
    ("ref-no-value.yaml", "CloudFront1", &["CloudFront1 has no DistributionConfig"]),
    ("ref-no-value.yaml", "CloudFront2", &[REQUIRED, REQUIRED, REQUIRED, "needs CachePolicyId or ForwardedValues"]),
    ("CloudfrontDistributionLogging-FAILED.yaml", "MyCloudFrontDistribution", &[]),
    ("CloudfrontDistributionLogging-PASSED.yaml", "MyCloudFrontDistribution", &[]),
    ("CloudfrontDistributionEncryption-PASSED.yaml", "CloudFrontDistribution", &["a domain name, not a URL"]),
    ("template.yaml", "ExamplePassDisabledDistribution", &[]),
    ("template.yaml", "ExamplePassNoCustomOriginDistribution", &[NO_CONFIG]),
    ("template.yaml", "ExamplePassHttpsOnlyDistribution", &[]),
    ("template.yaml", "ExamplePassDomainDistribution", &[]),
    ("template.yaml", "ExampleFailDistribution", &[]),
    ("template.yaml", "ExampleFailOneGoodOneBadDistribution", &[]),
    ("template.yaml", "ExampleFailOneMissingOneBadDistribution", &[NO_CONFIG]),
    ("invalid.yaml", "myDistribution1", &[REQUIRED, REQUIRED, REQUIRED]),
    ("static-website.yaml", "CloudFrontDistribution", &[]),
];

/// File, template, and the distribution of each row.
fn templates() -> Vec<(String, String, String)> {
    let text = fs::read_to_string(folder().join("cloudformation-dev.json")).unwrap();
    let records: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(records.len(), 22);
    let mut all = Vec::new();
    for record in &records {
        let template = json!({ "Resources": record["resources"] }).to_string();
        let file = record["path"].as_str().unwrap().rsplit('/').next().unwrap();
        let resources = record["resources"].as_object().unwrap();
        for (id, _) in resources.iter().filter(|(_, it)| it["Type"] == "AWS::CloudFront::Distribution") {
            all.push((file.to_owned(), template.clone(), id.clone()));
        }
    }
    all
}

#[test]
fn templates_of_others() {
    let mut differences = Vec::new();
    let templates = templates();
    assert_eq!(templates.len(), TEMPLATES.len());
    for ((file, template, id), (expected_file, expected_id, errors)) in templates.iter().zip(TEMPLATES) {
        assert!(file == expected_file && id.starts_with(expected_id), "{file} {id}");
        match form::load(template, &chosen(id)) {
            Ok(loaded) if errors.is_empty() => say_what_is_not_done(file, &loaded),
            Ok(_) => differences.push(format!("{file} {id} loads")),
            Err(problems) => {
                let found: Vec<String> = problems.errors().map(ToString::to_string).collect();
                let fits = found.len() == errors.len()
                    && found.iter().zip(*errors).all(|(found, part)| found.contains(part));
                if !fits {
                    differences.push(format!("{file} {id}: {}", found.join("\n")));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every remark has the place of the template, and what is not in force is among them.
fn say_what_is_not_done(file: &str, loaded: &Loaded) {
    for warning in &loaded.warnings {
        assert!(warning.place.starts_with("Resources."), "{file}: {warning}");
        assert!(
            !warning.place.contains("Items") || warning.place.contains("OriginGroups"),
            "{file}: {warning}"
        );
    }
    let config = loaded.document.distribution_config();
    for (field, is_set) in [
        ("Logging", config.pointer("/Logging/Enabled") == Some(&json!(true))),
        ("WebACLId", config.get("WebACLId").is_some_and(|id| id != "")),
        ("OriginAccessControlId", config.to_string().contains("OriginAccessControlId")),
    ] {
        let said = |warning: &Problem| warning.code == "NotInForce" && warning.place.ends_with(field);
        assert_eq!(loaded.warnings.iter().any(said), is_set, "{file}: {field}");
    }
}

#[test]
fn one_of_several_is_chosen() {
    let (_, template, _) = &templates()[20];
    let problems = load(template).unwrap_err();
    let text = problems.to_string();
    assert!(text.contains("there are 7 distributions in this template"), "{text}");
    assert!(text.contains("--resource ID, where ID is one of ExamplePassDisabledDistribution, "), "{text}");
    let problems = form::load(template, &chosen("Nobody")).unwrap_err();
    assert!(problems.to_string().starts_with("Resources.Nobody: this is not a distribution"), "{problems}");
    let loaded = form::load(template, &chosen("ExamplePassDisabledDistribution")).unwrap();
    assert!(!loaded.distribution.enabled);
}

#[test]
fn a_form_prints_the_document_it_was_turned_into() {
    for (file, template, id) in templates() {
        let Ok(loaded) = form::load(&template, &chosen(&id)) else { continue };
        let printed = loaded.document.value().to_string();
        let again = load(&printed).unwrap_or_else(|problems| panic!("{file}:\n{problems}"));
        assert_eq!(format!("{:?}", again.distribution), format!("{:?}", loaded.distribution), "{file}");
        assert_eq!(again.document, loaded.document, "{file}");
    }
}

/// A document with everything in one order that may be in any, and without what only names it.
fn normal(loaded: &Loaded) -> String {
    fn sort(key: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.sort_keys();
                let is_ordered = key == "CacheBehaviors";
                for (name, field) in fields.iter_mut() {
                    sort(name, field);
                    if let (Value::Array(items), "Items", false) = (&mut *field, name.as_str(), is_ordered) {
                        let named = |item: &Value| {
                            item.get("Id").or(item.get("ErrorCode")).unwrap_or(item).to_string()
                        };
                        items.sort_by_key(named);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| sort("", item)),
            _ => {}
        }
    }
    let mut value = loaded.document.value().clone();
    sort("", &mut value);
    value["DistributionConfig"]["CallerReference"] = json!("twin");
    let loaded = load(&value.to_string()).unwrap_or_else(|problems| panic!("{problems}"));
    format!("{:#?}", loaded.distribution)
}

#[test]
fn twins_are_the_same_distribution() {
    let twin = load(&fixture("twin.json")).unwrap();
    for (name, choices) in [
        ("twin.yaml", given(&["Domain=example.com"])),
        ("cdk.out/SiteStack.template.json", given(&[])),
        ("twin.plan.json", given(&[])),
    ] {
        let loaded =
            form::load(&fixture(name), &choices).unwrap_or_else(|problems| panic!("{name}:\n{problems}"));
        let (expected, found) = (normal(&twin), normal(&loaded));
        let difference = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
        assert_eq!(expected, found, "{name}: {difference:?}");
        let unheard: Vec<&Problem> = loaded
            .warnings
            .iter()
            .filter(|problem| {
                !["NotInForce", "NoLocalEffect", "InvalidViewerCertificate"].contains(&problem.code)
            })
            .collect();
        assert!(unheard.is_empty(), "{name}: {unheard:?}");
    }
}

#[test]
fn xml_is_the_same_as_json() {
    let folder = folder().join("../distributions");
    let json = load(&fs::read_to_string(folder.join("legacy-wordpress.json")).unwrap()).unwrap();
    let xml = load(&fixture("legacy-wordpress.xml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{:?}", xml.distribution), format!("{:?}", json.distribution));
    assert_eq!(xml.document.distribution_config(), json.document.distribution_config(), "number for number");
    let places: Vec<&str> = xml.warnings.iter().map(|warning| warning.place.as_str()).collect();
    assert!(!places.is_empty() && places.iter().all(|place| place.contains("(line ")), "{places:?}");
}
