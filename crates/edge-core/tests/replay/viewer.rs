//! The viewer of a case: HTTP/1 byte by byte, HTTP/2 by hyper's client, each over TLS or not.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use super::edges::{Edge, Shared};
use super::format::{HOST, Message};
use super::wire::{Framing, Head, Socket, Wire, chunked};

/// How a step's request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) tls: bool,
    pub(crate) version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
    Http2,
}

pub(crate) enum Connection {
    Http1(Wire),
    Http2(SendRequest<Full<Bytes>>),
}

/// What a viewer got.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// What came behind it.
    pub(crate) trailers: HeaderMap,
    /// Absent: it ended.
    pub(crate) connection: Option<Connection>,
}

impl Connection {
    pub(crate) async fn open(shared: &Shared, edge: &Edge, manner: Manner) -> Result<Self, String> {
        let addr = if manner.tls { edge.https } else { edge.http };
        let stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
        let http2 = manner.version == Version::Http2;
        if !manner.tls {
            return Self::over(stream, http2).await;
        }
        let connector = if http2 { &shared.connect_h2 } else { &shared.connect_h1 };
        let name = ServerName::try_from(HOST).unwrap();
        let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
        Self::over(stream, http2).await
    }

    async fn over(socket: impl Socket + 'static, http2: bool) -> Result<Self, String> {
        if !http2 {
            return Ok(Self::Http1(Wire::new(socket)));
        }
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(Self::Http2(sender))
    }

    /// One request and its answer.
    pub(crate) async fn ask(self, manner: Manner, message: &Message) -> Result<Reply, String> {
        match self {
            Self::Http1(wire) => http1(wire, manner, message).await,
            Self::Http2(sender) => http2(sender, manner, message).await,
        }
    }
}

async fn http1(mut wire: Wire, manner: Manner, message: &Message) -> Result<Reply, String> {
    let version = if manner.version == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut bytes = format!("{} {version}\r\n", message.first).into_bytes();
    for (name, value) in &message.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    if message.has("transfer-encoding") {
        bytes.extend_from_slice(&chunked(&message.body));
    } else {
        bytes.extend_from_slice(&message.body);
    }
    wire.send(&bytes).await; // the edge may refuse before it has read all
    let (head, status) = loop {
        let head = wire.head().await.ok_or("closed without a response")?;
        let code = head.first.split(' ').nth(1).unwrap_or_default();
        let status: StatusCode = code.parse().map_err(|_| format!("no status in {:?}", head.first))?;
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break (head, status);
        }
    };
    let bodiless = message.first.starts_with("HEAD ") || matches!(status.as_u16(), 204 | 304);
    let framing = if bodiless { Framing::Length(0) } else { head.framing().unwrap_or(Framing::UntilClose) };
    let until_close = matches!(framing, Framing::UntilClose);
    let body = wire.body(framing).await.map_err(|part| format!("cut after {} bytes of body", part.len()))?;
    // After a 101 until the end of the connection too: what comes is no longer HTTP.
    let closes = until_close || head.has("connection", "close") || manner.version == Version::Http10;
    if closes {
        while wire.more().await {} // it is said, and it is done
    }
    let connection = (!closes).then_some(Connection::Http1(wire));
    let Head { mut headers, .. } = head;
    // The connection is between us and the edge, and so is the framing.
    if closes && status != StatusCode::SWITCHING_PROTOCOLS {
        headers.remove("connection");
    }
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        headers.remove("transfer-encoding");
    }
    let trailers = HeaderMap::new(); // none are ever asked for
    Ok(Reply { status, headers, body, trailers, connection })
}

async fn http2(
    mut sender: SendRequest<Full<Bytes>>,
    manner: Manner,
    message: &Message,
) -> Result<Reply, String> {
    let (method, target) = message.first.split_once(' ').ok_or("no target")?;
    let host = message.headers.iter().find(|(name, _)| name == http::header::HOST);
    let host = host.and_then(|(_, value)| value.to_str().ok()).unwrap_or(HOST);
    let scheme = if manner.tls { "https" } else { "http" };
    let mut request = http::Request::builder().method(method).uri(format!("{scheme}://{host}{target}"));
    for (name, value) in message.headers.iter().filter(|(name, _)| name != http::header::HOST) {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::copy_from_slice(&message.body));
    let request = request.body(body).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let whole = body.collect().await.map_err(|error| format!("cut: {error}"))?;
    let trailers = whole.trailers().cloned().unwrap_or_default();
    let body = whole.to_bytes().to_vec();
    let connection = Some(Connection::Http2(sender));
    Ok(Reply { status: parts.status, headers: parts.headers, body, trailers, connection })
}
