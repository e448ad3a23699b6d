//! What a request came to, as CloudFront's access logs tell it (§15.1).
//!
//! A [`Record`] has the values; [`FIELDS`] says which field is made of which, one row each, and the text, the page for
//! people and the tests all come from that table. Nothing here measures, counts or writes files: times and sizes are
//! values, and a line is bytes for whoever keeps the log.

mod encode;
mod format;
mod table;
mod told;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, HOST, HeaderName, REFERER, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

pub use self::encode::Out;
pub use self::format::{Format, Kind, UnknownField};
pub use self::table::{FIELDS, Field, Place, page};
use crate::exchange::Rules;
use crate::header::lines_bytes;
use crate::header::range::{self, Span};
use crate::response::Results;
use crate::viewer::geo::Location;
use crate::viewer::{Refusal, Scheme, traffic};

/// `X-Forwarded-For`.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What one request came to.
#[derive(Debug, Clone)]
pub struct Record {
    /// What it was decided by.
    pub rules: Arc<Rules>,
    /// The exchange's `X-Amz-Cf-Id`.
    pub id: HeaderValue,
    /// The other end of the connection.
    pub viewer: SocketAddr,
    /// How he came.
    pub scheme: Scheme,
    /// Protocol and cipher suite of his handshake, by the names OpenSSL uses.
    pub tls: Option<(&'static str, &'static str)>,
    /// Where he is, if anybody knows.
    pub location: Option<Arc<Location>>,
    /// What he asked for; `None` where nobody could read it.
    pub request: Option<Asked>,
    /// The head he got; `None` if he left before.
    pub answer: Option<Answered>,
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub ended_at: SystemTime,
    /// From the request to the last byte of the answer.
    pub taken: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// Bytes from the viewer, head and body, as HTTP/1.1 writes them.
    pub received: u64,
    /// Bytes to the viewer, likewise.
    pub sent: u64,
}

/// What a viewer asked for, as he sent it: copied into one piece, so that a record that waits keeps no buffer of his
/// connection.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The path, before any function saw it.
    pub path: Bytes,
    /// What follows a `?`, likewise.
    pub query: Option<Bytes>,
    /// The version of HTTP.
    pub version: Version,
    /// `Host`, or `:authority`.
    pub host: Option<Bytes>,
    /// `Referer`.
    pub referer: Option<Bytes>,
    /// `User-Agent`.
    pub user_agent: Option<Bytes>,
    /// `Cookie`.
    pub cookie: Option<Bytes>,
    /// `X-Forwarded-For`, as the viewer sent it.
    pub forwarded_for: Option<Bytes>,
    /// Whether it has the looks of a call of gRPC.
    pub looks_like_grpc: bool,
    /// Bytes of the head, as HTTP/1.1 writes it.
    pub head_bytes: u64,
    /// How many bytes the body was to have, if it said so.
    pub body_bytes: Option<u64>,
}

/// The head of a response, as its viewer got it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// What CloudFront calls it.
    pub results: Results,
    /// `Content-Type`.
    pub content_type: Option<HeaderValue>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// The bytes of `Content-Range`.
    pub range: Option<Span>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The viewer got all of it.
    Whole,
    /// The viewer left before.
    ViewerLeft,
    /// The origin's response broke off.
    BrokenOff,
}

impl Asked {
    /// What a request's head says.
    pub fn of(parts: &Parts) -> Self {
        let Parts { method, uri, version, headers, .. } = parts;
        let head_bytes = request_head_bytes(parts);
        // No value is longer than the head, and all of them together are not.
        let mut text = BytesMut::with_capacity(usize::try_from(head_bytes).unwrap_or_default());
        let mut copy = |values: &mut dyn Iterator<Item = &[u8]>, between: &str| {
            text.extend_from_slice(values.next()?);
            for value in values {
                text.extend_from_slice(between.as_bytes());
                text.extend_from_slice(value);
            }
            Some(text.split().freeze())
        };
        let mut one = |value: Option<&[u8]>| copy(&mut value.into_iter(), "");
        let path = one(Some(uri.path().as_bytes())).unwrap_or_default();
        let query = one(uri.query().map(str::as_bytes));
        let field = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let authority = || uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = one(field(&HOST).or_else(authority));
        let (referer, user_agent) = (one(field(&REFERER)), one(field(&USER_AGENT)));
        let lines = |name: &HeaderName| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        Self {
            method: method.clone(),
            path,
            query,
            version: *version,
            host,
            referer,
            user_agent,
            cookie: copy(&mut lines(&COOKIE), "; "),
            forwarded_for: copy(&mut lines(&FORWARDED_FOR), ", "),
            looks_like_grpc: traffic::is_grpc_call(method, *version, headers.get(CONTENT_TYPE)),
            head_bytes,
            body_bytes: number(headers),
        }
    }
}

impl Answered {
    /// What a response's head says; `length` is its body's, where that is known without the field.
    pub fn of(status: StatusCode, headers: &HeaderMap, length: Option<u64>, results: Results) -> Self {
        let ranged = headers.contains_key(CONTENT_RANGE);
        Self {
            status,
            results,
            content_type: headers.get(CONTENT_TYPE).cloned(),
            content_length: number(headers).or(length),
            range: ranged.then(|| range::content_range(headers)).flatten().map(|range| range.span),
        }
    }
}

/// Whether CloudFront logs a request that it could not read: not if that was for its size (§10.2).
pub fn is_logged(refusal: Refusal) -> bool {
    match refusal {
        Refusal::Malformed(_) => true,
        Refusal::UrlTooLong | Refusal::HeadTooLarge => false,
    }
}

/// Request line, header lines and the empty line, as HTTP/1.1 writes them.
fn request_head_bytes(parts: &Parts) -> u64 {
    let target = parts.uri.path_and_query().map_or(1, |target| target.as_str().len());
    let line = parts.method.as_str().len() + target + "  HTTP/1.1\r\n".len();
    // In HTTP/2 the host is no field.
    let authority = parts.uri.authority().filter(|_| !parts.headers.contains_key(HOST));
    let host = authority.map_or(0, |authority| "host: \r\n".len() + authority.as_str().len());
    (line + host + lines_bytes(&parts.headers) + "\r\n".len()) as u64
}

/// Status line, header lines and the empty line, as HTTP/1.1 writes them.
pub fn response_head_bytes(status: StatusCode, headers: &HeaderMap) -> u64 {
    let reason = status.canonical_reason().unwrap_or("<none>"); // hyper's words, which has to have some
    ("HTTP/1.1 200 \r\n".len() + reason.len() + lines_bytes(headers) + "\r\n".len()) as u64
}

fn number(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
