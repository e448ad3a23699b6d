//! What a function may return (§14.1, §14.2, §14.4): the returned object against what the function was given.
//!
//! What it left alone stays as it came, byte by byte; what it changed is checked and replaces that. It refuses to know
//! how the object came about.

use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json};

use super::event::{self, Field, Moment, Value};
use crate::viewer::URL_BYTES_MAX;

/// Why what a function returned is not used: 502 (§14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// A read-only header was added, changed or removed: which.
    ReadOnly(String),
    /// A header no function may set: which.
    Disallowed(String),
    /// Anything else: the end of the sentence.
    Value(String),
    /// It asked for an origin there is not, or may not be: why.
    Origin(String),
}

impl Invalid {
    fn value(text: impl Into<String>) -> Self {
        Self::Value(text.into())
    }
}

/// The sentence of the error page (§10.4, R11–R13).
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadOnly(_) => {
                f.write_str("The CloudFront function tried to add, delete, or change a read-only header.")
            }
            Self::Disallowed(_) => f.write_str("The CloudFront function tried to add a disallowed header."),
            Self::Value(what) => write!(f, "The CloudFront function returned an invalid value: {what}."),
            Self::Origin(_) => {
                f.write_str("The CloudFront function returned an invalid value for origin rewrite.")
            }
        }
    }
}

/// What a function returned at viewer-request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returned {
    /// The request goes on, changed so.
    Request(Box<Changes>),
    /// The viewer gets this.
    Response(Box<Answer>),
}

/// What becomes of a request. What is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Path and query.
    pub target: Option<PathAndQuery>,
    /// Headers, each with its new values; none: it goes.
    pub headers: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// The whole `Cookie` field; `Some(None)`: it goes.
    pub cookie: Option<Option<HeaderValue>>,
}

/// What becomes of a response, or is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Headers, each with its new values; none: it goes.
    pub headers: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// All `Set-Cookie` fields, where any changed.
    pub cookies: Option<Vec<HeaderValue>>,
    /// The body, where the function gave one.
    pub body: Option<Bytes>,
}

/// Checks what came back at viewer-request; the fields in `same` are as given, and not in it.
pub fn at_request(given: &event::Request, value: &Json, same: &[String]) -> Result<Returned, Invalid> {
    let object =
        value.as_object().ok_or_else(|| Invalid::value("a request or a response must be returned"))?;
    if object.contains_key("statusCode") {
        let nothing = event::Response { status: StatusCode::OK, headers: Vec::new(), cookies: Vec::new() };
        return answer(&nothing, object, &[]).map(|answer| Returned::Response(Box::new(answer)));
    }
    if object.get("method").is_some_and(|method| method.as_str() != Some(&given.method)) {
        return Err(Invalid::value("request.method is read-only"));
    }
    let headers = if is_same("headers", same) {
        Vec::new()
    } else {
        headers("request.headers", Moment::ViewerRequest, &given.headers, object.get("headers"))?
    };
    let cookie = changed("request.cookies", "cookies", &given.cookies, object, same)?;
    let cookie = cookie.map(|cookies| cookie_header(&cookies)).transpose()?;
    let target = target(given, object, same)?;
    Ok(Returned::Request(Box::new(Changes { target, headers, cookie })))
}

/// Checks what came back at viewer-response; the fields in `same` are as given, and not in it.
pub fn at_response(given: &event::Response, value: &Json, same: &[String]) -> Result<Answer, Invalid> {
    let object = value.as_object().ok_or_else(|| Invalid::value("a response must be returned"))?;
    if !object.contains_key("statusCode") && !is_same("statusCode", same) {
        return Err(Invalid::value("response.statusCode is missing"));
    }
    answer(given, object, same)
}

fn answer(given: &event::Response, object: &Map<String, Json>, same: &[String]) -> Result<Answer, Invalid> {
    let status = if is_same("statusCode", same) {
        Some(u64::from(given.status.as_u16()))
    } else {
        object.get("statusCode").and_then(Json::as_u64)
    };
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (200..600).contains(status))
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(|| Invalid::value("response.statusCode must be an integer from 200 to 599"))?;
    if object.get("statusDescription").is_some_and(|text| !text.is_string() && !text.is_null()) {
        return Err(Invalid::value("response.statusDescription must be a string"));
    }
    let headers = if is_same("headers", same) {
        Vec::new()
    } else {
        headers("response.headers", Moment::ViewerResponse, &given.headers, object.get("headers"))?
    };
    let cookies = changed("response.cookies", "cookies", &given.cookies, object, same)?;
    let cookies = cookies.map(|cookies| set_cookies(&cookies)).transpose()?;
    Ok(Answer { status, headers, cookies, body: body(object.get("body"))? })
}

