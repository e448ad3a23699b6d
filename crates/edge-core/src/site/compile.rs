//! Site policy → the AWS documents of its distribution, as one bundle. Equal policies give equal bytes.
//!
//! How "one copy for everybody, and nobody sees another's page" is made of what CloudFront can do:
//!
//! - **Pages**: MinTTL 0, because more overrides `private` and `no-store` (§7.1). Everything of the viewer is
//!   forwarded, because forms, carts and payment call-backs need it; but first the viewer-request function takes from
//!   every request that may be shared whatever is not in the key (`function::rule`). Sessions get a key of their own.
//! - In every key, beside path and arguments: `Host` (aliases show different pages, and by the distribution's own name
//!   one gets the redirect to the canonical one: were `Host` only forwarded, a single request could store that redirect
//!   as everybody's style sheet), `CloudFront-Forwarded-Proto` (so that it may reach the origin; one value while plain
//!   HTTP is redirected), `Authorization` (a site behind basic auth works and is never shared with who does not know
//!   it), `Origin` (echoed into CORS headers; page views do not send it). In that of pages the device class and the
//!   session too.
//! - The device headers are forwarded because a function sees only what a policy names (§0.10). Only those that the
//!   classes are folded from: a page should go by `X-Viewer-Device`, which is in the key; they are not.
//! - **Assets**: nothing but the key reaches the origin, no cookies, no arguments but versions.
//! - **Never**: the managed CachingDisabled, with all headers of viewer and CloudFront.
//! - Errors are kept for seconds, so that an outage ends when it ends; expired pages are served meanwhile (§7.4).

use serde_json::{Map, Value, json};

use super::preset::{AssetQuery, Cache};
use super::{Policy, SiteOrigin};
use crate::distribution::rule::{DeviceClasses, Rule};
use crate::distribution::{OriginProtocol, ViewerProtocolPolicy};

/// What a site policy compiles to.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// One JSON document: `DistributionConfig`, its policies and its function.
    pub document: Value,
    /// Where requests for an origin go here instead: its name, and URLs.
    pub servers: Vec<(String, Vec<String>)>,
}

/// Managed policies (§16).
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
const ALL_VIEWER_AND_CLOUDFRONT: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

/// MaxTTL where the DefaultTTL is not longer: how long a copy may serve while the origin is away (§7.4).
const YEAR_SECONDS: u64 = 31_536_000;
/// Names of functions have 64 characters, and ours some of their own.
const SLUG_CHARS_MAX: usize = 40;

/// Compiles a site policy. Total: what could be wrong was refused when it was read.
pub fn compile(policy: &Policy) -> Bundle {
    let names = Names::of(policy);
    let uses = |cache| {
        policy.preset.everything_else == cache || policy.behaviors.iter().any(|(_, other)| *other == cache)
    };
    let (mut cache_policies, mut request_policies, mut functions) = (Vec::new(), Vec::new(), Vec::new());
    if uses(Cache::Pages) {
        cache_policies.push(pages_cache_policy(policy, &names));
        request_policies.extend(pages_origin_request_policy(policy, &names));
        functions.push(function(policy, &names));
    }
    if uses(Cache::Assets) {
        cache_policies.push(assets_cache_policy(policy, &names));
    }
    let document = json!({
        "DistributionConfig": distribution_config(policy, &names),
        "CachePolicies": cache_policies,
        "OriginRequestPolicies": request_policies,
        "ResponseHeadersPolicies": [],
        "Functions": functions,
    });
    let SiteOrigin { name, servers, .. } = &policy.origin;
    let servers = match servers.as_slice() {
        [] => Vec::new(),
        servers => vec![(name.clone(), servers.iter().map(ToString::to_string).collect())],
    };
    Bundle { document, servers }
}

/// Names of what is made, unique in an account as long as no two sites share their first domain.
struct Names {
    site: String,
    pages: String,
    assets: String,
    function: String,
}

impl Names {
    fn of(policy: &Policy) -> Self {
        let site = policy.domains.first().unwrap_or(&policy.origin.name);
        let mut slug: String =
            site.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        if slug.len() > SLUG_CHARS_MAX {
            // FNV-1a of the whole, so that two long names stay two.
            let hash = site.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            slug.truncate(SLUG_CHARS_MAX - 9);
            slug = format!("{slug}-{:08x}", hash >> 32);
        }
        Self {
            site: site.clone(),
            pages: format!("{slug}-pages"),
            assets: format!("{slug}-assets"),
            function: format!("{slug}-viewer-request"),
        }
    }
}

