//! Header names CloudFront refuses, by the list they stand in.

use http::HeaderName;

/// A name of a cache policy or of `ForwardedValues`: what CloudFront can key on (§4.1, §5.2 "can be keyed on").
///
/// `Host` towards S3 is the reader's to refuse: it depends on the origin.
pub fn cache_key_header(name: &HeaderName) -> Result<(), String> {
    if is_listed(name, NOT_IN_KEYS) {
        return Err(not_allowed(name));
    }
    if is_listed(name, ORIGIN_REQUEST_ONLY) {
        return Err(format!("{}: it goes into an origin request policy only", not_allowed(name)));
    }
    Ok(())
}

/// A name of an origin request policy's whitelist (§1.2.6).
pub fn origin_request_header(name: &HeaderName) -> Result<(), String> {
    if is_listed(name, &["authorization", "accept-encoding", "x-amz-content-sha256"]) {
        return Err(not_allowed(name));
    }
    Ok(())
}

/// A name beside `allViewerAndWhitelistCloudFront` (§5.3).
pub fn cloudfront_header(name: &HeaderName) -> Result<(), String> {
    if is_listed(name, &["cloudfront-"]) {
        return Ok(());
    }
    Err(format!("{name} is not one of CloudFront's own headers, CloudFront-…"))
}

/// A name of an origin custom header (§5.6).
pub fn custom_header(name: &HeaderName) -> Result<(), String> {
    if is_listed(name, NOT_CUSTOM) { Err(not_allowed(name)) } else { Ok(()) }
}

/// A name of `RemoveHeadersConfig` (§8.4).
pub fn removable_header(name: &HeaderName) -> Result<(), String> {
    if is_listed(name, NOT_REMOVABLE) { Err(format!("{name} cannot be removed")) } else { Ok(()) }
}

/// The API's words.
fn not_allowed(name: &HeaderName) -> String {
    format!("The parameter Headers contains {name} that is not allowed")
}

/// Entries that end with `-` stand for every name that begins so.
fn is_listed(name: &HeaderName, list: &[&str]) -> bool {
    let name = name.as_str();
    list.iter().any(|entry| if entry.ends_with('-') { name.starts_with(entry) } else { name == *entry })
}

const NOT_IN_KEYS: &[&str] = &[
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-cf-id",
    "x-edge-",
    "x-forwarded-proto",
    "x-real-ip",
];

const ORIGIN_REQUEST_ONLY: &[&str] = &[
    "cloudfront-viewer-address",
    "cloudfront-viewer-asn",
    "cloudfront-viewer-cert-pem",
    "cloudfront-viewer-cert-validity",
    "cloudfront-viewer-ja3-fingerprint",
    "cloudfront-viewer-ja4-fingerprint",
    "cloudfront-viewer-tls",
];

const NOT_CUSTOM: &[&str] = &[
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-amz-",
    "x-edge-",
    "x-real-ip",
];

const NOT_REMOVABLE: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "warning",
    "x-accel-buffering",
    "x-accel-charset",
    "x-accel-limit-rate",
    "x-accel-redirect",
    "x-amz-cf-",
    "x-amzn-auth",
    "x-amzn-cf-billing",
    "x-amzn-cf-id",
    "x-amzn-cf-xff",
    "x-amzn-errortype",
    "x-amzn-fle-profile",
    "x-amzn-header-count",
    "x-amzn-header-order",
    "x-amzn-lambda-integration-tag",
    "x-amzn-requestid",
    "x-cache",
    "x-edge-",
    "x-forwarded-proto",
    "x-real-ip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_lower_case_sorted_and_unique() {
        for list in [NOT_IN_KEYS, ORIGIN_REQUEST_ONLY, NOT_CUSTOM, NOT_REMOVABLE] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
            assert!(list.iter().all(|name| HeaderName::from_lowercase(name.as_bytes()).is_ok()));
        }
    }

    #[test]
    fn a_few_names() {
        let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).unwrap();
        assert!(cache_key_header(&name("Cookie")).is_err());
        assert!(cache_key_header(&name("CloudFront-Viewer-TLS")).is_err());
        assert!(cache_key_header(&name("CloudFront-Is-Mobile-Viewer")).is_ok());
        assert!(custom_header(&name("X-Amz-Foo")).is_err());
        assert!(custom_header(&name("X-Edge-Secret")).is_err());
        assert!(custom_header(&name("X-Origin-Secret")).is_ok());
        assert!(removable_header(&name("X-Amz-Cf-Pop")).is_err());
        assert!(removable_header(&name("X-Cache-Status")).is_ok());
        assert!(origin_request_header(&name("Authorization")).is_err());
    }
}
