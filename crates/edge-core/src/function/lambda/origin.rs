//! The origin in events of the origin's side (§14.7): exactly one of `custom` and `s3`, both ways.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value as Json, json};

use super::event::capitalised;
use crate::distribution::check::{self, OriginDomain};
use crate::distribution::{Origin, OriginKind, OriginProtocol, Signing};
use crate::function::event::text;
use crate::function::validate::Invalid;
use crate::viewer::Scheme;

/// What a function is told of an origin.
pub(super) fn told(origin: &Origin, scheme: Scheme) -> Json {
    let mut headers = Map::new();
    for (name, value) in &origin.custom_headers {
        let entry = json!({ "key": capitalised(name.as_str()), "value": text(value.as_bytes()) });
        match headers.get_mut(name.as_str()) {
            Some(Json::Array(entries)) => entries.push(entry),
            _ => _ = headers.insert(name.to_string(), json!([entry])),
        }
    }
    let mut told = json!({
        "customHeaders": headers,
        "domainName": origin.domain_name,
        "path": origin.path,
        "readTimeout": origin.read_timeout.as_secs(),
    });
    if let Some(timeout) = origin.completion_timeout {
        told["responseCompletionTimeout"] = json!(timeout.as_secs());
    }
    match origin.kind {
        OriginKind::S3 => {
            told["authMethod"] = json!("none");
            told["region"] = json!(region(&origin.domain_name));
            json!({ "s3": told })
        }
        OriginKind::Custom { http_port, https_port, .. } => {
            let (protocol, port) = match scheme {
                Scheme::Http => ("http", http_port),
                Scheme::Https => ("https", https_port),
            };
            told["keepaliveTimeout"] = json!(origin.keepalive_timeout.as_secs());
            told["port"] = json!(port);
            told["protocol"] = json!(protocol);
            told["sslProtocols"] = json!(["TLSv1.2"]);
            json!({ "custom": told })
        }
    }
}

fn region(domain_name: &str) -> String {
    Signing::for_origin(domain_name, crate::distribution::SigningBehavior::Always).region
}

fn invalid(why: impl Into<String>) -> Invalid {
    Invalid::Origin(why.into())
}

/// What a function made of it.
pub(super) fn read(before: &Origin, back: &Json) -> Result<Origin, Invalid> {
    let back = back.as_object().ok_or_else(|| invalid("it must be an object"))?;
    match (back.get("custom"), back.get("s3")) {
        (Some(custom), None) => {
            let object = custom.as_object().ok_or_else(|| invalid("custom must be an object"))?;
            let mut origin = common(before, object)?;
            origin.signing = None; // a custom origin is signed for by its configuration alone
            origin.kind = custom_kind(object)?;
            if matches!(before.kind, OriginKind::Custom { .. }) && before.domain_name == origin.domain_name {
                origin.signing.clone_from(&before.signing);
            }
            if let Some(timeout) = seconds(object, "keepaliveTimeout", check::KEEPALIVE_TIMEOUT)? {
                origin.keepalive_timeout = timeout;
            }
            Ok(origin)
        }
        (None, Some(s3)) => {
            let object = s3.as_object().ok_or_else(|| invalid("s3 must be an object"))?;
            match object.get("authMethod").and_then(Json::as_str) {
                Some("none" | "origin-access-identity") => {}
                _ => return Err(invalid("s3.authMethod is none or origin-access-identity")),
            }
            let mut origin = common(before, object)?;
            origin.kind = OriginKind::S3;
            // Signed as before; for another bucket with its region.
            let told = object.get("region").and_then(Json::as_str).filter(|region| !region.is_empty());
            let here = told.map_or_else(|| region(&origin.domain_name), str::to_owned);
            origin.signing = before.signing.clone().map(|signing| Signing { region: here, ..signing });
            Ok(origin)
        }
        _ => Err(invalid("it has exactly one of custom and s3")),
    }
}

