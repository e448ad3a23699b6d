//! The stack around a distribution: what is printed loads as the distribution it was printed from, with the uploads
//! beside it, under every option.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod modules;
mod page;

use std::path::PathBuf;

use edge_core::compare::differences;
use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::{Loaded, Severity, load_value};
use edge_core::generate::stack::{Balancer, Files, Network, OriginRecords, Stack, print};
use edge_core::generate::{File, Format, Options};
use edge_core::lint::lint;
use edge_core::site::preset::{PRESETS, Preset};
use edge_core::site::{Policy, compile};
use serde_json::{Value, json};

/// Stands for the source of a rule where a bundle has none.
const CODE: &str = "function handler(event) {\n    return event.request;\n}\n";

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn document(domains: &[&str]) -> Value {
    document_of("wordpress", domains)
}

fn document_of(preset: &str, domains: &[&str]) -> Value {
    let mut policy = Policy::from_preset(preset, &["https://origin.example.com"]).unwrap();
    policy.add_domains(domains).unwrap();
    with_code(compile(&policy).document)
}

/// The presets of sites that are WordPress's.
fn presets() -> impl Iterator<Item = &'static str> {
    let has_content = |preset: &&Preset| preset.behaviors.iter().any(|(path, _)| *path == "wp-content/*");
    PRESETS.iter().filter(has_content).map(|preset| preset.name)
}

fn with_code(mut document: Value) -> Value {
    for function in document["Functions"].as_array_mut().into_iter().flatten() {
        if function.get("FunctionCode").is_none() {
            function["FunctionCode"] = json!(CODE);
        }
    }
    document
}

/// Every option at least once in each of its values.
fn stacks() -> Vec<(&'static str, Stack)> {
    let collector = Some("https://logs.example.net/aws".to_owned());
    vec![
        ("plain", Stack::default()),
        (
            "full",
            Stack {
                zones: 3,
                balancer: Balancer::VpcOrigin,
                files: Files::Efs,
                collector,
                origin_records: OriginRecords::Latency,
                ..Stack::default()
            },
        ),
        (
            "existing",
            Stack {
                zones: 4,
                network: Network::Existing,
                files: Files::Efs,
                origin_records: OriginRecords::Geolocation,
                ..Stack::default()
            },
        ),
    ]
}

fn printed(document: &Value, stack: &Stack) -> Vec<File> {
    printed_as(Format::CloudFormation, document, stack)
}

fn printed_as(format: Format, document: &Value, stack: &Stack) -> Vec<File> {
    let options = Options { command: "edge-bin gen-cloudfront-policy edge.toml --stack".to_owned() };
    print(document, format, stack, &options).unwrap_or_else(|problems| panic!("{problems}"))
}

fn file<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text
}

fn choices() -> Choices {
    let given = [
        "HostedZoneId=Z123",
        "CloudFrontPrefixListId=pl-3b927c52",
        "VpcId=vpc-1",
        "PublicSubnetIds=subnet-1,subnet-2",
        "PrivateSubnetIds=subnet-3,subnet-4",
    ];
    Choices {
        parameters: given.iter().map(|text| (*text).to_owned()).collect(),
        resource: Some("Distribution".to_owned()),
    }
}

