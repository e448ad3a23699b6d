//! The policies, the function and the access control of a site: what the distribution of [`compile`](super::compile)
//! names.
//!
//! Where what is wanted is what a managed policy of AWS has, that one is named and none is made (§16.4).

use serde_json::{Map, Value, json};

use super::compile::{Names, comment, list};
use super::preset::{AssetQuery, Cache};
use super::{Policy, Security, Style};
use crate::distribution::policy::{CACHE_POLICIES, ManagedCodings, ManagedNames};
use crate::distribution::rule::{DeviceClasses, Rule};

/// Managed policies (§16).
pub(super) const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";
const ALL_VIEWER_AND_CLOUDFRONT: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";
const SECURITY_HEADERS: &str = "67f7725c-6f97-4210-82d7-5512b31e9d03";

/// MaxTTL where the DefaultTTL is not longer: how long a copy may serve while the origin is away (§7.4).
const YEAR_SECONDS: u64 = 31_536_000;

/// In the key of pages and assets, and therefore what the function leaves of a shared request's headers.
const KEY_HEADERS: [&str; 4] = ["Authorization", "CloudFront-Forwarded-Proto", "Host", "Origin"];

/// What a cache policy says.
struct Wanted {
    name: String,
    about: &'static str,
    ttl_min: u64,
    ttl_default: u64,
    headers: Vec<&'static str>,
    cookies: Vec<String>,
    query: Query,
}

enum Query {
    None,
    All,
    Only(Vec<String>),
    AllExcept(Vec<String>),
}

