//! Documents that do not load: each row breaks a good document and says exactly which errors come of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use edge_core::distribution::{Problems, load, load_value};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/distributions").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `{"Quantity": n, "Items": […]}`.
fn list(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

fn names(prefix: &str, count: usize) -> Value {
    list((0..count).map(|number| json!(format!("{prefix}{number}"))).collect())
}

/// Sets what `pointer` points at; `null` removes it.
fn edit(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} has no parent"));
    match parent {
        Value::Object(fields) if value.is_null() => assert!(fields.shift_remove(key).is_some(), "{pointer}"),
        Value::Object(fields) => _ = fields.insert(key.to_owned(), value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer} points into a scalar"),
    }
}

/// Places and codes of errors.
type Errors = BTreeSet<(String, &'static str)>;

fn errors(problems: &Problems) -> Errors {
    problems.errors().map(|problem| (problem.place.clone(), problem.code)).collect()
}

/// The shorthands of the tables: `/C` is the config, `/D` its default behavior, `/O` its first origin, `/K` the cache
/// policy, `/F` the origin request policy, `/R` the response headers policy.
const SHORT: [(&str, &str); 6] = [
    ("/D", "/DistributionConfig/DefaultCacheBehavior"),
    ("/O", "/DistributionConfig/Origins/Items/0"),
    ("/C", "/DistributionConfig"),
    ("/K", "/CachePolicies/0/CachePolicyConfig"),
    ("/F", "/OriginRequestPolicies/0/OriginRequestPolicyConfig"),
    ("/R", "/ResponseHeadersPolicies/0/ResponseHeadersPolicyConfig"),
];

fn pointer(short: &str) -> String {
    let found = SHORT.iter().find(|(name, _)| short == *name || short.starts_with(&format!("{name}/")));
    found.map_or_else(|| short.to_owned(), |(name, long)| format!("{long}{}", &short[name.len()..]))
}

/// `/A/Items/0/B` as a place: `A.Items[0].B`.
fn place(short: &str) -> String {
    let mut out = String::new();
    for part in pointer(short).split('/').skip(1) {
        if part.parse::<usize>().is_ok() {
            out.push_str(&format!("[{part}]"));
        } else {
            out.push_str(if out.is_empty() { "" } else { "." });
            out.push_str(part);
        }
    }
    out
}

/// A document, what is done to it, and the errors that come of it.
struct Row(&'static str, Vec<(&'static str, Value)>, Vec<(&'static str, &'static str)>);

/// One change whose error stands where the change was made.
fn row(at: &'static str, value: Value, code: &'static str) -> Row {
    Row("full.json", vec![(at, value)], vec![(at, code)])
}

/// One change whose error stands somewhere else.
fn elsewhere(change: &'static str, value: Value, at: &'static str, code: &'static str) -> Row {
    Row("full.json", vec![(change, value)], vec![(at, code)])
}

