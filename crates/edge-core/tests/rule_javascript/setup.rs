//! A distribution whose one behavior runs a rule, in either form, and requests for it.

use std::sync::Arc;

use edge_core::cache::storing::Guard;
use edge_core::distribution::{Distribution, Rule, document};
use edge_core::exchange::Rules;
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::HeaderValue;
use serde_json::json;

use super::chance::Raw;

/// Which of its two forms a rule runs in.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Native,
    JavaScript,
}

/// Everything of the viewer goes on, and the function's headers are in the key: nothing it does stays unseen.
pub(super) fn rules(rule: &Rule, form: Form) -> Arc<Rules> {
    let list = |items: &[&str]| json!({ "Quantity": items.len(), "Items": items });
    let mut function = json!({
        "Name": "f",
        "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" },
        "Code": rule.javascript(),
    });
    if let Form::Native = form {
        function["Rule"] = serde_json::to_value(rule).unwrap();
    }
    let document = json!({
        "DistributionConfig": {
            "CallerReference": "x", "Comment": "", "Enabled": true, "Aliases": list(&["www.example.com"]),
            "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "o.example.com", "CustomOriginConfig":
                { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
            "DefaultCacheBehavior": {
                "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": "c", "OriginRequestPolicyId": "r",
                "AllowedMethods": { "Quantity": 7, "Items": ["HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT", "PATCH"],
                    "CachedMethods": list(&["HEAD", "GET"]) },
                "FunctionAssociations": { "Quantity": 1, "Items": [{ "EventType": "viewer-request",
                    "FunctionARN": "arn:aws:cloudfront::000000000000:function/f" }] },
            },
        },
        "CachePolicies": [{ "Id": "c", "CachePolicyConfig": {
            "Name": "c", "MinTTL": 0, "DefaultTTL": 60, "MaxTTL": 60,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": true, "EnableAcceptEncodingBrotli": true,
                "HeadersConfig": { "HeaderBehavior": "whitelist",
                    "Headers": list(&["Authorization", "Host", "X-Viewer-Device", "X-Viewer-Session"]) },
                "CookiesConfig": { "CookieBehavior": "none" },
                "QueryStringsConfig": { "QueryStringBehavior": "all" },
            } } }],
        "OriginRequestPolicies": [{ "Id": "r", "OriginRequestPolicyConfig": {
            "Name": "r",
            "HeadersConfig": { "HeaderBehavior": "allViewerAndWhitelistCloudFront", "Headers": list(&[
                "CloudFront-Is-Mobile-Viewer", "CloudFront-Is-SmartTV-Viewer", "CloudFront-Is-Tablet-Viewer"]) },
            "CookiesConfig": { "CookieBehavior": "all" },
            "QueryStringsConfig": { "QueryStringBehavior": "all" } } }],
        "Functions": [function],
    });
    let loaded = document::load(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}"));
    let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().all(|text| ["(NoLocalEffect)", "(InvalidViewerCertificate)"]
            .iter()
            .any(|code| text.contains(code))),
        "{said:#?}"
    );
    running(loaded.distribution)
}

/// As an edge runs it.
pub(super) fn running(distribution: Distribution) -> Arc<Rules> {
    Arc::new(Rules { distribution, guard: Guard::Off, place: Place::new(0, None), devices: Memo::new(64) })
}

/// As the door lets it in.
pub(super) fn read(raw: &Raw) -> Request {
    let mut builder = http::Request::builder().method(raw.method).uri(raw.target.as_str());
    builder = builder.header("host", "www.example.com");
    for (name, value) in &raw.headers {
        builder = builder.header(name.as_str(), HeaderValue::from_bytes(value).unwrap());
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    Request::read(parts, Scheme::Https, Stream::Ended, "192.0.2.1:1".parse().unwrap()).unwrap()
}