/// The cache policy a behavior names: a managed one, or one that is made.
pub(super) enum CachePolicy {
    Managed(&'static str),
    Own(Value),
}

impl CachePolicy {
    pub(super) fn id(&self) -> String {
        match self {
            Self::Managed(id) => (*id).to_owned(),
            Self::Own(policy) => policy["Id"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// The cache policy for a way of caching.
pub(super) fn cache_policy(policy: &Policy, names: &Names, cache: Cache) -> CachePolicy {
    let wanted = match cache {
        Cache::Never => return CachePolicy::Managed(CACHING_DISABLED),
        Cache::Pages => pages(policy, names),
        Cache::Assets => assets(policy, names.of_kind("assets"), policy.ttl_assets.as_secs()),
        Cache::Immutable => assets(policy, names.of_kind("immutable"), YEAR_SECONDS),
        Cache::Answers => Wanted {
            name: names.of_kind("answers"),
            about: "TTL 0 unless the origin says more. What may choose the answer is in the key; nothing else reaches the origin.",
            ttl_min: 0,
            ttl_default: 0,
            headers: vec![
                "Accept",
                "Access-Control-Request-Headers", // preflights, which no GET sends
                "Access-Control-Request-Method",
                "Authorization",
                "CloudFront-Forwarded-Proto",
                "Host",
                "Origin",
            ],
            cookies: Vec::new(),
            query: Query::All,
        },
    };
    wanted.managed().map_or_else(|| CachePolicy::Own(wanted.document()), CachePolicy::Managed)
}

fn pages(policy: &Policy, names: &Names) -> Wanted {
    let mut headers = KEY_HEADERS.to_vec();
    let by_function = policy.style() == Style::Function;
    match (by_function, policy.devices) {
        (_, DeviceClasses::None) => {}
        (true, _) => headers.push("X-Viewer-Device"),
        (false, classes) => headers.extend(device_headers(classes)),
    }
    if by_function {
        headers.push("X-Viewer-Session");
    }
    headers.sort_unstable();
    Wanted {
        name: names.of_kind("pages"),
        about: if by_function {
            "MinTTL 0: more would keep private and no-store pages. A session is a key of its own: CloudFront cannot bypass by cookie."
        } else {
            "MinTTL 0: more would keep private and no-store pages. Only these cookies reach the origin: * at the end is any ending."
        },
        ttl_min: 0,
        ttl_default: policy.ttl_pages.as_secs(),
        headers,
        cookies: if by_function { Vec::new() } else { policy.keyed_cookies() },
        query: if by_function { Query::All } else { all_except(policy) },
    }
}

fn all_except(policy: &Policy) -> Query {
    match policy.dropped_arguments() {
        names if names.is_empty() => Query::All,
        names => Query::AllExcept(names),
    }
}

fn assets(policy: &Policy, name: String, ttl_default: u64) -> Wanted {
    // A bucket marks nothing private, is asked by its own name and reads no arguments.
    if policy.origin.is_bucket() {
        return Wanted {
            name,
            about: "The path alone: a bucket has one object for it. MinTTL 1: nothing in it is private to a viewer.",
            ttl_min: 1,
            ttl_default: ttl_default.max(1),
            headers: Vec::new(),
            cookies: Vec::new(),
            query: Query::None,
        };
    }
    let query = match (&policy.asset_query, policy.preset.asset_query) {
        (Some(names), _) if names.is_empty() => Query::None,
        (Some(names), _) => Query::Only(names.clone()),
        (None, AssetQuery::AllButTrackers) => all_except(policy),
        (None, AssetQuery::Only(names)) => Query::Only(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    Wanted {
        name,
        about: "Host is in the key, not only forwarded: else a redirect got by another name would be stored for all.",
        ttl_min: 0,
        ttl_default,
        headers: KEY_HEADERS.to_vec(),
        cookies: Vec::new(),
        query,
    }
}

impl Wanted {
    fn ttl_max(&self) -> u64 {
        self.ttl_default.max(YEAR_SECONDS)
    }

    /// The managed policy that says the same, if there is one.
    fn managed(&self) -> Option<&'static str> {
        let ttl = [self.ttl_min, self.ttl_default, self.ttl_max()];
        let headers: Vec<String> = self.headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        let same_query = |query: &ManagedNames| match (query, &self.query) {
            (ManagedNames::None, Query::None) | (ManagedNames::All, Query::All) => true,
            (ManagedNames::Only(names), Query::Only(wanted)) => names == wanted,
            _ => false,
        };
        let found = CACHE_POLICIES.iter().find(|row| {
            row.ttl_seconds == ttl
                && row.headers == headers
                && matches!(row.cookies, ManagedNames::None)
                && self.cookies.is_empty()
                && same_query(&row.query)
                && matches!(row.codings, ManagedCodings::GzipAndBrotli)
        });
        found.map(|row| row.id)
    }

    fn document(&self) -> Value {
        let texts = |names: &[String]| list(names.iter().map(|name| json!(name)));
        let headers = match self.headers.is_empty() {
            true => json!({ "HeaderBehavior": "none" }),
            false => json!({
                "HeaderBehavior": "whitelist",
                "Headers": list(self.headers.iter().map(|name| json!(name))),
            }),
        };
        let cookies = match self.cookies.is_empty() {
            true => json!({ "CookieBehavior": "none" }),
            false => json!({ "CookieBehavior": "whitelist", "Cookies": texts(&self.cookies) }),
        };
        let query = match &self.query {
            Query::None => json!({ "QueryStringBehavior": "none" }),
            Query::All => json!({ "QueryStringBehavior": "all" }),
            Query::Only(names) => {
                json!({ "QueryStringBehavior": "whitelist", "QueryStrings": texts(names) })
            }
            Query::AllExcept(names) => {
                json!({ "QueryStringBehavior": "allExcept", "QueryStrings": texts(names) })
            }
        };
        json!({
            "Id": self.name,
            "CachePolicyConfig": {
                "Name": self.name,
                "Comment": comment(self.about),
                "MinTTL": self.ttl_min,
                "DefaultTTL": self.ttl_default,
                "MaxTTL": self.ttl_max(),
                "ParametersInCacheKeyAndForwardedToOrigin": {
                    "EnableAcceptEncodingGzip": true,
                    "EnableAcceptEncodingBrotli": true,
                    "HeadersConfig": headers,
                    "CookiesConfig": cookies,
                    "QueryStringsConfig": query,
                },
            },
        })
    }
}

/// What the classes are folded from.
fn device_headers(classes: DeviceClasses) -> Vec<&'static str> {
    match classes {
        DeviceClasses::None => Vec::new(),
        DeviceClasses::Two | DeviceClasses::Three => {
            vec!["CloudFront-Is-Mobile-Viewer", "CloudFront-Is-Tablet-Viewer"]
        }
        DeviceClasses::Four => {
            vec!["CloudFront-Is-Mobile-Viewer", "CloudFront-Is-SmartTV-Viewer", "CloudFront-Is-Tablet-Viewer"]
        }
    }
}

/// The origin request policy a behavior names. Without a function nothing goes on that is not in the key: what is
/// shared cannot be told from what is not.
pub(super) fn origin_request_policy_id(policy: &Policy, names: &Names, cache: Cache) -> Option<String> {
    let managed = |id: &str| Some(id.to_owned());
    match cache {
        Cache::Never => managed(ALL_VIEWER_AND_CLOUDFRONT),
        Cache::Pages if policy.style() == Style::Policy => None,
        Cache::Pages if policy.devices == DeviceClasses::None => managed(ALL_VIEWER),
        Cache::Pages => Some(names.of_kind("pages")),
        Cache::Assets | Cache::Immutable | Cache::Answers => None,
    }
}

/// The one that is made, if one is.
pub(super) fn pages_origin_request_policy(policy: &Policy, names: &Names) -> Option<Value> {
    let name = names.of_kind("pages");
    if origin_request_policy_id(policy, names, Cache::Pages).as_ref() != Some(&name) {
        return None;
    }
    Some(json!({
        "Id": name,
        "OriginRequestPolicyConfig": {
            "Name": name,
            "Comment": comment("All of the viewer: the function has taken from shared requests what the key lacks. It folds the device headers."),
            "HeadersConfig": {
                "HeaderBehavior": "allViewerAndWhitelistCloudFront",
                "Headers": list(device_headers(policy.devices).iter().map(|name| json!(name))),
            },
            "CookiesConfig": { "CookieBehavior": "all" },
            "QueryStringsConfig": { "QueryStringBehavior": "all" },
        },
    }))
}

/// The response headers policy all behaviors name, and the document of one that is made.
pub(super) fn response_headers_policy(policy: &Policy, names: &Names) -> Option<(String, Option<Value>)> {
    let headers = &policy.headers;
    let own =
        headers.content_security_policy.is_some() || !headers.remove.is_empty() || !headers.set.is_empty();
    if !own {
        return (headers.security == Security::Managed).then(|| (SECURITY_HEADERS.to_owned(), None));
    }
    let name = names.of_kind("headers");
    let mut security = Map::new();
    if headers.security == Security::Managed {
        // As the managed policy has it (§16.3).
        security.extend([
            ("XSSProtection".to_owned(), json!({ "Override": false, "Protection": true, "ModeBlock": true })),
            ("FrameOptions".to_owned(), json!({ "Override": false, "FrameOption": "SAMEORIGIN" })),
            (
                "ReferrerPolicy".to_owned(),
                json!({ "Override": false, "ReferrerPolicy": "strict-origin-when-cross-origin" }),
            ),
            ("ContentTypeOptions".to_owned(), json!({ "Override": true })),
            (
                "StrictTransportSecurity".to_owned(),
                json!({ "Override": false, "AccessControlMaxAgeSec": 31_536_000 }),
            ),
        ]);
    }
    if let Some(text) = &headers.content_security_policy {
        let value = json!({ "Override": false, "ContentSecurityPolicy": text });
        security.insert("ContentSecurityPolicy".to_owned(), value);
    }
    let mut config = json!({ "Name": name, "Comment": comment("Of the site policy: the origin's own come first but where it says set.") });
    if !security.is_empty() {
        config["SecurityHeadersConfig"] = Value::Object(security);
    }
    if !headers.set.is_empty() {
        let items = headers.set.iter();
        config["CustomHeadersConfig"] =
            list(items.map(|(name, value)| json!({ "Header": name, "Value": value, "Override": true })));
    }
    if !headers.remove.is_empty() {
        let items = headers.remove.iter();
        config["RemoveHeadersConfig"] = list(items.map(|name| json!({ "Header": name })));
    }
    Some((name.clone(), Some(json!({ "Id": name, "ResponseHeadersPolicyConfig": config }))))
}

/// The bucket's origin access control (§5.11).
pub(super) fn access_control(names: &Names) -> Value {
    let name = names.of_kind("bucket");
    json!({
        "Id": name,
        "OriginAccessControlConfig": {
            "Name": name,
            "Description": "Signs each request: the bucket stays closed to everybody else.",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        },
    })
}

impl Policy {
    /// What the function does, as data.
    pub(super) fn rule(&self) -> Rule {
        // The function may not touch Host and need not name what CloudFront writes itself.
        let shared = KEY_HEADERS.iter().filter(|name| **name != "Host" && !name.starts_with("CloudFront-"));
        Rule {
            drop_query: self.drop_query.clone(),
            keep_query: self.keep_query.clone(),
            sort_query: self.sort_query,
            session_cookies: self.session_cookies.clone(),
            session_query: self.session_query.clone(),
            shared_headers: Some(shared.map(|name| name.to_ascii_lowercase()).collect()),
            device: self.devices,
        }
    }
}

/// The viewer-request function of pages.
pub(super) fn function(policy: &Policy, names: &Names) -> Value {
    let rule = policy.rule();
    json!({
        "Name": names.function(),
        "FunctionARN": function_arn(names),
        "FunctionConfig": {
            "Comment": comment("Sends sessions past shared copies; drops cookies, other headers and trackers from the rest."),
            "Runtime": "cloudfront-js-2.0",
        },
        "Code": rule.javascript(),
        "Rule": rule,
    })
}

pub(super) fn function_arn(names: &Names) -> String {
    format!("arn:aws:cloudfront::000000000000:function/{}", names.function())
}
