//! What CloudFront accepts: quotas (§1.3), ranges, shapes and forbidden names (§1.4), as tables and small predicates.
//!
//! A check says what is wrong with one value; where the value stood and which exception the API would throw is the
//! reader's to add ([`document`](super::document)). Nothing here knows JSON.

mod header_names;

use std::ops::RangeInclusive;

use super::alias::is_host_name;
use super::{AllowedMethods, OptionsCaching};

pub use header_names::{
    cache_key_header, cloudfront_header, custom_header, origin_request_header, removable_header,
};

/// How many of a thing there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What is counted, in the plural.
    pub of: &'static str,
    /// The most there may be.
    pub max: usize,
    /// The exception of the API.
    pub code: &'static str,
}

const fn quota(of: &'static str, max: usize, code: &'static str) -> Quota {
    Quota { of, max, code }
}

/// The quotas of §1.3 that a document can break. AWS raises some of them on request; ours are the published ones.
#[expect(missing_docs, reason = "each says what it counts")]
pub mod quotas {
    use super::{Quota, quota};

    pub const BEHAVIORS: Quota = quota("cache behaviors", 75, "TooManyCacheBehaviors");
    pub const ORIGINS: Quota = quota("origins", 100, "TooManyOrigins");
    pub const ORIGIN_GROUPS: Quota = quota("origin groups", 10, "TooManyOriginGroupsPerDistribution");
    pub const ALIASES: Quota = quota("alternate domain names", 100, "TooManyDistributionCNAMEs");
    pub const ORIGIN_HEADERS: Quota = quota("custom headers", 30, "TooManyOriginCustomHeaders");
    pub const ORIGIN_HEADER_NAME: Quota = quota("characters in the name", 256, "InvalidArgument");
    pub const ORIGIN_HEADER_VALUE: Quota = quota("characters in the value", 1_783, "InvalidArgument");
    pub const ORIGIN_HEADERS_TOTAL: Quota =
        quota("characters in all custom headers together", 10_240, "InvalidArgument");
    pub const KEY_HEADERS: Quota = quota("headers", 10, "TooManyHeadersInCachePolicy");
    pub const KEY_COOKIES: Quota = quota("cookies", 10, "TooManyCookiesInCachePolicy");
    pub const KEY_QUERY: Quota = quota("query strings", 10, "TooManyQueryStringsInCachePolicy");
    pub const FORWARD_HEADERS: Quota = quota("headers", 10, "TooManyHeadersInOriginRequestPolicy");
    pub const FORWARD_COOKIES: Quota = quota("cookies", 10, "TooManyCookiesInOriginRequestPolicy");
    pub const FORWARD_QUERY: Quota = quota("query strings", 10, "TooManyQueryStringsInOriginRequestPolicy");
    pub const POLICY_NAMES_TOTAL: Quota =
        quota("characters in all names of the policy together", 1_024, "InvalidArgument");
    pub const LEGACY_HEADERS: Quota = quota("headers", 10, "TooManyHeadersInForwardedValues");
    pub const LEGACY_COOKIES: Quota = quota("cookie names", 10, "TooManyCookieNamesInWhiteList");
    pub const LEGACY_QUERY: Quota = quota("query string keys", 10, "TooManyQueryStringParameters");
    pub const LEGACY_QUERY_KEY: Quota = quota("characters in the key", 128, "InvalidQueryStringParameters");
    pub const LEGACY_QUERY_TOTAL: Quota =
        quota("characters in all keys together", 512, "InvalidQueryStringParameters");
    pub const SET_HEADERS: Quota = quota("custom headers", 10, "TooManyCustomHeadersInResponseHeadersPolicy");
    /// §1.3 gives no number for these; it is that of the added ones *(unsure)*.
    pub const REMOVED_HEADERS: Quota =
        quota("removed headers", 10, "TooManyRemoveHeadersInResponseHeadersPolicy");
    pub const CSP: Quota = quota("characters in the policy", 1_783, "TooLongCSPInResponseHeadersPolicy");
    pub const CORS_ORIGINS_TOTAL: Quota =
        quota("characters in all origins together", 1_783, "InvalidArgument");
    pub const FUNCTIONS: Quota = quota("function associations", 2, "TooManyFunctionAssociations");
    pub const LAMBDAS: Quota = quota("Lambda function associations", 4, "TooManyLambdaFunctionAssociations");
    pub const KEY_GROUPS: Quota = quota("key groups", 4, "TooManyKeyGroupsAssociatedToDistribution");
    pub const KEYS_OF_A_GROUP: Quota = quota("public keys", 5, "TooManyPublicKeysInKeyGroup");
    pub const CONNECTION_FUNCTION_CODE: Quota =
        quota("bytes of connection function code", 40 * 1024, "FunctionSizeLimitExceeded");
    pub const FUNCTION_CODE: Quota = quota("bytes of function code", 10 * 1024, "FunctionSizeLimitExceeded");
    pub const STORES: Quota = quota("key value stores of one function", 1, "InvalidArgument");
    pub const STORE_KEY: Quota = quota("bytes in the key", 512, "InvalidArgument");
    pub const STORE_VALUE: Quota = quota("bytes in the value", 1_024, "InvalidArgument");
    pub const COMMENT: Quota = quota("characters", 128, "InvalidArgument");
    pub const DEFAULT_ROOT_OBJECT: Quota = quota("characters", 255, "InvalidDefaultRootObject");
    pub const ORIGIN_PATH: Quota = quota("characters", 255, "InvalidRelativePath");
}

