//! AWS documents (§1.1) into the checked model of a distribution, with every problem and its place.
//!
//! A document is walked with a cursor (`node`) instead of being derived into a mirror of structs: a derived reader
//! stops at the first mistake, and drops what it does not know. The original stays beside the model, so nothing of it
//! is lost. This module refuses to know files: it is given text.

mod behavior;
mod config;
mod connection_function;
mod deployment;
mod force;
mod function;
mod geo;
mod legacy;
mod library;
mod names;
mod node;
mod origin;
mod policies;
mod response_headers;
mod signers;
mod store;
mod viewer;

use serde_json::Value;

use super::Distribution;
use super::form::Owners;
use super::problem::codes::MALFORMED_DOCUMENT;
use super::problem::{Problem, Problems, Severity};
use config::Identity;
pub use deployment::load_deployment;
use library::Library;
use node::{Node, Report};

/// A document that loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The model.
    pub distribution: Distribution,
    /// What is worth saying all the same: warnings, then notes.
    pub warnings: Vec<Problem>,
    /// What it was loaded from.
    pub document: Document,
    /// Where its owner wrote that, if not in the API's form.
    pub owners: Owners,
}

/// The document as it came, known and unknown fields alike, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Value);

impl Document {
    /// All of it.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The `DistributionConfig` in it, whatever stands around.
    pub fn distribution_config(&self) -> &Value {
        let inside = self.0.pointer("/Distribution/DistributionConfig");
        inside.or_else(|| self.0.get("DistributionConfig")).unwrap_or(&self.0)
    }
}

/// Loads a document from JSON text: a bare `DistributionConfig`, what `get-distribution-config` or `get-distribution`
/// prints, or a bundle of ours.
pub fn load(text: &str) -> Result<Loaded, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // PowerShell's redirection writes it.
    match serde_json::from_str(text) {
        Ok(value) => load_value(value),
        Err(error) => Err(Problems(vec![syntax_problem(&error)])),
    }
}

/// Loads a document that is parsed already.
pub fn load_value(value: Value) -> Result<Loaded, Problems> {
    let report = Report::default();
    let distribution = read(&value, &report);
    let problems = report.into_problems();
    match distribution {
        Some(distribution) if problems.iter().all(|problem| problem.severity != Severity::Error) => {
            Ok(Loaded {
                distribution,
                warnings: problems,
                document: Document(value),
                owners: Owners::default(),
            })
        }
        _ => Err(Problems(problems)),
    }
}

fn syntax_problem(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default();
    Problem {
        severity: Severity::Error,
        place: format!("line {}, column {}", error.line(), error.column()),
        code: MALFORMED_DOCUMENT,
        message: format!("this is not JSON: {message}"),
        hint: None,
    }
}

/// `None` where the document is about something else.
fn read(value: &Value, report: &Report) -> Option<Distribution> {
    let has = |key: &str| value.get(key).is_some();
    if has("Distribution") || has("DistributionConfig") {
        let root = Node::root(value, "", report);
        let distribution = wrapped(&root);
        report.name_unknown_fields(&root);
        return Some(distribution);
    }
    if has("Origins") || has("DefaultCacheBehavior") || has("CallerReference") {
        let root = Node::root(value, "DistributionConfig", report);
        let nameless = Identity { id: None, domain_name: None };
        let distribution = config::distribution(&root, &nameless, &Library::default());
        report.name_unknown_fields(&root);
        return Some(distribution);
    }
    let root = Node::root(value, "", report);
    root.error_with(MALFORMED_DOCUMENT, "this is not a distribution", other_kind(value));
    None
}

/// A bundle, or what a `get-` command prints.
fn wrapped(root: &Node<'_>) -> Distribution {
    root.ignore(&["ETag", "Tags"]);
    let inside = root.at("Distribution");
    let holder = if inside.is_present() { &inside } else { root };
    holder.ignore(&[
        "ARN",
        "Status",
        "LastModifiedTime",
        "InProgressInvalidationBatches",
        "ActiveTrustedSigners",
        "ActiveTrustedKeyGroups",
        "AliasICPRecordals",
    ]);
    let identity = Identity { id: holder.filled("Id"), domain_name: holder.filled("DomainName") };
    let library = Library::read(root);
    config::distribution(&holder.required("DistributionConfig"), &identity, &library)
}

/// What to do with a document that has none of our shapes.
fn other_kind(value: &Value) -> String {
    let has = |key: &str| value.get(key).is_some();
    if has("Resources") {
        "it looks like a CloudFormation template".to_owned()
    } else if has("planned_values") {
        "it looks like a Terraform plan".to_owned()
    } else if has("terraform_version") {
        "it looks like Terraform's: give what `terraform show -json` prints, of a plan or a state".to_owned()
    } else if has("DistributionList") {
        "it lists several: take one with `aws cloudfront get-distribution-config --id …`".to_owned()
    } else {
        "a DistributionConfig, or what `aws cloudfront get-distribution-config` prints, is expected"
            .to_owned()
    }
}