fn check(rows: Vec<Row>) {
    let mut differences = Vec::new();
    for Row(file, edits, expected) in rows {
        let mut document = fixture(file);
        for (at, value) in &edits {
            edit(&mut document, &pointer(at), value.clone());
        }
        let expected: Errors = expected.iter().map(|(at, code)| (place(at), *code)).collect();
        match load_value(document) {
            Ok(_) => differences.push(format!("{file} with {edits:?} loads")),
            Err(problems) if errors(&problems) == expected => {}
            Err(problems) => {
                differences
                    .push(format!("{file} with {edits:?}:\nexpected {expected:#?}, found\n{problems}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn the_distribution_itself() {
    check(vec![
        row("/C/CallerReference", Value::Null, "InvalidArgument"),
        row("/C/Comment", json!("x".repeat(129)), "InvalidArgument"),
        row("/C/Enabled", json!("yes"), "InvalidArgument"),
        row("/C/Enabled", Value::Null, "InvalidArgument"),
        row("/C/HttpVersion", json!("http4"), "InvalidArgument"),
        row("/C/PriceClass", json!("PriceClass_300"), "InvalidArgument"),
        row("/C/DefaultRootObject", json!("/index.html"), "InvalidDefaultRootObject"),
        row("/C/DefaultRootObject", json!("a b"), "InvalidDefaultRootObject"),
        row("/C/DefaultRootObject", json!("x".repeat(256)), "InvalidDefaultRootObject"),
        elsewhere(
            "/C/CacheTagConfig",
            json!({ "HeaderName": "a b" }),
            "/C/CacheTagConfig/HeaderName",
            "InvalidArgument",
        ),
        elsewhere(
            "/C/CacheTagConfig",
            json!({ "HeaderName": 5 }),
            "/C/CacheTagConfig/HeaderName",
            "InvalidArgument",
        ),
        elsewhere("/C/CacheTagConfig", json!({}), "/C/CacheTagConfig/HeaderName", "InvalidArgument"),
        row("/C/Aliases", json!(["example.com"]), "InvalidArgument"),
        row("/C/Aliases", json!({ "Quantity": 2, "Items": ["example.com"] }), "InconsistentQuantities"),
        row("/C/Aliases", json!({ "Quantity": 1 }), "InconsistentQuantities"),
        elsewhere("/C/Aliases", json!({ "Items": [] }), "/C/Aliases/Quantity", "InvalidArgument"),
        row("/C/Aliases/Items/0", json!("Example.com"), "InvalidArgument"),
        row("/C/Aliases/Items/1", json!("a.*.example.com"), "InvalidArgument"),
        row("/C/Aliases/Items/1", json!("example.com"), "InvalidArgument"),
        row("/C/Aliases/Items/1", json!(5), "InvalidArgument"),
        row("/C/Aliases", names("a", 101), "TooManyDistributionCNAMEs"),
        row("/C/DefaultCacheBehavior", Value::Null, "InvalidArgument"),
        row("/C/DefaultCacheBehavior", json!("web"), "InvalidArgument"),
        row("/C/ViewerCertificate/MinimumProtocolVersion", json!("TLSv2"), "InvalidMinimumProtocolVersion"),
        row("/C/ViewerCertificate/MinimumProtocolVersion", json!("SSLv3"), "InvalidMinimumProtocolVersion"),
        row("/C/ViewerCertificate/SSLSupportMethod", json!("esni"), "InvalidViewerCertificate"),
        elsewhere(
            "/C/ViewerCertificate/CloudFrontDefaultCertificate",
            json!(true),
            "/C/ViewerCertificate",
            "InvalidViewerCertificate",
        ),
        row("/C/Restrictions/GeoRestriction/RestrictionType", json!("all"), "InvalidGeoRestrictionParameter"),
        elsewhere(
            "/C/Restrictions/GeoRestriction/RestrictionType",
            json!("whitelist"),
            "/C/Restrictions/GeoRestriction",
            "InvalidGeoRestrictionParameter",
        ),
        elsewhere(
            "/C/Restrictions/GeoRestriction",
            json!({ "RestrictionType": "blacklist", "Quantity": 2, "Items": ["DE", "Austria"] }),
            "/C/Restrictions/GeoRestriction/Items/1",
            "InvalidLocationCode",
        ),
        elsewhere(
            "/C/Origins/Items/0/CustomOriginConfig/OriginMtlsConfig",
            json!({}),
            "/C/Origins/Items/0/CustomOriginConfig/OriginMtlsConfig/ClientCertificateArn",
            "InvalidArgument",
        ),
        row("/C/ViewerMtlsConfig", json!([]), "InvalidArgument"),
        elsewhere(
            "/C/ViewerMtlsConfig",
            json!({ "Mode": "always", "TrustStoreConfig": { "TrustStoreId": "ts" } }),
            "/C/ViewerMtlsConfig/Mode",
            "InvalidArgument",
        ),
        elsewhere(
            "/C/ViewerMtlsConfig",
            json!({ "Mode": "optional" }),
            "/C/ViewerMtlsConfig/TrustStoreConfig",
            "InvalidArgument",
        ),
        elsewhere(
            "/C/ViewerMtlsConfig",
            json!({ "TrustStoreConfig": { "AdvertiseTrustStoreCaNames": true } }),
            "/C/ViewerMtlsConfig/TrustStoreConfig/TrustStoreId",
            "InvalidArgument",
        ),
        row("/C/Logging/Enabled", json!(3), "InvalidArgument"),
        Row(
            "minimal.json",
            vec![("/Origins", Value::Null)],
            vec![("/C/Origins", "InvalidArgument"), ("/D/TargetOriginId", "NoSuchOrigin")],
        ),
    ]);
}

#[test]
fn error_responses() {
    let entry = "/C/CustomErrorResponses/Items/0";
    check(vec![
        row("/C/CustomErrorResponses/Items/0/ErrorCode", json!(412), "InvalidErrorCode"),
        row("/C/CustomErrorResponses/Items/0/ErrorCode", json!("teapot"), "InvalidArgument"),
        row("/C/CustomErrorResponses/Items/0/ResponseCode", json!("302"), "InvalidResponseCode"),
        row("/C/CustomErrorResponses/Items/0/ResponsePagePath", json!("404.html"), "InvalidRelativePath"),
        elsewhere("/C/CustomErrorResponses/Items/0/ResponseCode", json!(""), entry, "InvalidArgument"),
        elsewhere("/C/CustomErrorResponses/Items/0/ResponsePagePath", Value::Null, entry, "InvalidArgument"),
        row("/C/CustomErrorResponses/Items/1/ErrorCode", json!(404), "InvalidArgument"),
        row("/C/CustomErrorResponses/Items/1/ErrorCachingMinTTL", json!(-1), "InvalidArgument"),
    ]);
}

#[test]
fn origins_and_groups() {
    let header = |name: &str, value: &str| list(vec![json!({ "HeaderName": name, "HeaderValue": value })]);
    let many = |count| {
        let header = |number| json!({ "HeaderName": format!("x-{number}"), "HeaderValue": "v" });
        list((0..count).map(header).collect())
    };
    check(vec![
        row("/O/DomainName", json!("https://www.example.com"), "InvalidOrigin"),
        row("/O/DomainName", json!("www.example.com/blog"), "InvalidOrigin"),
        row("/O/DomainName", json!("www.example.com:8080"), "InvalidOrigin"),
        row("/O/DomainName", json!(""), "InvalidOrigin"),
        row("/C/Origins/Items/1/DomainName", json!("www.example.com"), "InvalidOrigin"),
        row("/O/OriginPath", json!("v1"), "InvalidRelativePath"),
        row("/O/OriginPath", json!("/v1/"), "InvalidRelativePath"),
        row("/O/OriginPath", json!("/v 1"), "InvalidRelativePath"),
        row("/C/Origins/Items/1/Id", json!("web"), "InvalidArgument")
            .also(&[("/C/OriginGroups/Items/0/Members/Items/0/OriginId", "NoSuchOrigin")]),
        row("/O/ConnectionAttempts", json!(4), "InvalidArgument"),
        row("/O/ConnectionTimeout", json!(0), "InvalidArgument"),
        row("/O/ResponseCompletionTimeout", json!(59), "InvalidArgument"),
        row("/O/CustomOriginConfig/HTTPPort", json!(81), "InvalidArgument"),
        row("/O/CustomOriginConfig/HTTPSPort", Value::Null, "InvalidArgument"),
        row("/O/CustomOriginConfig/OriginProtocolPolicy", json!("http"), "InvalidArgument"),
        row("/O/CustomOriginConfig/OriginReadTimeout", json!(121), "InvalidOriginReadTimeout"),
        row("/O/CustomOriginConfig/OriginKeepaliveTimeout", json!(301), "InvalidOriginKeepaliveTimeout"),
        row("/O/CustomOriginConfig/OriginSslProtocols/Items/0", json!("TLSv9"), "InvalidArgument"),
        elsewhere("/O/CustomOriginConfig", Value::Null, "/O", "InvalidOrigin"),
        elsewhere("/O/S3OriginConfig", json!({ "OriginAccessIdentity": "" }), "/O", "InvalidOrigin"),
        row(
            "/C/Origins/Items/1/S3OriginConfig/OriginAccessIdentity",
            json!("E127"),
            "InvalidOriginAccessIdentity",
        ),
        Row(
            "full.json",
            vec![
                ("/C/Origins/Items/1/OriginAccessControlId", json!("E1OAC")),
                (
                    "/C/Origins/Items/1/S3OriginConfig/OriginAccessIdentity",
                    json!("origin-access-identity/cloudfront/E127"),
                ),
            ],
            vec![("/C/Origins/Items/1", "IllegalOriginAccessConfiguration")],
        ),
        elsewhere(
            "/O/OriginShield/Enabled",
            json!(true),
            "/O/OriginShield/OriginShieldRegion",
            "InvalidArgument",
        ),
        elsewhere(
            "/O/CustomHeaders",
            header("Host", "x"),
            "/O/CustomHeaders/Items/0/HeaderName",
            "InvalidArgument",
        ),
        elsewhere(
            "/O/CustomHeaders",
            header("X-Amz-Secret", "x"),
            "/O/CustomHeaders/Items/0/HeaderName",
            "InvalidArgument",
        ),
        elsewhere(
            "/O/CustomHeaders",
            header("a b", "x"),
            "/O/CustomHeaders/Items/0/HeaderName",
            "InvalidArgument",
        ),
        elsewhere(
            "/O/CustomHeaders",
            header("x-a", "one\r\nx-b: two"),
            "/O/CustomHeaders/Items/0/HeaderValue",
            "InvalidArgument",
        ),
        elsewhere(
            "/O/CustomHeaders",
            header("x-a", &"v".repeat(1_784)),
            "/O/CustomHeaders/Items/0/HeaderValue",
            "InvalidArgument",
        ),
        row("/O/CustomHeaders", many(31), "TooManyOriginCustomHeaders"),
        row("/C/OriginGroups/Items/0/Id", json!("web"), "InvalidArgument")
            .also(&[("/C/CacheBehaviors/Items/0/TargetOriginId", "NoSuchOrigin")]),
        row("/C/OriginGroups/Items/0/Members/Items/1/OriginId", json!("gone"), "NoSuchOrigin"),
        elsewhere(
            "/C/OriginGroups/Items/0/Members/Items/1/OriginId",
            json!("primary"),
            "/C/OriginGroups/Items/0/Members",
            "InvalidArgument",
        ),
        row(
            "/C/OriginGroups/Items/0/Members",
            list(vec![json!({ "OriginId": "primary" })]),
            "InvalidArgument",
        ),
        row("/C/OriginGroups/Items/0/FailoverCriteria/StatusCodes/Items/0", json!(401), "InvalidArgument"),
        row("/C/OriginGroups/Items/0/FailoverCriteria", Value::Null, "InvalidArgument"),
    ]);
}

impl Row {
    /// Errors that follow from the first.
    fn also(mut self, more: &[(&'static str, &'static str)]) -> Self {
        self.2.extend_from_slice(more);
        self
    }
}

#[test]
fn behaviors() {
    let function = |arn: &str, event: &str| json!({ "FunctionARN": arn, "EventType": event });
    let lambda = |arn: &str, event: &str, body: bool| {
        list(vec![json!({ "LambdaFunctionARN": arn, "EventType": event, "IncludeBody": body })])
    };
    let visitors = "arn:aws:cloudfront::123456789012:function/visitors";
    let edge = "arn:aws:lambda:us-east-1:123456789012:function:auth:7";
    let second = "/C/CacheBehaviors/Items/1/PathPattern";
    let many = list(
        (0..76)
            .map(|number| {
                let mut behavior = fixture("minimal.json")["DefaultCacheBehavior"].clone();
                behavior["PathPattern"] = json!(format!("/{number}"));
                behavior
            })
            .collect(),
    );
    check(vec![
        row(second, json!("/a b"), "InvalidArgument"),
        row(second, json!(""), "InvalidArgument"),
        row(second, Value::Null, "InvalidArgument"),
        row(second, json!("x".repeat(256)), "InvalidArgument"),
        row(second, json!("/media/*"), "InvalidArgument"),
        row("/C/CacheBehaviors", many, "TooManyCacheBehaviors"),
        row("/D/TargetOriginId", json!("wbe"), "NoSuchOrigin"),
        row("/D/TargetOriginId", Value::Null, "InvalidArgument"),
        row("/D/ViewerProtocolPolicy", json!("https"), "InvalidArgument"),
        row("/D/AllowedMethods", list(vec![json!("GET"), json!("POST")]), "InvalidArgument"),
        elsewhere(
            "/C/CacheBehaviors/Items/0/AllowedMethods/CachedMethods",
            list(vec![json!("GET"), json!("HEAD"), json!("OPTIONS")]),
            "/C/CacheBehaviors/Items/0/AllowedMethods/CachedMethods",
            "InvalidArgument",
        ),
        row("/D/AllowedMethods/CachedMethods", list(vec![json!("GET")]), "InvalidArgument"),
        row("/D/Compress", json!(1), "InvalidArgument"),
        row("/D/CachePolicyId", json!("00000000-0000-4000-8000-000000000000"), "NoSuchCachePolicy"),
        row("/D/CachePolicyId", json!("658327ea-f89d-4fab-a63d-7e88639e58f7"), "NoSuchCachePolicy"),
        row("/D/CachePolicyId", json!(17), "InvalidArgument")
            .also(&[("/D/OriginRequestPolicyId", "InvalidArgument")]),
        row("/D/OriginRequestPolicyId", json!("none"), "NoSuchOriginRequestPolicy"),
        row("/D/ResponseHeadersPolicyId", json!("none"), "NoSuchResponseHeadersPolicy"),
        row("/C/CacheBehaviors/Items/0/CachePolicyId", Value::Null, "InvalidArgument"),
        row(
            "/D/ForwardedValues",
            json!({ "QueryString": false, "Cookies": { "Forward": "none" } }),
            "InvalidArgument",
        ),
        row("/D/GrpcConfig/Enabled", json!("maybe"), "InvalidArgument"),
        elsewhere("/D/GrpcConfig/Enabled", json!(true), "/D/GrpcConfig", "InvalidArgument"),
        row("/D/TrustedKeyGroups", names("group", 5), "TooManyKeyGroupsAssociatedToDistribution").also(&[
            ("/D/TrustedKeyGroups/Enabled", "InvalidArgument"),
            ("/D/TrustedKeyGroups/Items/0", "TrustedKeyGroupDoesNotExist"),
            ("/D/TrustedKeyGroups/Items/1", "TrustedKeyGroupDoesNotExist"),
            ("/D/TrustedKeyGroups/Items/2", "TrustedKeyGroupDoesNotExist"),
            ("/D/TrustedKeyGroups/Items/3", "TrustedKeyGroupDoesNotExist"),
            ("/D/TrustedKeyGroups/Items/4", "TrustedKeyGroupDoesNotExist"),
        ]),
        row(
            "/D/FunctionAssociations/Items/0/FunctionARN",
            json!("arn:aws:lambda:us-east-1:1:function:x"),
            "InvalidFunctionAssociation",
        ),
        row(
            "/D/FunctionAssociations/Items/0/EventType",
            json!("origin-request"),
            "InvalidFunctionAssociation",
        ),
        elsewhere(
            "/D/FunctionAssociations",
            list(vec![function(visitors, "viewer-request"), function(visitors, "viewer-request")]),
            "/D/FunctionAssociations/Items/1/EventType",
            "InvalidFunctionAssociation",
        ),
        elsewhere(
            "/D/LambdaFunctionAssociations",
            lambda(edge, "viewer-response", false),
            "/D/FunctionAssociations",
            "InvalidFunctionAssociation",
        ),
        elsewhere(
            "/D/LambdaFunctionAssociations",
            lambda("arn:aws:lambda:us-east-1:123456789012:function:auth", "origin-request", false),
            "/D/LambdaFunctionAssociations/Items/0/LambdaFunctionARN",
            "InvalidLambdaFunctionAssociation",
        ),
        elsewhere(
            "/D/LambdaFunctionAssociations",
            lambda(edge, "origin-response", true),
            "/D/LambdaFunctionAssociations/Items/0/IncludeBody",
            "InvalidLambdaFunctionAssociation",
        ),
        row("/Functions/0/Rule/Device", json!("Five"), "InvalidArgument").at("/Functions/0/Rule"),
        row("/Functions/0/Name", json!("no spaces please"), "InvalidArgument"),
        row("/Functions/0/FunctionConfig/Runtime", json!("node"), "InvalidArgument"),
        row("/Functions/0/Code", json!("x".repeat(10_241)), "FunctionSizeLimitExceeded"),
    ]);
}

impl Row {
    /// The one error stands here.
    fn at(mut self, at: &'static str) -> Self {
        self.2[0].0 = at;
        self
    }
}

#[test]
fn cache_and_origin_request_policies() {
    let parameters = "/K/ParametersInCacheKeyAndForwardedToOrigin";
    let headers = "/K/ParametersInCacheKeyAndForwardedToOrigin/HeadersConfig/Headers";
    let first = "/K/ParametersInCacheKeyAndForwardedToOrigin/HeadersConfig/Headers/Items/0";
    let zero = || vec![("/K/MinTTL", json!(0)), ("/K/DefaultTTL", json!(0)), ("/K/MaxTTL", json!(0))];
    check(vec![
        row("/K/MinTTL", Value::Null, "InvalidArgument"),
        elsewhere("/K/MinTTL", json!(301), "/K/DefaultTTL", "InvalidTTLOrder"),
        elsewhere("/K/DefaultTTL", json!(86_401), "/K/MaxTTL", "InvalidTTLOrder"),
        row("/K/MaxTTL", json!(3_153_600_001_u64), "InvalidArgument"),
        row(first, json!("Cookie"), "InvalidArgument"),
        row(first, json!("CloudFront-Viewer-TLS"), "InvalidArgument"),
        row(first, json!("Accept-Encoding"), "InvalidArgument"),
        row(first, json!("X-*"), "InvalidArgument"),
        row(first, json!("not a name"), "InvalidArgument"),
        row(headers, names("x-", 11), "TooManyHeadersInCachePolicy"),
        row(headers, list(Vec::new()), "InvalidArgument"),
        row(headers, list(vec![json!("x".repeat(1_025))]), "InvalidArgument").at(parameters),
        row(
            "/K/ParametersInCacheKeyAndForwardedToOrigin/CookiesConfig/Cookies",
            names("c", 11),
            "TooManyCookiesInCachePolicy",
        ),
        row(
            "/K/ParametersInCacheKeyAndForwardedToOrigin/QueryStringsConfig/QueryStrings",
            names("q", 11),
            "TooManyQueryStringsInCachePolicy",
        ),
        row(
            "/K/ParametersInCacheKeyAndForwardedToOrigin/CookiesConfig/CookieBehavior",
            json!("some"),
            "InvalidArgument",
        ),
        row("/K/ParametersInCacheKeyAndForwardedToOrigin/QueryStringsConfig", Value::Null, "InvalidArgument"),
        Row(
            "full.json",
            zero(),
            vec![
                (
                    "/K/ParametersInCacheKeyAndForwardedToOrigin/HeadersConfig/HeaderBehavior",
                    "InvalidArgument",
                ),
                (
                    "/K/ParametersInCacheKeyAndForwardedToOrigin/CookiesConfig/CookieBehavior",
                    "InvalidArgument",
                ),
                (
                    "/K/ParametersInCacheKeyAndForwardedToOrigin/QueryStringsConfig/QueryStringBehavior",
                    "InvalidArgument",
                ),
                ("/K/ParametersInCacheKeyAndForwardedToOrigin/EnableAcceptEncodingGzip", "InvalidArgument"),
                ("/K/ParametersInCacheKeyAndForwardedToOrigin/EnableAcceptEncodingBrotli", "InvalidArgument"),
            ],
        ),
        row("/CachePolicies/0/Id", Value::Null, "InvalidArgument")
            .also(&[("/D/CachePolicyId", "NoSuchCachePolicy")]),
        row("/CachePolicies/0/CachePolicyConfig", Value::Null, "InvalidArgument"),
        row("/CachePolicies", json!({}), "InvalidArgument")
            .also(&[("/D/CachePolicyId", "NoSuchCachePolicy")]),
        row("/F/HeadersConfig/Headers/Items/0", json!("User-Agent"), "InvalidArgument"),
        row("/F/HeadersConfig/Headers", names("CloudFront-", 11), "TooManyHeadersInOriginRequestPolicy"),
        elsewhere(
            "/F/HeadersConfig",
            json!({ "HeaderBehavior": "whitelist", "Headers": list(vec![json!("Authorization")]) }),
            "/F/HeadersConfig/Headers/Items/0",
            "InvalidArgument",
        ),
        row("/F/CookiesConfig/Cookies", names("c", 11), "TooManyCookiesInOriginRequestPolicy"),
        row("/F/QueryStringsConfig/QueryStringBehavior", json!("ALL"), "InvalidArgument"),
    ]);
}

#[test]
fn response_headers_policies() {
    let header = |name: &str| list(vec![json!({ "Header": name, "Value": "v", "Override": true })]);
    let removed = |name: &str| list(vec![json!({ "Header": name })]);
    let many = list(
        (0..11).map(|n| json!({ "Header": format!("x-{n}"), "Value": "", "Override": false })).collect(),
    );
    let xss = "/R/SecurityHeadersConfig/XSSProtection";
    check(vec![
        row("/R/Name", Value::Null, "InvalidArgument"),
        row("/R/SecurityHeadersConfig/XSSProtection/ModeBlock", json!(true), "InvalidArgument").at(xss),
        row("/R/SecurityHeadersConfig/FrameOptions/FrameOption", json!("ALLOWALL"), "InvalidArgument"),
        row("/R/SecurityHeadersConfig/ReferrerPolicy/ReferrerPolicy", json!("never"), "InvalidArgument"),
        row("/R/SecurityHeadersConfig/ContentTypeOptions/Override", Value::Null, "InvalidArgument"),
        row(
            "/R/SecurityHeadersConfig/ContentSecurityPolicy/ContentSecurityPolicy",
            json!("x".repeat(1_784)),
            "TooLongCSPInResponseHeadersPolicy",
        ),
        row(
            "/R/SecurityHeadersConfig/StrictTransportSecurity/AccessControlMaxAgeSec",
            json!("a year"),
            "InvalidArgument",
        ),
        row("/R/ServerTimingHeadersConfig/SamplingRate", json!(100.1), "InvalidArgument"),
        row("/R/ServerTimingHeadersConfig/SamplingRate", json!(0.00001), "InvalidArgument"),
        row("/R/CustomHeadersConfig", many, "TooManyCustomHeadersInResponseHeadersPolicy"),
        elsewhere(
            "/R/CustomHeadersConfig",
            header("no good"),
            "/R/CustomHeadersConfig/Items/0/Header",
            "InvalidArgument",
        ),
        elsewhere(
            "/R/RemoveHeadersConfig",
            removed("Via"),
            "/R/RemoveHeadersConfig/Items/0/Header",
            "InvalidArgument",
        ),
        elsewhere(
            "/R/RemoveHeadersConfig",
            removed("X-Amz-Cf-Pop"),
            "/R/RemoveHeadersConfig/Items/0/Header",
            "InvalidArgument",
        ),
        row(
            "/R/CorsConfig/AccessControlAllowOrigins/Items/0",
            json!("https://*example.com"),
            "InvalidArgument",
        ),
        row("/R/CorsConfig/AccessControlAllowOrigins/Items/0", json!("*"), "InvalidArgument"),
        row("/R/CorsConfig/AccessControlAllowMethods/Items/0", json!("get"), "InvalidArgument"),
        row("/R/CorsConfig/AccessControlAllowCredentials", Value::Null, "InvalidArgument"),
    ]);
}

#[test]
fn forwarded_values() {
    let in_wordpress = |at: &'static str, value: Value, error_at: &'static str, code: &'static str| {
        Row("legacy-wordpress.json", vec![(at, value)], vec![(error_at, code)])
    };
    // The file is a bare config: edits have no prefix, places have one.
    check(vec![
        in_wordpress("/DefaultCacheBehavior/MinTTL", json!(301), "/D/DefaultTTL", "InvalidTTLOrder"),
        in_wordpress(
            "/CacheBehaviors/Items/0/MinTTL",
            json!(1),
            "/C/CacheBehaviors/Items/0/MinTTL",
            "InvalidArgument",
        )
        .also(&[("/C/CacheBehaviors/Items/0/DefaultTTL", "InvalidTTLOrder")]),
        in_wordpress(
            "/DefaultCacheBehavior/ForwardedValues/Cookies",
            json!({ "Forward": "whitelist" }),
            "/D/ForwardedValues/Cookies/WhitelistedNames",
            "InvalidForwardCookies",
        ),
        in_wordpress(
            "/DefaultCacheBehavior/ForwardedValues/Cookies/Forward",
            json!("all"),
            "/D/ForwardedValues/Cookies/WhitelistedNames",
            "InvalidForwardCookies",
        ),
        in_wordpress(
            "/DefaultCacheBehavior/ForwardedValues/Cookies/WhitelistedNames",
            names("c", 11),
            "/D/ForwardedValues/Cookies/WhitelistedNames",
            "TooManyCookieNamesInWhiteList",
        ),
        in_wordpress(
            "/CacheBehaviors/Items/2/ForwardedValues/QueryString",
            json!(false),
            "/C/CacheBehaviors/Items/2/ForwardedValues/QueryStringCacheKeys",
            "InvalidQueryStringParameters",
        ),
        in_wordpress(
            "/CacheBehaviors/Items/2/ForwardedValues/QueryStringCacheKeys",
            list(vec![json!("k".repeat(129))]),
            "/C/CacheBehaviors/Items/2/ForwardedValues/QueryStringCacheKeys/Items/0",
            "InvalidQueryStringParameters",
        ),
        in_wordpress(
            "/DefaultCacheBehavior/ForwardedValues/Headers",
            names("x-", 11),
            "/D/ForwardedValues/Headers",
            "TooManyHeadersInForwardedValues",
        ),
        in_wordpress(
            "/DefaultCacheBehavior/ForwardedValues/Headers/Items/0",
            json!("Upgrade"),
            "/D/ForwardedValues/Headers/Items/0",
            "InvalidArgument",
        ),
        in_wordpress(
            "/DefaultCacheBehavior/OriginRequestPolicyId",
            json!("216adef6-5c7f-47e4-b989-5492eafa07d3"),
            "/D/OriginRequestPolicyId",
            "InvalidArgument",
        ),
        Row(
            "legacy-s3.json",
            vec![("/D/ForwardedValues/Headers/Items/0", json!("Host"))],
            vec![("/D/ForwardedValues/Headers", "InvalidHeadersForS3Origin")],
        ),
    ]);
}

#[test]
fn many_problems_are_all_reported_at_once() {
    let document = json!({
        "CallerReference": "many",
        "Enabled": "perhaps",
        "Aliases": { "Quantity": 3, "Items": ["UPPER.example.com", "*.example.com"] },
        "Origins": list(vec![
            json!({ "Id": "a", "DomainName": "http://a.example.com", "OriginPath": "x/", "ConnectionAttempts": 9,
                    "CustomOriginConfig": { "HTTPPort": 22, "HTTPSPort": 443, "OriginProtocolPolicy": "both" } }),
            json!({ "Id": "a", "DomainName": "b.s3.amazonaws.com", "S3OriginConfig": {} }),
        ]),
        "DefaultCacheBehavior": { "TargetOriginId": "c", "ViewerProtocolPolicy": "any" },
        "CacheBehaviors": list(vec![
            json!({ "PathPattern": "/ä", "TargetOriginId": "a", "ViewerProtocolPolicy": "allow-all",
                    "CachePolicyId": "mine" }),
        ]),
        "CustomErrorResponses": list(vec![json!({ "ErrorCode": 200, "ResponsePagePath": "/x" })]),
        "Colour": "blue",
    });
    let problems = load_value(document).unwrap_err();
    let expected = [
        ("/C/Comment", "InvalidArgument"),
        ("/C/Enabled", "InvalidArgument"),
        ("/C/Aliases", "InconsistentQuantities"),
        ("/C/Aliases/Items/0", "InvalidArgument"),
        ("/O/DomainName", "InvalidOrigin"),
        ("/O/OriginPath", "InvalidRelativePath"),
        ("/O/ConnectionAttempts", "InvalidArgument"),
        ("/O/CustomOriginConfig/HTTPPort", "InvalidArgument"),
        ("/O/CustomOriginConfig/OriginProtocolPolicy", "InvalidArgument"),
        ("/C/Origins/Items/1/Id", "InvalidArgument"),
        ("/C/Origins/Items/1/S3OriginConfig/OriginAccessIdentity", "InvalidArgument"),
        ("/D/TargetOriginId", "NoSuchOrigin"),
        ("/D/ViewerProtocolPolicy", "InvalidArgument"),
        ("/D/CachePolicyId", "InvalidArgument"),
        ("/C/CacheBehaviors/Items/0/PathPattern", "InvalidArgument"),
        ("/C/CacheBehaviors/Items/0/CachePolicyId", "NoSuchCachePolicy"),
        ("/C/CustomErrorResponses/Items/0/ErrorCode", "InvalidErrorCode"),
        ("/C/CustomErrorResponses/Items/0", "InvalidArgument"),
    ];
    let expected: Errors = expected.iter().map(|(at, code)| (place(at), *code)).collect();
    assert_eq!(errors(&problems), expected, "{problems}");
    assert!(
        problems.0.iter().any(|problem| problem.place == "DistributionConfig.Colour"),
        "warnings come along"
    );
    let text = problems.to_string();
    assert!(
        text.contains(
            "DistributionConfig.DefaultCacheBehavior.TargetOriginId: no origin or origin group is called \"c\" \
             (NoSuchOrigin)\n  hint: the document has: a"
        ),
        "{text}"
    );
}

#[test]
fn text_that_is_no_document() {
    for (text, place, hint) in [
        ("{\n  \"Origins\": [,]\n}", "line 2, column 15", ""),
        ("", "line 1, column 0", ""),
        ("[]", "", "get-distribution-config"),
        ("7", "", "get-distribution-config"),
        ("{}", "", "get-distribution-config"),
        ("{\"Resources\": {}}", "", "CloudFormation"),
        ("{\"planned_values\": {}}", "", "Terraform"),
        ("{\"DistributionList\": {}}", "", "get-distribution-config"),
    ] {
        let problems = load(text).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{text}");
        assert_eq!(
            (problems.0[0].place.as_str(), problems.0[0].code),
            (place, "MalformedDocument"),
            "{text}"
        );
        assert!(problems.0[0].hint.clone().unwrap_or_default().contains(hint), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(load(&deep).is_err(), "depth is bounded");
}

/// Every pointer into a document.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, child)| (at.to_string(), child)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let pointer = format!("{at}/{key}");
        pointers(child, &pointer, out);
        out.push(pointer);
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~äß*/]{0,12}".prop_map(Value::from),
        Just(json!("x".repeat(5_000))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                (prop_oneof![Just("Quantity"), Just("Items"), Just("Id"), Just("x")], inner),
                0..4
            )
            .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn mutated_documents_load_or_say_why(
        file in prop_oneof![
            Just("full.json"), Just("legacy-wordpress.json"), Just("private-media.json"),
            Just("bundle-of-cli-outputs.json"), Just("get-distribution.json"), Just("grpc-and-vpc.json")
        ],
        changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4),
    ) {
        let mut document = fixture(file);
        for (which, value) in changes {
            let mut all = Vec::new();
            pointers(&document, "", &mut all);
            if !all.is_empty() {
                let pointer: &String = which.get(&all);
                *document.pointer_mut(pointer).unwrap() = value;
            }
        }
        match load_value(document.clone()) {
            Ok(loaded) => prop_assert_eq!(loaded.document.value(), &document),
            Err(problems) => {
                prop_assert!(problems.errors().next().is_some());
                prop_assert!(!problems.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,64}") {
        prop_assert!(load(&text).is_err());
    }
}