/// What both kinds have.
fn common(before: &Origin, object: &Map<String, Json>) -> Result<Origin, Invalid> {
    let mut origin = before.clone();
    let domain = object.get("domainName").and_then(Json::as_str);
    let domain = domain.ok_or_else(|| invalid("domainName must be a string"))?;
    match check::origin_domain(domain) {
        Ok(OriginDomain::Good) => {}
        // What the configuration has, as it may here, a function may leave.
        Ok(OriginDomain::LocalOnly) if domain == before.domain_name => {}
        _ => return Err(invalid("domainName must be a DNS name")),
    }
    domain.clone_into(&mut origin.domain_name);
    let path = object.get("path").map_or(Some(""), Json::as_str);
    let path = path.ok_or_else(|| invalid("path must be a string"))?;
    check::origin_path(path).map_err(|why| invalid(why.to_string()))?;
    path.clone_into(&mut origin.path);
    origin.custom_headers = custom_headers(object.get("customHeaders"))?;
    if let Some(timeout) = seconds(object, "readTimeout", check::READ_TIMEOUT)? {
        origin.read_timeout = timeout;
    }
    if let Some(timeout) = seconds(object, "responseCompletionTimeout", 0..=3600)? {
        origin.completion_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
    }
    Ok(origin)
}

fn custom_kind(object: &Map<String, Json>) -> Result<OriginKind, Invalid> {
    let protocol = match object.get("protocol").and_then(Json::as_str) {
        Some("http") => OriginProtocol::HttpOnly,
        Some("https") => OriginProtocol::HttpsOnly,
        _ => return Err(invalid("custom.protocol is http or https")),
    };
    let port = object.get("port").and_then(Json::as_u64).ok_or_else(|| invalid("custom.port is a number"))?;
    let port = check::origin_port(port).map_err(invalid)?;
    Ok(OriginKind::Custom { http_port: port, https_port: port, protocol })
}

fn custom_headers(headers: Option<&Json>) -> Result<Vec<(HeaderName, HeaderValue)>, Invalid> {
    let headers = match headers {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Object(headers)) => headers,
        Some(_) => return Err(invalid("customHeaders must be an object")),
    };
    let wrong = || invalid("customHeaders holds what may not be set");
    let mut read = Vec::new();
    for (key, entries) in headers {
        let name = HeaderName::from_bytes(key.to_ascii_lowercase().as_bytes()).map_err(|_| wrong())?;
        check::custom_header(&name).map_err(|_| wrong())?;
        for entry in entries.as_array().ok_or_else(wrong)? {
            let value = entry.get("value").and_then(Json::as_str).ok_or_else(wrong)?;
            read.push((name.clone(), HeaderValue::from_str(value).map_err(|_| wrong())?));
        }
    }
    Ok(read)
}

fn seconds(
    object: &Map<String, Json>,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<Duration>, Invalid> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(Duration::from_secs(number))),
            None => {
                Err(invalid(format!("{key} is a whole number from {} to {}", range.start(), range.end())))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::SigningBehavior;

    fn origin(domain_name: &str, kind: OriginKind) -> Origin {
        let endpoint = crate::distribution::lambda::Endpoint::parse("http://a.example.com").unwrap();
        let signing = Some(Signing::for_origin(domain_name, SigningBehavior::Always));
        Origin { domain_name: domain_name.to_owned(), kind, signing, ..endpoint.origin }
    }

    #[test]
    fn another_bucket_is_signed_for_in_its_own_region() {
        let before = origin("a.s3.us-east-1.amazonaws.com", OriginKind::S3);
        let mut back = told(&before, Scheme::Https);
        assert_eq!(back["s3"]["region"], "us-east-1");
        back["s3"]["domainName"] = json!("b.s3.eu-west-1.amazonaws.com");
        back["s3"]["region"] = json!("eu-west-1");
        let after = read(&before, &back).unwrap();
        assert_eq!(
            (after.kind, after.domain_name.as_str()),
            (OriginKind::S3, "b.s3.eu-west-1.amazonaws.com")
        );
        assert_eq!(after.signing.unwrap().region, "eu-west-1");
    }

    #[test]
    fn a_bucket_becomes_a_server_and_is_not_signed_for() {
        let before = origin("a.s3.us-east-1.amazonaws.com", OriginKind::S3);
        let custom =
            json!({ "domainName": "www.example.com", "port": 8443, "protocol": "https", "path": "/x" });
        let after = read(&before, &json!({ "custom": custom })).unwrap();
        let protocol = OriginProtocol::HttpsOnly;
        assert_eq!(after.kind, OriginKind::Custom { http_port: 8443, https_port: 8443, protocol });
        assert!(after.signing.is_none() && after.path == "/x");
    }
}
