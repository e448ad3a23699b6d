//! Site policy → the AWS documents of its distribution, as one bundle. Equal policies give equal bytes.
//!
//! How "one copy for everybody, and nobody sees another's page" is made of what CloudFront can do:
//!
//! - **Pages**: MinTTL 0, because more overrides `private` and `no-store` (§7.1). Everything of the viewer is
//!   forwarded, because forms, carts and payment call-backs need it; but first the viewer-request function takes from
//!   every request that may be shared whatever is not in the key (`function::rule`). Sessions get a key of their own.
//!   In the style without a function only the key is forwarded, and sessions' cookies are in it.
//! - In every key, beside path and arguments: `Host` (aliases show different pages, and by the distribution's own name
//!   one gets the redirect to the canonical one: were `Host` only forwarded, a single request could store that redirect
//!   as everybody's style sheet), `CloudFront-Forwarded-Proto` (so that it may reach the origin; one value while plain
//!   HTTP is redirected), `Authorization` (a site behind basic auth works and is never shared with who does not know
//!   it), `Origin` (echoed into CORS headers; page views do not send it). In that of pages the device class and the
//!   session too.
//! - The device headers are forwarded because a function sees only what a policy names (§0.10). Only those that the
//!   classes are folded from: a page should go by `X-Viewer-Device`, which is in the key; they are not.
//! - **Assets**: nothing but the key reaches the origin, no cookies, no arguments but versions. Of a bucket the path is
//!   all of the key.
//! - **Answers** of an interface: nothing but the key either, and no second longer than the origin says.
//! - **Never**: the managed CachingDisabled, with all headers of viewer and CloudFront.
//! - Errors are kept for seconds, so that an outage ends when it ends; expired pages are served meanwhile (§7.4).

use serde_json::{Map, Value, json};

use super::policies::{self, CachePolicy};
use super::preset::Cache;
use super::{Policy, SiteOrigin, Style};
use crate::distribution::{OriginProtocol, ViewerProtocolPolicy};

/// What a site policy compiles to.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// One JSON document: `DistributionConfig`, its policies and its function.
    pub document: Value,
    /// Where requests for an origin go here instead: its name, and URLs.
    pub servers: Vec<(String, Vec<String>)>,
}

/// Names of functions have 64 characters, and ours some of their own.
const SLUG_CHARS_MAX: usize = 40;

/// Compiles a site policy. Total: what could be wrong was refused when it was read, or its style chosen.
pub fn compile(policy: &Policy) -> Bundle {
    let names = Names::of(policy);
    let mut cache_policies = Vec::new();
    for (_, cache, _) in Cache::ALL {
        if policy.has(cache)
            && let CachePolicy::Own(own) = policies::cache_policy(policy, &names, cache)
        {
            cache_policies.push(own);
        }
    }
    let mut document = json!({
        "DistributionConfig": distribution_config(policy, &names),
        "CachePolicies": cache_policies,
        "OriginRequestPolicies": [],
        "ResponseHeadersPolicies": [],
        "Functions": [],
    });
    if policy.has_pages() {
        let own = policies::pages_origin_request_policy(policy, &names);
        document["OriginRequestPolicies"] = own.into_iter().collect();
        if policy.style() == Style::Function {
            document["Functions"] = json!([policies::function(policy, &names)]);
        }
    }
    if let Some((_, Some(own))) = policies::response_headers_policy(policy, &names) {
        document["ResponseHeadersPolicies"] = json!([own]);
    }
    if policy.origin.is_bucket() {
        document["OriginAccessControls"] = json!([policies::access_control(&names)]);
    }
    let SiteOrigin { name, servers, .. } = &policy.origin;
    let servers = match servers.as_slice() {
        [] => Vec::new(),
        servers => vec![(name.clone(), servers.iter().map(ToString::to_string).collect())],
    };
    Bundle { document, servers }
}

/// Names of what is made, unique in an account as long as no two sites share their first domain.
pub(super) struct Names {
    site: String,
    slug: String,
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
        Self { site: site.clone(), slug }
    }

    /// `blog-example-com-pages`.
    pub(super) fn of_kind(&self, kind: &str) -> String {
        format!("{}-{kind}", self.slug)
    }

    pub(super) fn function(&self) -> String {
        self.of_kind("viewer-request")
    }
}

