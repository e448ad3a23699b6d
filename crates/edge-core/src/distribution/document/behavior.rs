//! Cache behaviors (§1.2.4), their policies resolved.

use std::time::Duration;

use http::header::HOST;

use super::super::check::{self, quotas};
use super::super::policy::{CachePolicy, OriginRequestPolicy};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{
    AllowedMethods, Behavior, ForwardSettings, Grpc, HeaderDefaults, HeaderForwarding, HttpVersion,
    KeySettings, Name, Names, OptionsCaching, Origin, OriginGroup, OriginKind, PathPattern, PolicyNames,
    Target, Ttl, ViewerProtocolPolicy,
};
use super::library::Library;
use super::node::Node;
use super::origin::Targets;
use super::{force, function, legacy};

/// What a behavior is read against.
pub(super) struct Context<'a> {
    pub(super) library: &'a Library,
    pub(super) targets: &'a Targets,
    pub(super) origins: &'a [Origin],
    pub(super) groups: &'a [OriginGroup],
    pub(super) http_version: HttpVersion,
}

/// Reads `CacheBehaviors`.
pub(super) fn behaviors(config: &Node<'_>, context: &Context<'_>) -> Vec<Behavior> {
    let list = config.at("CacheBehaviors");
    let items = list.items();
    list.within(&quotas::BEHAVIORS, items.len());
    let mut behaviors: Vec<Behavior> = Vec::with_capacity(items.len());
    for item in &items {
        let field = item.required("PathPattern");
        let parsed = field.as_text().map(|text| PathPattern::parse(text).map_err(|error| error.to_string()));
        let pattern = parsed.and_then(|parsed| field.checked(INVALID_ARGUMENT, parsed));
        if let Some(pattern) = &pattern {
            check_duplicate(&field, pattern, &behaviors);
        }
        behaviors.push(behavior(item, pattern.unwrap_or_else(PathPattern::any), context));
    }
    behaviors
}

/// The same pattern twice is refused *(unsure)*; the same with and without `/` is not known to be.
fn check_duplicate(field: &Node<'_>, pattern: &PathPattern, before: &[Behavior]) {
    let same = before.iter().find(|behavior| behavior.path_pattern.anchored() == pattern.anchored());
    let Some(same) = same else { return };
    if same.path_pattern == *pattern {
        field.error(INVALID_ARGUMENT, format!("another behavior has the pattern {pattern} too"));
    } else {
        let message = format!("never matches: {} before it means the same", same.path_pattern);
        field.warn(INVALID_ARGUMENT, message);
    }
}

/// Reads one behavior; the default one has no pattern of its own.
pub(super) fn behavior(node: &Node<'_>, path_pattern: PathPattern, context: &Context<'_>) -> Behavior {
    let target_node = node.required("TargetOriginId");
    let target = context.targets.find(&target_node).unwrap_or(Target::Origin(0));
    let protocols = [
        ("allow-all", ViewerProtocolPolicy::AllowAll),
        ("https-only", ViewerProtocolPolicy::HttpsOnly),
        ("redirect-to-https", ViewerProtocolPolicy::RedirectToHttps),
    ];
    let protocol = node.required_choice("ViewerProtocolPolicy", &protocols);
    let (allowed_methods, options) = methods(&node.at("AllowedMethods"));
    let compress = node.boolean("Compress").unwrap_or_default();
    let mut caching = caching(node, context.library, compress);
    if is_towards_s3(target, context) {
        check_host_towards_s3(node, &caching);
        fit_to_s3(&mut caching);
    }
    let grpc = grpc(node, allowed_methods, context.http_version);
    let trusted = context.library.signers.trusted_by(node, path_pattern.as_str());
    let response_headers = node
        .filled("ResponseHeadersPolicyId")
        .and_then(|_| context.library.response_headers_policy(&node.at("ResponseHeadersPolicyId")));
    let functions = function::associations(node, &context.library.functions);
    force::behavior(node, path_pattern.as_str());
    Behavior {
        path_pattern,
        target,
        viewer_protocol_policy: protocol.unwrap_or(ViewerProtocolPolicy::HttpsOnly),
        allowed_methods,
        options,
        compress,
        grpc,
        ttl: caching.ttl,
        key: caching.key,
        forward: caching.forward,
        response_headers,
        trusted,
        viewer_request: functions.request,
        viewer_response: functions.response,
        lambdas: functions.lambdas,
        names: PolicyNames {
            cache: caching.name,
            origin_request: caching.origin_request,
            viewer_request: functions.request_name,
            viewer_response: functions.response_name,
        },
    }
}

