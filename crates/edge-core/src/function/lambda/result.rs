//! What a Lambda may answer (§14.1, §14.4, §14.7): the result against the event the function was given.
//!
//! What it left alone stays as it came; what it changed is checked and replaces that. It refuses to know what a change
//! leads to.

use base64::Engine as _;
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json};

use super::{Invocation, body_bytes_max, event, origin};
use crate::distribution::Origin;
use crate::distribution::lambda::LambdaEvent;
use crate::function::event::is_disallowed;
use crate::function::validate::{BASE64, Invalid, encode_path};
use crate::viewer::URL_BYTES_MAX;

/// What a function answered at a request event.
#[derive(Debug)]
pub(crate) enum Returned {
    /// The request goes on, changed so.
    Request(Box<Changes>),
    /// This is the response.
    Response(Box<Answer>),
}

/// What becomes of a request. What is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The path, as it goes out.
    pub(crate) path: Option<String>,
    /// The query, without the mark; `Some(None)`: there is none any more.
    pub(crate) query: Option<Option<String>>,
    /// Headers, each with its new values; none: it goes. `Host` is among them.
    pub(crate) headers: Headers,
    /// The whole body.
    pub(crate) body: Option<Bytes>,
    /// Another origin, or the same one changed.
    pub(crate) origin: Option<Origin>,
}

/// Headers with their new values; none: it goes.
pub(crate) type Headers = Vec<(HeaderName, Vec<HeaderValue>)>;

/// A response, or what becomes of one.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// What changes of its headers.
    pub(crate) headers: Headers,
    /// Its body, where the function gave one.
    pub(crate) body: Option<Bytes>,
}

fn value(text: impl Into<String>) -> Invalid {
    Invalid::Value(text.into())
}

/// Checks what came back at viewer-request or origin-request. `origin` is where the request would go.
pub(crate) fn at_request(
    invocation: &Invocation,
    origin: Option<&Origin>,
    returned: &Json,
) -> Result<Returned, Invalid> {
    let given = event::request_of(&invocation.told);
    let object = returned.as_object().ok_or_else(|| value("A request or a response must be returned."))?;
    if object.contains_key("status") {
        let answer = answer(invocation.event, &Json::Null, object)?;
        if answer.status == StatusCode::NO_CONTENT
            && invocation.event == LambdaEvent::ViewerRequest
            && answer.body.as_ref().is_some_and(|body| !body.is_empty())
        {
            return Err(value("A response with status 204 has no body.")); // §14.4
        }
        return Ok(Returned::Response(Box::new(answer)));
    }
    if object.get("method").is_some_and(|method| *method != given["method"]) {
        return Err(value("request.method is read-only."));
    }
    let headers = headers(invocation.event, &given["headers"], object.get("headers"))?;
    let (path, query) = target(given, object)?;
    let body = replaced(invocation.event, object.get("body"))?;
    let origin = match (origin, object.get("origin")) {
        (None, _) | (_, None) => None,
        (Some(_), Some(back)) if *back == given["origin"] => None,
        (Some(before), Some(back)) => Some(origin::read(before, back)?),
    };
    Ok(Returned::Request(Box::new(Changes { path, query, headers, body, origin })))
}

/// Checks what came back at origin-response or viewer-response.
pub(crate) fn at_response(invocation: &Invocation, returned: &Json) -> Result<Answer, Invalid> {
    let given = event::response_of(&invocation.told);
    let object = returned.as_object().ok_or_else(|| value("A response must be returned."))?;
    let answer = answer(invocation.event, &given["headers"], object)?;
    if invocation.event == LambdaEvent::ViewerResponse {
        // §14.7. Whether either is an error, or not looked at, is not documented *(unsure)*.
        if given["status"] != answer.status.as_str() {
            return Err(value("The status cannot be changed at viewer-response."));
        }
        if answer.body.is_some() {
            return Err(value("The body cannot be changed at viewer-response."));
        }
    }
    Ok(answer)
}

fn answer(at: LambdaEvent, given: &Json, object: &Map<String, Json>) -> Result<Answer, Invalid> {
    let status = object.get("status").and_then(Json::as_str);
    let status = status
        .and_then(|status| status.parse::<u16>().ok())
        .filter(|status| (200..600).contains(status))
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| value("status must be a string from \"200\" to \"599\"."))?;
    if object.get("statusDescription").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return Err(value("statusDescription must be a string."));
    }
    let headers = headers(at, given, object.get("headers"))?;
    let body = match object.get("body") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(decoded(
            at,
            text,
            object.get("bodyEncoding"),
            "The body is not a string, is not an object, or exceeds the maximum size.",
        )?),
        Some(_) => {
            return Err(value("The body is not a string, is not an object, or exceeds the maximum size."));
        }
    };
    Ok(Answer { status, headers, body })
}

/// `body` of a request: `{action, encoding, data}`. Only with the action `replace` it is one.
fn replaced(at: LambdaEvent, body: Option<&Json>) -> Result<Option<Bytes>, Invalid> {
    const WRONG: &str =
        "The request body is not an object with action, encoding and data, or exceeds the maximum size.";
    let body = match body {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::Object(body)) => body,
        Some(_) => return Err(value(WRONG)),
    };
    match body.get("action").map_or(Some("read-only"), Json::as_str) {
        Some("read-only") => return Ok(None),
        Some("replace") => {}
        _ => return Err(value("request.body.action must be read-only or replace.")),
    }
    let data = body.get("data").and_then(Json::as_str).ok_or_else(|| value(WRONG))?;
    decoded(at, data, body.get("encoding"), WRONG).map(Some)
}

