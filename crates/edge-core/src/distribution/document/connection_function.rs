//! Connection functions of a bundle, and the one a distribution names (§11.6).

use std::collections::HashMap;
use std::sync::Arc;

use crate::script::{self, Entry, KeyValueStore, Script, Version};

use super::super::check::quotas;
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::viewer_tls::ViewerMtls;
use super::function::{config, report};
use super::library::unwrapped;
use super::node::Node;

/// By id; `None` where there is no code that anything here runs.
pub(super) type ConnectionFunctions = HashMap<String, Option<Arc<Script>>>;

/// Reads `ConnectionFunctions` of a bundle: what `describe-connection-function` prints, and beside it the `Code`.
pub(super) fn connection_functions(
    root: &Node<'_>,
    stores: &HashMap<String, Arc<KeyValueStore>>,
) -> ConnectionFunctions {
    let mut found = ConnectionFunctions::new();
    for item in root.at("ConnectionFunctions").elements() {
        let node = unwrapped(&item, "ConnectionFunctionSummary");
        node.ignore(&["ConnectionFunctionArn", "CreatedTime", "LastModifiedTime", "Stage", "Status"]);
        let id = node.required_text("Id");
        let name = node.text("Name").unwrap_or(id);
        let settings = node.at("ConnectionFunctionConfig");
        let (version, store) = config(&settings, stores);
        if version == Some(Version::One) {
            settings.at("Runtime").error_with(
                INVALID_ARGUMENT,
                "connection functions run in the runtime 2.0",
                "use cloudfront-js-2.0",
            );
        }
        let code = item.at("Code");
        // What the API takes; AWS says no more than that it is limited *(unsure)*.
        code.within(&quotas::CONNECTION_FUNCTION_CODE, code.as_text().map_or(0, str::len));
        let script = code.as_text().filter(|_| script::CAN_RUN).map(|text| {
            let (name, version, entry) = (name.to_owned(), Version::Two, Entry::Connections);
            let script = Script { name, version, entry, code: text.to_owned(), store };
            report(&code, &script);
            Arc::new(script)
        });
        if found.insert(id.to_owned(), script).is_some() {
            node.at("Id").error(INVALID_ARGUMENT, format!("{id:?} is there twice"));
        }
    }
    found
}

/// The one that `ConnectionFunctionAssociation` names.
pub(super) fn associated(
    association: &Node<'_>,
    mtls: Option<&ViewerMtls>,
    known: &ConnectionFunctions,
) -> Option<Arc<Script>> {
    if !association.is_present() {
        return None;
    }
    let id = association.required_text("Id");
    if mtls.is_none() {
        association.not_in_force_with(
            "the connection function never runs: viewers are asked for no certificate, and it goes with viewer mTLS",
            "add a ViewerMtlsConfig",
        );
        return None;
    }
    let found = known.get(id);
    if let Some(Some(script)) = found {
        return Some(Arc::clone(script));
    }
    let node = association.at("Id");
    let message = "the connection function does not run: connections it would deny are NOT denied";
    match found {
        Some(_) if script::CAN_RUN => node.not_in_force_with(message, "its Code is not in the document"),
        Some(_) => node.not_in_force(message),
        None => node.not_in_force_with(
            message,
            format!(
                "put what `aws cloudfront describe-connection-function --identifier {id}` prints into the bundle's \
                 \"ConnectionFunctions\", with its Code"
            ),
        ),
    }
    None
}
