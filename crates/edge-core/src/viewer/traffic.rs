//! What an exchange carries: messages, or one of the two things that are never cached and never repeated.
//!
//! It reads heads. Whether a behavior carries gRPC is the gate's question, and who relays the bytes is the proxy's.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::Body;

/// What a request begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// A response.
    Messages,
    /// A WebSocket, should the origin agree (§11.4).
    WebSocket,
    /// A call of gRPC (§11.5).
    Grpc,
}

impl Traffic {
    /// What the head of a request asks for, before hop-by-hop fields are taken out of it (RFC 6455 §4.1). What is not
    /// wholly a handshake of HTTP/1.1 is an ordinary request.
    pub(super) fn asked_for(method: &Method, version: Version, headers: &HeaderMap, body: Body) -> Self {
        let is_handshake = *method == Method::GET
            && version == Version::HTTP_11
            && body == Body::None
            && lists(headers, &CONNECTION, b"upgrade")
            && is_to_websocket(headers);
        if is_handshake { Self::WebSocket } else { Self::Messages }
    }
}

/// Whether `Upgrade` names a WebSocket, in a request or in a response.
pub(crate) fn is_to_websocket(headers: &HeaderMap) -> bool {
    lists(headers, &UPGRADE, b"websocket")
}

/// Whether a request has the looks of a gRPC call *(unsure)*: the content type's prefix tells, whatever the message
/// format behind it. CloudFront carries them over HTTP/2; over any other version it is an ordinary request (§11.5).
pub(crate) fn is_grpc_call(method: &Method, version: Version, content_type: Option<&HeaderValue>) -> bool {
    *method == Method::POST
        && version == Version::HTTP_2
        && content_type.is_some_and(|value| {
            let prefix = b"application/grpc";
            value.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

/// Whether a list of words has this one.
fn lists(headers: &HeaderMap, name: &http::HeaderName, word: &[u8]) -> bool {
    let mut lines = headers.get_all(name).iter();
    lines.any(|line| {
        line.as_bytes().split(|&byte| byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn asked_for(
        method: &str,
        version: Version,
        lines: &[(&'static str, &'static str)],
        body: Body,
    ) -> Traffic {
        let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers: HeaderMap = lines.iter().map(line).collect();
        Traffic::asked_for(&method.parse().unwrap(), version, &headers, body)
    }

    #[test]
    fn a_handshake_is_all_of_one() {
        let whole = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        let get = |lines| asked_for("GET", Version::HTTP_11, lines, Body::None);
        assert_eq!(get(&whole), Traffic::WebSocket);
        assert_eq!(get(&[("connection", "upgrade"), ("upgrade", "h2c, websocket")]), Traffic::WebSocket);
        for less in [
            &whole[..1],
            &whole[1..],
            &[("connection", "upgrade"), ("upgrade", "h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket/13")],
            &[("connection", "upgrade-insecure"), ("upgrade", "websocket")],
            &[("connection", "close"), ("upgrade", "websocket")],
        ] {
            assert_eq!(get(less), Traffic::Messages, "{less:?}");
        }
        for (method, version, body) in [
            ("POST", Version::HTTP_11, Body::None),
            ("HEAD", Version::HTTP_11, Body::None),
            ("get", Version::HTTP_11, Body::None),
            ("GET", Version::HTTP_10, Body::None),
            ("GET", Version::HTTP_2, Body::None),
            ("GET", Version::HTTP_11, Body::Length(1)),
            ("GET", Version::HTTP_11, Body::Chunked),
        ] {
            assert_eq!(
                asked_for(method, version, &whole, body),
                Traffic::Messages,
                "{method} {version:?} {body:?}"
            );
        }
    }
}
