//! The event a Lambda is given (§14.7).
//!
//! Every header is a list of `{key, value}` under its name in lower case; cookies are headers like others, and the query
//! is one text. What no function may see (§14.1) is not in it, so it can neither be read nor be lost.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{Glimpse, Rest, origin};
use crate::distribution::Origin;
use crate::distribution::lambda::LambdaEvent;
use crate::function::event::{self, Context};
use crate::viewer::gate::Admitted;
use crate::viewer::{Scheme, facts};

/// The request of an event at a viewer's side. `CloudFront-*` headers come later (§0.10).
pub(crate) fn viewer_request(admitted: &Admitted) -> Json {
    let request = admitted.request();
    let mut headers = Map::new();
    headers.insert(HOST.to_string(), json!([entry(&HOST, &request.host)]));
    add(&mut headers, &request.headers, facts::is_reserved);
    asked(request.peer.ip(), &request.method, request.target.path(), request.target.query(), headers)
}

/// A request on its way to an origin.
pub(crate) struct Sent<'a> {
    /// The viewer's address.
    pub(crate) viewer: IpAddr,
    /// The method.
    pub(crate) method: &'a Method,
    /// Without the origin's own path.
    pub(crate) path: &'a str,
    /// As far as the function may see it (§14.1).
    pub(crate) query: Option<&'a str>,
    /// What is sent.
    pub(crate) headers: &'a HeaderMap,
    /// To whom.
    pub(crate) origin: &'a Origin,
    /// Over what.
    pub(crate) scheme: Scheme,
}

/// The request of an event at an origin's side. What the origin's configuration adds is told with the origin (§5.6).
pub(crate) fn origin_request(sent: &Sent<'_>) -> Json {
    let mut headers = Map::new();
    let is_configured = |name: &HeaderName| sent.origin.custom_headers.iter().any(|(own, _)| own == name);
    add(&mut headers, sent.headers, is_configured);
    let mut request = asked(sent.viewer, sent.method, sent.path, sent.query, headers);
    request["origin"] = origin::told(sent.origin, sent.scheme);
    request
}

fn asked(
    viewer: IpAddr,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: Map<String, Json>,
) -> Json {
    json!({
        "clientIp": viewer.to_string(),
        "headers": headers,
        "method": method.as_str(),
        "querystring": query.unwrap_or_default(),
        "uri": path,
    })
}

/// The response of an event; at the viewer's side without what CloudFront writes itself.
pub(crate) fn response(at: LambdaEvent, status: StatusCode, headers: &HeaderMap) -> Json {
    let mut told = Map::new();
    add(&mut told, headers, |name| at.is_viewers() && event::is_own(name));
    json!({
        "headers": told,
        "status": status.as_str(),
        "statusDescription": status.canonical_reason().unwrap_or_default(),
    })
}

/// The whole event, without the request's body.
pub(crate) fn event(at: LambdaEvent, context: &Context<'_>, request: Json, response: Option<Json>) -> Json {
    let mut cf = json!({
        "config": {
            "distributionDomainName": context.domain_name,
            "distributionId": context.distribution_id,
            "eventType": at.as_str(),
            "requestId": context.request_id,
        },
        "request": request,
    });
    if let Some(response) = response {
        cf["response"] = response;
    }
    json!({ "Records": [{ "cf": cf }] })
}

/// The request in an event.
pub(super) fn request_of(event: &Json) -> &Json {
    &event["Records"][0]["cf"]["request"]
}

/// The response in an event.
pub(super) fn response_of(event: &Json) -> &Json {
    &event["Records"][0]["cf"]["response"]
}

/// The text of an event. Bodies are always told in base64.
pub(super) fn payload(event: &Json, body: Option<Glimpse<'_>>) -> String {
    let Some(Glimpse { bytes, rest }) = body else { return event.to_string() };
    let mut event = event.clone();
    event["Records"][0]["cf"]["request"]["body"] = json!({
        "inputTruncated": rest == Rest::More,
        "action": "read-only",
        "encoding": "base64",
        "data": STANDARD.encode(bytes),
    });
    event.to_string()
}

fn add(told: &mut Map<String, Json>, headers: &HeaderMap, is_hidden: impl Fn(&HeaderName) -> bool) {
    for name in headers.keys().filter(|name| !event::is_disallowed(name.as_str()) && !is_hidden(name)) {
        let entries = headers.get_all(name).iter().map(|value| entry(name, value)).collect();
        told.insert(name.to_string(), Json::Array(entries));
    }
}

fn entry(name: &HeaderName, value: &HeaderValue) -> Json {
    json!({ "key": capitalised(name.as_str()), "value": event::text(value.as_bytes()) })
}

/// `user-agent` → `User-Agent`: how a name was written is not kept.
pub(super) fn capitalised(name: &str) -> String {
    let mut start = true;
    let case = |letter: char| {
        let cased = if start { letter.to_ascii_uppercase() } else { letter };
        start = letter == '-';
        cased
    };
    name.chars().map(case).collect()
}
