//! What is known of a viewer's request before anything is decided about it.
//!
//! [`Request::read`] is the door: what cannot be read in exactly one way is refused here, before any byte of it
//! reaches a key, a function or an origin (threats M1–M9). Past the door every field is checked and typed. This
//! module refuses to know distributions; [`gate`] brings the two together.

mod attempt;
mod certificate;
mod connection;
pub mod deployment;
pub mod device;
pub mod facts;
mod fingerprint;
pub mod gate;
pub mod geo;
pub mod signing;
pub mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

pub use self::attempt::{Attempt, Failure, Outcome};
pub use self::certificate::{Certificate, Shown};
pub use self::connection::{Handshake, Tls};
use self::facts::FieldsSent;
pub use self::fingerprint::Fingerprint;
use self::geo::Location;
use self::traffic::Traffic;
use crate::header::conditional::{self, CONDITIONS};
use crate::header::{hop, lines_bytes};

/// The longest URL, path and query together, in bytes (§1.3).
pub const URL_BYTES_MAX: usize = 8_192;
/// Request line and headers together, in bytes (§1.3).
pub const HEAD_BYTES_MAX: usize = 32_768;

/// A request that can be read in exactly one way.
#[derive(Debug, Clone)]
pub struct Request {
    /// Case-sensitive (§3).
    pub method: Method,
    /// How the viewer came.
    pub scheme: Scheme,
    /// 1.0, 1.1, 2 or 3.
    pub version: Version,
    /// `Host` or `:authority` as sent, port included; checked.
    pub host: HeaderValue,
    /// Raw path and query: matching normalises a copy, nothing normalises this (threats K3).
    pub target: PathAndQuery,
    /// `Host` is not among them; `Cookie` fields are one (threats M8).
    pub headers: HeaderMap,
    /// How the body is framed, if there is one.
    pub body: Body,
    /// What it begins. [`Traffic::Grpc`] is the gate's to say.
    pub traffic: Traffic,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Where that is, if anybody knows and anything depends on it: whoever drives the core fills it in.
    pub location: Option<Arc<Location>>,
    /// How the connection is secured, likewise.
    pub tls: Option<Tls>,
    /// The fields as they came, likewise: what is in `headers` was put in order.
    pub fields_sent: Option<Box<FieldsSent>>,
}

/// The two schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// This many bytes.
    Length(u64),
    /// Until it ends: chunked, or a stream of HTTP/2 or HTTP/3 without a length.
    Chunked,
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 400: it cannot be read in exactly one way.
    Malformed(&'static str),
    /// 414 (§10.2).
    UrlTooLong,
    /// 494 (§10.2).
    HeadTooLarge,
}

impl Refusal {
    /// What CloudFront answers (§10.2).
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UrlTooLong => StatusCode::URI_TOO_LONG,
            // 494 has no name in the registry; it is a valid status all the same.
            Self::HeadTooLarge => StatusCode::from_u16(494).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }
}

/// Whether the transport says that a body follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The head was all (the stream ended with it, or there is no framing field).
    Ended,
    /// Data follows.
    Open,
}

impl Request {
    /// Reads a parsed head, or says why it is refused.
    pub fn read(parts: Parts, scheme: Scheme, stream: Stream, peer: SocketAddr) -> Result<Self, Refusal> {
        let Parts { method, uri, version, mut headers, .. } = parts;
        let target = match uri.path_and_query() {
            Some(target) if target.as_str().starts_with('/') => target.clone(),
            _ => return Err(Refusal::Malformed("the target is not a path")),
        };
        if target.as_str().len() > URL_BYTES_MAX {
            return Err(Refusal::UrlTooLong);
        }
        if head_bytes(&method, &target, &headers) > HEAD_BYTES_MAX {
            return Err(Refusal::HeadTooLarge);
        }
        if !target.as_str().bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(Refusal::Malformed("the target holds a byte that must be percent-encoded"));
        }
        let host = one_host(uri.authority().map(http::uri::Authority::as_str), &mut headers)?;
        let body = framing(version, stream, &headers)?;
        let mut traffic = Traffic::Messages;
        if headers.contains_key(CONNECTION) {
            traffic = Traffic::asked_for(&method, version, &headers, body);
            hop::remove_hop_by_hop(&mut headers); // what it names is in neither key nor origin request (threats M4)
        }
        join_cookies(&mut headers);
        let (location, tls, fields_sent) = (None, None, None);
        Ok(Self {
            method,
            scheme,
            version,
            host,
            target,
            headers,
            body,
            traffic,
            peer,
            location,
            tls,
            fields_sent,
        })
    }

    /// The host without its port, as sent.
    pub fn host_name(&self) -> &str {
        without_port(self.host.to_str().unwrap_or_default())
    }

    /// Makes it a plain GET of the whole: what this one viewer has or wants a part of is left out.
    pub(crate) fn ask_for_all(&mut self) {
        (self.method, self.body, self.traffic) = (Method::GET, Body::None, Traffic::Messages);
        for name in CONDITIONS {
            self.headers.remove(name);
        }
    }

    /// Whether the request carries a validator of its own (RFC 9110 §13.1).
    pub fn is_conditional(&self) -> bool {
        conditional::is_asked(&self.headers)
    }
}

/// Request line and header lines as HTTP/1.1 would write them.
fn head_bytes(method: &Method, target: &PathAndQuery, headers: &HeaderMap) -> usize {
    method.as_str().len() + target.as_str().len() + "  HTTP/1.1\r\n".len() + lines_bytes(headers)
}