fn methods(node: &Node<'_>) -> (AllowedMethods, OptionsCaching) {
    if !node.is_present() {
        return (AllowedMethods::GetHead, OptionsCaching::Off);
    }
    let texts =
        |items: &[Node<'_>]| items.iter().filter_map(Node::as_text).map(str::to_owned).collect::<Vec<_>>();
    let names = texts(&node.items());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let allowed = node.checked(INVALID_ARGUMENT, check::allowed_methods(&names));
    let cached = node.at("CachedMethods");
    if !cached.is_present() {
        return (allowed.unwrap_or(AllowedMethods::GetHead), OptionsCaching::Off);
    }
    let names = texts(&cached.items());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Where the allowed ones are wrong already, that is problem enough.
    let options = check::cached_methods(&names, allowed.unwrap_or(AllowedMethods::All));
    let options = cached.checked(INVALID_ARGUMENT, options);
    (allowed.unwrap_or(AllowedMethods::GetHead), options.unwrap_or(OptionsCaching::Off))
}

/// What the policies, or `ForwardedValues`, come to.
struct Caching {
    name: String,
    ttl: Ttl,
    key: KeySettings,
    forward: ForwardSettings,
    origin_request: Option<String>,
    /// Whose `Host` towards S3 would be refused by the API.
    is_legacy: bool,
}

fn caching(node: &Node<'_>, library: &Library, compress: bool) -> Caching {
    let (policy_node, forwarded) = (node.at("CachePolicyId"), node.at("ForwardedValues"));
    let has_policy = node.filled("CachePolicyId").is_some();
    match (has_policy, forwarded.is_present()) {
        (true, true) => forwarded.error_with(
            INVALID_ARGUMENT,
            "a behavior has CachePolicyId or ForwardedValues, not both",
            "remove ForwardedValues, MinTTL, DefaultTTL and MaxTTL",
        ),
        (false, false) if node.value().is_some_and(serde_json::Value::is_object) => policy_node.error_with(
            INVALID_ARGUMENT,
            "a behavior needs CachePolicyId or ForwardedValues",
            "658327ea-f89d-4fab-a63d-7e88639e58f6 is CachingOptimized, 4135ea2d-6df8-44a3-9df3-4b5a84be39ad CachingDisabled",
        ),
        _ => {}
    }
    let origin_request = origin_request_policy(node, library, has_policy);
    if !has_policy {
        let legacy = legacy::settings(node, &forwarded, compress);
        return Caching {
            name: "ForwardedValues".to_owned(),
            ttl: legacy.ttl,
            key: legacy.key,
            forward: legacy.forward,
            origin_request: None,
            is_legacy: true,
        };
    }
    if !forwarded.is_present() {
        ignored_ttls(node);
    }
    let policy = library.cache_policy(&policy_node).unwrap_or_else(stand_in);
    let (origin_request, forward) = match origin_request {
        Some(policy) => (Some(policy.name), policy.forward),
        None => (None, nothing_beyond_the_key()),
    };
    Caching { name: policy.name, ttl: policy.ttl, key: policy.key, forward, origin_request, is_legacy: false }
}

fn origin_request_policy(
    node: &Node<'_>,
    library: &Library,
    has_policy: bool,
) -> Option<OriginRequestPolicy> {
    node.filled("OriginRequestPolicyId")?;
    let field = node.at("OriginRequestPolicyId");
    if !has_policy {
        field.error_with(
            INVALID_ARGUMENT,
            "an origin request policy needs a cache policy beside it",
            "replace ForwardedValues by a CachePolicyId",
        );
    }
    library.origin_request_policy(&field)
}

/// TTLs are the policy's. The API is said to refuse others; as they do nothing, a warning is enough *(unsure)*.
fn ignored_ttls(node: &Node<'_>) {
    for key in ["MinTTL", "DefaultTTL", "MaxTTL"] {
        if node.integer(key).is_some() {
            node.at(key).warn(INVALID_ARGUMENT, "ignored: the TTLs are those of the cache policy");
        }
    }
}

/// For a policy that does not exist: reported, so never in force.
fn stand_in() -> CachePolicy {
    let zero = Duration::ZERO;
    CachePolicy {
        name: String::new(),
        ttl: Ttl { min: zero, default: zero, max: zero },
        key: KeySettings {
            gzip: false,
            brotli: false,
            headers: Vec::new(),
            cookies: Names::None,
            query: Names::None,
        },
    }
}

fn nothing_beyond_the_key() -> ForwardSettings {
    ForwardSettings {
        defaults: HeaderDefaults::Policy,
        headers: HeaderForwarding::Defaults,
        cookies: Names::None,
        query: Names::None,
    }
}

/// Whether any of its origins is a bucket.
fn is_towards_s3(target: Target, context: &Context<'_>) -> bool {
    let is_s3 = |index: usize| context.origins.get(index).is_some_and(|origin| origin.kind == OriginKind::S3);
    match target {
        Target::Origin(index) => is_s3(index),
        Target::Group(index) => {
            context.groups.get(index).is_some_and(|group| is_s3(group.primary) || is_s3(group.secondary))
        }
    }
}

/// S3 ignores cookies, so they split nothing (§4.3), and finds the bucket by `Host`, which is in no key (§4.1).
fn fit_to_s3(caching: &mut Caching) {
    caching.key.headers.retain(|name| *name != HOST);
    (caching.key.cookies, caching.forward.cookies) = (Names::None, Names::None);
    let managed = caching.origin_request.as_deref().is_some_and(|name| WITHOUT_OVERRIDES.contains(&name));
    if managed && caching.forward.query == Names::All {
        let names = ["response-content-type", "response-content-disposition", "response-content-encoding"];
        caching.forward.query = Names::AllExcept(names.map(|name| Name::Literal(name.to_owned())).to_vec());
    }
}

/// Managed policies that keep from S3 what would let a viewer choose an answer's headers (§5.3).
const WITHOUT_OVERRIDES: [&str; 4] = [
    "Managed-AllViewer",
    "Managed-AllViewerAndCloudFrontHeaders-2022-06",
    "Managed-AllViewerExceptHostHeader",
    "Managed-Elemental-MediaTailor-PersonalizedManifests",
];

/// S3 finds the bucket by `Host` (§4.1): a viewer's would be another's, or none's.
fn check_host_towards_s3(node: &Node<'_>, caching: &Caching) {
    if !caching.key.headers.contains(&HOST) {
        return;
    }
    let message = "Host cannot be in the key towards an S3 origin: the bucket is found by it";
    if caching.is_legacy {
        node.at("ForwardedValues").at("Headers").error("InvalidHeadersForS3Origin", message);
    } else {
        node.at("CachePolicyId").warn("InvalidHeadersForS3Origin", message);
    }
}

/// gRPC needs POST and HTTP/2 (§1.2.4).
fn grpc(node: &Node<'_>, methods: AllowedMethods, version: HttpVersion) -> Grpc {
    let grpc = node.at("GrpcConfig");
    if !grpc.is_present() || !grpc.required_boolean("Enabled") {
        return Grpc::Off;
    }
    if methods != AllowedMethods::All {
        grpc.error_with(INVALID_ARGUMENT, "gRPC needs all seven methods", "list them in AllowedMethods");
    }
    if !matches!(version, HttpVersion::Http2 | HttpVersion::Http2And3) {
        grpc.error_with(INVALID_ARGUMENT, "gRPC needs HTTP/2", "set HttpVersion to http2 or http2and3");
    }
    Grpc::On
}