/// Padded or not.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `body` is a string, or `{encoding, data}`.
fn body(body: Option<&Json>) -> Result<Option<Bytes>, Invalid> {
    let wrong = || Invalid::value("response.body must be a string, or an object with encoding and data");
    match body {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(Bytes::from(text.clone()))),
        Some(Json::Object(body)) => {
            let data = body.get("data").and_then(Json::as_str).ok_or_else(wrong)?;
            match body.get("encoding").map_or(Some("text"), Json::as_str) {
                Some("text") => Ok(Some(Bytes::from(data.to_owned()))),
                Some("base64") => match BASE64.decode(data) {
                    Ok(bytes) => Ok(Some(Bytes::from(bytes))),
                    Err(_) => Err(Invalid::value("response.body.data is not base64")),
                },
                _ => Err(Invalid::value("response.body.encoding must be text or base64")),
            }
        }
        Some(_) => Err(wrong()),
    }
}

/// Fields that nothing was given before.
pub(super) fn given(what: &str, value: Option<&Json>) -> Result<Vec<Field>, Invalid> {
    let back = fields(what, &[], value)?;
    Ok(back.into_iter().map(|Back { name, values, .. }| Field { name, values }).collect())
}

/// A field as it came back.
struct Back {
    name: String,
    values: Vec<Value>,
    is_changed: bool,
}

fn is_same(name: &str, same: &[String]) -> bool {
    same.iter().any(|same| same == name)
}

/// All fields of a kind, where any of them changed.
fn changed(
    what: &str,
    name: &str,
    given: &[Field],
    object: &Map<String, Json>,
    same: &[String],
) -> Result<Option<Vec<Back>>, Invalid> {
    if is_same(name, same) {
        return Ok(None);
    }
    let back = fields(what, given, object.get(name))?;
    let is_changed = back.len() != given.len() || back.iter().any(|field| field.is_changed);
    Ok(is_changed.then_some(back))
}

/// `{name: {value, multiValue, attributes}}`. Absent: empty.
fn fields(what: &str, given: &[Field], value: Option<&Json>) -> Result<Vec<Back>, Invalid> {
    let object = match value {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Object(object)) => object,
        Some(_) => return Err(Invalid::value(format!("{what} must be an object"))),
    };
    object
        .iter()
        .map(|(name, value)| field(what, given.iter().find(|field| field.name == *name), name, value))
        .collect()
}

/// A changed `multiValue` wins; otherwise a changed `value` takes the place of the first (§14.2).
fn field(what: &str, given: Option<&Field>, name: &str, value: &Json) -> Result<Back, Invalid> {
    let wrong = |text: &str| Invalid::value(format!("{what}[\"{name}\"]{text}"));
    let object = value.as_object().ok_or_else(|| wrong(" must be an object"))?;
    let one = |object: &Map<String, Json>, place: &str| -> Result<Option<Value>, Invalid> {
        let text = |key: &str| match object.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong(&format!("{place}.{key} must be a string"))),
        };
        let attributes = text("attributes")?;
        Ok(text("value")?.map(|text| Value { text, attributes }))
    };
    let first = one(object, "")?;
    let many = match object.get("multiValue") {
        None | Some(Json::Null) => None,
        Some(Json::Array(items)) => {
            let values: Result<Vec<Value>, Invalid> = items
                .iter()
                .map(|item| {
                    let object = item.as_object().ok_or_else(|| wrong(".multiValue must hold objects"))?;
                    one(object, ".multiValue")?.ok_or_else(|| wrong(".multiValue must hold values"))
                })
                .collect();
            Some(values?).filter(|values| !values.is_empty())
        }
        Some(_) => return Err(wrong(".multiValue must be an array")),
    };
    let before = given.map_or(&[][..], |field| &field.values);
    let values = match (first, many) {
        (None, None) => return Err(wrong(".value is missing")),
        (Some(first), None) => vec![first],
        (None, Some(many)) => many,
        (Some(_), Some(many)) if many != before => many,
        (Some(first), Some(mut many)) => {
            many[0] = first;
            many
        }
    };
    Ok(Back { name: name.to_owned(), is_changed: values != before, values })
}

/// Every header that is not as it was: changed and new ones with their values, removed ones with none.
fn headers(
    what: &str,
    moment: Moment,
    given: &[Field],
    value: Option<&Json>,
) -> Result<Vec<(HeaderName, Vec<HeaderValue>)>, Invalid> {
    let back = fields(what, given, value)?;
    let mut changed = Vec::new();
    for field in &back {
        if field.name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Invalid::value(format!("{what} must have header names in lower case")));
        }
        if event::is_disallowed(&field.name) {
            return Err(Invalid::Disallowed(field.name.clone()));
        }
        if matches!(field.name.as_str(), "cookie" | "set-cookie") {
            return Err(Invalid::value(format!(
                "{what} must not have {}: cookies are in cookies",
                field.name
            )));
        }
        if !field.is_changed {
            continue;
        }
        may_change(moment, &field.name)?;
        let wrong = || Invalid::value(format!("{what}[\"{}\"] is not a header", field.name));
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| wrong())?;
        let values: Result<Vec<HeaderValue>, _> =
            field.values.iter().map(|value| HeaderValue::from_bytes(value.text.as_bytes())).collect();
        changed.push((name, values.map_err(|_| wrong())?));
    }
    for gone in given.iter().filter(|field| !back.iter().any(|back| back.name == field.name)) {
        may_change(moment, &gone.name)?;
        if let Ok(name) = HeaderName::from_bytes(gone.name.as_bytes()) {
            changed.push((name, Vec::new()));
        }
    }
    Ok(changed)
}

