//! The documents of a WordPress site, by hand: what the preset compiles to, in short, for edges that must be wrong.

use serde_json::{Value, json};

/// The origin's name in the documents.
pub(crate) const ORIGIN: &str = "origin.example.com";
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER_AND_CLOUDFRONT: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

/// A site as it should be.
pub(crate) fn wordpress() -> Value {
    let sessions = [
        "wordpress_logged_in_*",
        "wordpress_sec_*",
        "wordpress_rec_*",
        "wp-postpass_*",
        "comment_author_*",
        "PHPSESSID",
    ];
    bundle(&json!({
        "DropQuery": ["utm_*", "fbclid", "gclid", "msclkid", "mc_cid", "mc_eid", "_ga"],
        "SortQuery": true,
        "SessionCookies": sessions,
        "SessionQuery": ["rest_route", "preview", "preview_*", "unapproved", "moderation-hash", "_wpnonce"],
        "SharedHeaders": ["authorization", "origin"],
        "Device": "Three",
    }))
}

/// A site with this rule on its pages.
pub(crate) fn bundle(rule: &Value) -> Value {
    let never = ["wp-admin/*", "wp-json/*", "*.php"];
    let mut behaviors: Vec<Value> = Vec::new();
    for (pattern, fields) in never.map(|pattern| (pattern, never_fields())) {
        behaviors.push(merge(json!({ "PathPattern": pattern }), fields));
    }
    for pattern in ["wp-content/*", "wp-includes/*"] {
        behaviors.push(merge(json!({ "PathPattern": pattern }), behavior(&["GET", "HEAD"], "assets", None)));
    }
    let mut pages = behavior(&ALL, "pages", Some("pages"));
    let arn = "arn:aws:cloudfront::000000000000:function/visitors";
    pages["FunctionAssociations"] = list(&[json!({ "FunctionARN": arn, "EventType": "viewer-request" })]);
    json!({
        "DistributionConfig": {
            "CallerReference": "wordpress",
            "Comment": "",
            "Enabled": true,
            "Origins": list(&[origin()]),
            "DefaultCacheBehavior": pages,
            "CacheBehaviors": list(&behaviors),
        },
        "CachePolicies": [
            cache_policy("pages", &["Authorization", "CloudFront-Forwarded-Proto", "Host", "Origin", "X-Viewer-Device", "X-Viewer-Session"], json!({ "QueryStringBehavior": "all" })),
            cache_policy("assets", &["Host", "Origin"], json!({
                "QueryStringBehavior": "whitelist",
                "QueryStrings": list(&[json!("v"), json!("ver")]),
            })),
        ],
        "OriginRequestPolicies": [{
            "Id": "pages",
            "OriginRequestPolicyConfig": {
                "Name": "pages",
                "HeadersConfig": {
                    "HeaderBehavior": "allViewerAndWhitelistCloudFront",
                    "Headers": list(&[json!("CloudFront-Is-Mobile-Viewer"), json!("CloudFront-Is-Tablet-Viewer")]),
                },
                "CookiesConfig": { "CookieBehavior": "all" },
                "QueryStringsConfig": { "QueryStringBehavior": "all" },
            },
        }],
        "Functions": [{
            "Name": "visitors",
            "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" },
            "Rule": rule,
        }],
    })
}

const ALL: [&str; 7] = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"];

fn never_fields() -> Value {
    let mut fields = behavior(&ALL, CACHING_DISABLED, Some(ALL_VIEWER_AND_CLOUDFRONT));
    fields["Compress"] = json!(false);
    fields
}

fn behavior(methods: &[&str], cache: &str, request: Option<&str>) -> Value {
    let methods: Vec<Value> = methods.iter().map(|method| json!(method)).collect();
    let mut behavior = json!({
        "TargetOriginId": ORIGIN,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": list(&methods),
        "Compress": true,
        "CachePolicyId": cache,
    });
    if let Some(id) = request {
        behavior["OriginRequestPolicyId"] = json!(id);
    }
    behavior
}

fn cache_policy(name: &str, headers: &[&str], query: Value) -> Value {
    let headers: Vec<Value> = headers.iter().map(|header| json!(header)).collect();
    json!({
        "Id": name,
        "CachePolicyConfig": {
            "Name": name,
            "MinTTL": 0,
            "DefaultTTL": 86_400,
            "MaxTTL": 31_536_000,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": true,
                "EnableAcceptEncodingBrotli": true,
                "HeadersConfig": { "HeaderBehavior": "whitelist", "Headers": list(&headers) },
                "CookiesConfig": { "CookieBehavior": "none" },
                "QueryStringsConfig": query,
            },
        },
    })
}

fn origin() -> Value {
    json!({
        "Id": ORIGIN,
        "DomainName": ORIGIN,
        "CustomOriginConfig": {
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "http-only",
            "OriginReadTimeout": 60,
            "OriginKeepaliveTimeout": 30,
        },
        "ConnectionAttempts": 2,
        "ConnectionTimeout": 3,
    })
}

fn list(items: &[Value]) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

fn merge(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