/// `ConnectionAttempts`.
pub const CONNECTION_ATTEMPTS: RangeInclusive<u64> = 1..=3;
/// `ConnectionTimeout`, seconds.
pub const CONNECTION_TIMEOUT: RangeInclusive<u64> = 1..=10;
/// `OriginReadTimeout`, seconds.
pub const READ_TIMEOUT: RangeInclusive<u64> = 1..=120;
/// `OriginKeepaliveTimeout`, seconds. 300 since autumn 2026 (§1.2.2).
pub const KEEPALIVE_TIMEOUT: RangeInclusive<u64> = 1..=300;
/// A hundred years (§7.1), in seconds.
pub const TTL_MAX: u64 = 100 * 365 * 86_400;
/// What failover criteria may name (§5.9).
pub const FAILOVER_STATUSES: [u16; 9] = [400, 403, 404, 416, 429, 500, 502, 503, 504];
/// What a custom error response may be about (§10.1).
pub const ERROR_CODES: [u16; 11] = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];
/// What its page may be sent with (§10.1).
pub const RESPONSE_CODES: [u16; 12] = [200, 400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/// 80, 443, or 1024 and above (§1.2.2).
pub fn origin_port(port: u64) -> Result<u16, String> {
    match u16::try_from(port) {
        Ok(port @ (80 | 443 | 1024..)) => Ok(port),
        _ => Err(format!("{port} is not allowed: ports are 80, 443, or 1024 to 65535")),
    }
}

/// What may be said against a domain name of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginDomain {
    /// Nothing.
    Good,
    /// Works here, CloudFront wants a public DNS name.
    LocalOnly,
}

/// A DNS name, with neither scheme, port nor path.
pub fn origin_domain(domain: &str) -> Result<OriginDomain, &'static str> {
    if domain.contains("://") {
        return Err("an origin is a domain name, not a URL");
    }
    if domain.contains('/') {
        return Err("an origin is a domain name without a path");
    }
    if domain.parse::<std::net::IpAddr>().is_ok() {
        return Ok(OriginDomain::LocalOnly);
    }
    if domain.contains(':') {
        return Err("an origin is a domain name without a port");
    }
    if !is_host_name(domain) {
        return Err("this is not a domain name");
    }
    Ok(if domain.contains('.') { OriginDomain::Good } else { OriginDomain::LocalOnly })
}

/// `bucket.s3.amazonaws.com`, `bucket.s3.eu-west-1.amazonaws.com`, `bucket.s3-us-west-2.amazonaws.com`; no website
/// endpoint, which is a web server like any other.
pub fn is_s3_bucket(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let at_aws = domain.ends_with(".amazonaws.com") || domain.ends_with(".amazonaws.com.cn");
    at_aws && (domain.contains(".s3.") || domain.contains(".s3-")) && !domain.contains(".s3-website")
}

/// `OriginPath`: empty, or `/…` without a trailing slash (§1.2.2).
pub fn origin_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Ok(());
    }
    page_path(path)?;
    if path.ends_with('/') {
        return Err("an origin path does not end with a slash");
    }
    Ok(())
}

/// `/…`, URL-encoded, without a query.
pub fn page_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') {
        return Err("the path begins with a slash");
    }
    if path.bytes().any(|byte| !byte.is_ascii_graphic() || b"?#<>\\^`{|}\"".contains(&byte)) {
        return Err("the path is not URL-encoded");
    }
    Ok(())
}

