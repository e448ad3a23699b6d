//! The event a CloudFront Function is given (§14.2): a request, and a response, as objects.
//!
//! Names stand in the order they came, each with all its values. What a function may not see (§14.1) is not here, so
//! it can neither be read nor be lost. Nothing is decoded; values are text, read as UTF-8 or else as ISO-8859-1.

use std::borrow::Cow;

use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value as Json;

use crate::distribution::{Behavior, HeaderForwarding};
use crate::header::{cookie, query};
use crate::script::Parts;
use crate::viewer::device::Device;
use crate::viewer::facts;
use crate::viewer::gate::Admitted;

/// A name with its values, one or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As sent; of a header in lower case.
    pub name: String,
    /// In their order.
    pub values: Vec<Value>,
}

/// One value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// The value itself.
    pub text: String,
    /// Of a cookie a response sets: what follows the pair.
    pub attributes: Option<String>,
}

impl Value {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), attributes: None }
    }
}

/// A request as a function sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Read-only.
    pub method: String,
    /// The path.
    pub uri: String,
    /// What follows the `?`, as it came; `None` without one.
    pub raw_query: Option<String>,
    /// By name.
    pub query: Vec<Field>,
    /// Without those no function sees, and without cookies.
    pub headers: Vec<Field>,
    /// By name.
    pub cookies: Vec<Field>,
}

/// A response as a function sees it. It never sees the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status the viewer would get.
    pub status: StatusCode,
    /// Without those no function sees, and without cookies.
    pub headers: Vec<Field>,
    /// What it sets.
    pub cookies: Vec<Field>,
}

/// When a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the cache is asked.
    ViewerRequest,
    /// Before the viewer gets the response.
    ViewerResponse,
}

impl Moment {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ViewerRequest => "viewer-request",
            Self::ViewerResponse => "viewer-response",
        }
    }

    /// What a function may change then.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::ViewerRequest => "request",
            Self::ViewerResponse => "response",
        }
    }
}

/// What the event says beside request and response.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// `d….cloudfront.net`.
    pub domain_name: &'a str,
    /// `E…`.
    pub distribution_id: &'a str,
    /// `X-Amz-Cf-Id` of the exchange.
    pub request_id: &'a str,
    /// The viewer's address.
    pub viewer: std::net::IpAddr,
}

impl Request {
    /// What a function sees of an admitted request; the `CloudFront-*` headers of the behavior are there (§0.10).
    pub fn of(admitted: &Admitted, behavior: &Behavior, device: Device) -> Self {
        let request = admitted.request();
        let mut headers =
            vec![Field { name: HOST.to_string(), values: vec![Value::new(text(request.host.as_bytes()))] }];
        headers.extend(visible(&request.headers, |name| facts::is_reserved(name) || *name == COOKIE));
        for name in configured(behavior) {
            if let Some(value) = facts::value(name, admitted, device) {
                let values = vec![Value::new(text(value.as_bytes()))];
                headers.push(Field { name: name.to_string(), values });
            }
        }
        let mut cookies = Vec::new();
        for line in request.headers.get_all(COOKIE) {
            for pair in cookie::pairs(line.as_bytes()) {
                add(&mut cookies, &text(pair.name), Value::new(text(pair.value)));
            }
        }
        let mut parameters = Vec::new();
        for parameter in query::parameters(request.target.query().unwrap_or_default()) {
            let value = parameter.raw.get(parameter.name.len() + 1..).unwrap_or_default();
            add(&mut parameters, parameter.name, Value::new(value));
        }
        Self {
            method: request.method.to_string(),
            uri: request.target.path().to_owned(),
            raw_query: request.target.query().map(str::to_owned),
            query: parameters,
            headers,
            cookies,
        }
    }
}

/// The `CloudFront-*` headers a behavior asks for, each once.
fn configured(behavior: &Behavior) -> impl Iterator<Item = &HeaderName> {
    let listed: &[HeaderName] = match &behavior.forward.headers {
        HeaderForwarding::Defaults => &[],
        HeaderForwarding::Only(names) => names,
        HeaderForwarding::AllViewer { plus } | HeaderForwarding::AllExcept { plus, .. } => plus,
    };
    let keyed = &behavior.key.headers;
    keyed
        .iter()
        .chain(listed.iter().filter(|name| !keyed.contains(name)))
        .filter(|name| facts::is_reserved(name))
}

impl Response {
    /// What a function sees of a response: what is not CloudFront's own (§8.1).
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut cookies = Vec::new();
        for line in headers.get_all(SET_COOKIE) {
            let line = text(line.as_bytes());
            let (pair, attributes) =
                line.split_once(';').map_or((&*line, None), |(pair, rest)| (pair, Some(rest.trim())));
            if let Some((name, value)) = pair.split_once('=') {
                let value =
                    Value { text: value.trim().to_owned(), attributes: attributes.map(str::to_owned) };
                add(&mut cookies, name.trim(), value);
            }
        }
        Self {
            status,
            headers: visible(headers, |name| *name == SET_COOKIE || is_own(name)).collect(),
            cookies,
        }
    }
}

/// CloudFront's own fields, written after the function has run.
pub(super) fn is_own(name: &HeaderName) -> bool {
    matches!(name.as_str(), "age" | "via")
}

