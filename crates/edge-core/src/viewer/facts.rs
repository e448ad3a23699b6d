//! The `CloudFront-*` request headers (§6): one table, by name.
//!
//! A header of this table reaches key or origin only when a policy names it, and then with our value, never with
//! the viewer's (threats T1). Every name of CloudFront's is known here, so that a viewer cannot send one.

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::device::Device;
use super::gate::Admitted;
use super::{Shown, geo};
use crate::distribution::{Behavior, Distribution, GeoRestriction};

/// Whether CloudFront owns the name: a viewer's own value is dropped.
pub fn is_reserved(name: &HeaderName) -> bool {
    name.as_str().starts_with("cloudfront-")
}

/// The value of a `CloudFront-*` header for this request; `None` where it is unknown or not applicable.
pub fn value(name: &HeaderName, admitted: &Admitted, device: Device) -> Option<HeaderValue> {
    let request = admitted.request();
    if let Some(flag) = device.header(name) {
        return Some(HeaderValue::from_static(flag));
    }
    match name.as_str() {
        "cloudfront-forwarded-proto" => Some(HeaderValue::from_static(request.scheme.as_str())),
        "cloudfront-viewer-http-version" => Some(HeaderValue::from_static(http_version(request.version))),
        "cloudfront-viewer-address" => {
            HeaderValue::from_str(&format!("{}:{}", request.peer.ip(), request.peer.port())).ok()
        }
        "cloudfront-viewer-header-count" => Some(HeaderValue::from(request.fields_sent.as_ref()?.count)),
        // What failed, for the page that says so (§10.1).
        "cloudfront-error-uri" => HeaderValue::from_str(admitted.failed()?.path()).ok(),
        "cloudfront-error-args" => HeaderValue::from_str(admitted.failed()?.query()?).ok(),
        "cloudfront-viewer-header-order" => Some(request.fields_sent.as_ref()?.order.clone()),
        "cloudfront-viewer-tls" => HeaderValue::from_str(&request.tls.as_ref()?.to_string()).ok(),
        JA3 => HeaderValue::from_str(&request.tls.as_ref()?.fingerprint.as_ref()?.ja3).ok(),
        JA4 => HeaderValue::from_str(&request.tls.as_ref()?.fingerprint.as_ref()?.ja4).ok(),
        name if name.starts_with("cloudfront-viewer-cert-") => admitted.shown().header(name),
        place => request.location.as_ref()?.header(place),
    }
}

/// Whether an origin request with these headers tells of the viewer's certificate what the key does not have.
pub(crate) fn tells_of_certificate(admitted: &Admitted, sent: &HeaderMap, key: &[HeaderName]) -> bool {
    let is_one = |name: &HeaderName| name.as_str().starts_with("cloudfront-viewer-cert-");
    // Whoever has the fingerprint in the key has all of it there.
    let is_whole = |name: &HeaderName| name.as_str() == "cloudfront-viewer-cert-sha256";
    matches!(admitted.shown(), Shown::Certificate(_))
        && !key.iter().any(is_whole)
        && sent.keys().any(|name| is_one(name) && !key.contains(name))
}

/// Whether anything a distribution decides or sends depends on where its viewers are.
pub fn needs_location(distribution: &Distribution) -> bool {
    let asks = |behavior: &Behavior| behavior.names_header(|name| geo::is_about_place(name.as_str()));
    distribution.geo_restriction != GeoRestriction::None
        || distribution.behaviors.iter().any(asks)
        || asks(&distribution.default_behavior)
}

const JA3: &str = "cloudfront-viewer-ja3-fingerprint";
const JA4: &str = "cloudfront-viewer-ja4-fingerprint";

/// Whether anything a distribution sends depends on the fingerprints of its viewers.
pub fn needs_fingerprint(distribution: &Distribution) -> bool {
    names_any(distribution, &[JA3, JA4])
}

/// Whether anything a distribution sends depends on how many fields its viewers send, and in which order.
pub fn needs_fields_sent(distribution: &Distribution) -> bool {
    names_any(distribution, &["cloudfront-viewer-header-count", "cloudfront-viewer-header-order"])
}

fn names_any(distribution: &Distribution, names: &[&str]) -> bool {
    let mut behaviors = distribution.behaviors.iter().chain([&distribution.default_behavior]);
    behaviors.any(|behavior| behavior.names_header(|name| names.contains(&name.as_str())))
}

/// As the header and `Via` write it.
pub fn http_version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2.0",
        Version::HTTP_3 => "3.0",
        _ => "1.1",
    }
}

/// Cut at this length (§6).
const HEADER_ORDER_BYTES_MAX: usize = 7_680;

/// A viewer's fields as they came, before anything was made of them.
#[derive(Debug, Clone)]
pub struct FieldsSent {
    /// How many.
    pub count: usize,
    /// Their names joined with `:`.
    pub order: HeaderValue,
}

impl FieldsSent {
    /// Of a head as it was read. Over HTTP/2 and HTTP/3 the host is no field, and counts as the first *(unsure)*; their
    /// names are as they came, in lower case, which is also what is left of those of HTTP/1.1.
    pub fn of(headers: &HeaderMap) -> Self {
        let unsaid = if headers.contains_key(HOST) { None } else { Some(HOST) };
        let mut order = String::new();
        for name in unsaid.iter().chain(headers.keys()) {
            if !order.is_empty() {
                order.push(':');
            }
            order.push_str(name.as_str());
        }
        order.truncate(HEADER_ORDER_BYTES_MAX);
        // Names of fields are values of fields too.
        let order = HeaderValue::from_str(&order).unwrap_or(const { HeaderValue::from_static("") });
        Self { count: headers.len() + usize::from(unsaid.is_some()), order }
    }
}
