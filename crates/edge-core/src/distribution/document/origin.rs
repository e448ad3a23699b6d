//! Origins (§1.2.2) and origin groups (§1.2.3).
//!
//! Where the servers really are is not asked here: the proxy maps an origin's name to something else if it is told to.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::super::check::{self, OriginDomain, quotas};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{
    Origin, OriginGroup, OriginKind, OriginProtocol, Reach, Signing, SigningBehavior, Target,
};
use super::library::Library;
use super::node::Node;
use super::{force, names};

/// Where ids point to.
#[derive(Default)]
pub(super) struct Targets {
    by_id: HashMap<String, Target>,
}

impl Targets {
    /// The target called by the text of `node`; reported when there is none.
    pub(super) fn find(&self, node: &Node<'_>) -> Option<Target> {
        let id = node.as_text()?;
        let found = self.by_id.get(id).copied();
        if found.is_none() {
            self.no_such_origin(node, id);
        }
        found
    }

    fn no_such_origin(&self, node: &Node<'_>, id: &str) {
        let mut known: Vec<&str> = self.by_id.keys().map(String::as_str).collect();
        known.sort_unstable();
        node.error_with(
            "NoSuchOrigin",
            format!("no origin or origin group is called {id:?}"),
            format!("the document has: {}", known.join(", ")),
        );
    }

    fn insert(&mut self, node: &Node<'_>, id: &str, target: Target) {
        if !id.is_empty() && self.by_id.insert(id.to_owned(), target).is_some() {
            node.at("Id").error(INVALID_ARGUMENT, format!("another origin or group is called {id:?} too"));
        }
    }
}

/// Reads `Origins`.
pub(super) fn origins(config: &Node<'_>, targets: &mut Targets, library: &Library) -> Vec<Origin> {
    let list = config.required("Origins");
    let items = list.items();
    list.within(&quotas::ORIGINS, items.len());
    if list.is_present() && items.is_empty() {
        list.error(INVALID_ARGUMENT, "at least one origin is needed");
    }
    let mut origins = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let origin = origin(item, library);
        targets.insert(item, &origin.id, Target::Origin(at));
        origins.push(origin);
    }
    origins
}

fn origin(node: &Node<'_>, library: &Library) -> Origin {
    let id = node.required_text("Id").to_owned();
    let domain_name = domain_name(node);
    let path_node = node.at("OriginPath");
    let path = path_node.as_text().unwrap_or_default();
    path_node.within(&quotas::ORIGIN_PATH, path.chars().count());
    path_node.checked("InvalidRelativePath", check::origin_path(path));
    let custom_headers = custom_headers(node);
    let server = server(node, &domain_name);
    let completion_timeout = completion_timeout(node, server.read_timeout);
    let signing = signing(node, &domain_name, library);
    let client_certificate = client_certificate(&node.at("CustomOriginConfig").at("OriginMtlsConfig"));
    force::origin(node);
    Origin {
        id,
        domain_name,
        path: path.to_owned(),
        custom_headers,
        kind: server.kind,
        connection_attempts: connection_attempts(node),
        connection_timeout: seconds(
            node,
            "ConnectionTimeout",
            10,
            check::CONNECTION_TIMEOUT,
            INVALID_ARGUMENT,
        ),
        read_timeout: server.read_timeout,
        keepalive_timeout: server.keepalive_timeout,
        completion_timeout,
        signing,
        reach: server.reach,
        client_certificate,
    }
}

fn client_certificate(mtls: &Node<'_>) -> Option<String> {
    let is_there = mtls.is_present();
    let arn = if is_there { mtls.required_text("ClientCertificateArn") } else { "" };
    Some(arn.to_owned()).filter(|arn| !arn.is_empty())
}

/// Origin access control, or the older origin access identity, which signs as one user for everything (§5.11).
fn signing(node: &Node<'_>, domain_name: &str, library: &Library) -> Option<Signing> {
    let control = node.at("OriginAccessControlId");
    let identity = node.at("S3OriginConfig").at("OriginAccessIdentity");
    let is_filled = |field: &Node<'_>| field.as_text().is_some_and(|text| !text.is_empty());
    let (field, behavior) = match (is_filled(&control), is_filled(&identity)) {
        (false, false) => return None,
        // Both is a mistake, and reported where the two are compared.
        (true, _) => {
            let behavior = library.signing(&control)?;
            (control, behavior)
        }
        (false, true) => (identity, SigningBehavior::Always),
    };
    field.needs_credentials("requests to this origin are signed only with credentials of yours");
    Some(Signing::for_origin(domain_name, behavior))
}

fn domain_name(node: &Node<'_>) -> String {
    let domain = node.required("DomainName");
    let Some(text) = domain.as_text() else { return String::new() };
    if domain.checked("InvalidOrigin", check::origin_domain(text)) == Some(OriginDomain::LocalOnly) {
        domain.warn("InvalidOrigin", "CloudFront wants a public DNS name: this works here only");
    }
    text.to_owned()
}

