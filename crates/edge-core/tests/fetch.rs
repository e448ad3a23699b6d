//! Requests to origins, against servers that are scripted byte by byte.
#![cfg(feature = "proxy")]

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edge_core::distribution::{Origin, OriginKind, OriginProtocol};
use edge_core::proxy::fetch::{
    Call, Framing, OriginFailure, OriginResponse, Origins, OriginsConfig, RequestBody, Scheme, Server,
};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{Empty, Full};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NAME: &str = "origin.test";

/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(150);

/// A timeout that no test waits for.
const LONG: Duration = Duration::from_secs(20);

/// A server on a free port; `serve` gets each connection with its number.
async fn listen<F, R>(serve: F) -> SocketAddr
where
    F: Fn(usize, Wire<TcpStream>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(number, Wire::new(stream)));
        }
    });
    address
}

/// The origin's end of a connection.
struct Wire<S> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// The next request's head, or what came before the end.
    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                return String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
            }
            if self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return String::from_utf8(std::mem::take(&mut self.unread)).unwrap();
            }
        }
    }

    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert_ne!(self.stream.read_buf(&mut self.unread).await.unwrap(), 0);
        }
        self.unread.drain(..count).collect()
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Answers every request with `wire` until the other end closes.
    async fn answer_all(&mut self, wire: &[u8]) {
        while !self.head().await.is_empty() {
            if self.stream.write_all(wire).await.is_err() {
                return;
            }
        }
    }

    /// Until the other end closes.
    async fn wait_closed(&mut self) {
        while self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {}
    }
}

fn origin() -> Origin {
    Origin {
        id: "o".to_owned(),
        domain_name: NAME.to_owned(),
        path: String::new(),
        custom_headers: Vec::new(),
        kind: OriginKind::Custom { http_port: 80, https_port: 443, protocol: OriginProtocol::MatchViewer },
        connection_attempts: 1,
        connection_timeout: LONG,
        read_timeout: LONG,
        keepalive_timeout: LONG,
        completion_timeout: None,
    }
}

fn plain(address: SocketAddr) -> Server {
    Server::parse(&format!("http://{address}")).unwrap()
}

fn config(servers: impl IntoIterator<Item = Server>) -> OriginsConfig {
    let servers = HashMap::from([(NAME.to_owned(), servers.into_iter().collect())]);
    OriginsConfig { servers, ..OriginsConfig::default() }
}

fn origins(servers: impl IntoIterator<Item = Server>) -> Origins {
    Origins::new(config(servers)).unwrap()
}

fn headers(host: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_str(host).unwrap())])
}

async fn send(origins: &Origins, origin: &Origin, method: Method) -> Result<OriginResponse, OriginFailure> {
    let headers = headers(NAME);
    let body = RequestBody::None;
    let call = Call { origin, scheme: Scheme::Http, method: &method, target: "/", headers: &headers, body };
    origins.fetch(call, Empty::new()).await
}

async fn get(origins: &Origins, origin: &Origin) -> Result<OriginResponse, OriginFailure> {
    send(origins, origin, Method::GET).await
}

/// The whole body, or how far it came and why no further.
async fn read(response: &mut OriginResponse) -> Result<Vec<u8>, (Vec<u8>, OriginFailure)> {
    let mut whole = Vec::new();
    while let Some(piece) = response.body.next().await {
        match piece {
            Ok(data) => whole.extend_from_slice(&data),
            Err(failure) => return Err((whole, failure)),
        }
    }
    Ok(whole)
}

/// What comes of a GET that is answered with `wire` and then closed.
async fn answered(wire: impl AsRef<[u8]>) -> Result<OriginResponse, OriginFailure> {
    let wire = Bytes::copy_from_slice(wire.as_ref());
    let address = listen(move |_, mut origin| {
        let wire = wire.clone();
        async move {
            origin.head().await;
            origin.send(wire).await;
            origin.stream.shutdown().await.unwrap();
            origin.wait_closed().await;
        }
    });
    get(&origins([plain(address.await)]), &origin()).await
}

#[tokio::test]
async fn the_request_is_written_from_the_model_alone() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let address = listen(move |_, mut origin| {
        let seen = Arc::clone(&seen);
        async move {
            loop {
                let head = origin.head().await;
                if head.is_empty() {
                    return;
                }
                seen.lock().unwrap().push(head);
                origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
        }
    });
    let (origins, origin) = (origins([plain(address.await)]), origin());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "Amazon CloudFront"),
        ("cookie", "a=1"),
        ("host", "www.example.com:8443"),
        ("content-length", "77"),
        ("transfer-encoding", "chunked"),
        ("connection", "close, x-secret"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("cloudfront-is-mobile-viewer", "true"),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let call = Call {
        origin: &origin,
        scheme: Scheme::Http,
        method: &Method::GET,
        target: "/a%20b//?x=|&&",
        headers: &headers,
        body: RequestBody::None,
    };
    let mut response = origins.fetch(call, Empty::new()).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.framing()), (200, Framing::Length(2)));
    assert_eq!(read(&mut response).await.unwrap(), b"hi");
    let post = Call { method: &Method::POST, body: RequestBody::Length(3), ..call };
    origins.fetch(post, Full::new(Bytes::from_static(b"abc"))).await.unwrap();
    let common = "Host: www.example.com:8443\r\nUser-Agent: Amazon CloudFront\r\nCookie: a=1\r\n\
                  CloudFront-Is-Mobile-Viewer: true\r\nX-Twice: 1\r\nX-Twice: 2\r\n";
    let heads = heads.lock().unwrap();
    assert_eq!(heads[0], format!("GET /a%20b//?x=|&& HTTP/1.1\r\n{common}Connection: Keep-Alive\r\n\r\n"));
    assert_eq!(
        heads[1],
        format!(
            "POST /a%20b//?x=|&& HTTP/1.1\r\n{common}Content-Length: 3\r\nConnection: Keep-Alive\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_not_sent() {
    let (origins, origin) = (origins([plain("127.0.0.1:1".parse().unwrap())]), origin());
    let one = headers(NAME);
    let mut two = headers(NAME);
    two.append("host", HeaderValue::from_static("other.test"));
    for (target, headers) in [
        ("", &one),
        ("x", &one),
        ("/a b", &one),
        ("/a\r\nX: y", &one),
        ("/\0", &one),
        ("/", &two),
        ("/", &HeaderMap::new()),
    ] {
        let call = Call {
            origin: &origin,
            scheme: Scheme::Http,
            method: &Method::GET,
            target,
            headers,
            body: RequestBody::None,
        };
        let failure = origins.fetch(call, Empty::new()).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::InvalidRequest(_)), "{target:?} {failure}");
    }
}
