//! The CORS part of a response headers policy, as one request gets it (§8.4).
//!
//! CloudFront answers no preflight by itself: the origin does, or the cache, and the policy only adds to that. This
//! module refuses to know which of the two it was.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::cache::storing::vary_names;
use crate::distribution::{Cors, OriginHeader};
use crate::viewer::Request;

/// What makes a response of an origin one with CORS headers of its own.
const CORS_HEADERS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// Adds what the policy says to this request, or leaves everything as it is: where it is no CORS request, and where the
/// origin's own headers stay.
pub(super) fn apply(headers: &mut HeaderMap, cors: &Cors, request: &Request) {
    if !request.headers.contains_key(ORIGIN) {
        return;
    }
    let origins_own = CORS_HEADERS.iter().any(|name| headers.contains_key(name));
    if cors.origin == OriginHeader::Kept && origins_own {
        return; // vector 44: any of them suppresses all of the policy's
    }
    let origin = allowed_origin(cors, request);
    // Whom the policy does not let in gets none of its headers, nor the origin's in their place.
    let admitted = origin.is_some();
    let mut put = |name: HeaderName, value: Option<HeaderValue>| {
        match value.filter(|_| admitted) {
            Some(value) => _ = headers.insert(name, value),
            None => _ = headers.remove(name),
        };
    };
    let echoes = origin.is_some() && !cors.allows_any_origin();
    put(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let credentials = cors.allow_credentials.then(|| HeaderValue::from_static("true"));
    put(ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
    if is_preflight(request) {
        if !cors.allow_methods.is_empty() {
            put(ACCESS_CONTROL_ALLOW_METHODS, text(&cors.allow_methods.join(", ")));
        }
        if !cors.allow_headers.is_empty() {
            let allowed = cors.headers_allowed(requested_headers(request));
            put(ACCESS_CONTROL_ALLOW_HEADERS, allowed.and_then(|names| text(&names)));
        }
        if let Some(age) = cors.max_age {
            put(ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from(age.as_secs())));
        }
    } else if !cors.expose_headers.is_empty() {
        put(ACCESS_CONTROL_EXPOSE_HEADERS, text(&cors.expose_headers.join(",")));
    }
    if echoes && !vary_names(headers).any(|name| name == "origin" || name == "*") {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// `*` stays `*` with credentials too *(unsure)*; otherwise the request's own, where an entry is it. Who names several
/// origins names none.
fn allowed_origin(cors: &Cors, request: &Request) -> Option<HeaderValue> {
    if cors.allows_any_origin() {
        return Some(HeaderValue::from_static("*"));
    }
    let mut lines = request.headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (lines.next(), lines.next()) else { return None };
    origin.to_str().is_ok_and(|text| cors.allows_origin(text)).then(|| origin.clone())
}

/// OPTIONS that says what it is for (Fetch standard, "CORS-preflight request").
fn is_preflight(request: &Request) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn requested_headers(request: &Request) -> impl Iterator<Item = &str> {
    let lines = request.headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}
