//! Functions of a bundle, and which of them a behavior runs.
//!
//! A function that carries a `Rule` is run by the edge itself, another by its code, where this build runs code.

use std::collections::HashMap;
use std::sync::Arc;

use crate::distribution::lambda::IncludeBody;
use crate::distribution::{Lambda, LambdaEvent, Lambdas, Rule, ViewerRequest};
use crate::script::{self, Entry, KeyValueStore, Script, Version};

use super::super::check::{self, quotas};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::library::unwrapped;
use super::node::Node;

/// The functions of a bundle by name.
#[derive(Default)]
pub(super) struct Functions {
    by_name: HashMap<String, Kept>,
}

/// What a bundle has of a function.
#[derive(Clone)]
enum Kept {
    Rule(Arc<Rule>),
    Script(Arc<Script>),
    /// Its name, or code nothing here runs.
    NameOnly,
}

impl Functions {
    /// Reads `Functions` of a bundle.
    pub(super) fn read(root: &Node<'_>, stores: &HashMap<String, Arc<KeyValueStore>>) -> Self {
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
            let (version, store) = config(&node.at("FunctionConfig"), stores);
            let code = item.at("Code");
            code.within(&quotas::FUNCTION_CODE, code.as_text().map_or(0, str::len));
            let kept = match (rule(&item.at("Rule")), code.as_text()) {
                (Some(rule), _) => Kept::Rule(rule),
                (None, Some(code_text)) if script::CAN_RUN => {
                    let script = Script {
                        name: text.to_owned(),
                        version: version.unwrap_or(Version::Two),
                        entry: Entry::Requests,
                        code: code_text.to_owned(),
                        store,
                    };
                    report(&code, &script);
                    Kept::Script(Arc::new(script))
                }
                (None, _) => Kept::NameOnly,
            };
            if by_name.insert(text.to_owned(), kept).is_some() {
                name.error(INVALID_ARGUMENT, format!("another function is called {text:?} too"));
            }
        }
        Self { by_name }
    }
}

/// What is wrong with the code, with line and column.
pub(super) fn report(node: &Node<'_>, script: &Script) {
    for mistake in script.mistakes() {
        if mistake.is_error() {
            node.error(INVALID_ARGUMENT, mistake.to_string());
        } else {
            node.warn(INVALID_ARGUMENT, mistake.to_string());
        }
    }
}

/// The runtime, and the key value store it may read.
pub(super) fn config(
    config: &Node<'_>,
    stores: &HashMap<String, Arc<KeyValueStore>>,
) -> (Option<Version>, Option<Arc<KeyValueStore>>) {
    if !config.is_present() {
        return (None, None);
    }
    config.required("Comment").as_text();
    let runtimes = [("cloudfront-js-1.0", Version::One), ("cloudfront-js-2.0", Version::Two)];
    let version = config.required_choice("Runtime", &runtimes);
    let associations = config.at("KeyValueStoreAssociations");
    let items = associations.items();
    associations.within(&quotas::STORES, items.len());
    let store = items.first().and_then(|item| {
        let arn = item.required("KeyValueStoreARN");
        let found = stores.get(arn.as_text()?).cloned();
        if found.is_none() {
            let hint = "put it under \"KeyValueStores\", with its ARN and its Items";
            arn.not_in_force_with("the document has no such key value store: cf.kvs() fails", hint);
        }
        found
    });
    (version, store)
}

/// Our own rule document, in the words of its own module.
fn rule(node: &Node<'_>) -> Option<Arc<Rule>> {
    match serde_path_to_error::deserialize::<_, Rule>(node.value()?) {
        // A function reads cookies' names as text, the rule as bytes: of ASCII alone both make the same.
        Ok(rule) if !rule.is_ascii() => {
            node.error(INVALID_ARGUMENT, "the names of a rule are ASCII");
            None
        }
        Ok(rule) => Some(Arc::new(rule)),
        Err(error) => {
            let path = error.path().to_string();
            let at = if path == "." { String::new() } else { format!("at {path}: ") };
            node.error(INVALID_ARGUMENT, format!("{at}{}", error.inner()));
            None
        }
    }
}

/// What runs, and what it is called.
#[derive(Default)]
pub(super) struct Associated {
    pub(super) request: Option<ViewerRequest>,
    pub(super) request_name: Option<String>,
    pub(super) response: Option<Arc<Script>>,
    pub(super) response_name: Option<String>,
    pub(super) lambdas: Lambdas,
}

/// Reads both kinds of associations of a behavior.
pub(super) fn associations(behavior: &Node<'_>, functions: &Functions) -> Associated {
    let lambdas = lambdas(behavior);
    let on_viewer_events =
        LambdaEvent::ALL.into_iter().any(|event| event.is_viewers() && lambdas.named(event).is_some());
    let list = behavior.at("FunctionAssociations");
    let items = list.items();
    list.within(&quotas::FUNCTIONS, items.len());
    if on_viewer_events && !items.is_empty() {
        list.error(
            "InvalidFunctionAssociation",
            "CloudFront Functions and Lambda@Edge cannot both be on viewer events of one behavior",
        );
    }
    let mut found = Associated { lambdas, ..Associated::default() };
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
        let kept = functions.by_name.get(name);
        match (word, kept.cloned()) {
            ("viewer-request", Some(Kept::Rule(rule))) => found.request = Some(ViewerRequest::Rule(rule)),
            ("viewer-request", Some(Kept::Script(script))) => {
                found.request = Some(ViewerRequest::Script(script));
            }
            ("viewer-response", Some(Kept::Script(script))) => found.response = Some(script),
            _ => say_not_run(&arn, name, kept.is_some()),
        }
        let named = if word == "viewer-request" { &mut found.request_name } else { &mut found.response_name };
        *named = Some(name.to_owned());
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

/// Reads `LambdaFunctionAssociations`. Whether a function can be called no document says.
fn lambdas(behavior: &Node<'_>) -> Lambdas {
    let code = "InvalidLambdaFunctionAssociation";
    let list = behavior.at("LambdaFunctionAssociations");
    let items = list.items();
    list.within(&quotas::LAMBDAS, items.len());
    let mut found = Lambdas::default();
    for item in &items {
        let arn = item.required("LambdaFunctionARN");
        let text = arn.as_text().unwrap_or_default();
        let version = text.rsplit_once(':').map_or("", |(_, version)| version);
        if arn.as_text().is_some() && (version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit())) {
            arn.error_with(
                code,
                "the ARN names no numbered version",
                "publish a version; $LATEST is not allowed",
            );
        }
        let event = item.required("EventType");
        let body = match item.boolean("IncludeBody") {
            Some(true) => IncludeBody::Yes,
            Some(false) | None => IncludeBody::No,
        };
        let Some(word) = event.as_text() else { continue };
        let Some(at) = LambdaEvent::parse(word) else {
            event.error(code, format!("{word:?} is not an event"));
            continue;
        };
        if body == IncludeBody::Yes && matches!(at, LambdaEvent::OriginResponse | LambdaEvent::ViewerResponse)
        {
            item.at("IncludeBody").error(code, "only request events have a body to include");
        }
        if found.named(at).is_some() {
            event.error(code, format!("two functions run at {word}"));
        }
        found.put(at, Lambda { arn: text.to_owned(), body, endpoint: None });
        item.needs_endpoint(at, text);
    }
    found
}
