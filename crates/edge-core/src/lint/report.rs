//! Findings in the forms machines read: a JSON document of ours, and SARIF 2.1.0, which code hosts show beside the line.
//!
//! Pure functions of findings. Text for people, with its colours, is the program's.

use serde_json::{Value, json};

use super::lines::{Lines, apart};
use super::{Finding, RULES, Rule};
use crate::distribution::Severity;

/// The version of the JSON document: raised when a field changes its meaning or goes away, not when one is added.
pub const JSON_SCHEMA: &str = "edge-lint/1";

/// A severity in one word.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// How many findings there are of a severity.
pub fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

/// `file` is what the findings are about, as it was named, and `lines` those of its text.
pub fn json(findings: &[Finding], file: &str, lines: &Lines) -> Value {
    let finding = |finding: &Finding| {
        let Rule { code, name, title, why, fix, link, .. } = finding.rule;
        json!({
            "code": code,
            "name": name,
            "severity": word(finding.severity),
            "title": title,
            "place": apart(&finding.place).0,
            "line": lines.line(&finding.place),
            "pattern": finding.pattern,
            "value": finding.value,
            "message": finding.message,
            "why": why,
            "fix": fix,
            "link": link,
        })
    };
    json!({
        "schema": JSON_SCHEMA,
        "file": file,
        "summary": {
            "errors": count(findings, Severity::Error),
            "warnings": count(findings, Severity::Warning),
            "infos": count(findings, Severity::Info),
        },
        "findings": findings.iter().map(finding).collect::<Vec<Value>>(),
    })
}

/// One run of SARIF 2.1.0 (OASIS); `file` is empty where there is none, as for a preset. All rules are listed, found or not, so that a result names its rule by its index.
pub fn sarif(findings: &[Finding], file: &str, lines: &Lines) -> Value {
    let location = |finding: &Finding| {
        let mut location = json!({ "logicalLocations": [{ "fullyQualifiedName": apart(&finding.place).0, "kind": "member" }] });
        if !file.is_empty() {
            // Code hosts want a line; of what was made from something else there is none but the first.
            let line = lines.line(&finding.place).unwrap_or(1);
            location["physicalLocation"] =
                json!({ "artifactLocation": { "uri": uri(file) }, "region": { "startLine": line } });
        }
        location
    };
    let result = |finding: &Finding| {
        let index = RULES.iter().position(|rule| rule.code == finding.rule.code);
        json!({
            "ruleId": finding.rule.code,
            "ruleIndex": index,
            "level": level(finding.severity),
            "message": { "text": format!("{} [{}]", finding.message, finding.value) },
            "locations": [location(finding)],
            // The same fault at the same place is the same result in the next run.
            "partialFingerprints": { "edgeLint/v1": format!("{}:{}", finding.rule.code, apart(&finding.place).0) },
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "edge-bin lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(descriptor).collect::<Vec<Value>>(),
            } },
            "results": findings.iter().map(result).collect::<Vec<Value>>(),
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
        "help": { "text": format!("{} {}", rule.fix, rule.sure) },
        "helpUri": rule.link,
        "defaultConfiguration": { "level": level(rule.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A path as a relative URI: what a URI cannot have is escaped.
fn uri(file: &str) -> String {
    let mut uri = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'\\' => uri.push('/'),
            byte if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