/// A name or a path without a leading slash, of the characters of §2.5.
pub fn default_root_object(name: &str) -> Result<(), String> {
    if name.starts_with('/') {
        return Err("the name begins with a slash: the origin would be asked for //…".to_owned());
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.*$/~\"'&".contains(c);
    match name.chars().find(|&c| !allowed(c)) {
        Some(found) => Err(format!("the character {found:?} is not allowed")),
        None => Ok(()),
    }
}

/// The three sets `AllowedMethods` may be.
pub fn allowed_methods(names: &[&str]) -> Result<AllowedMethods, &'static str> {
    let all = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let sets: [(&[&str], AllowedMethods); 3] = [
        (&["GET", "HEAD"], AllowedMethods::GetHead),
        (&["GET", "HEAD", "OPTIONS"], AllowedMethods::GetHeadOptions),
        (&all, AllowedMethods::All),
    ];
    let found = sets.iter().find(|(set, _)| is_set(names, set)).map(|(_, methods)| *methods);
    found.ok_or("the methods are GET and HEAD; or those and OPTIONS; or all seven")
}

/// The two sets `CachedMethods` may be, given what is allowed.
pub fn cached_methods(names: &[&str], allowed: AllowedMethods) -> Result<OptionsCaching, &'static str> {
    if is_set(names, &["GET", "HEAD"]) {
        return Ok(OptionsCaching::Off);
    }
    if !is_set(names, &["GET", "HEAD", "OPTIONS"]) {
        return Err("the cached methods are GET and HEAD; or those and OPTIONS");
    }
    match allowed {
        AllowedMethods::GetHead => Err("OPTIONS is cached but not allowed"),
        _ => Ok(OptionsCaching::On),
    }
}

fn is_set(names: &[&str], set: &[&str]) -> bool {
    names.len() == set.len() && set.iter().all(|name| names.contains(name))
}

/// An entry of `AccessControlAllowOrigins` (§8.4): `*` alone, as the left-most label, or in the port.
pub fn cors_origin(entry: &str) -> Result<(), &'static str> {
    if entry == "*" || entry == "null" {
        return Ok(());
    }
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let name = host.strip_prefix("*.").unwrap_or(host);
    if name.contains('*') {
        return Err("a wildcard stands alone, or is the left-most label, or stands in the port");
    }
    if !is_host_name(name) {
        return Err("this is not an origin: [scheme://]name[:port]");
    }
    match port {
        Some(port) if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit() || b == b'*') => {
            Err("the port is digits and wildcards")
        }
        _ => Ok(()),
    }
}

/// The methods of `AccessControlAllowMethods`; `ALL` stands for all of them.
pub fn is_cors_method(name: &str) -> bool {
    matches!(name, "GET" | "POST" | "OPTIONS" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "ALL")
}

/// `[a-zA-Z0-9-_]{1,64}`.
pub fn is_function_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for port in [80, 443, 1024, 8080, 65_535] {
            assert!(origin_port(port).is_ok(), "{port}");
        }
        for port in [0, 81, 1023, 65_536, u64::MAX] {
            assert!(origin_port(port).is_err(), "{port}");
        }
    }

    #[test]
    fn domains_of_origins() {
        assert_eq!(origin_domain("www.example.com"), Ok(OriginDomain::Good));
        assert_eq!(origin_domain("127.0.0.1"), Ok(OriginDomain::LocalOnly));
        assert_eq!(origin_domain("::1"), Ok(OriginDomain::LocalOnly));
        assert_eq!(origin_domain("wordpress"), Ok(OriginDomain::LocalOnly));
        for bad in ["", "http://example.com", "example.com/x", "example.com:80", "a b.com"] {
            assert!(origin_domain(bad).is_err(), "{bad}");
        }
        for bucket in ["b.s3.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", "b.s3-us-west-2.amazonaws.com"] {
            assert!(is_s3_bucket(bucket), "{bucket}");
        }
        for other in ["www.example.com", "b.s3-website-us-east-1.amazonaws.com", "s3.amazonaws.com.evil.com"]
        {
            assert!(!is_s3_bucket(other), "{other}");
        }
    }

    #[test]
    fn paths() {
        for good in ["", "/a", "/a/b", "/a%20b"] {
            assert!(origin_path(good).is_ok(), "{good}");
        }
        for bad in ["a", "/", "/a/", "/a b", "/a?b", "/ä"] {
            assert!(origin_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cors_origins_of_the_guide() {
        for good in [
            "*",
            "http://*.example.org",
            "*.example.org",
            "example.org",
            "http://example.org:*",
            "http://example.org:1*3",
            "*.example.org:1*",
            "http://localhost:3000",
        ] {
            assert!(cors_origin(good).is_ok(), "{good}");
        }
        for bad in ["example.*", "test.*.example.org", "*test.example.org", "exa*mple.org", "", "a:b", "a/b"]
        {
            assert!(cors_origin(bad).is_err(), "{bad}");
        }
    }
}
