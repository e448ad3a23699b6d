//! Continuous deployment policies (§17.1) of a bundle, or alone.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::super::deployment::{Deployment, Sessions, Stage, Traffic};
use super::super::problem::codes::{INVALID_ARGUMENT, MALFORMED_DOCUMENT};
use super::super::problem::{Problem, Problems, Severity};
use super::super::{HttpVersion, Origin};
use super::library::unwrapped;
use super::node::{Node, Report};

/// How the header begins that leads to a staging distribution.
const HEADER_PREFIX: &str = "aws-cf-cd-";
/// The largest share of the requests.
const SHARE_MAX: f64 = 0.15;
/// The seconds after which sessions end.
const SESSION_SECONDS: std::ops::RangeInclusive<u64> = 300..=3_600;

/// Reads a `ContinuousDeploymentPolicyConfig`; `None` where it sends nobody anywhere.
pub(super) fn policy(config: &Node<'_>) -> Option<Deployment> {
    let names = config.required("StagingDistributionDnsNames");
    let items = names.items();
    if names.is_present() && items.len() != 1 {
        names.error(INVALID_ARGUMENT, "there is exactly one staging distribution");
    }
    let staging = items.first().and_then(Node::as_text).unwrap_or_default().to_ascii_lowercase();
    let enabled = config.required_boolean("Enabled");
    let traffic = traffic(&config.at("TrafficConfig"));
    traffic.filter(|_| enabled).map(|traffic| Deployment { staging, traffic })
}

fn traffic(config: &Node<'_>) -> Option<Traffic> {
    if !config.is_present() {
        return None;
    }
    let (header, weight) = (config.at("SingleHeaderConfig"), config.at("SingleWeightConfig"));
    match config.required_choice("Type", &[("SingleHeader", true), ("SingleWeight", false)])? {
        true => by_header(&config.required("SingleHeaderConfig"), &weight),
        false => by_weight(&config.required("SingleWeightConfig"), &header),
    }
}

fn by_header(config: &Node<'_>, other: &Node<'_>) -> Option<Traffic> {
    check_absent(other);
    let field = config.required("Header");
    let name = field.as_text().unwrap_or_default().to_ascii_lowercase();
    if field.is_present() && !name.starts_with(HEADER_PREFIX) {
        field.error_with(
            INVALID_ARGUMENT,
            format!("the header's name begins with {HEADER_PREFIX}"),
            format!("{HEADER_PREFIX}{name}"),
        );
    }
    let name = field.checked(
        INVALID_ARGUMENT,
        HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string()),
    );
    let value = config.required("Value");
    let text = value.as_text().unwrap_or_default();
    let value =
        value.checked(INVALID_ARGUMENT, HeaderValue::from_str(text).map_err(|error| error.to_string()));
    Some(Traffic::Header { name: name?, value: value? })
}

fn by_weight(config: &Node<'_>, other: &Node<'_>) -> Option<Traffic> {
    check_absent(other);
    let field = config.required("Weight");
    let share = field.as_decimal().unwrap_or_default();
    if !(0.0..=SHARE_MAX).contains(&share) {
        field.error(INVALID_ARGUMENT, format!("{share} is not 0 to {SHARE_MAX}: a share of the requests"));
    }
    let sessions = sessions(&config.at("SessionStickinessConfig"));
    Some(Traffic::Weight { share, sessions })
}

fn sessions(config: &Node<'_>) -> Option<Sessions> {
    if !config.is_present() {
        return None;
    }
    let seconds = |key: &'static str| {
        let field = config.required(key);
        let seconds = field.as_integer().unwrap_or_default();
        if field.is_present() && !SESSION_SECONDS.contains(&seconds) {
            let (from, to) = (SESSION_SECONDS.start(), SESSION_SECONDS.end());
            field.error(INVALID_ARGUMENT, format!("{seconds} is not {from} to {to} seconds"));
        }
        Duration::from_secs(seconds)
    };
    let (idle, maximum) = (seconds("IdleTTL"), seconds("MaximumTTL"));
    if idle > maximum {
        config.at("IdleTTL").error(INVALID_ARGUMENT, "IdleTTL is at most MaximumTTL");
    }
    Some(Sessions { idle, maximum })
}

fn check_absent(config: &Node<'_>) {
    if config.is_present() {
        config.error(INVALID_ARGUMENT, "Type says otherwise");
    }
}

/// What does not go with continuous deployment, on either side (§17.1).
pub(super) fn check(config: &Node<'_>, stage: Stage, version: HttpVersion, origins: &[Origin]) {
    let policy = config.at("ContinuousDeploymentPolicyId");
    let deployed = config.filled("ContinuousDeploymentPolicyId").is_some();
    if deployed && stage == Stage::Staging {
        policy.error(INVALID_ARGUMENT, "a staging distribution has no staging distribution of its own");
    }
    if !deployed && stage == Stage::Live {
        return;
    }
    if matches!(version, HttpVersion::Http3 | HttpVersion::Http2And3) {
        config.at("HttpVersion").error(INVALID_ARGUMENT, "there is no HTTP/3 with continuous deployment");
    }
    if !origins.iter().any(|origin| origin.completion_timeout.is_some()) {
        return;
    }
    for (node, origin) in config.at("Origins").items().iter().zip(origins) {
        if origin.completion_timeout.is_some() {
            let message = "there is no ResponseCompletionTimeout with continuous deployment";
            node.at("ResponseCompletionTimeout").error(INVALID_ARGUMENT, message);
        }
    }
}

/// Reads a policy that stands alone: a `ContinuousDeploymentPolicyConfig`, or what `get-continuous-deployment-policy` and
/// `get-continuous-deployment-policy-config` print.
pub fn load_deployment(text: &str) -> Result<Option<Deployment>, Problems> {
    let problem = |message: String| {
        let (severity, place, code) = (Severity::Error, String::new(), MALFORMED_DOCUMENT);
        Problems(vec![Problem { severity, place, code, message, hint: None }])
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value =
        serde_json::from_str(text).map_err(|error| problem(format!("this is not JSON: {error}")))?;
    let report = Report::default();
    let root = Node::root(&value, "", &report);
    let inner = unwrapped(&root, "ContinuousDeploymentPolicy");
    inner.ignore(&["Id", "LastModifiedTime", "ETag"]);
    let config = inner.at("ContinuousDeploymentPolicyConfig");
    let deployment = policy(if config.is_present() { &config } else { &inner });
    let problems = report.into_problems();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    Ok(deployment)
}
