//! Input for the AWS CLI: a JSON file for each resource, and a shell script that makes them or brings them up to date.
//!
//! The script finds what is there by its name, so it can be run again; ids of one resource are filled into the files of
//! the next. It asks nothing of a machine but a POSIX shell, sed and the AWS CLI.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::cloudformation::logical_ids;
use super::part::{Attribute, Part};
use super::set::{Kind, Resource, Set};
use super::{File, Options, json_file};

/// `deploy.sh` and what it sends.
pub(super) fn print(set: &Set, options: &Options) -> Vec<File> {
    let names = logical_ids(set);
    let mut files = Vec::new();
    let mut steps = String::new();
    for (resource, name) in set.resources.iter().zip(&names) {
        let settings = resource.settings.clone().linked(&|link| {
            let id = names.get(link.member).map(String::as_str).unwrap_or_default();
            Part::Text(match link.attribute {
                Attribute::Id => format!("${{{id}}}"),
                Attribute::Arn => format!("${{{id}.Arn}}"),
            })
        });
        let mut config = settings.json(&|_, _| Value::Null);
        if resource.kind == Kind::Distribution {
            complete(&mut config);
            ask_for_what_lacks(&mut config, &mut steps);
        }
        let path = format!("{name}.json");
        steps.push_str(&step(resource, name, &config));
        if let Some(code) = &resource.code {
            files.push(File { path: format!("{name}.js"), text: code.clone() });
        }
        files.push(json_file(&path, &config));
    }
    let head = format!(
        "#!/bin/sh\n# Made by {}; change what it was made from, and run it again.\n",
        options.command
    );
    files.insert(0, File { path: "deploy.sh".to_owned(), text: head + LIBRARY + &steps });
    files
}

/// The lines of the script about one resource.
fn step(resource: &Resource, name: &str, config: &Value) -> String {
    let own = quoted(&resource.name);
    let mut text = format!("\n# {}\n", one_line(config["Comment"].as_str().unwrap_or(&resource.name)));
    _ = match resource.kind {
        Kind::KeyValueStore => {
            writeln!(
                text,
                "put_store {name} {own} {}",
                quoted(config["Comment"].as_str().unwrap_or_default())
            )
        }
        Kind::Function => writeln!(text, "put_function {name} {own}"),
        Kind::Distribution => {
            let alias = config.pointer("/Aliases/Items/0").and_then(Value::as_str);
            let query = match alias {
                // A name belongs to one distribution of all AWS.
                Some(alias) => format!("Aliases.Items && contains(Aliases.Items, '{alias}')"),
                None => format!(
                    "Comment=='{}'",
                    config["Comment"].as_str().unwrap_or_default().replace('\'', "\\'")
                ),
            };
            let query = quoted(&format!("DistributionList.Items[?{query}].Id | [0]"));
            writeln!(text, "put_distribution {name} {query}")
        }
        kind => writeln!(text, "put {name} {} {own}", kind.word()),
    };
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A name that is nobody's, and a certificate that is not there: the script asks its environment.
fn ask_for_what_lacks(config: &mut Value, steps: &mut String) {
    let has_names = config["Aliases"]["Quantity"] != json!(0);
    if has_names && config["ViewerCertificate"]["CloudFrontDefaultCertificate"] == json!(true) {
        config["ViewerCertificate"] = json!({
            "ACMCertificateArn": "${CertificateArn}",
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        });
        steps.push_str("\n# CloudFront takes names of yours only with a certificate for them, an ARN of ACM in us-east-1.\n");
        steps
            .push_str("knows CertificateArn \"${CERTIFICATE_ARN:?the ARN of a certificate of us-east-1}\"\n");
    }
    for origin in config.pointer_mut("/Origins/Items").and_then(Value::as_array_mut).into_iter().flatten() {
        if origin["DomainName"].as_str().is_some_and(|name| name.ends_with(".invalid")) {
            origin["DomainName"] = json!("${OriginDomainName}");
            steps.push_str("\n# Where CloudFront gets pages from: only addresses were given.\n");
            steps.push_str("knows OriginDomainName \"${ORIGIN_DOMAIN_NAME:?a public DNS name}\"\n");
        }
    }
}

/// What may be left out when a distribution is made must be there when it is changed.
fn complete(config: &mut Value) {
    let none = || json!({ "Quantity": 0 });
    fill(
        config,
        [
            ("Aliases", none()),
            ("DefaultRootObject", json!("")),
            ("OriginGroups", none()),
            ("CacheBehaviors", none()),
            ("CustomErrorResponses", none()),
            ("Logging", json!({ "Enabled": false, "IncludeCookies": false, "Bucket": "", "Prefix": "" })),
            ("PriceClass", json!("PriceClass_All")),
            ("ViewerCertificate", json!({ "CloudFrontDefaultCertificate": true })),
            ("Restrictions", json!({ "GeoRestriction": { "RestrictionType": "none", "Quantity": 0 } })),
            ("WebACLId", json!("")),
            ("HttpVersion", json!("http2")),
            ("IsIPV6Enabled", json!(false)),
        ],
    );
    let get_head = || json!({ "Quantity": 2, "Items": ["HEAD", "GET"] });
    let behavior = |behavior: &mut Value| {
        fill(
            behavior,
            [
                ("TrustedSigners", json!({ "Enabled": false, "Quantity": 0 })),
                ("TrustedKeyGroups", json!({ "Enabled": false, "Quantity": 0 })),
                ("AllowedMethods", get_head()),
                ("SmoothStreaming", json!(false)),
                ("Compress", json!(false)),
                ("LambdaFunctionAssociations", none()),
                ("FunctionAssociations", none()),
                ("FieldLevelEncryptionId", json!("")),
            ],
        );
        fill(&mut behavior["AllowedMethods"], [("CachedMethods", get_head())]);
    };
    behavior(&mut config["DefaultCacheBehavior"]);
    each(config, "/CacheBehaviors/Items", &behavior);
    each(config, "/Origins/Items", &|origin| {
        fill(
            origin,
            [
                ("OriginPath", json!("")),
                ("CustomHeaders", none()),
                ("ConnectionAttempts", json!(3)),
                ("ConnectionTimeout", json!(10)),
                ("OriginShield", json!({ "Enabled": false })),
                ("OriginAccessControlId", json!("")),
            ],
        );
        if let Some(custom) = origin.get_mut("CustomOriginConfig") {
            fill(custom, [("OriginReadTimeout", json!(30)), ("OriginKeepaliveTimeout", json!(5))]);
        }
    });
}

fn fill<const N: usize>(object: &mut Value, defaults: [(&str, Value); N]) {
    let Value::Object(fields) = object else { return };
    let absent = |fields: &Map<String, Value>, key: &str| fields.get(key).is_none_or(Value::is_null);
    for (key, value) in defaults {
        if absent(fields, key) {
            fields.insert(key.to_owned(), value);
        }
    }
}

fn each(config: &mut Value, list: &str, change: &dyn Fn(&mut Value)) {
    config.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
}

/// The part of every script that is the same.
const LIBRARY: &str = include_str!("deploy.sh");