fn custom_headers(node: &Node<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let list = node.at("CustomHeaders");
    let items = list.items();
    list.within(&quotas::ORIGIN_HEADERS, items.len());
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(items.len());
    let mut chars = 0;
    for item in &items {
        let (name, value) = (item.required("HeaderName"), item.required("HeaderValue"));
        let text = value.as_text().unwrap_or_default();
        chars += text.chars().count() + names::total_chars(std::slice::from_ref(&name));
        value.within(&quotas::ORIGIN_HEADER_VALUE, text.chars().count());
        let parsed = HeaderValue::from_str(text).map_err(|_| "this cannot be the value of a header");
        let parsed = value.checked(INVALID_ARGUMENT, parsed);
        let Some(header) = names::header_name(&name) else { continue };
        name.within(&quotas::ORIGIN_HEADER_NAME, header.as_str().len());
        name.checked(INVALID_ARGUMENT, check::custom_header(&header));
        if headers.iter().any(|(other, _)| *other == header) {
            name.error(INVALID_ARGUMENT, format!("{header} is set twice"));
        }
        headers.extend(parsed.map(|value| (header, value)));
    }
    list.within(&quotas::ORIGIN_HEADERS_TOTAL, chars);
    headers
}

/// What the one of `S3OriginConfig`, `CustomOriginConfig` and `VpcOriginConfig` says.
struct Server {
    kind: OriginKind,
    reach: Reach,
    read_timeout: Duration,
    keepalive_timeout: Duration,
}

fn server(node: &Node<'_>, domain: &str) -> Server {
    let [s3, custom, vpc] =
        [node.at("S3OriginConfig"), node.at("CustomOriginConfig"), node.at("VpcOriginConfig")];
    let count = [&s3, &custom, &vpc].into_iter().filter(|config| config.is_present()).count();
    if count != 1 && node.value().is_some_and(serde_json::Value::is_object) {
        node.error_with(
            "InvalidOrigin",
            format!("an origin has exactly one of S3OriginConfig, CustomOriginConfig and VpcOriginConfig, this has {count}"),
            "CustomOriginConfig is for web servers, load balancers and S3 website endpoints",
        );
    }
    if custom.is_present() {
        force::custom_origin(&custom);
        return Server { kind: custom_kind(&custom), ..timeouts(&custom) };
    }
    if vpc.is_present() {
        vpc.ignore(&["OwnerAccountId"]);
        vpc.required_text("VpcOriginId");
        force::vpc_origin(&vpc);
        let kind =
            OriginKind::Custom { http_port: 80, https_port: 443, protocol: OriginProtocol::MatchViewer };
        return Server { kind, reach: Reach::Vpc, ..timeouts(&vpc) };
    }
    if s3.is_present() {
        s3_identity(node, &s3);
        // Where the name is none at all, that has been said.
        if check::origin_domain(domain).is_ok() && !check::is_s3_bucket(domain) {
            node.at("DomainName").error_with(
                "InvalidOrigin",
                format!("{domain} is not an S3 bucket"),
                "buckets are BUCKET.s3.REGION.amazonaws.com; for anything else use CustomOriginConfig",
            );
        }
    }
    timeouts(&s3)
}

/// `OriginAccessIdentity`, and that it is not together with an origin access control.
fn s3_identity(node: &Node<'_>, s3: &Node<'_>) {
    let identity = s3.required("OriginAccessIdentity");
    let text = identity.as_text().unwrap_or_default();
    if text.is_empty() {
        return;
    }
    if !text.starts_with("origin-access-identity/cloudfront/") {
        identity.error_with(
            "InvalidOriginAccessIdentity",
            format!("{text:?} is not an origin access identity"),
            "it is empty, or origin-access-identity/cloudfront/ID",
        );
    }
    if node.filled("OriginAccessControlId").is_some() {
        node.error_with(
            "IllegalOriginAccessConfiguration",
            "an origin has an origin access control or an origin access identity, not both",
            "set OriginAccessIdentity to \"\"",
        );
    }
}

fn custom_kind(custom: &Node<'_>) -> OriginKind {
    let port = |key, default| {
        let node = custom.required(key);
        let port =
            node.as_integer().and_then(|port| node.checked(INVALID_ARGUMENT, check::origin_port(port)));
        port.unwrap_or(default)
    };
    let protocols = [
        ("http-only", OriginProtocol::HttpOnly),
        ("match-viewer", OriginProtocol::MatchViewer),
        ("https-only", OriginProtocol::HttpsOnly),
    ];
    OriginKind::Custom {
        http_port: port("HTTPPort", 80),
        https_port: port("HTTPSPort", 443),
        protocol: custom
            .required_choice("OriginProtocolPolicy", &protocols)
            .unwrap_or(OriginProtocol::MatchViewer),
    }
}

