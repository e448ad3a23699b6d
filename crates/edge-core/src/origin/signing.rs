//! Signatures on origin requests (§5.11): what origin access control does to a request, by AWS Signature Version 4.
//!
//! CloudFront signs as itself; here requests are signed with credentials the user brings, so any endpoint that speaks
//! the protocol can check them. It refuses to know where credentials come from, and reads no clock. Bodies are not
//! hashed: they go out as they arrive.

use std::fmt::Write as _;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::{digest, hmac};

use super::Call;
use crate::distribution::{Credentials, SignedService, Signing, SigningBehavior};
use crate::header::date;
use crate::viewer::Body;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
/// Instead of a hash, for bodies that are sent as they arrive.
const UNSIGNED_PAYLOAD: HeaderValue = HeaderValue::from_static("UNSIGNED-PAYLOAD");

/// Signs a complete call, where the origin's access control says so and credentials are at hand.
pub(super) fn sign(call: &mut Call, signing: &Signing, now: SystemTime) {
    let Some(credentials) = &signing.credentials else { return };
    let passes = call.headers.contains_key(AUTHORIZATION);
    if passes && signing.behavior == SigningBehavior::NoOverride {
        return;
    }
    let moment = date::basic(now);
    let scope = format!("{}/{}/{}/aws4_request", &moment[..8], signing.region, signing.service.name());
    call.headers.remove(AUTHORIZATION);
    call.headers.insert(CONTENT_SHA256, payload(call, signing.service));
    if let Ok(value) = HeaderValue::from_str(&moment) {
        call.headers.insert(DATE, value);
    }
    match credentials.session_token.as_deref().map(HeaderValue::from_str) {
        Some(Ok(token)) => _ = call.headers.insert(SECURITY_TOKEN, token),
        _ => _ = call.headers.remove(SECURITY_TOKEN),
    }
    let (canonical, signed_headers) = canonical(call, signing.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hash(canonical.as_bytes()));
    let signature = hex(&mac(&key(credentials, signing, &moment[..8]), to_sign.as_bytes()));
    let field = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        credentials.access_key_id
    );
    if let Ok(mut value) = HeaderValue::from_str(&field) {
        value.set_sensitive(true);
        call.headers.insert(AUTHORIZATION, value);
    }
}

/// The hash of the body as the signature has it. A Lambda URL wants the viewer's (§5.11).
fn payload(call: &Call, service: SignedService) -> HeaderValue {
    let viewers = call.headers.get(CONTENT_SHA256).filter(|_| call.body != Body::None);
    match (viewers, call.body) {
        (_, Body::None) => HeaderValue::from_str(&hash(b"")).unwrap_or(UNSIGNED_PAYLOAD),
        (Some(hash), _) if service != SignedService::S3 => hash.clone(),
        _ => UNSIGNED_PAYLOAD,
    }
}

/// The canonical request, and the names of the headers that are signed: Host and what is AWS's own.
fn canonical(call: &Call, service: SignedService) -> (String, String) {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let plain = encoded(&decoded(path), b"/");
    // S3 takes the path as it is; the others encode what is encoded already once more.
    let path = if service == SignedService::S3 { plain } else { encoded(plain.as_bytes(), b"/") };
    let headers = signed_headers(&call.headers);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let mut text = format!("{}\n{path}\n{}\n", call.method, canonical_query(query));
    for (name, value) in &headers {
        _ = writeln!(text, "{name}:{value}");
    }
    let hash = call.headers.get(CONTENT_SHA256).and_then(|value| value.to_str().ok()).unwrap_or_default();
    _ = write!(text, "\n{names}\n{hash}");
    (text, names)
}

/// By name, each once, blanks folded.
fn signed_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_signed =
        |name: &&HeaderName| **name == HOST || name.as_str().starts_with("x-amz-") && !is_of_exchange(name);
    let mut signed: Vec<(String, String)> = headers
        .keys()
        .filter(is_signed)
        .map(|name| {
            let values = headers.get_all(name).iter().map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
            });
            (name.as_str().to_owned(), values.collect::<Vec<_>>().join(","))
        })
        .collect();
    signed.sort();
    signed
}

/// `X-Amz-Cf-Id` is CloudFront's, and another for each exchange.
fn is_of_exchange(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz-cf-")
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name), b""), encoded(&decoded(value), b""))
        })
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Percent-decodes; what is no escape stays.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// Percent-encodes all that is not unreserved (RFC 3986 §2.3) or in `kept`.
fn encoded(bytes: &[u8], kept: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn key(credentials: &Credentials, signing: &Signing, day: &str) -> Vec<u8> {
    let first = format!("AWS4{}", credentials.secret_access_key);
    let parts = [day, &signing.region, signing.service.name(), "aws4_request"];
    parts.into_iter().fold(first.into_bytes(), |key, part| mac(&key, part.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}
