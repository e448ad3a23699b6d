//! Any head at the door: never a panic, and what is let in can be read in one way only.

use std::net::{Ipv4Addr, SocketAddr};

use edge_core::viewer::{Body, Request, Scheme, Stream, URL_BYTES_MAX};
use http::Version;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::request::Parts;

use crate::first_line;

/// A head as [`parts`] takes it.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(parts) = parts(text) else { return };
    let version = parts.version;
    let Ok(request) = read(parts) else { return };
    assert!(!request.headers.contains_key(HOST));
    assert!(request.headers.get_all(COOKIE).iter().count() <= 1);
    assert!(!request.host_name().is_empty());
    assert!(request.target.as_str().starts_with('/') && request.target.as_str().len() <= URL_BYTES_MAX);
    assert!(request.target.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    let length = request.headers.get(CONTENT_LENGTH);
    let coded = request.headers.contains_key(TRANSFER_ENCODING);
    match request.body {
        Body::Chunked => assert!(length.is_none() && version != Version::HTTP_10),
        Body::Length(bytes) => assert!(bytes > 0 && !coded && length.is_some()),
        Body::None => assert!(!coded),
    }
}

/// `METHOD TARGET VERSION`, then a field on each line; `None` where hyper would not have let it through either.
pub(crate) fn parts(text: &str) -> Option<Parts> {
    let (line, fields) = first_line(text);
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let version = match version {
        "1.0" => Version::HTTP_10,
        "2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let mut head = http::Request::builder().method(method).uri(target).version(version);
    for field in fields.lines() {
        let (name, value) = field.split_once(':')?;
        head = head.header(name, value.trim());
    }
    Some(head.body(()).ok()?.into_parts().0)
}

pub(crate) fn read(parts: Parts) -> Result<Request, edge_core::viewer::Refusal> {
    Request::read(parts, Scheme::Https, Stream::Open, SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
}

/// Heads good and bad.
pub const SEEDS: &[&str] = &[
    "GET /a/b?c=d 1.1\nhost: example.com:81\ncookie: a=1\ncookie: b=2\nuser-agent: x",
    "POST https://example.com/ 2\ncontent-length: 5",
    "POST / 1.1\nhost: [::1]:8\ntransfer-encoding: chunked",
    "POST / 1.0\nhost: a\ncontent-length: 1\ncontent-length: 1",
    "OPTIONS * 1.1\nhost: a",
];
