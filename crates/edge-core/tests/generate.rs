//! What is printed loads as what it was printed from: every preset and every document of the fixtures, in each form
//! that can be read back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::Epoch;
use edge_core::cache::storing::Guard;
use edge_core::compare::differences;
use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::{Loaded, load_value};
use edge_core::exchange::{Rules, Step, begin};
use edge_core::generate::{File, Format, Options, print};
use edge_core::response::Place;
use edge_core::site::{self, Policy, Style, compile};
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderValue, Method};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// What there is to print, by name.
fn documents() -> Vec<(String, Value)> {
    let mut documents = Vec::new();
    for preset in site::preset::PRESETS {
        for origin in ["http://127.0.0.1:8000", "https://origin.example.com"] {
            for style in [Style::Function, Style::Policy] {
                let mut policy = Policy::from_preset(preset.name, &[origin]).unwrap();
                policy.add_domains(&["www.example.com"]).unwrap();
                policy.set_style(style).unwrap();
                let name = format!("{} {style:?} {origin}", preset.name);
                documents.push((name, compile(&policy).document));
            }
        }
    }
    let text = std::fs::read_to_string(fixtures().join("site/wordpress.toml")).unwrap();
    documents.push(("wordpress.toml".to_owned(), compile(&site::toml::read(&text).unwrap()).document));
    let mut files: Vec<PathBuf> = std::fs::read_dir(fixtures().join("distributions"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        documents.push((name, serde_json::from_str(&text).unwrap()));
    }
    assert!(documents.len() > 15);
    documents
}

fn loaded(document: &Value) -> Loaded {
    load_value(document.clone()).unwrap_or_else(|problems| panic!("{problems}"))
}

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

const FORMATS: [Format; 5] =
    [Format::Bundle, Format::CloudFormation, Format::Cli, Format::Terraform, Format::Cdk];

fn files(document: &Value, format: Format) -> Vec<File> {
    let options = Options { command: "edge-bin gen-cloudfront-policy edge.toml".to_owned() };
    print(document, format, &options).unwrap_or_else(|problems| panic!("{problems}"))
}

fn file(files: &[File], path: &str) -> String {
    files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text.clone()
}

/// What a template has no default for, as far as it has none.
fn parameters(template: &str) -> Choices {
    let template: Value = serde_json::from_str(template).unwrap();
    let mut choices = Choices::default();
    for (name, parameter) in template["Parameters"].as_object().into_iter().flatten() {
        if parameter.get("Default").is_none() {
            let value = if name == "CertificateArn" { ARN } else { "origin.invalid" };
            choices.parameters.push(format!("{name}={value}"));
        }
    }
    choices
}

/// What they differ in, but for the certificate that had to be asked for.
fn different(first: &Loaded, second: &Loaded) -> Vec<String> {
    // A list of a field nobody knows may hold nothing, but not in a template.
    let asked = |place: &str| place.starts_with("ViewerCertificate") || place == "HyperCache";
    let found = differences(first, second).into_iter().filter(|difference| !asked(&difference.place));
    found.map(|difference| format!("{difference:?}")).collect()
}

#[test]
fn templates_load_as_what_they_were_printed_from() {
    for (name, document) in documents() {
        let bundle = loaded(&document);
        let files = files(&document, Format::CloudFormation);
        let (yaml, json) = (file(&files, "template.yaml"), file(&files, "template.json"));
        let choices = parameters(&json);
        for text in [&yaml, &json] {
            let template =
                form::load(text, &choices).unwrap_or_else(|problems| panic!("{name}: {problems}\n{text}"));
            let found = different(&bundle, &template);
            assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        }
        // The YAML says the same as the JSON, byte by byte where texts matter.
        let codes = |text: &str| form::load(text, &choices).unwrap().document.value()["Functions"].clone();
        assert_eq!(codes(&yaml), codes(&json), "{name}");
    }
}

/// The files for the AWS CLI put together as the script does it, under the ids it would get.
fn put_together(files: &[File]) -> Value {
    let mut bundle = json!({});
    let mut push = |list: &str, item: Value| match bundle[list].as_array_mut() {
        Some(items) => items.push(item),
        None => bundle[list] = json!([item]),
    };
    let settings = files.iter().filter_map(|file| Some((file.path.strip_suffix(".json")?, &file.text)));
    for (name, text) in settings.clone() {
        let arn = |kind: &str, name: &str| format!("arn:aws:cloudfront::123456789012:{kind}/{name}");
        let mut text =
            text.replace("${CertificateArn}", ARN).replace("${OriginDomainName}", "origin.invalid");
        for (other, _) in settings.clone() {
            let kind = if other.ends_with("Function") { "function" } else { "key-value-store" };
            text = text.replace(&format!("${{{other}.Arn}}"), &arn(kind, other));
            text = text.replace(&format!("${{{other}}}"), other);
        }
        let config: Value = serde_json::from_str(&text).unwrap();
        let member = |config_name: &str| json!({ "Id": name, config_name: config });
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            it if it.ends_with("CachePolicy") => push("CachePolicies", member("CachePolicyConfig")),
            it if it.ends_with("OriginRequestPolicy") => {
                push("OriginRequestPolicies", member("OriginRequestPolicyConfig"));
            }
            it if it.ends_with("ResponseHeadersPolicy") => {
                push("ResponseHeadersPolicies", member("ResponseHeadersPolicyConfig"));
            }
            it if it.ends_with("OriginAccessControl") => {
                push("OriginAccessControls", member("OriginAccessControlConfig"));
            }
            it if it.ends_with("KeyGroup") => push("KeyGroups", member("KeyGroupConfig")),
            it if it.ends_with("PublicKey") => push("PublicKeys", member("PublicKeyConfig")),
            it if it.ends_with("KeyValueStore") => {
                push("KeyValueStores", json!({ "Name": name, "ARN": arn("key-value-store", name) }));
            }
            it if it.ends_with("Function") => push(
                "Functions",
                json!({
                    "Name": name, "FunctionConfig": config, "Code": file(files, &format!("{name}.js")),
                }),
            ),
            it => {
                assert_eq!(it, "Distribution");
                push("DistributionConfig", config);
            }
        }
    }
    bundle["DistributionConfig"] = bundle["DistributionConfig"][0].clone();
    bundle
}

