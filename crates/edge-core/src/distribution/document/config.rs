//! `DistributionConfig` (§1.2.1): the parts put together.

use std::collections::HashSet;
use std::time::Duration;

use http::HeaderName;

use super::super::check::{self, quotas};
use super::super::deployment::LOCAL_DOMAIN;
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{
    Alias, CookieLogging, Distribution, ErrorPage, ErrorResponse, HttpVersion, PathPattern, Stage,
};
use super::behavior::{self, Context};
use super::library::Library;
use super::names;
use super::node::Node;
use super::origin::{self, Targets};
use super::{deployment, force, geo, viewer};

/// `ErrorCachingMinTTL` where an entry does not say (§7.3).
const ERROR_CACHING_MIN_TTL: Duration = Duration::from_secs(10);

/// What stands around a `DistributionConfig`, where anything does.
pub(super) struct Identity<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) domain_name: Option<&'a str>,
}

/// Reads a `DistributionConfig`.
pub(super) fn distribution(config: &Node<'_>, identity: &Identity<'_>, library: &Library) -> Distribution {
    let reference = config.required_text("CallerReference");
    let comment = config.required("Comment");
    comment.within(&quotas::COMMENT, comment.as_text().map_or(0, |text| text.chars().count()));
    let mut targets = Targets::default();
    let origins = origin::origins(config, &mut targets, library);
    let origin_groups = origin::origin_groups(config, &mut targets);
    let http_version = http_version(config);
    let context =
        Context { library, targets: &targets, origins: &origins, groups: &origin_groups, http_version };
    let default_behavior =
        behavior::behavior(&config.required("DefaultCacheBehavior"), PathPattern::any(), &context);
    let behaviors = behavior::behaviors(config, &context);
    let aliases = aliases(config);
    let viewer_tls = viewer::tls(config, !aliases.is_empty(), library);
    force::distribution(config);
    let stage = if config.boolean("Staging") == Some(true) { Stage::Staging } else { Stage::Live };
    deployment::check(config, stage, http_version, &origins);
    let deployment = library.deployment(&config.at("ContinuousDeploymentPolicyId"));
    let geo_restriction = geo::restriction(&config.at("Restrictions"));
    Distribution {
        id: identity.id.map_or_else(|| local_id(reference), str::to_owned),
        domain_name: identity.domain_name.map_or_else(|| local_domain(reference), str::to_ascii_lowercase),
        aliases,
        stage,
        deployment,
        primary: None,
        enabled: config.required_boolean("Enabled"),
        http_version,
        viewer_tls,
        geo_restriction,
        default_root_object: default_root_object(config),
        cache_tag_header: cache_tag_header(config),
        error_responses: error_responses(config),
        origins,
        origin_groups,
        behaviors,
        default_behavior,
        cookie_logging: cookie_logging(config),
    }
}

fn cookie_logging(config: &Node<'_>) -> CookieLogging {
    let includes = config.at("Logging").boolean("IncludeCookies");
    if includes == Some(true) { CookieLogging::On } else { CookieLogging::Off }
}

fn http_version(config: &Node<'_>) -> HttpVersion {
    let words = [
        ("http1.1", HttpVersion::Http1),
        ("http2", HttpVersion::Http2),
        ("http2and3", HttpVersion::Http2And3),
        ("http3", HttpVersion::Http3),
        // As some commands print them.
        ("HTTP1.1", HttpVersion::Http1),
        ("HTTP2", HttpVersion::Http2),
    ];
    let version = config.choice("HttpVersion", &words).unwrap_or(HttpVersion::Http2);
    let is_http3 = matches!(version, HttpVersion::Http3 | HttpVersion::Http2And3);
    if is_http3 && config.at("ViewerMtlsConfig").is_present() {
        let message = "CloudFront asks no viewer for a certificate over HTTP/3: beside ViewerMtlsConfig it is not spoken";
        config.at("HttpVersion").warn(INVALID_ARGUMENT, message);
    }
    version
}

