//! Continuous deployment from the command line: the policy, and what is to be said of it.

use std::path::Path;

use edge_core::distribution::document::load_deployment;
use edge_core::distribution::{Deployment, Distribution, Stage};
use edge_core::proxy::server::Settings;

use crate::configuration::Warning;

/// The policy of `--deployment-policy`; `None` where it sends nobody anywhere.
pub(crate) fn read(path: &Path) -> Result<Option<Deployment>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    load_deployment(&text).map_err(|problems| format!("{name}: {problems}"))
}

/// Whether a warning is about the policy that was given after all.
pub(crate) fn is_moot(warning: &Warning, primary: &Distribution) -> bool {
    primary.stage == Stage::Live && warning.text.contains("--deployment-policy FILE")
}

/// What is not as a policy, or its absence, makes one think.
pub(crate) fn warnings(settings: &Settings) -> Vec<String> {
    let all: Vec<&Distribution> = std::iter::once(&settings.distribution).chain(&settings.others).collect();
    let mut warnings = Vec::new();
    let mut behind = Vec::new();
    for primary in &all {
        let Some(deployment) = &primary.deployment else { continue };
        match deployment.staging_among(all.iter().copied()) {
            Some(index) => behind.push(index),
            None => warnings.push(format!(
                "{}: its policy leads to the staging distribution {}, which is not served here: no request is sent to it\n  \
                 hint: give it beside its primary\n",
                primary.id, deployment.staging
            )),
        }
    }
    for (index, staging) in all.iter().enumerate() {
        if staging.stage == Stage::Staging && !behind.contains(&index) {
            warnings.push(format!(
                "{}: no policy leads to this staging distribution: it is served here like any other\n  \
                 hint: at AWS nobody reaches it\n",
                staging.id
            ));
        }
    }
    warnings
}