/// Exactly one valid host, from the field or the target; where both are there they agree (threats, "host").
fn one_host(authority: Option<&str>, headers: &mut HeaderMap) -> Result<HeaderValue, Refusal> {
    let mut fields = headers.get_all(HOST).iter();
    let host = match (fields.next(), fields.next()) {
        (_, Some(_)) => return Err(Refusal::Malformed("more than one Host")),
        (Some(field), None) => field.clone(),
        (None, None) => match authority.map(HeaderValue::from_str) {
            Some(Ok(value)) => value,
            _ => return Err(Refusal::Malformed("no Host")),
        },
    };
    headers.remove(HOST);
    let text = host.to_str().map_err(|_| Refusal::Malformed("the Host is not a host"))?;
    if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(text)) {
        return Err(Refusal::Malformed("Host and the target's authority differ"));
    }
    if is_host(text) { Ok(host) } else { Err(Refusal::Malformed("the Host is not a host")) }
}

/// A name, an IPv4 address or a bracketed IPv6 address, with or without a port (RFC 9110 §7.2).
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, after)) if inside.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", after),
            _ => return false,
        },
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let name_fits = !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let port_fits = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| !digits.is_empty() && digits.parse::<u16>().is_ok());
    name_fits && port_fits
}

/// `host[:port]` without the port.
pub fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    // Hosts are short: a search of longer texts costs more to begin than this to end.
    host.bytes().position(|byte| byte == b':').map_or(host, |at| &host[..at])
}

/// One framing or none (threats M1). hyper refuses most of what is wrong before this; what it lets through and can
/// still be seen (a length given twice, a length beside chunked) is refused here.
fn framing(version: Version, stream: Stream, headers: &HeaderMap) -> Result<Body, Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (_, Some(_)) => return Err(Refusal::Malformed("more than one Content-Length")),
        (Some(value), None) => Some(
            value
                .to_str()
                .ok()
                .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or(Refusal::Malformed("the Content-Length is not a number"))?,
        ),
        (None, None) => None,
    };
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), length) {
        (Some(_), _) if version != Version::HTTP_11 => {
            Err(Refusal::Malformed("Transfer-Encoding outside HTTP/1.1"))
        }
        (Some(_), Some(_)) => Err(Refusal::Malformed("Content-Length beside Transfer-Encoding")),
        (Some(coding), None)
            if codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Body::Chunked)
        }
        (Some(_), None) => Err(Refusal::Malformed("a Transfer-Encoding other than chunked")),
        (None, Some(0)) => Ok(Body::None),
        (None, Some(length)) => Ok(Body::Length(length)),
        (None, None) if stream == Stream::Open && version >= Version::HTTP_2 => Ok(Body::Chunked),
        (None, None) => Ok(Body::None),
    }
}

/// From HTTP/2 on viewers may split Cookie over several fields: one list from here on (RFC 9113 §8.2.3, threats M8).
fn join_cookies(headers: &mut HeaderMap) {
    use http::header::COOKIE;
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(build: http::request::Builder) -> Result<Request, Refusal> {
        let (parts, ()) = build.body(()).unwrap().into_parts();
        Request::read(parts, Scheme::Http, Stream::Ended, "127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn a_plain_request_is_read() {
        let request = read(http::Request::get("/a?b").header("host", "example.com:81")).unwrap();
        assert_eq!((request.host_name(), request.target.as_str()), ("example.com", "/a?b"));
    }

    #[test]
    fn hosts_are_one_and_valid() {
        for bad in ["", "a b", "a,b", "a:b", "a:99999", "a:", "[::1", "[x]", "a/b", "a@b", "http://a"] {
            assert!(read(http::Request::get("/").header("host", bad)).is_err(), "{bad:?}");
        }
        for good in ["a", "A.b-c_d", "1.2.3.4:80", "[::1]", "[::1]:443"] {
            assert!(read(http::Request::get("/").header("host", good)).is_ok(), "{good:?}");
        }
        assert!(read(http::Request::get("/").header("host", "a").header("host", "a")).is_err());
        assert!(read(http::Request::get("/")).is_err());
        assert!(read(http::Request::get("http://a/").header("host", "b")).is_err());
        assert!(read(http::Request::get("http://a/").header("host", "A")).is_ok());
    }

    #[test]
    fn framing_is_one_or_none() {
        let post = || http::Request::post("/").header("host", "a");
        assert_eq!(read(post().header("content-length", "5")).unwrap().body, Body::Length(5));
        assert_eq!(read(post().header("transfer-encoding", "Chunked")).unwrap().body, Body::Chunked);
        for bad in ["+5", "", "5, 5", "-1", " 5", "18446744073709551616"] {
            assert!(read(post().header("content-length", bad)).is_err(), "{bad:?}");
        }
        assert!(read(post().header("content-length", "5").header("content-length", "5")).is_err());
        assert!(read(post().header("content-length", "5").header("transfer-encoding", "chunked")).is_err());
        assert!(read(post().header("transfer-encoding", "identity, chunked")).is_err());
        assert!(read(post().version(Version::HTTP_10).header("transfer-encoding", "chunked")).is_err());
    }

    #[test]
    fn sizes_are_cloudfronts() {
        let long = format!("/{}", "a".repeat(URL_BYTES_MAX));
        assert_eq!(read(http::Request::get(long).header("host", "a")).unwrap_err(), Refusal::UrlTooLong);
        let big = "x".repeat(HEAD_BYTES_MAX);
        assert_eq!(
            read(http::Request::get("/").header("host", "a").header("x", big)).unwrap_err(),
            Refusal::HeadTooLarge
        );
    }

    #[test]
    fn cookies_are_joined() {
        let request =
            read(http::Request::get("/").header("host", "a").header("cookie", "a=1").header("cookie", "b=2"))
                .unwrap();
        assert_eq!(request.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}