#[test]
fn files_for_the_aws_cli_are_what_they_were_printed_from() {
    for (name, document) in documents() {
        let files = files(&document, Format::Cli);
        let found = different(&loaded(&document), &loaded(&put_together(&files)));
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        assert!(file(&files, "deploy.sh").starts_with("#!/bin/sh\n"));
    }
}

#[test]
fn printing_again_changes_nothing() {
    for (_, document) in documents() {
        for format in FORMATS {
            assert_eq!(files(&document, format), files(&document, format));
        }
        let bundle = file(&files(&document, Format::Bundle), "bundle.json");
        assert_eq!(serde_json::from_str::<Value>(&bundle).unwrap(), document);
    }
}

/// A few changes of one document, each at its place, and what is none.
#[test]
fn differences_are_told_by_place() {
    let (_, document) = documents().into_iter().find(|(name, _)| name == "wordpress.toml").unwrap();
    let places = |change: &dyn Fn(&mut Value)| {
        let mut other = document.clone();
        change(&mut other);
        let found = differences(&loaded(&document), &loaded(&other));
        found.into_iter().map(|difference| difference.place).collect::<Vec<_>>()
    };
    let config = |other: &mut Value, pointer: &str, value: Value| {
        *other["DistributionConfig"].pointer_mut(pointer).unwrap() = value;
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: &[(Change<'_>, &[&str])] = &[
        (&|_| {}, &[]),
        (&|it| config(it, "/CallerReference", json!("other")), &[]),
        (&|it| config(it, "/Aliases/Items", json!(["www.example.com", "blog.example.com"])), &[]),
        (
            &|it| config(it, "/CustomErrorResponses/Items/0/ErrorCachingMinTTL", json!(9)),
            &["CustomErrorResponses[\"500\"].ErrorCachingMinTTL"],
        ),
        (
            &|it| config(it, "/CacheBehaviors/Items/2/Compress", json!(true)),
            &["CacheBehaviors[\"wp-admin/*\"].Compress"],
        ),
        (
            &|it| config(it, "/Origins/Items/0/CustomOriginConfig/OriginReadTimeout", json!(30)),
            &["Origins[\"alb.example.com\"].CustomOriginConfig.OriginReadTimeout"],
        ),
        (
            &|it| {
                let list = it["DistributionConfig"]["CacheBehaviors"]["Items"].as_array_mut().unwrap();
                list.swap(0, 1);
            },
            &["OrderOfCacheBehaviors"],
        ),
        (
            &|it| it["CachePolicies"][1]["CachePolicyConfig"]["DefaultTTL"] = json!(1),
            &[
                "CacheBehaviors[\"downloads/*\"].CachePolicy.DefaultTTL",
                "CacheBehaviors[\"wp-content/*\"].CachePolicy.DefaultTTL",
                "CacheBehaviors[\"wp-includes/*\"].CachePolicy.DefaultTTL",
            ],
        ),
        (
            &|it| {
                it["Functions"][0]["FunctionCode"] =
                    json!("function handler(event) { return event.request; }");
            },
            &["DefaultCacheBehavior.FunctionAssociations[\"viewer-request\"].FunctionARN.FunctionCode"],
        ),
        // By another name it is the same, and by the same name what only one of them knows.
        (
            &|it| {
                it["Functions"] = json!([]);
            },
            &[],
        ),
        (
            &|it| {
                it["Functions"][0]["Name"] = json!("other");
                config(
                    it,
                    "/DefaultCacheBehavior/FunctionAssociations/Items/0/FunctionARN",
                    json!("arn:aws:cloudfront::000000000000:function/other"),
                );
            },
            &[],
        ),
        (
            &|it| {
                it["Functions"] = json!([]);
                config(
                    it,
                    "/DefaultCacheBehavior/FunctionAssociations/Items/0/FunctionARN",
                    json!("arn:aws:cloudfront::000000000000:function/other"),
                );
            },
            &["DefaultCacheBehavior.FunctionAssociations[\"viewer-request\"].FunctionARN.Name"],
        ),
        (
            &|it| {
                let text = it.to_string().replace("blog-example-com-assets", "other-name");
                *it = serde_json::from_str(
                    &text.replace("\"alb.example.com\",\"DomainName\"", "\"x\",\"DomainName\""),
                )
                .unwrap();
                let text = it
                    .to_string()
                    .replace("\"TargetOriginId\":\"alb.example.com\"", "\"TargetOriginId\":\"x\"");
                *it = serde_json::from_str(&text).unwrap();
            },
            &[],
        ),
    ];
    for (at, (change, expected)) in changes.iter().enumerate() {
        assert_eq!(places(change), *expected, "change {at}");
    }
}

fn rules(document: &Value) -> Arc<Rules> {
    Arc::new(Rules {
        distribution: loaded(document).distribution,
        guard: Guard::On,
        place: Place::new(0, None),
        devices: Memo::new(16),
    })
}

/// The bundle's rules, and those of the template printed of it: the same distribution's, so that keys can be compared,
/// and with the rule in place of its source, which this build may not be able to run.
fn twins(document: &Value) -> [Arc<Rules>; 2] {
    let files = files(document, Format::CloudFormation);
    let choices = parameters(&file(&files, "template.json"));
    let template = form::load(&file(&files, "template.yaml"), &choices).unwrap();
    let mut template = template.document.value().clone();
    template["DistributionConfig"]["CallerReference"] =
        document["DistributionConfig"]["CallerReference"].clone();
    let of_the_bundle = document["Functions"].as_array().cloned().unwrap_or_default();
    // Where no engine is built in, the rule stands for the code: tests/rule_javascript.rs says that they are one.
    for function in template["Functions"].as_array_mut().into_iter().flatten() {
        let rule =
            of_the_bundle.iter().find(|it| it["Name"] == function["Name"]).map(|it| it["Rule"].clone());
        if !edge_core::script::CAN_RUN {
            function["Rule"] = rule.unwrap();
        }
    }
    [rules(document), rules(&template)]
}

/// What is random of a request.
#[derive(Debug, Clone)]
struct Viewer {
    method: &'static str,
    scheme: Scheme,
    host: &'static str,
    target: String,
    headers: Vec<(&'static str, &'static str)>,
}

fn viewer() -> impl Strategy<Value = Viewer> {
    let path = select(vec![
        "/",
        "/a/b",
        "/wp-admin/",
        "/wp-login.php",
        "/wp-content/a.css",
        "/wp-includes/x.js",
        "/cart/",
        "/wp-json/x",
        "/wp-content/x.php",
        "//wp-admin/./x",
        "/downloads/a",
        "/%77p-admin/",
        "/robots.txt",
        "/index.php",
    ]);
    let query = select(vec![
        "",
        "?",
        "?a=1&b=2",
        "?b=2&a=1",
        "?utm_source=x&a=1",
        "?ver=1&x=2",
        "?add-to-cart=1",
        "?preview=true",
        "?&&a",
        "?fbclid=1",
        "?ref=1&utm_nooverride=1",
    ]);
    let header = select(vec![
        ("cookie", "wordpress_logged_in_x=1"),
        ("cookie", "_ga=1"),
        ("cookie", "wp-postpass_1=2; b=3"),
        ("authorization", "Basic eA=="),
        ("origin", "https://evil.example"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "de"),
        (
            "user-agent",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
        ),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"),
        ("x-viewer-device", "tv"),
        ("range", "bytes=0-1"),
    ]);
    (
        select(vec!["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE"]),
        select(vec![Scheme::Https, Scheme::Https, Scheme::Http]),
        select(vec!["www.example.com", "blog.example.com", "nobody.example.com"]),
        (path, query),
        prop::collection::vec(header, 0..4),
    )
        .prop_map(|(method, scheme, host, (path, query), headers)| Viewer {
            method,
            scheme,
            host,
            target: format!("{path}{query}"),
            headers,
        })
}

impl Viewer {
    fn request(&self) -> Option<Request> {
        let mut request = http::Request::builder()
            .method(Method::from_bytes(self.method.as_bytes()).unwrap())
            .uri(&self.target)
            .header("host", self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Request::read(parts, self.scheme, Stream::Ended, "192.0.2.1:1".parse().unwrap()).ok()
    }

    /// Key, origin and origin request, or the answer that needs none.
    fn told(&self, rules: &Arc<Rules>) -> Option<String> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let mut told = String::new();
        let mut step = begin(rules, self.request()?, HeaderValue::from_static("id"), now);
        if let Step::LookUp(look_up) = step {
            told += &format!("{:?}\n", look_up.key());
            step = look_up.found(None, Epoch::default(), now);
        }
        Some(match step {
            Step::Ask(ask) => {
                let call = ask.call();
                let mut headers: Vec<_> = call.headers.iter().collect();
                headers.sort_by_key(|(name, _)| name.as_str());
                told + &format!("{} {} {} {headers:?}", call.origin, call.method, call.target)
            }
            Step::Answer(answer) => {
                told + &format!("{} {:?}", answer.response.status, answer.response.headers)
            }
            Step::LookUp(_) | Step::Instead { .. } | Step::Invoke(_) => told + "an error page",
        })
    }
}

/// What is deployed decides as what was tested: 10,000 requests, each to one of the presets.
#[test]
fn a_template_decides_as_its_bundle() {
    let presets = documents().into_iter().filter(|(name, _)| !name.ends_with(".json"));
    let twins: Vec<_> = presets.map(|(name, document)| (name, twins(&document))).collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(10_000));
    let mut seen = std::collections::HashSet::new();
    let which = any::<prop::sample::Index>();
    let result = runner.run(&(viewer(), which), |(viewer, which)| {
        let (name, [bundle, template]) = which.get(&twins);
        prop_assert_eq!(viewer.told(bundle), viewer.told(template), "{}", name);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // A policy that is not the bundle's is noticed.
    let (_, [bundle, _]) = twins.iter().find(|(name, _)| name == "wordpress.toml").unwrap();
    let (_, mut other) = documents().into_iter().find(|(name, _)| name == "wordpress.toml").unwrap();
    other["CachePolicies"][0]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]["CookiesConfig"] =
        json!({ "CookieBehavior": "all" });
    let other = rules(&other);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..200 {
        let viewer = viewer().new_tree(&mut runner).unwrap().current();
        seen.insert(viewer.told(bundle) == viewer.told(&other));
    }
    assert_eq!(seen.len(), 2, "no request tells the two apart");
}
