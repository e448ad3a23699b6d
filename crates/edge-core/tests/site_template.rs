//! The `edge.toml` to begin with: it reads back as what it was made from, and every field in it can be used.

#![expect(clippy::unwrap_used, reason = "a test may")]

use edge_core::site::preset::PRESETS;
use edge_core::site::{self, Policy, compile, template};

/// Every preset in front of a server, of a name, and of a bucket where it takes one.
fn policies() -> Vec<Policy> {
    let mut policies = Vec::new();
    for preset in PRESETS {
        for server in ["http://127.0.0.1:8000", "https://origin.example.com:8443"] {
            let mut policy = Policy::from_preset(preset.name, &[server]).unwrap();
            policies.push(policy.clone());
            policy.add_domains(&["www.example.com", "*.example.org"]).unwrap();
            policies.push(policy);
        }
        policies.extend(Policy::from_preset(preset.name, &["https://files.s3.eu-central-1.amazonaws.com"]));
    }
    policies
}

#[test]
fn it_reads_back_as_what_it_was_made_from() {
    for policy in policies() {
        let text = template(&policy);
        let read = site::toml::read(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert_eq!(compile(&read), compile(&policy), "{text}");
        assert!(text.lines().all(|line| line.len() <= 120 && line.trim_end() == line), "{text}");
    }
}

/// With all that stands behind a `#` in force it is a policy too, and of these values a different one only where they
/// are examples.
#[test]
fn every_field_in_it_can_be_used() {
    for policy in policies() {
        let text = template(&policy);
        let used: Vec<&str> = text.lines().map(|line| uncommented(line).unwrap_or(line)).collect();
        let used = used.join("\n");
        assert!(used != text);
        site::toml::read(&used).unwrap_or_else(|problems| panic!("{problems}\n{used}"));
    }
}

/// The field or the section behind a `#`, if one is.
fn uncommented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    let is_section = rest.starts_with('[') && rest.ends_with(']');
    let name = rest.split(" = ").next()?;
    let is_field = rest.contains(" = ") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_section || is_field).then_some(rest)
}
