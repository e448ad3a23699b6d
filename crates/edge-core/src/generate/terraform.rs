//! A Terraform module (aws provider 6): a resource for each of the set, variables for what differs between accounts.
//!
//! Names and blocks are those of the reading side, the other way round. The code of functions stands in files of its
//! own, so that editors and tests see JavaScript.

use super::asked::{Asked, What, ask};
use super::part::{Attribute, Field, Link, Part};
use super::set::{Kind, Resource, Set};
use super::uncounted::uncounted;
use super::{File, Options, hcl};
use crate::distribution::form::spelling::{ListShape, terraform_name};

/// `main.tf` and what belongs to it.
pub(super) fn print(set: &Set, options: &Options) -> Vec<File> {
    let names = names(set);
    let mut main =
        format!("# Made by {}; change what it was made from, and run it again.\n", options.command);
    let (mut files, mut asked) = (Vec::new(), Vec::new());
    for (resource, name) in set.resources.iter().zip(&names) {
        let mut body = body(resource, &names, &mut asked);
        if let Some(code) = &resource.code {
            let path = format!("functions/{}.js", resource.short);
            let file = format!("file(\"${{path.module}}/{path}\")");
            body.set("code", Part::Reference(file, String::new()));
            files.push(File { path, text: code.clone() });
        }
        main.push('\n');
        hcl::block(&format!("resource \"{}\" \"{name}\"", kind(resource.kind)), body.fields(), &mut main);
    }
    let file = |path: &str, text: String| File { path: path.to_owned(), text };
    let mut all = vec![file("main.tf", main), file("versions.tf", VERSIONS.to_owned())];
    all.push(file("variables.tf", variables(asked)));
    all.push(file("outputs.tf", outputs()));
    all.extend(files);
    all
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::PublicKey => "aws_cloudfront_public_key",
        Kind::KeyGroup => "aws_cloudfront_key_group",
        Kind::KeyValueStore => "aws_cloudfront_key_value_store",
        Kind::OriginAccessControl => "aws_cloudfront_origin_access_control",
        Kind::CachePolicy => "aws_cloudfront_cache_policy",
        Kind::OriginRequestPolicy => "aws_cloudfront_origin_request_policy",
        Kind::ResponseHeadersPolicy => "aws_cloudfront_response_headers_policy",
        Kind::Function => "aws_cloudfront_function",
        Kind::Distribution => "aws_cloudfront_distribution",
    }
}

/// The distribution's name in the module.
const SITE: &str = "site";

/// `viewer_request`; each once among its kind.
fn names(set: &Set) -> Vec<String> {
    let mut names: Vec<(Kind, String)> = Vec::new();
    for resource in &set.resources {
        let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let mut name: String = resource.short.chars().map(word).collect();
        if resource.kind == Kind::Distribution {
            SITE.clone_into(&mut name);
        }
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert(0, '_');
        }
        let (base, mut number) = (name.clone(), 2);
        while names.contains(&(resource.kind, name.clone())) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.push((resource.kind, name));
    }
    names.into_iter().zip(&set.resources).map(|((_, name), _)| name).collect()
}

fn body(resource: &Resource, names: &[String], asked: &mut Vec<Asked>) -> Part {
    let mut settings = uncounted(resource.kind.config(), resource.settings.clone(), shape);
    match resource.kind {
        Kind::Distribution => {
            settings.remove("CallerReference");
            required(&mut settings);
            asked.extend(ask(&mut settings, &|what| {
                Part::Reference(format!("var.{}", variable(what)), String::new())
            }));
        }
        Kind::PublicKey => settings.remove("CallerReference"),
        Kind::Function => {
            settings.set("Name", resource.name.as_str().into());
            settings.set("Publish", true.into());
            stores(&mut settings);
        }
        _ => {}
    }
    renamed("", settings).linked(&|link: Link| {
        let name = names.get(link.member).map(String::as_str).unwrap_or_default();
        let attribute = match link.attribute {
            Attribute::Id => "id",
            Attribute::Arn => "arn",
        };
        Part::Reference(format!("{}.{name}", kind(link.kind)), attribute.to_owned())
    })
}

/// Policies have blocks with `items`; elsewhere a list is a list.
fn shape(outer: &str, name: &str) -> ListShape {
    let of_a_policy = ["CookiesConfig", "HeadersConfig", "QueryStringsConfig"].contains(&outer);
    let is_block = of_a_policy
        || name.starts_with("AccessControl")
        || ["CustomHeadersConfig", "RemoveHeadersConfig"].contains(&name);
    if is_block { ListShape::Items } else { ListShape::Plain }
}