fn loaded(text: &str) -> Loaded {
    let template: Value = serde_json::from_str(text).unwrap_or_default();
    let mut choices = choices();
    // A template is not given what it does not ask for.
    if template.is_object() {
        let known = |parameter: &String| {
            template["Parameters"].get(parameter.split('=').next().unwrap_or_default()).is_some()
        };
        choices.parameters.retain(known);
    } else {
        choices.parameters.retain(|parameter| {
            text.contains(&format!("\n  {}:\n", parameter.split('=').next().unwrap_or_default()))
        });
    }
    form::load(text, &choices).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn the_distribution_in_it_is_the_sites_with_uploads() {
    for domains in
        [&["www.example.com"][..], &["example.com", "www.example.com"], &["*.example.com", "example.com"]]
    {
        let document = document(domains);
        let own = load_value(document.clone()).unwrap_or_else(|problems| panic!("{problems}"));
        for (name, stack) in stacks() {
            let files = printed(&document, &stack);
            for path in ["template.yaml", "template.json"] {
                let there = loaded(file(&files, path));
                let mut places: Vec<String> =
                    differences(&own, &there).into_iter().map(|difference| difference.place).collect();
                places.retain(|place| !place.starts_with("ViewerCertificate"));
                // The balancer has the site's own name here, so that nothing else differs.
                let origin = |field: &str| format!("Origins[\"origin.example.com\"].{field}");
                let mut expected = vec![
                    "Origins[\"mediabucket.s3.us-east-1.amazonaws.com\"]".to_owned(),
                    origin("CustomHeaders"),
                ];
                if stack.balancer == Balancer::VpcOrigin {
                    expected.extend([origin("CustomOriginConfig"), origin("VpcOriginConfig")]);
                }
                expected.extend(
                    ["CacheBehaviors[\"wp-content/uploads/*\"]", "OrderOfCacheBehaviors", "OriginGroups"]
                        .map(str::to_owned),
                );
                places.sort();
                expected.sort();
                assert_eq!(places, expected, "{name} {path}");
                let config = &there.document.value()["DistributionConfig"];
                let patterns: Vec<&str> = config["CacheBehaviors"]["Items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|behavior| behavior["PathPattern"].as_str().unwrap())
                    .collect();
                let at = |pattern: &str| patterns.iter().position(|other| *other == pattern).unwrap();
                assert!(at("*.php") < at("wp-content/uploads/*"), "{patterns:?}");
                assert!(at("wp-content/uploads/*") < at("wp-content/*"), "{patterns:?}");
            }
        }
    }
}

#[test]
fn lint_has_nothing_loud_to_say() {
    assert!(presets().any(|preset| preset == "wordpress"));
    for (preset, (name, stack)) in
        presets().flat_map(|preset| stacks().into_iter().map(move |stack| (preset, stack)))
    {
        let files = printed(&document_of(preset, &["www.example.com"]), &stack);
        let there = loaded(file(&files, "template.yaml"));
        let loud: Vec<_> =
            lint(&Ok(there)).into_iter().filter(|finding| finding.severity != Severity::Info).collect();
        assert!(loud.is_empty(), "{preset} {name}: {loud:?}");
    }
}

#[test]
fn each_resource_says_what_it_serves_and_costs() {
    for (_, stack) in stacks() {
        let files = printed(&document(&["www.example.com"]), &stack);
        let (_, text) = file(&files, "template.yaml").split_once("\nResources:\n").unwrap();
        let lines: Vec<&str> = text.split("\nOutputs:").next().unwrap().lines().collect();
        let mut resources = 0;
        for three in lines.windows(3) {
            let [remark, name, kind] = three else { continue };
            if kind.starts_with("    Type: AWS::") {
                assert!(remark.starts_with("  # ") && remark.contains(" a month: "), "{remark}\n{name}");
                resources += 1;
            }
            // What several have says for whom it is here.
            for (of, serves) in
                [("DatabaseSecurityGroup", "RDS"), ("BackupRole", "Data Pipeline"), ("LogBucket", "LogDNA")]
            {
                if *name == format!("  {of}:") {
                    assert!(remark.starts_with(&format!("  # {serves}")), "{remark}\n{name}");
                }
            }
        }
        assert!(resources > 50, "{resources}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_flag() {
    let plain = document(&["www.example.com"]);
    let options = Options::default();
    let refused = |document: &Value, format, stack: &Stack| match print(document, format, stack, &options) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    };
    let with = |change: &dyn Fn(&mut Stack)| {
        let mut stack = Stack::default();
        change(&mut stack);
        stack
    };
    assert_eq!(refused(&plain, Format::Terraform, &Stack::default()), "");
    for format in [Format::Cli, Format::Bundle] {
        let said = refused(&plain, format, &Stack::default());
        assert!(said.contains("has no stack") && said.contains("terraform"), "{said}");
    }
    for zones in [0, 1, 5] {
        let said = refused(&plain, Format::CloudFormation, &with(&|stack| stack.zones = zones));
        assert!(said.contains("--zones"), "{said}");
    }
    for url in [
        "http://logs.example.net",
        "https://",
        "https://logs",
        "https://logs.example.net:8443/",
        "https://l.example/\"x",
    ] {
        let said =
            refused(&plain, Format::CloudFormation, &with(&|stack| stack.collector = Some(url.to_owned())));
        assert!(said.contains("--collector"), "{url}: {said}");
    }
    for (domains, place) in [
        (&[][..], "Aliases"),
        (&["*.example.com"], "Aliases"),
        (&["a.example.com", "b.example.org"], "Aliases"),
    ] {
        let said = refused(&document(domains), Format::CloudFormation, &Stack::default());
        assert!(said.contains(place), "{domains:?}: {said}");
    }
    let many: Vec<String> = (0..10).map(|number| format!("n{number}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&document(&many[1..]), Format::CloudFormation, &Stack::default()), "");
    let said = refused(&document(&many), Format::CloudFormation, &Stack::default());
    assert!(said.contains("certificate"), "{said}");
    let mut policy = Policy::from_preset("static", &["https://origin.example.com"]).unwrap();
    policy.add_domains(&["www.example.com"]).unwrap();
    let said = refused(&compile(&policy).document, Format::CloudFormation, &Stack::default());
    assert!(said.contains("wordpress"), "{said}");
}

#[expect(clippy::disallowed_methods, reason = "where to write is said from outside")]
#[test]
#[ignore = "writes what is printed to a folder of EDGE_OUT, to be looked at"]
fn show() {
    let out = PathBuf::from(std::env::var("EDGE_OUT").unwrap());
    for format in [Format::CloudFormation, Format::Terraform] {
        for (name, stack) in stacks() {
            for file in printed_as(format, &document(&["example.com", "www.example.com"]), &stack) {
                let path = out.join(format!("{format:?}").to_lowercase()).join(name).join(file.path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, file.text).unwrap();
            }
        }
    }
}