/// The timeouts three kinds of origin share; `kind` is S3, for the callers to replace.
fn timeouts(node: &Node<'_>) -> Server {
    Server {
        kind: OriginKind::S3,
        reach: Reach::Public,
        read_timeout: seconds(node, "OriginReadTimeout", 30, check::READ_TIMEOUT, "InvalidOriginReadTimeout"),
        keepalive_timeout: seconds(
            node,
            "OriginKeepaliveTimeout",
            5,
            check::KEEPALIVE_TIMEOUT,
            "InvalidOriginKeepaliveTimeout",
        ),
    }
}

fn connection_attempts(node: &Node<'_>) -> u8 {
    in_range(node, "ConnectionAttempts", 3, check::CONNECTION_ATTEMPTS, INVALID_ARGUMENT)
        .try_into()
        .unwrap_or(3)
}

/// 0 or absent is no cap; otherwise not below what a single read may take.
fn completion_timeout(node: &Node<'_>, read_timeout: Duration) -> Option<Duration> {
    let field = node.at("ResponseCompletionTimeout");
    let timeout = field.as_integer().filter(|&seconds| seconds > 0).map(Duration::from_secs)?;
    if timeout < read_timeout {
        let message =
            format!("{}s is less than OriginReadTimeout, {}s", timeout.as_secs(), read_timeout.as_secs());
        field.error(INVALID_ARGUMENT, message);
    }
    Some(timeout)
}

fn seconds(
    node: &Node<'_>,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    code: &'static str,
) -> Duration {
    Duration::from_secs(in_range(node, key, default, range, code))
}

fn in_range(
    node: &Node<'_>,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    code: &'static str,
) -> u64 {
    let field = node.at(key);
    match field.as_integer() {
        Some(number) if range.contains(&number) => number,
        Some(number) => {
            field.error(code, format!("{number} is not between {} and {}", range.start(), range.end()));
            default
        }
        None => default,
    }
}

/// Reads `OriginGroups`.
pub(super) fn origin_groups(config: &Node<'_>, targets: &mut Targets) -> Vec<OriginGroup> {
    let list = config.at("OriginGroups");
    let items = list.items();
    list.within(&quotas::ORIGIN_GROUPS, items.len());
    // Members are origins: groups are added afterwards, so that none can name another.
    let groups: Vec<OriginGroup> = items.iter().map(|item| origin_group(item, targets)).collect();
    for (at, (item, group)) in items.iter().zip(&groups).enumerate() {
        targets.insert(item, &group.id, Target::Group(at));
    }
    groups
}

fn origin_group(node: &Node<'_>, targets: &Targets) -> OriginGroup {
    let id = node.required_text("Id").to_owned();
    let list = node.required("Members");
    let members: Vec<Option<usize>> =
        list.items().iter().map(|member| origin_index(member, targets)).collect();
    if list.is_present() && members.len() != 2 {
        list.error(INVALID_ARGUMENT, format!("a group has exactly two members, not {}", members.len()));
    } else if let [Some(primary), Some(secondary)] = members[..]
        && primary == secondary
    {
        list.error(INVALID_ARGUMENT, "the two members are the same origin");
    }
    let statuses = node.required("FailoverCriteria").required("StatusCodes");
    let items = statuses.items();
    if statuses.is_present() && items.is_empty() {
        statuses.error(INVALID_ARGUMENT, "at least one status is needed");
    }
    force::origin_group(node);
    OriginGroup {
        id,
        primary: members.first().copied().flatten().unwrap_or_default(),
        secondary: members.get(1).copied().flatten().unwrap_or_default(),
        failover_statuses: items
            .iter()
            .filter_map(|item| status(item, &check::FAILOVER_STATUSES, INVALID_ARGUMENT))
            .collect(),
    }
}

/// `None` where it has been reported that there is no such origin.
fn origin_index(member: &Node<'_>, targets: &Targets) -> Option<usize> {
    match targets.find(&member.required("OriginId"))? {
        Target::Origin(index) => Some(index),
        Target::Group(_) => None,
    }
}

/// A status of the set `allowed`.
pub(super) fn status(node: &Node<'_>, allowed: &[u16], code: &'static str) -> Option<StatusCode> {
    let number = node.as_integer()?;
    let known = u16::try_from(number).ok().filter(|number| allowed.contains(number));
    if known.is_none() {
        let list: Vec<String> = allowed.iter().map(u16::to_string).collect();
        node.error_with(
            code,
            format!("{number} is not allowed here"),
            format!("use one of {}", list.join(", ")),
        );
    }
    StatusCode::from_u16(known?).ok()
}