fn distribution_config(policy: &Policy, names: &Names) -> Value {
    let behaviors = policy.behaviors.iter().map(|(path, cache)| {
        let mut behavior = Map::new();
        behavior.insert("PathPattern".to_owned(), json!(path.as_str()));
        behavior.extend(behavior_of(policy, names, *cache));
        Value::Object(behavior)
    });
    let seconds = policy.preset.ttl_errors.as_secs();
    let errors = [500, 502, 503, 504].map(|code| json!({ "ErrorCode": code, "ErrorCachingMinTTL": seconds }));
    json!({
        "CallerReference": format!("edge-{}-{}", policy.preset.name, names.pages.trim_end_matches("-pages")),
        "Aliases": list(policy.domains.iter().map(|name| json!(name))),
        "DefaultRootObject": "",
        "Origins": list([origin(&policy.origin)]),
        "OriginGroups": list([]),
        "DefaultCacheBehavior": behavior_of(policy, names, policy.preset.everything_else),
        "CacheBehaviors": list(behaviors),
        "CustomErrorResponses": list(errors),
        "Comment": comment(&format!("{} ({} preset)", names.site, policy.preset.name)),
        "Logging": { "Enabled": false, "IncludeCookies": false, "Bucket": "", "Prefix": "" },
        "PriceClass": "PriceClass_All",
        "Enabled": true,
        "ViewerCertificate": match &policy.certificate {
            Some(arn) => json!({
                "ACMCertificateArn": arn,
                "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021",
            }),
            None => json!({ "CloudFrontDefaultCertificate": true }),
        },
        "Restrictions": { "GeoRestriction": { "RestrictionType": "none", "Quantity": 0 } },
        "WebACLId": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": true,
    })
}

fn origin(origin: &SiteOrigin) -> Value {
    json!({
        "Id": origin.name,
        "DomainName": origin.name,
        "OriginPath": "",
        "CustomHeaders": list([]),
        "CustomOriginConfig": {
            "HTTPPort": origin.http_port,
            "HTTPSPort": origin.https_port,
            "OriginProtocolPolicy": match origin.protocol {
                OriginProtocol::HttpOnly => "http-only",
                OriginProtocol::HttpsOnly => "https-only",
                OriginProtocol::MatchViewer => "match-viewer",
            },
            "OriginSslProtocols": list([json!("TLSv1.2")]),
            "OriginReadTimeout": origin.read_timeout.as_secs(),
            "OriginKeepaliveTimeout": origin.keepalive_timeout.as_secs(),
        },
        "ConnectionAttempts": origin.connect_attempts,
        "ConnectionTimeout": origin.connect_timeout.as_secs(),
        "OriginShield": { "Enabled": false },
    })
}

/// A behavior without its path.
fn behavior_of(policy: &Policy, names: &Names, cache: Cache) -> Map<String, Value> {
    let (cache_policy, request_policy, methods): (&str, Option<&str>, &[&str]) = match cache {
        Cache::Never => (CACHING_DISABLED, Some(ALL_VIEWER_AND_CLOUDFRONT), &ALL_METHODS),
        Cache::Assets => (&names.assets, None, &CACHED_METHODS),
        Cache::Pages if policy.devices == DeviceClasses::None => {
            (&names.pages, Some(ALL_VIEWER), &ALL_METHODS)
        }
        Cache::Pages => (&names.pages, Some(&names.pages), &ALL_METHODS),
    };
    let mut allowed = list(methods.iter().map(|method| json!(method)));
    allowed["CachedMethods"] = list(CACHED_METHODS.iter().map(|method| json!(method)));
    let mut behavior = Map::new();
    let mut set = |field: &str, value: Value| _ = behavior.insert(field.to_owned(), value);
    set("TargetOriginId", json!(policy.origin.name));
    set(
        "ViewerProtocolPolicy",
        json!(match policy.viewers {
            ViewerProtocolPolicy::AllowAll => "allow-all",
            ViewerProtocolPolicy::HttpsOnly => "https-only",
            ViewerProtocolPolicy::RedirectToHttps => "redirect-to-https",
        }),
    );
    set("AllowedMethods", allowed);
    set("Compress", json!(cache != Cache::Never)); // never where all TTLs are 0 (§9)
    set("CachePolicyId", json!(cache_policy));
    if let Some(id) = request_policy {
        set("OriginRequestPolicyId", json!(id));
    }
    if cache == Cache::Pages {
        let arn = function_arn(&names.function);
        set("FunctionAssociations", list([json!({ "FunctionARN": arn, "EventType": "viewer-request" })]));
    }
    behavior
}

/// In the order the API prints them.
const ALL_METHODS: [&str; 7] = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"];
const CACHED_METHODS: [&str; 2] = ["HEAD", "GET"];

/// In the key of pages and assets, and therefore what the function leaves of a shared request's headers.
const KEY_HEADERS: [&str; 4] = ["Authorization", "CloudFront-Forwarded-Proto", "Host", "Origin"];

