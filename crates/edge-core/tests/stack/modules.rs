//! The stack as Terraform modules: they hold together, and have no argument that the provider does not know.

use std::collections::BTreeSet;

use edge_core::generate::{File, Format};
use hcl::structure::{Body, Structure};
use serde_json::Value;

use super::{document, fixtures, printed_as, stacks};

/// The text without comments and descriptions, and what its files say.
fn bodies(files: &[File]) -> Vec<(&str, Body)> {
    let texts = files.iter().filter(|file| file.path.ends_with(".tf"));
    texts
        .map(|file| {
            let body = hcl::parse(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
            (file.path.as_str(), body)
        })
        .collect()
}

/// What the module says holds together: nothing is named that is not there, nothing stands for something else.
#[test]
fn modules_hold_together() {
    for (name, stack) in stacks() {
        let files = printed_as(Format::Terraform, &document(&["example.com", "www.example.com"]), &stack);
        let all: String =
            files.iter().filter(|file| file.path.ends_with(".tf")).map(|file| file.text.as_str()).collect();
        for file in &files {
            for stand in ["edge-stack", "vo_edgestack"] {
                assert!(!file.text.contains(stand), "{name} {}: {stand}", file.path);
            }
            let mut words = file.text.split('@').skip(1);
            let place = words
                .find(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            assert_eq!(place, None, "{name} {}", file.path);
        }
        let heads = |word: &str| -> Vec<String> {
            let lines = all.lines().filter_map(|line| line.strip_prefix(&format!("{word} \"")));
            lines.map(|rest| rest.trim_end_matches("\" {").replace("\" \"", ".")).collect()
        };
        let (resources, variables) = (heads("resource"), heads("variable"));
        assert!(resources.len() > 50, "{name}: {}", resources.len());
        let text = uncommented(&all);
        let names = |prefix: &str, parts: usize| -> Vec<String> {
            let words =
                text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-'));
            let found = words.filter(|word| word.starts_with(prefix) && word.split('.').count() >= parts);
            found.map(|word| word.split('.').take(parts).collect::<Vec<_>>().join(".")).collect()
        };
        for named in ["aws_", "random_"].iter().flat_map(|prefix| names(prefix, 2)) {
            assert!(resources.contains(&named), "{name}: {named} is not there");
        }
        for named in names("var.", 2) {
            assert!(variables.contains(&named["var.".len()..].to_owned()), "{name}: {named} is not there");
        }
        for variable in &variables {
            assert!(text.contains(&format!("var.{variable}")), "{name}: {variable} is never used");
        }
        let lines: Vec<&str> = all.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with("resource ")) {
            assert!(pair[0].starts_with("# ") && pair[0].contains(" a month: "), "{name}: {}", pair[1]);
        }
    }
}

fn uncommented(text: &str) -> String {
    let lines =
        text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.contains("description"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Of any block: what the language has for all.
const OF_THE_LANGUAGE: [&str; 5] = ["count", "for_each", "depends_on", "lifecycle", "provider"];

/// What is wrong with a body by the provider's schema.
fn wrong(body: &Body, schema: &Value, place: &str, is_top: bool, found: &mut Vec<String>) {
    let mut there = BTreeSet::new();
    for structure in body.iter() {
        let (name, inner) = match structure {
            Structure::Attribute(attribute) => (attribute.key.as_str(), None),
            Structure::Block(block) => (block.identifier.as_str(), Some(&block.body)),
        };
        there.insert(name.to_owned());
        if is_top && OF_THE_LANGUAGE.contains(&name) {
            continue;
        }
        let place = format!("{place}.{name}");
        let how = |value: &Value| value[""].as_str().unwrap_or_default().to_owned();
        match (schema.get(name), inner) {
            (None, _) => found.push(format!("{place}: the provider does not know it")),
            (Some(Value::String(_)), Some(_)) => found.push(format!("{place}: is no block")),
            (Some(value @ Value::Object(_)), None) if !how(value).ends_with("attribute") => {
                found.push(format!("{place}: is a block"));
            }
            (Some(value @ Value::Object(_)), Some(_)) if how(value).ends_with("attribute") => {
                found.push(format!("{place}: is no block"));
            }
            (Some(value), Some(inner)) => wrong(inner, value, &place, false, found),
            (Some(_), None) => {}
        }
    }
    for (name, value) in schema.as_object().into_iter().flatten() {
        let how = value.as_str().or(value[""].as_str()).unwrap_or_default();
        if !name.is_empty() && how.starts_with("required") && !there.contains(name) {
            found.push(format!("{place}: {name} is missing"));
        }
    }
}

fn schema() -> Value {
    let text = std::fs::read_to_string(fixtures().join("terraform/schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Everything wrong in the files.
fn unknown(files: &[File], schema: &Value) -> Vec<String> {
    let (mut found, mut checked) = (Vec::new(), 0);
    for (path, body) in bodies(files) {
        for block in body.blocks() {
            let kind = block.identifier.as_str();
            let [own, ..] = &block.labels[..] else { continue };
            if !["resource", "data"].contains(&kind) || !own.as_str().starts_with("aws_") {
                continue;
            }
            let key = format!("{kind} {}", own.as_str());
            match schema["types"].get(&key) {
                Some(schema) => wrong(&block.body, schema, &format!("{path} {key}"), true, &mut found),
                None => found.push(format!("{path}: {key}: run tools/terraform-schema")),
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
    found
}

#[test]
fn the_provider_knows_every_argument() {
    let schema = schema();
    for (name, stack) in stacks() {
        let files = printed_as(Format::Terraform, &document(&["www.example.com"]), &stack);
        let found = unknown(&files, &schema);
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    }
}

/// The check can fail: one word changed, one line taken away, a block where an argument is.
#[test]
fn what_the_provider_does_not_know_is_found() {
    let schema = schema();
    let (_, stack) = &stacks()[0];
    for (from, to, expected) in [
        ("health_check_grace_period", "health_check_grace", "does not know it"),
        ("  instance_class        = var.database_class\n", "", "instance_class is missing"),
        ("  monitoring {\n    enabled = true\n  }", "  monitoring = true", "is a block"),
        ("tags                 = { Name = var.name }", "tags { \n Name = var.name \n }", "is no block"),
        ("http_tokens ", "http_token ", "metadata_options.http_token: the provider does not know it"),
    ] {
        let mut files = printed_as(Format::Terraform, &document(&["www.example.com"]), stack);
        let mut changes = 0;
        for file in &mut files {
            changes += file.text.matches(from).count();
            file.text = file.text.replace(from, to);
        }
        assert!(changes > 0, "{from}");
        let found = unknown(&files, &schema);
        assert!(found.iter().any(|line| line.contains(expected)), "{from}: {found:?}");
    }
}