fn distribution_config(policy: &Policy, names: &Names) -> Value {
    let behaviors = policy.behaviors.iter().map(|(path, cache)| {
        let mut behavior = Map::new();
        behavior.insert("PathPattern".to_owned(), json!(path.as_str()));
        behavior.extend(behavior_of(policy, names, *cache));
        Value::Object(behavior)
    });
    json!({
        "CallerReference": format!("edge-{}-{}", policy.preset.name, names.slug),
        "Aliases": list(policy.domains.iter().map(|name| json!(name))),
        "DefaultRootObject": policy.root,
        "Origins": list([origin(&policy.origin, names)]),
        "OriginGroups": list([]),
        "DefaultCacheBehavior": behavior_of(policy, names, policy.everything_else),
        "CacheBehaviors": list(behaviors),
        "CustomErrorResponses": list(errors(policy)),
        "Comment": comment(&format!("{} ({} preset)", names.site, policy.preset.name)),
        "Logging": match &policy.logging {
            Some(logging) => json!({
                "Enabled": true, "IncludeCookies": false, "Bucket": logging.bucket, "Prefix": logging.prefix,
            }),
            None => json!({ "Enabled": false, "IncludeCookies": false, "Bucket": "", "Prefix": "" }),
        },
        "PriceClass": policy.price_class,
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
        "WebACLId": policy.web_acl.as_deref().unwrap_or_default(),
        "HttpVersion": policy.http_version,
        "IsIPV6Enabled": true,
    })
}

/// Outages for seconds, and the page that stands for errors.
fn errors(policy: &Policy) -> Vec<Value> {
    let seconds = policy.ttl_errors.as_secs();
    let page = policy.error_page.as_ref();
    let mut codes: Vec<u16> = vec![500, 502, 503, 504];
    codes.extend(page.into_iter().flat_map(|page| &page.codes));
    codes.sort_unstable();
    codes.dedup();
    let response = |code: u16| {
        let mut response = json!({ "ErrorCode": code, "ErrorCachingMinTTL": seconds });
        if let Some(page) = page.filter(|page| page.codes.contains(&code)) {
            response["ResponsePagePath"] = json!(page.page);
            response["ResponseCode"] = json!(page.status.to_string());
        }
        response
    };
    codes.into_iter().map(response).collect()
}

fn origin(origin: &SiteOrigin, names: &Names) -> Value {
    let headers = origin.headers.iter();
    let mut document = json!({
        "Id": origin.name,
        "DomainName": origin.name,
        "OriginPath": origin.path,
        "CustomHeaders": list(headers.map(|(name, value)| json!({ "HeaderName": name, "HeaderValue": value }))),
    });
    if origin.is_bucket() {
        document["S3OriginConfig"] = json!({ "OriginAccessIdentity": "" });
        document["OriginAccessControlId"] = json!(names.of_kind("bucket"));
    } else {
        document["CustomOriginConfig"] = json!({
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
        });
    }
    document["ConnectionAttempts"] = json!(origin.connect_attempts);
    document["ConnectionTimeout"] = json!(origin.connect_timeout.as_secs());
    document["OriginShield"] = json!({ "Enabled": false });
    document
}

/// A behavior without its path.
fn behavior_of(policy: &Policy, names: &Names, cache: Cache) -> Map<String, Value> {
    let methods: &[&str] = match cache {
        Cache::Never | Cache::Pages => &ALL_METHODS,
        Cache::Answers => &["HEAD", "GET", "OPTIONS"],
        Cache::Assets | Cache::Immutable => &CACHED_METHODS,
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
    set("CachePolicyId", json!(policies::cache_policy(policy, names, cache).id()));
    if let Some(id) = policies::origin_request_policy_id(policy, names, cache) {
        set("OriginRequestPolicyId", json!(id));
    }
    if let Some((id, _)) = policies::response_headers_policy(policy, names) {
        set("ResponseHeadersPolicyId", json!(id));
    }
    if cache == Cache::Pages && policy.style() == Style::Function {
        let arn = policies::function_arn(names);
        set("FunctionAssociations", list([json!({ "FunctionARN": arn, "EventType": "viewer-request" })]));
    }
    behavior
}

/// In the order the API prints them.
const ALL_METHODS: [&str; 7] = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"];
const CACHED_METHODS: [&str; 2] = ["HEAD", "GET"];

/// The API's lists.
pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    match items.len() {
        0 => json!({ "Quantity": 0 }),
        count => json!({ "Quantity": count, "Items": items }),
    }
}

/// Comments have 128 characters.
pub(super) fn comment(text: &str) -> String {
    text.chars().take(128).collect()
}