/// A body that is text or base64; neither may be larger than what a function sees (§14.7).
fn decoded(at: LambdaEvent, text: &str, encoding: Option<&Json>, wrong: &str) -> Result<Bytes, Invalid> {
    let bytes = match encoding.map_or(Some("text"), Json::as_str) {
        Some("text") => Bytes::from(text.to_owned()),
        Some("base64") => Bytes::from(BASE64.decode(text).map_err(|_| value("The body is not base64."))?),
        _ => return Err(value("The encoding of the body must be text or base64.")),
    };
    if bytes.len() > body_bytes_max(at) { Err(value(wrong)) } else { Ok(bytes) }
}

/// Every header that is not as it was: changed and new ones with their values, removed ones with none.
fn headers(at: LambdaEvent, given: &Json, back: Option<&Json>) -> Result<Headers, Invalid> {
    let empty = Map::new();
    let given = given.as_object().unwrap_or(&empty);
    let back = match back {
        None | Some(Json::Null) => &empty,
        Some(Json::Object(back)) => back,
        Some(_) => return Err(value("headers must be an object.")),
    };
    let mut changed = Vec::new();
    for (key, entries) in back {
        let lower = key.to_ascii_lowercase();
        if is_disallowed(&lower) || at == LambdaEvent::ViewerRequest && lower == "cloudfront-viewer-country" {
            return Err(Invalid::Disallowed(lower));
        }
        let values = values(key, entries)?;
        if given.get(&lower).is_some_and(|before| same(before, &values)) {
            continue;
        }
        may_change(at, &lower)?;
        let wrong = || value(format!("headers[\"{key}\"] is not a header."));
        let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| wrong())?;
        let values: Result<Vec<HeaderValue>, _> =
            values.iter().map(|text| HeaderValue::from_bytes(text.as_bytes())).collect();
        let values = values.map_err(|_| wrong())?;
        if name == HOST && values.len() != 1 {
            return Err(wrong());
        }
        changed.push((name, values));
    }
    for gone in given.keys().filter(|name| !back.keys().any(|key| key.eq_ignore_ascii_case(name))) {
        may_change(at, gone)?;
        match HeaderName::from_bytes(gone.as_bytes()) {
            Ok(HOST) => return Err(value("headers[\"host\"] is missing.")),
            Ok(name) => changed.push((name, Vec::new())),
            Err(_) => {}
        }
    }
    Ok(changed)
}

/// The values of `[{key, value}, …]`.
fn values<'a>(key: &str, entries: &'a Json) -> Result<Vec<&'a str>, Invalid> {
    let wrong = || value(format!("headers[\"{key}\"] must be an array of objects with key and value."));
    let entries = entries.as_array().ok_or_else(wrong)?;
    entries
        .iter()
        .map(|entry| {
            let named = entry.get("key").and_then(Json::as_str);
            if named.is_some_and(|named| !named.eq_ignore_ascii_case(key)) {
                return Err(value(format!("headers[\"{key}\"] holds a header of another name.")));
            }
            entry.get("value").and_then(Json::as_str).ok_or_else(wrong)
        })
        .collect()
}

fn same(before: &Json, values: &[&str]) -> bool {
    let before = before.as_array().map_or(&[][..], Vec::as_slice);
    before.len() == values.len()
        && before.iter().zip(values).all(|(before, value)| before["value"].as_str() == Some(value))
}

/// Read-only headers (§14.1).
fn may_change(at: LambdaEvent, name: &str) -> Result<(), Invalid> {
    let read_only: &[&str] = match at {
        LambdaEvent::ViewerRequest => &["cdn-loop", "content-length", "host", "transfer-encoding", "via"],
        LambdaEvent::OriginRequest => &[
            "accept-encoding",
            "cdn-loop",
            "content-length",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "transfer-encoding",
            "via",
        ],
        LambdaEvent::OriginResponse => &["transfer-encoding", "via"],
        LambdaEvent::ViewerResponse => {
            &["content-encoding", "content-length", "transfer-encoding", "via", "warning"]
        }
    };
    if read_only.contains(&name) { Err(Invalid::ReadOnly(name.to_owned())) } else { Ok(()) }
}

/// Path and query, where they are not as they were.
fn target(
    given: &Json,
    object: &Map<String, Json>,
) -> Result<(Option<String>, Option<Option<String>>), Invalid> {
    let uri = object.get("uri").and_then(Json::as_str);
    let uri = uri.ok_or_else(|| value("request.uri must be a string."))?;
    if !uri.starts_with('/') {
        return Err(value("request.uri must begin with a slash."));
    }
    let query = match object.get("querystring") {
        None | Some(Json::Null) => "",
        Some(Json::String(query)) => query.strip_prefix('?').unwrap_or(query),
        Some(_) => return Err(value("request.querystring must be a string.")),
    };
    if query.chars().any(|c| c <= ' ' || c == '\u{7f}' || c == '#' || !c.is_ascii()) {
        return Err(value(
            "request.querystring must not have spaces, control characters, # or letters beyond ASCII.",
        ));
    }
    let path = (given["uri"] != uri).then(|| {
        let mut path = String::with_capacity(uri.len());
        encode_path(&mut path, uri);
        path
    });
    let length = path.as_deref().unwrap_or(uri).len() + query.len() + 1;
    if length >= URL_BYTES_MAX {
        return Err(value(format!(
            "request.uri and request.querystring must be shorter than {URL_BYTES_MAX}."
        )));
    }
    if path.as_ref().is_some_and(|path| PathAndQuery::try_from(path.as_str()).is_err()) {
        return Err(value("request.uri is not a path."));
    }
    let query = (given["querystring"] != query).then(|| (!query.is_empty()).then(|| query.to_owned()));
    Ok((path, query))
}