/// Stores are a list of ARNs here.
fn stores(settings: &mut Part) {
    if let Some(Part::List(stores)) = settings.get_mut("KeyValueStoreAssociations") {
        for store in stores {
            if let Some(arn) = store.get("KeyValueStoreARN") {
                *store = arn.clone();
            }
        }
    }
}

/// What the provider wants and the API does not.
fn required(config: &mut Part) {
    let list = |words: &[&str]| Part::List(words.iter().map(|word| (*word).into()).collect());
    let add = |part: &mut Part, name: &str, value: Part| {
        if part.get(name).is_none() {
            part.set(name, value);
        }
    };
    let none = Part::object([("RestrictionType", "none".into()), ("Locations", list(&[]))]);
    add(config, "Restrictions", Part::object([("GeoRestriction", none)]));
    if let Some(geo) = config.get_mut("Restrictions").and_then(|inside| inside.get_mut("GeoRestriction")) {
        add(geo, "Locations", list(&[]));
    }
    let methods = |behavior: &mut Part| {
        add(behavior, "AllowedMethods", list(&["GET", "HEAD"]));
        add(behavior, "CachedMethods", list(&["GET", "HEAD"]));
    };
    if let Some(behavior) = config.get_mut("DefaultCacheBehavior") {
        methods(behavior);
    }
    if let Some(Part::List(behaviors)) = config.get_mut("CacheBehaviors") {
        behaviors.iter_mut().for_each(methods);
    }
    if let Some(Part::List(origins)) = config.get_mut("Origins") {
        for origin in origins {
            if let Some(custom) = origin.get_mut("CustomOriginConfig") {
                add(custom, "OriginSslProtocols", list(&["TLSv1.2"]));
            }
            // Without a block it is a bucket too, and in one the identity must not be empty.
            let mut bucket = origin.get("S3OriginConfig").cloned().unwrap_or(Part::Object(Vec::new()));
            if bucket.get("OriginAccessIdentity").and_then(Part::text) == Some("") {
                bucket.remove("OriginAccessIdentity");
                origin.set("S3OriginConfig", bucket.clone());
            }
            if bucket.fields().is_empty() {
                origin.remove("S3OriginConfig");
            }
        }
    }
}

/// The API's names as Terraform's; a status that is a text there is a number here.
fn renamed(block: &str, part: Part) -> Part {
    match part {
        Part::List(items) => Part::List(items.into_iter().map(|item| renamed(block, item)).collect()),
        Part::Object(fields) => {
            let renamed = fields.into_iter().map(|Field { name: api, value, remark }| {
                let name = terraform_name(block, &api);
                let value = match (api.as_str(), value.text().and_then(|text| text.parse::<u16>().ok())) {
                    ("ResponseCode", Some(code)) => Part::Number(code.into()),
                    _ => renamed(&name, value),
                };
                Field { name, value, remark }
            });
            Part::Object(renamed.collect())
        }
        other => other,
    }
}

fn variable(what: What) -> &'static str {
    match what {
        What::Certificate => "certificate_arn",
        What::Origin => "origin_domain_name",
    }
}

const VERSIONS: &str = r#"terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

# CloudFront is everywhere, and administered from here; so are its certificates.
provider "aws" {
  region = "us-east-1"
}
"#;

fn variables(asked: Vec<Asked>) -> String {
    let mut text = "# What differs from one account to the next.\n".to_owned();
    for Asked { what, default } in asked {
        let mut body = Part::object([
            ("description", what.about().into()),
            ("type", Part::Reference("string".to_owned(), String::new())),
        ]);
        if let Some(default) = default {
            body.set("default", default.as_str().into());
        }
        text.push('\n');
        hcl::block(&format!("variable \"{}\"", variable(what)), body.fields(), &mut text);
    }
    text
}

fn outputs() -> String {
    let mut text = String::new();
    for (name, about, attribute) in [
        ("distribution_id", "For invalidations", "id"),
        ("distribution_domain_name", "What the DNS records of the site point to", "domain_name"),
    ] {
        let value = Part::Reference(format!("{}.{SITE}", kind(Kind::Distribution)), attribute.to_owned());
        let body = Part::object([("description", about.into()), ("value", value)]);
        if !text.is_empty() {
            text.push('\n');
        }
        hcl::block(&format!("output \"{name}\""), body.fields(), &mut text);
    }
    text
}
