//! Functions of a bundle, and which of them a behavior runs.
//!
//! A function that carries a `Rule` is run by the edge itself. One that is only code is named and not run yet.

use std::collections::HashMap;
use std::sync::Arc;

use crate::distribution::Rule;

use super::super::check::{self, quotas};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::library::unwrapped;
use super::node::Node;

/// The functions of a bundle by name, each with its rule if it has one.
#[derive(Default)]
pub(super) struct Functions {
    by_name: HashMap<String, Option<Arc<Rule>>>,
}

impl Functions {
    /// Reads `Functions` of a bundle.
    pub(super) fn read(root: &Node<'_>) -> Self {
        let mut by_name = HashMap::new();
        for item in root.at("Functions").elements() {
            // `describe-function` prints the function inside `FunctionSummary`.
            let node = unwrapped(&item, "FunctionSummary");
            let name = node.required("Name");
            let text = name.as_text().unwrap_or_default();
            if name.is_present() && !check::is_function_name(text) {
                name.error(INVALID_ARGUMENT, "a function's name is 1 to 64 letters, digits, - and _");
            }
            node.ignore(&["FunctionARN", "FunctionMetadata", "Status"]);
            config(&node.at("FunctionConfig"));
            let code = item.at("Code");
            code.within(&quotas::FUNCTION_CODE, code.as_text().map_or(0, str::len));
            if by_name.insert(text.to_owned(), rule(&item.at("Rule"))).is_some() {
                name.error(INVALID_ARGUMENT, format!("another function is called {text:?} too"));
            }
        }
        Self { by_name }
    }
}

fn config(config: &Node<'_>) {
    if config.is_present() {
        config.required("Comment").as_text();
        config.ignore(&["KeyValueStoreAssociations"]);
        let runtimes = ["cloudfront-js-1.0", "cloudfront-js-2.0"].map(|word| (word, ()));
        config.required_choice("Runtime", &runtimes);
    }
}

/// Our own rule document, in the words of its own module.
fn rule(node: &Node<'_>) -> Option<Arc<Rule>> {
    match serde_path_to_error::deserialize::<_, Rule>(node.value()?) {
        Ok(rule) => Some(Arc::new(rule)),
        Err(error) => {
            let path = error.path().to_string();
            let at = if path == "." { String::new() } else { format!("at {path}: ") };
            node.error(INVALID_ARGUMENT, format!("{at}{}", error.inner()));
            None
        }
    }
}

/// What runs at viewer-request.
#[derive(Default)]
pub(super) struct ViewerRequest {
    pub(super) name: Option<String>,
    pub(super) rule: Option<Arc<Rule>>,
}

/// Reads both kinds of associations of a behavior.
pub(super) fn associations(behavior: &Node<'_>, functions: &Functions) -> ViewerRequest {
    let on_viewer_events = lambda_associations(behavior);
    let list = behavior.at("FunctionAssociations");
    let items = list.items();
    list.within(&quotas::FUNCTIONS, items.len());
    if on_viewer_events && !items.is_empty() {
        list.error(
            "InvalidFunctionAssociation",
            "CloudFront Functions and Lambda@Edge cannot both be on viewer events of one behavior",
        );
    }
    let mut found = ViewerRequest::default();
    let mut seen = Vec::new();
    for item in &items {
        let arn = item.required("FunctionARN");
        let name = function_name(&arn);
        let event = item.required("EventType");
        let Some(word) = event.as_text() else { continue };
        if !["viewer-request", "viewer-response"].contains(&word) {
            let message = format!("{word:?} is not an event a CloudFront Function can run at");
            event.error_with("InvalidFunctionAssociation", message, "use viewer-request or viewer-response");
        } else if seen.contains(&word) {
            event.error("InvalidFunctionAssociation", format!("two functions run at {word}"));
        }
        seen.push(word);
        let Some(name) = name else { continue };
        if word == "viewer-request" {
            let rule = functions.by_name.get(name);
            if !matches!(rule, Some(Some(_))) {
                say_not_run(&arn, name, rule.is_some());
            }
            found = ViewerRequest { name: Some(name.to_owned()), rule: rule.cloned().flatten() };
        } else {
            say_not_run(&arn, name, true);
        }
    }
    found
}

fn say_not_run(arn: &Node<'_>, name: &str, in_bundle: bool) {
    let message = format!("the function {name} does not run here: what it changes or refuses, is not");
    if in_bundle {
        arn.not_in_force(message);
    } else {
        arn.not_in_force_with(message, format!("the document has no function {name} under \"Functions\""));
    }
}

/// `arn:aws:cloudfront::ACCOUNT:function/NAME`.
fn function_name<'a>(arn: &Node<'a>) -> Option<&'a str> {
    let text = arn.as_text()?;
    let name =
        text.split_once(":function/").map(|(_, name)| name).filter(|name| check::is_function_name(name));
    if name.is_none() || !text.starts_with("arn:") {
        arn.error_with(
            "InvalidFunctionAssociation",
            format!("{text:?} is not the ARN of a CloudFront Function"),
            "it is arn:aws:cloudfront::ACCOUNT:function/NAME",
        );
        return None;
    }
    name
}

/// Whether any Lambda is on a viewer event.
fn lambda_associations(behavior: &Node<'_>) -> bool {
    let code = "InvalidLambdaFunctionAssociation";
    let list = behavior.at("LambdaFunctionAssociations");
    let items = list.items();
    list.within(&quotas::LAMBDAS, items.len());
    let mut seen = Vec::new();
    for item in &items {
        let arn = item.required("LambdaFunctionARN");
        let version = arn.as_text().and_then(|text| text.rsplit_once(':')).map_or("", |(_, version)| version);
        if arn.as_text().is_some() && (version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit())) {
            arn.error_with(
                code,
                "the ARN names no numbered version",
                "publish a version; $LATEST is not allowed",
            );
        }
        let event = item.required("EventType");
        let includes_body = item.boolean("IncludeBody") == Some(true);
        let Some(word) = event.as_text() else { continue };
        match word {
            "viewer-request" | "origin-request" => {}
            "viewer-response" | "origin-response" if includes_body => {
                item.at("IncludeBody").error(code, "only request events have a body to include");
            }
            "viewer-response" | "origin-response" => {}
            _ => event.error(code, format!("{word:?} is not an event")),
        }
        if seen.contains(&word) {
            event.error(code, format!("two functions run at {word}"));
        }
        seen.push(word);
        item.not_in_force(format!(
            "the Lambda@Edge function at {word} does not run here: what it changes or refuses, is not"
        ));
    }
    seen.iter().any(|word| word.starts_with("viewer-"))
}
