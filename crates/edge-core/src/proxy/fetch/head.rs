//! The heads of both messages: the request as it is written, the response as it is read (RFC 9112 §2–§6).
//!
//! The request head is written from the parsed model alone, so that it can be read in one way only (threats.md, M4).
//! The response head is refused where two readers could disagree about it.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::decode::Framing;
use super::failure::OriginFailure;
use super::{Call, RequestBody, Scheme};
use crate::viewer::traffic::Traffic;

/// Largest response head (cloudfront.md §5.8).
pub(super) const HEAD_BYTES_MAX: usize = 32_768;

/// Most fields of a response head.
const FIELDS_MAX: usize = 256;

/// Never taken from the caller: we frame the message and own the connection.
pub(super) const OURS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a load balancer tells its targets of its listener, and nobody else does (the viewer's never get here, §5.3).
const LISTENER_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const LISTENER_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The bytes of the request head. `listener`: of the load balancer whose targets are asked in its place.
pub(super) fn write_request(
    call: &Call<'_>,
    listener: Option<(Scheme, u16)>,
) -> Result<Bytes, OriginFailure> {
    let target = call.target.as_bytes();
    if !matches!(target.first(), Some(b'/' | b'*')) || target.iter().any(|&byte| byte <= b' ' || byte == 0x7f)
    {
        return Err(OriginFailure::InvalidRequest("a target that is not one word beginning with a slash"));
    }
    let mut hosts = call.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(OriginFailure::InvalidRequest("a request needs exactly one Host"));
    };
    let mut out = BytesMut::with_capacity(1024);
    out.extend_from_slice(call.method.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    put_field(&mut out, &HOST, host.as_bytes());
    for (name, value) in call.headers {
        let is_the_balancers = listener.is_some() && [LISTENER_PROTO, LISTENER_PORT].contains(name);
        if !OURS.contains(&name.as_str()) && !is_the_balancers {
            put_field(&mut out, name, value.as_bytes());
        }
    }
    if let Some((scheme, port)) = listener {
        let scheme: &[u8] = match scheme {
            Scheme::Http => b"http",
            Scheme::Https => b"https",
        };
        put_field(&mut out, &LISTENER_PROTO, scheme);
        put_field(&mut out, &LISTENER_PORT, port.to_string().as_bytes());
    }
    match call.body {
        RequestBody::Length(length) => put_field(&mut out, &CONTENT_LENGTH, length.to_string().as_bytes()),
        RequestBody::Chunked => put_field(&mut out, &TRANSFER_ENCODING, b"chunked"),
        // RFC 9110 §8.6: a method that means something by a body says that there is none.
        RequestBody::None if matches!(*call.method, Method::POST | Method::PUT | Method::PATCH) => {
            put_field(&mut out, &CONTENT_LENGTH, b"0");
        }
        RequestBody::None => {}
    }
    if call.traffic == Traffic::WebSocket {
        put_field(&mut out, &UPGRADE, b"websocket");
        put_field(&mut out, &CONNECTION, b"Upgrade");
    } else {
        put_field(&mut out, &CONNECTION, b"Keep-Alive");
    }
    out.extend_from_slice(b"\r\n");
    Ok(out.freeze())
}

/// The bytes of a health check.
pub(super) fn write_probe(host: &str, path: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    out.extend_from_slice(format!("GET {path} HTTP/1.1\r\n").as_bytes());
    put_field(&mut out, &HOST, host.as_bytes());
    put_field(&mut out, &USER_AGENT, b"edge health check");
    put_field(&mut out, &CONNECTION, b"close");
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

/// Names are written as people write them: some old origins compare them letter by letter.
fn put_field(out: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    let mut name = name.as_str();
    if let Some(rest) = name.strip_prefix("cloudfront-") {
        out.extend_from_slice(b"CloudFront-");
        name = rest;
    }
    let mut start_of_word = true;
    for byte in name.bytes() {
        out.extend_from_slice(&[if start_of_word { byte.to_ascii_uppercase() } else { byte }]);
        start_of_word = byte == b'-';
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// A response head.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// Whether length and coding were both told: never trust what follows on that connection.
    suspicious: bool,
}

/// Takes one head from `input`; `None` if it has not come in full.
pub(super) fn take_response(input: &mut BytesMut) -> Result<Option<Head>, OriginFailure> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(&input[..input.len().min(HEAD_BYTES_MAX)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if input.len() >= HEAD_BYTES_MAX => {
            return Err(OriginFailure::HeaderTooBig);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(OriginFailure::HeaderTooBig),
        Err(error) => return Err(OriginFailure::InvalidResponse(error.to_string())),
    };
    let head = build(&parsed)?;
    input.advance(length);
    Ok(Some(head))
}

fn build(parsed: &httparse::Response<'_, '_>) -> Result<Head, OriginFailure> {
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| OriginFailure::InvalidResponse("not a status".to_owned()))?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(OriginFailure::InvalidResponse(format!("field {:?}", field.name)));
        };
        headers.append(name, value);
    }
    let suspicious = headers.contains_key(TRANSFER_ENCODING)
        && (headers.contains_key(CONTENT_LENGTH) || version == Version::HTTP_10);
    Ok(Head { status, version, headers, suspicious })
}

impl Head {
    /// How long the body is (RFC 9112 §6.3); brings the framing fields into the one form that says so.
    pub(super) fn framing(&mut self, method: &Method) -> Result<Framing, OriginFailure> {
        let chunked = self.chunked()?;
        if chunked {
            self.headers.remove(CONTENT_LENGTH);
        }
        let length = self.content_length()?;
        if let Some(length) = length {
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if *method == Method::HEAD || matches!(self.status.as_u16(), 100..=199 | 204 | 304) {
            return Ok(Framing::None);
        }
        Ok(match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::UntilClose,
        })
    }

    /// No other coding was asked for, so no other is understood (RFC 9112 §7.4).
    fn chunked(&self) -> Result<bool, OriginFailure> {
        let mut codings = self.headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => Ok(false),
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
            _ => Err(OriginFailure::InvalidResponse("a transfer coding other than chunked".to_owned())),
        }
    }

    /// Several equal lengths are one; anything else is no length (RFC 9110 §8.6).
    fn content_length(&self) -> Result<Option<u64>, OriginFailure> {
        let mut length = None;
        for value in self.headers.get_all(CONTENT_LENGTH) {
            for part in value.as_bytes().split(|&byte| byte == b',') {
                let told = decimal(part.trim_ascii());
                if told.is_none() || length.is_some_and(|length| Some(length) != told) {
                    return Err(OriginFailure::InvalidResponse(format!("Content-Length {value:?}")));
                }
                length = told;
            }
        }
        Ok(length)
    }

    /// Whether the origin will read another request on this connection, and for how long it waits for one.
    pub(super) fn keep_alive(&self) -> KeepAlive {
        let closes = self.headers.get_all(CONNECTION).iter().any(|value| {
            value
                .as_bytes()
                .split(|&byte| byte == b',')
                .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
        });
        if closes || self.suspicious || self.version != Version::HTTP_11 {
            return KeepAlive::No;
        }
        let told = self.headers.get("keep-alive").and_then(|value| value.to_str().ok());
        let seconds = told.into_iter().flat_map(|text| text.split(',')).find_map(|parameter| {
            parameter.trim().strip_prefix("timeout=").and_then(|text| decimal(text.as_bytes()))
        });
        seconds.map_or(KeepAlive::Yes, KeepAlive::Seconds)
    }
}

/// What a response says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepAlive {
    /// It ends with this response.
    No,
    /// It stays.
    Yes,
    /// It stays so long.
    Seconds(u64),
}

/// Digits only: no sign, no blank.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