/// Read-only headers (§14.1).
fn may_change(moment: Moment, name: &str) -> Result<(), Invalid> {
    let read_only: &[&str] = match moment {
        Moment::ViewerRequest => &["cdn-loop", "content-length", "host", "transfer-encoding", "via"],
        Moment::ViewerResponse => &["warning", "via"],
    };
    if read_only.contains(&name) { Err(Invalid::ReadOnly(name.to_owned())) } else { Ok(()) }
}

fn cookie_header(cookies: &[Back]) -> Result<Option<HeaderValue>, Invalid> {
    let mut line = String::new();
    for cookie in cookies {
        for value in &cookie.values {
            if !line.is_empty() {
                line.push_str("; ");
            }
            line.push_str(&cookie.name);
            line.push('=');
            line.push_str(&value.text);
        }
    }
    if line.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_bytes(line.as_bytes())
        .map(Some)
        .map_err(|_| Invalid::value("request.cookies make no header"))
}

fn set_cookies(cookies: &[Back]) -> Result<Vec<HeaderValue>, Invalid> {
    let mut lines = Vec::new();
    for cookie in cookies {
        for value in &cookie.values {
            let attributes = value.attributes.as_deref().filter(|attributes| !attributes.is_empty());
            let line = match attributes {
                Some(attributes) => format!("{}={}; {attributes}", cookie.name, value.text),
                None => format!("{}={}", cookie.name, value.text),
            };
            let wrong = |_| Invalid::value(format!("response.cookies[\"{}\"] makes no header", cookie.name));
            lines.push(HeaderValue::from_bytes(line.as_bytes()).map_err(wrong)?);
        }
    }
    Ok(lines)
}

/// Path and query; `None` where both are as they were.
fn target(
    given: &event::Request,
    object: &Map<String, Json>,
    same: &[String],
) -> Result<Option<PathAndQuery>, Invalid> {
    let uri = if is_same("uri", same) { Some(&*given.uri) } else { object.get("uri").and_then(Json::as_str) };
    let uri = uri.ok_or_else(|| Invalid::value("request.uri must be a string"))?;
    if !uri.starts_with('/') {
        return Err(Invalid::value("request.uri must begin with a slash"));
    }
    let query = query(given, object, same)?;
    if uri == given.uri && query.is_none() {
        return Ok(None);
    }
    let mut target = String::with_capacity(uri.len() + 64);
    if uri == given.uri {
        target.push_str(uri);
    } else {
        encode_path(&mut target, uri);
    }
    let query = query.unwrap_or_else(|| given.raw_query.clone());
    if let Some(query) = query {
        target.push('?');
        target.push_str(&query);
    }
    if target.len() >= URL_BYTES_MAX {
        return Err(Invalid::value(format!(
            "request.uri and request.querystring must be shorter than {URL_BYTES_MAX}"
        )));
    }
    PathAndQuery::try_from(target).map(Some).map_err(|_| Invalid::value("request.uri is not a path"))
}

/// What a path cannot hold as it is goes out percent-encoded *(unsure)*: a `?` in it is no query.
pub(super) fn encode_path(out: &mut String, path: &str) {
    use std::fmt::Write as _;
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}') {
            out.push(char::from(byte));
        } else {
            _ = write!(out, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
}

/// The new query string, `Some(None)` for none; `None` where it is as it was.
fn query(
    given: &event::Request,
    object: &Map<String, Json>,
    same: &[String],
) -> Result<Option<Option<String>>, Invalid> {
    let text = match object.get("querystring") {
        Some(Json::String(text)) => {
            let text = text.strip_prefix('?').unwrap_or(text);
            if given.raw_query.as_deref() == Some(text) {
                return Ok(None);
            }
            text.to_owned()
        }
        _ => {
            let Some(back) = changed("request.querystring", "querystring", &given.query, object, same)?
            else {
                return Ok(None);
            };
            let pairs = back
                .iter()
                .flat_map(|field| field.values.iter().map(|value| format!("{}={}", field.name, value.text)));
            pairs.collect::<Vec<_>>().join("&")
        }
    };
    if text.chars().any(|c| c <= ' ' || c == '\u{7f}' || c == '#' || !c.is_ascii()) {
        let what = "request.querystring must not have spaces, control characters, # or letters beyond ASCII";
        return Err(Invalid::value(what));
    }
    Ok(Some((!text.is_empty()).then_some(text)))
}

#[cfg(test)]
mod tests;