fn pages_cache_policy(policy: &Policy, names: &Names) -> Value {
    let mut headers = KEY_HEADERS.to_vec();
    if policy.devices != DeviceClasses::None {
        headers.push("X-Viewer-Device");
    }
    headers.push("X-Viewer-Session");
    cache_policy(
        &names.pages,
        "MinTTL 0: more would keep private and no-store pages. A session is a key of its own: CloudFront cannot bypass by cookie.",
        policy.ttl_pages.as_secs(),
        &headers,
        json!({ "QueryStringBehavior": "all" }),
    )
}

fn assets_cache_policy(policy: &Policy, names: &Names) -> Value {
    let query = match policy.preset.asset_query {
        AssetQuery::AllExcept(names) => {
            let kept = |name: &str| policy.keep_query.iter().any(|entry| entry.matches(name.as_bytes()));
            let dropped: Vec<Value> =
                names.iter().filter(|name| !kept(name)).map(|name| json!(name)).collect();
            match dropped.is_empty() {
                true => json!({ "QueryStringBehavior": "all" }),
                false => json!({ "QueryStringBehavior": "allExcept", "QueryStrings": list(dropped) }),
            }
        }
        AssetQuery::Only(names) => json!({
            "QueryStringBehavior": "whitelist",
            "QueryStrings": list(names.iter().map(|name| json!(name))),
        }),
    };
    cache_policy(
        &names.assets,
        "Host is in the key, not only forwarded: else a redirect got by another name would be stored for all.",
        policy.ttl_assets.as_secs(),
        &KEY_HEADERS,
        query,
    )
}

fn cache_policy(name: &str, about: &str, ttl_seconds: u64, headers: &[&str], query: Value) -> Value {
    json!({
        "Id": name,
        "CachePolicyConfig": {
            "Name": name,
            "Comment": comment(about),
            "MinTTL": 0,
            "DefaultTTL": ttl_seconds,
            "MaxTTL": ttl_seconds.max(YEAR_SECONDS),
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": true,
                "EnableAcceptEncodingBrotli": true,
                "HeadersConfig": {
                    "HeaderBehavior": "whitelist",
                    "Headers": list(headers.iter().map(|name| json!(name))),
                },
                "CookiesConfig": { "CookieBehavior": "none" },
                "QueryStringsConfig": query,
            },
        },
    })
}

/// Where devices have no classes the managed AllViewer is the same (§16.4).
fn pages_origin_request_policy(policy: &Policy, names: &Names) -> Option<Value> {
    let mut headers = match policy.devices {
        DeviceClasses::None => return None,
        _ => vec!["CloudFront-Is-Mobile-Viewer", "CloudFront-Is-Tablet-Viewer"],
    };
    if policy.devices == DeviceClasses::Four {
        headers.insert(1, "CloudFront-Is-SmartTV-Viewer");
    }
    Some(json!({
        "Id": names.pages,
        "OriginRequestPolicyConfig": {
            "Name": names.pages,
            "Comment": comment("All of the viewer: the function has taken from shared requests what the key lacks. It folds the device headers."),
            "HeadersConfig": {
                "HeaderBehavior": "allViewerAndWhitelistCloudFront",
                "Headers": list(headers.iter().map(|name| json!(name))),
            },
            "CookiesConfig": { "CookieBehavior": "all" },
            "QueryStringsConfig": { "QueryStringBehavior": "all" },
        },
    }))
}

fn function(policy: &Policy, names: &Names) -> Value {
    // The function may not touch Host and need not name what CloudFront writes itself.
    let shared = KEY_HEADERS.iter().filter(|name| **name != "Host" && !name.starts_with("CloudFront-"));
    let rule = Rule {
        drop_query: policy.drop_query.clone(),
        keep_query: policy.keep_query.clone(),
        sort_query: policy.sort_query,
        session_cookies: policy.session_cookies.clone(),
        session_query: policy.session_query.clone(),
        shared_headers: Some(shared.map(|name| name.to_ascii_lowercase()).collect()),
        device: policy.devices,
    };
    json!({
        "Name": names.function,
        "FunctionARN": function_arn(&names.function),
        "FunctionConfig": {
            "Comment": comment("Sends sessions past shared copies; drops cookies, other headers and trackers from the rest."),
            "Runtime": "cloudfront-js-2.0",
        },
        "Code": rule.javascript(),
        "Rule": rule,
    })
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:cloudfront::000000000000:function/{name}")
}

/// The API's lists.
fn list(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    match items.len() {
        0 => json!({ "Quantity": 0 }),
        count => json!({ "Quantity": count, "Items": items }),
    }
}

/// Comments have 128 characters.
fn comment(text: &str) -> String {
    text.chars().take(128).collect()
}
