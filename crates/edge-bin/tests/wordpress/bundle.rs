//! A distribution as it must not be: what the preset compiles to, in short, without what keeps sessions apart.

use serde_json::{Value, json};

/// The origin's name in the document.
pub(crate) const ORIGIN: &str = "origin.example.com";
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER_AND_CLOUDFRONT: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

/// A WordPress site whose rule looks for no session: cookies go to WordPress and are not in the key. And a minimum
/// TTL, with which CloudFront stores what WordPress calls private.
pub(crate) fn without_bypass() -> Value {
    let never = ["wp-admin/*", "wp-json/*", "*.php"];
    let never = never.map(|pattern| behavior(pattern, CACHING_DISABLED, ALL_VIEWER_AND_CLOUDFRONT));
    let mut pages = behavior("", "pages", "pages");
    let arn = "arn:aws:cloudfront::000000000000:function/visitors";
    pages["FunctionAssociations"] = list(&[json!({ "FunctionARN": arn, "EventType": "viewer-request" })]);
    let key = ["CloudFront-Forwarded-Proto", "Host", "X-Viewer-Device", "X-Viewer-Session"];
    let device = ["CloudFront-Is-Mobile-Viewer", "CloudFront-Is-Tablet-Viewer"];
    json!({
        "DistributionConfig": {
            "CallerReference": "wordpress-without-bypass",
            "Comment": "",
            "Enabled": true,
            "Origins": list(&[json!({
                "Id": ORIGIN,
                "DomainName": ORIGIN,
                "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" },
            })]),
            "DefaultCacheBehavior": pages,
            "CacheBehaviors": list(&never),
        },
        "CachePolicies": [{
            "Id": "pages",
            "CachePolicyConfig": {
                "Name": "pages",
                "MinTTL": 3_600,
                "ParametersInCacheKeyAndForwardedToOrigin": {
                    "EnableAcceptEncodingGzip": true,
                    "HeadersConfig": { "HeaderBehavior": "whitelist", "Headers": list(&key.map(Value::from)) },
                    "CookiesConfig": { "CookieBehavior": "none" },
                    "QueryStringsConfig": { "QueryStringBehavior": "all" },
                },
            },
        }],
        "OriginRequestPolicies": [{
            "Id": "pages",
            "OriginRequestPolicyConfig": {
                "Name": "pages",
                "HeadersConfig": {
                    "HeaderBehavior": "allViewerAndWhitelistCloudFront",
                    "Headers": list(&device.map(Value::from)),
                },
                "CookiesConfig": { "CookieBehavior": "all" },
                "QueryStringsConfig": { "QueryStringBehavior": "all" },
            },
        }],
        "Functions": [{
            "Name": "visitors",
            "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" },
            "Rule": { "DropQuery": ["utm_*", "gclid"], "SortQuery": true, "SessionCookies": [], "Device": "Three" },
        }],
    })
}

/// For everything else where the pattern is empty.
fn behavior(pattern: &str, cache: &str, request: &str) -> Value {
    let methods = ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"];
    let mut behavior = json!({
        "TargetOriginId": ORIGIN,
        "ViewerProtocolPolicy": "redirect-to-https",
        "AllowedMethods": list(&methods.map(Value::from)),
        "CachePolicyId": cache,
        "OriginRequestPolicyId": request,
    });
    if !pattern.is_empty() {
        behavior["PathPattern"] = json!(pattern);
    }
    behavior
}

fn list(items: &[Value]) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}