fn visible(headers: &HeaderMap, hidden: impl Fn(&HeaderName) -> bool) -> impl Iterator<Item = Field> {
    headers.keys().filter(move |name| !is_disallowed(name.as_str()) && !hidden(name)).map(|name| Field {
        name: name.to_string(),
        values: headers.get_all(name).iter().map(|value| Value::new(text(value.as_bytes()))).collect(),
    })
}

/// The headers functions neither see nor may add (§14.1).
pub fn is_disallowed(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
        "upgrade",
        "x-accel-buffering",
        "x-accel-charset",
        "x-accel-limit-rate",
        "x-accel-redirect",
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
    ];
    NAMES.contains(&name)
        || matches!(name, "x-cache" | "x-forwarded-proto" | "x-real-ip")
        || name.starts_with("x-amz-cf-")
        || name.starts_with("x-edge-")
}

fn add(fields: &mut Vec<Field>, name: &str, value: Value) {
    match fields.iter_mut().find(|field| field.name == name) {
        Some(field) => field.values.push(value),
        None => fields.push(Field { name: name.to_owned(), values: vec![value] }),
    }
}

/// UTF-8, or else ISO-8859-1 (§14.1).
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// What a function is given, and asked for part by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The request.
    pub request: Request,
    /// At viewer-response.
    pub response: Option<Response>,
    /// The name of this edge location.
    pub location: String,
}

impl Parts for Given {
    fn part(&self, name: &str) -> String {
        let response = self.response.as_ref();
        match name {
            "request.querystring" => fields(&self.request.query),
            "request.headers" => fields(&self.request.headers),
            "request.cookies" => fields(&self.request.cookies),
            "response.headers" => fields(response.map_or(&[], |response| &response.headers)),
            "response.cookies" => fields(response.map_or(&[], |response| &response.cookies)),
            _ => {
                // `cf.edgeLocation` (§14.5).
                let mut out = r#"{"name":"#.to_owned();
                quote(&mut out, &self.location);
                out.push_str(r#","serverIp":"127.0.0.1","region":"us-east-1"}"#);
                out
            }
        }
    }
}

impl Given {
    /// What the function may return, as it was given; `Null` without a response.
    pub(super) fn whole(&self, moment: Moment) -> Json {
        let (head, names) = match (moment, &self.response) {
            (Moment::ViewerRequest, _) => {
                (request_head(&self.request), &["querystring", "headers", "cookies"][..])
            }
            (Moment::ViewerResponse, Some(response)) => {
                (response_head(response), &["headers", "cookies"][..])
            }
            (Moment::ViewerResponse, None) => return Json::Null,
        };
        let read = |json: &str| serde_json::from_str::<Json>(json).unwrap_or_default();
        let mut whole = read(&head);
        for name in names {
            whole[name] = read(&self.part(&format!("{}.{name}", moment.subject())));
        }
        whole
    }
}

/// The event as JSON, without its parts.
pub fn write(moment: Moment, context: &Context<'_>, given: &Given) -> String {
    let mut out = String::with_capacity(512);
    out.push_str(r#"{"version":"1.0","context":{"distributionDomainName":"#);
    quote(&mut out, context.domain_name);
    out.push_str(r#","distributionId":"#);
    quote(&mut out, context.distribution_id);
    out.push_str(r#","eventType":"#);
    quote(&mut out, moment.as_str());
    out.push_str(r#","requestId":"#);
    quote(&mut out, context.request_id);
    out.push_str(r#"},"viewer":{"ip":"#);
    quote(&mut out, &context.viewer.to_string());
    out.push_str(r#"},"request":"#);
    out.push_str(&request_head(&given.request));
    if let Some(response) = &given.response {
        out.push_str(r#","response":"#);
        out.push_str(&response_head(response));
    }
    out.push('}');
    out
}

fn request_head(request: &Request) -> String {
    let mut out = String::with_capacity(64 + request.uri.len());
    out.push_str(r#"{"method":"#);
    quote(&mut out, &request.method);
    out.push_str(r#","uri":"#);
    quote(&mut out, &request.uri);
    out.push('}');
    out
}

fn response_head(response: &Response) -> String {
    let mut out = r#"{"statusCode":"#.to_owned();
    out.push_str(response.status.as_str());
    out.push_str(r#","statusDescription":"#);
    quote(&mut out, response.status.canonical_reason().unwrap_or_default());
    out.push('}');
    out
}

fn fields(fields: &[Field]) -> String {
    let mut out = String::with_capacity(fields.len() * 64 + 2);
    out.push('{');
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quote(&mut out, &field.name);
        out.push(':');
        let [first, rest @ ..] = &field.values[..] else {
            out.push_str("{}");
            continue;
        };
        open(&mut out, first);
        if !rest.is_empty() {
            out.push_str(r#","multiValue":["#);
            for (index, value) in field.values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                open(&mut out, value);
                out.push('}');
            }
            out.push(']');
        }
        out.push('}');
    }
    out.push('}');
    out
}

/// An object that is not closed yet.
fn open(out: &mut String, value: &Value) {
    out.push_str(r#"{"value":"#);
    quote(out, &value.text);
    if let Some(attributes) = &value.attributes {
        out.push_str(r#","attributes":"#);
        quote(out, attributes);
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
    }
    out.push('"');
}