fn default_root_object(config: &Node<'_>) -> Option<String> {
    let field = config.at("DefaultRootObject");
    let name = field.as_text().filter(|name| !name.is_empty())?;
    field.within(&quotas::DEFAULT_ROOT_OBJECT, name.chars().count());
    if let Err(message) = check::default_root_object(name) {
        let hint = format!("a name such as {}", name.trim_start_matches('/'));
        field.error_with("InvalidDefaultRootObject", message, hint);
    }
    Some(name.to_owned())
}

/// Absent or null: objects are not tagged.
fn cache_tag_header(config: &Node<'_>) -> Option<HeaderName> {
    let tags = config.at("CacheTagConfig");
    if tags.is_present() { names::header_name(&tags.required("HeaderName")) } else { None }
}

fn aliases(config: &Node<'_>) -> Vec<Alias> {
    let list = config.at("Aliases");
    let items = list.items();
    list.within(&quotas::ALIASES, items.len());
    let mut aliases = Vec::with_capacity(items.len());
    for item in &items {
        let Some(text) = item.as_text() else { continue };
        let Some(alias) = item.checked(INVALID_ARGUMENT, Alias::parse(text)) else { continue };
        if aliases.contains(&alias) {
            item.error(INVALID_ARGUMENT, format!("{text} is there twice"));
        }
        aliases.push(alias);
    }
    aliases
}

fn error_responses(config: &Node<'_>) -> Vec<ErrorResponse> {
    let mut seen = HashSet::new();
    let mut read = |item: &Node<'_>| {
        let response = error_response(item)?;
        if !seen.insert(response.error_code) {
            let message = format!("{} has an entry already", response.error_code.as_u16());
            item.at("ErrorCode").error(INVALID_ARGUMENT, message);
        }
        Some(response)
    };
    config.list("CustomErrorResponses").iter().filter_map(&mut read).collect()
}

/// `None` where the error code is no good. The API writes "no page" as two empty strings.
fn error_response(item: &Node<'_>) -> Option<ErrorResponse> {
    let error_code = origin::status(&item.required("ErrorCode"), &check::ERROR_CODES, "InvalidErrorCode");
    let (path_node, code_node) = (item.at("ResponsePagePath"), item.at("ResponseCode"));
    let path = path_node.as_text().filter(|path| !path.is_empty());
    let has_code = code_node.value().is_some_and(|value| value.as_str() != Some(""));
    if let Some(path) = path {
        path_node.checked("InvalidRelativePath", check::page_path(path));
    }
    let response_code = if has_code {
        origin::status(&code_node, &check::RESPONSE_CODES, "InvalidResponseCode")
    } else {
        None
    };
    if path.is_some() != has_code {
        item.error(INVALID_ARGUMENT, "ResponsePagePath and ResponseCode come together or not at all");
    }
    let seconds =
        item.integer("ErrorCachingMinTTL").map(|seconds| Duration::from_secs(seconds.min(check::TTL_MAX)));
    Some(ErrorResponse {
        error_code: error_code?,
        page: path
            .zip(response_code)
            .map(|(path, response_code)| ErrorPage { path: path.to_owned(), response_code }),
        caching_min_ttl: seconds.unwrap_or(ERROR_CACHING_MIN_TTL),
    })
}

/// A name of ours in the shape of AWS's, the same for the same `CallerReference`.
fn local_id(reference: &str) -> String {
    format!("ELOCAL{}", base36(reference, 7)).to_ascii_uppercase()
}

fn local_domain(reference: &str) -> String {
    format!("{LOCAL_DOMAIN}{}.cloudfront.net", base36(reference, 8))
}

/// `digits` of a hash (FNV-1a) of `text`.
fn base36(text: &str, digits: usize) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let mut out = String::with_capacity(digits);
    for _ in 0..digits {
        out.extend(u32::try_from(hash % 36).ok().and_then(|digit| char::from_digit(digit, 36)));
        hash /= 36;
    }
    out
}
