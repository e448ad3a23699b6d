//! Requests to origins, against servers that are scripted byte by byte.
#![cfg(feature = "proxy")]

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edge_core::distribution::{Origin, OriginKind, OriginProtocol};
use edge_core::proxy::fetch::{
    Call, Framing, HealthCheck, OriginFailure, OriginResponse, Origins, OriginsConfig, Probe, RequestBody,
    Scheme, Server, Verification,
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
    OriginsConfig { servers, health_check: None, ..OriginsConfig::default() }
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

/// Posts `body` announced as `announced`.
async fn post<B>(
    origins: &Origins,
    origin: &Origin,
    announced: RequestBody,
    body: B,
) -> Result<OriginResponse, OriginFailure>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let (method, headers) = (Method::POST, headers(NAME));
    let call = Call {
        origin,
        scheme: Scheme::Http,
        method: &method,
        target: "/",
        headers: &headers,
        body: announced,
    };
    origins.fetch(call, body).await
}

/// A body of these frames; `Err` is a viewer who breaks off.
fn frames<I>(frames: I) -> impl http_body::Body<Data = Bytes, Error = String> + Send + Unpin + 'static
where
    I: IntoIterator<Item = Result<&'static [u8], &'static str>>,
    I::IntoIter: Send + Unpin + 'static,
{
    struct Frames<I>(I);
    impl<I: Iterator<Item = Result<&'static [u8], &'static str>> + Unpin> http_body::Body for Frames<I> {
        type Data = Bytes;
        type Error = String;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, String>>> {
            let next = self.0.next();
            std::task::Poll::Ready(next.map(|frame| match frame {
                Ok(data) => Ok(http_body::Frame::data(Bytes::from_static(data))),
                Err(why) => Err(why.to_owned()),
            }))
        }
    }
    Frames(frames.into_iter())
}

/// A body that waits for its pieces.
struct Channel(tokio::sync::mpsc::Receiver<Bytes>);

fn channel() -> (tokio::sync::mpsc::Sender<Bytes>, Channel) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    (sender, Channel(receiver))
}

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = String;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, String>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|data| Ok(http_body::Frame::data(data))))
    }
}

fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let cases: [(&str, Framing, &str); 11] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Framing::Length(3), "abc"),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Framing::Length(0), ""),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc",
            Framing::Length(3),
            "abc",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcXYZ", Framing::Length(3), "abc"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Framing::Chunked,
            "abc",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nT: v\r\n\r\n",
            Framing::Chunked,
            "a",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", Framing::UntilClose, "abc"),
        ("HTTP/1.0 200 OK\r\n\r\n", Framing::UntilClose, ""),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Framing::None, ""),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::None, ""),
        ("HTTP/1.1 404 Not Found\nContent-Length: 1\n\nx", Framing::Length(1), "x"),
    ];
    for (wire, framing, body) in cases {
        let mut response = answered(wire).await.unwrap_or_else(|failure| panic!("{wire}: {failure}"));
        assert_eq!(response.body.framing(), framing, "{wire}");
        assert_eq!(read(&mut response).await.unwrap(), body.as_bytes(), "{wire}");
        assert!(response.body.next().await.is_none());
        if framing == Framing::Chunked {
            assert!(!response.headers.contains_key("content-length"));
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_is_never_a_clean_end() {
    for (wire, read_before, truncated) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "abc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "abc", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "", false),
    ] {
        let mut response = answered(wire).await.unwrap();
        let (got, failure) = read(&mut response).await.unwrap_err();
        assert_eq!(String::from_utf8(got).unwrap(), read_before, "{wire}");
        assert_eq!(failure == OriginFailure::Truncated, truncated, "{wire}: {failure}");
        assert_eq!(response.body.next().await, Some(Err(failure)), "it stays so");
    }
}

#[tokio::test]
async fn a_reset_is_not_an_end_even_without_a_length() {
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 200 OK\r\n\r\nabc").await;
        origin.bytes(1).await; // the test has read it all
        reset(&origin.stream);
    });
    let origins = origins([plain(address.await)]);
    let (sender, body) = channel();
    let mut response = post(&origins, &origin(), RequestBody::Length(1), body).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");
    sender.send(Bytes::from_static(b"!")).await.unwrap();
    assert_eq!(response.body.next().await, Some(Err(OriginFailure::Truncated)));
}

#[tokio::test]
async fn heads_that_cannot_be_trusted_are_failures() {
    let invalid = [
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\x16\x03\x01\x00\x05hello",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    ];
    for wire in invalid {
        let failure = answered(wire).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::InvalidResponse(_)), "{wire:?}: {failure}");
    }
    for wire in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_eq!(answered(wire).await.unwrap_err(), OriginFailure::ClosedBeforeResponse, "{wire:?}");
    }
}

#[tokio::test]
async fn response_heads_are_limited() {
    let of_size = |size: usize| {
        let (start, end) = ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
    };
    assert_eq!(answered(of_size(32_768)).await.unwrap().status, 200);
    assert_eq!(answered(of_size(32_769)).await.unwrap_err(), OriginFailure::HeaderTooBig);
    assert_eq!(answered(of_size(2_000_000)).await.unwrap_err(), OriginFailure::HeaderTooBig);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(300));
    assert_eq!(answered(many).await.unwrap_err(), OriginFailure::HeaderTooBig);
    let interim = format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9));
    assert!(matches!(answered(interim).await.unwrap_err(), OriginFailure::InvalidResponse(_)));
}

#[tokio::test]
async fn nothing_is_lost_from_the_head() {
    let wire = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                HTTP/1.1 404 Nope\r\nSet-Cookie: a=1; Path=/\r\nX: 1\r\nset-cookie: b=2\r\nX: \r\n\
                SET-COOKIE: c=\u{e9}\r\nContent-Length: 0\r\n\r\n";
    let response = answered(wire).await.unwrap();
    assert_eq!((response.status.as_u16(), response.version), (404, http::Version::HTTP_11));
    let all = |name| response.headers.get_all(name).iter().map(|v| v.as_bytes()).collect::<Vec<_>>();
    assert_eq!(all("set-cookie"), [b"a=1; Path=/".as_slice(), b"b=2", "c=\u{e9}".as_bytes()]);
    assert_eq!(all("x"), [b"1".as_slice(), b""]);
    let interim: Vec<_> = response.interim.iter().map(|interim| interim.status.as_u16()).collect();
    assert_eq!(interim, [103, 102]);
    assert_eq!(response.interim[0].headers["link"], "</a.css>");
}

#[tokio::test]
async fn silence_is_bounded_everywhere() {
    // Silence before the head, within it, and within the body.
    for (wire, in_body) in [("", false), ("HTTP/1.1 200 OK\r\n", false), ("HTTP/1.1 200 OK\r\n\r\nabc", true)]
    {
        let address = listen(move |_, mut origin| async move {
            origin.head().await;
            origin.send(wire).await;
            origin.wait_closed().await;
        });
        let origins = origins([plain(address.await)]);
        let result = get(&origins, &Origin { read_timeout: SHORT, ..origin() }).await;
        if in_body {
            let (got, failure) = read(&mut result.unwrap()).await.unwrap_err();
            assert_eq!((got.as_slice(), failure), (b"abc".as_slice(), OriginFailure::ReadTimeout));
        } else {
            assert_eq!(result.unwrap_err(), OriginFailure::ReadTimeout);
        }
    }
}

#[tokio::test]
async fn completion_is_bounded_even_while_bytes_trickle() {
    for head in ["", "HTTP/1.1 200 OK\r\n\r\n"] {
        let address = listen(move |_, mut origin| async move {
            origin.head().await;
            origin.send(head).await;
            let filler = if head.is_empty() { "HTTP/1.1 103 E\r\nX: y" } else { "x" };
            origin.send(filler).await;
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while origin.stream.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
        });
        let origins = origins([plain(address.await)]);
        let origin = Origin { completion_timeout: Some(SHORT), ..origin() };
        let failure = match get(&origins, &origin).await {
            Ok(mut response) => read(&mut response).await.unwrap_err().1,
            Err(failure) => failure,
        };
        assert_eq!(failure, OriginFailure::CompletionTimeout);
    }
}

#[tokio::test]
async fn connecting_is_bounded_tls_included() {
    let address = listen(|_, mut origin| async move { origin.wait_closed().await });
    let mut server = plain(address.await);
    server.scheme = Scheme::Https;
    let failure =
        get(&origins([server]), &Origin { connection_timeout: SHORT, ..origin() }).await.unwrap_err();
    assert_eq!(failure, OriginFailure::ConnectTimeout);
}

/// An address nobody listens on.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn nobody_there() {
    assert_eq!(get(&origins([plain(dead().await)]), &origin()).await.unwrap_err(), OriginFailure::Refused);
    let unknown = Origin { domain_name: "nothing.invalid".to_owned(), ..origin() };
    let failure = get(&origins([plain(dead().await)]), &unknown).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::Dns(_)), "{failure}");
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let address = listen(|_, mut origin| async move {
        origin.answer_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    });
    let address = address.await;
    let ips = vec![IpAddr::from([127, 0, 0, 2]), address.ip()];
    let hosts = HashMap::from([("two.test".to_owned(), ips)]);
    let origins = Origins::new(OriginsConfig { hosts, ..OriginsConfig::default() }).unwrap();
    let kind =
        OriginKind::Custom { http_port: address.port(), https_port: 443, protocol: OriginProtocol::HttpOnly };
    let origin = Origin { domain_name: "Two.Test".to_owned(), kind, ..origin() };
    assert_eq!(get(&origins, &origin).await.unwrap().server, address);
}

#[tokio::test]
async fn only_what_may_be_asked_twice_is() {
    // The first two connections die in `way`, the third answers.
    for (way, failure) in [
        ("silent", OriginFailure::ReadTimeout),
        ("closed", OriginFailure::ClosedBeforeResponse),
        ("partial", OriginFailure::ClosedBeforeResponse),
    ] {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let address = listen(move |number, mut origin| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                origin.head().await;
                match (number % 3, way) {
                    (2, _) => {
                        origin.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await
                    }
                    (_, "silent") => origin.wait_closed().await,
                    (_, "partial") => origin.send("HTTP/1.1").await,
                    _ => {}
                }
            }
        });
        let origins = origins([plain(address.await)]);
        let origin = Origin { connection_attempts: 3, read_timeout: SHORT, ..origin() };
        let outcome = get(&origins, &origin).await;
        if way == "partial" {
            assert_eq!(outcome.unwrap_err(), failure, "an answer had begun");
            assert_eq!(connections.load(Ordering::SeqCst), 1);
            continue;
        }
        assert_eq!(outcome.unwrap().status, 200, "{way}");
        assert_eq!(connections.load(Ordering::SeqCst), 3);
        let posted =
            post(&origins, &origin, RequestBody::Length(1), Full::new(Bytes::from_static(b"x"))).await;
        assert_eq!(posted.unwrap_err(), failure, "{way}");
        assert_eq!(connections.load(Ordering::SeqCst), 4, "one try");
        let two = Origin { connection_attempts: 1, ..origin };
        assert_eq!(get(&origins, &two).await.unwrap_err(), failure);
    }
}

#[tokio::test]
async fn uploads_are_written_exactly() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let address = listen(move |_, mut origin| {
        let seen = Arc::clone(&seen);
        async move {
            let head = origin.head().await;
            let chunked = head.contains("Transfer-Encoding: chunked\r\n");
            assert_ne!(chunked, head.contains("Content-Length"));
            let body = origin.bytes(if chunked { 28 } else { 5 }).await;
            seen.lock().unwrap().push(String::from_utf8(body).unwrap());
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            origin.wait_closed().await;
        }
    });
    let (address, one) = (address.await, origin());
    let pieces = || frames([Ok(b"he".as_slice()), Ok(b""), Ok(b"llo")]);
    for announced in [RequestBody::Length(5), RequestBody::Chunked] {
        let body = if announced == RequestBody::Chunked {
            frames(vec![Ok(b"he".as_slice()), Ok(b"0123456789a")].into_iter())
        } else {
            frames(vec![Ok(b"he".as_slice()), Ok(b""), Ok(b"llo")].into_iter())
        };
        post(&origins([plain(address)]), &one, announced, body).await.unwrap();
    }
    assert_eq!(*bodies.lock().unwrap(), ["hello", "2\r\nhe\r\nb\r\n0123456789a\r\n0\r\n\r\n"]);
    for (announced, why) in [(4, "longer"), (6, "shorter")] {
        let failure = post(&origins([plain(address)]), &one, RequestBody::Length(announced), pieces()).await;
        let OriginFailure::ViewerBody(text) = failure.unwrap_err() else { panic!("{why}") };
        assert!(text.contains(why), "{text}");
    }
    let broken = frames([Ok(b"he".as_slice()), Err("gone")]);
    let failure = post(&origins([plain(address)]), &one, RequestBody::Chunked, broken).await.unwrap_err();
    assert_eq!(failure, OriginFailure::ViewerBody("gone".to_owned()));
    assert_eq!(bodies.lock().unwrap().len(), 2, "no broken body was ever complete");
}

#[tokio::test]
async fn uploads_of_any_size_go_through_a_small_buffer() {
    const MIB: usize = 1 << 20;
    let given = Arc::new(AtomicUsize::new(0));
    let most_ahead = Arc::new(AtomicUsize::new(0));
    let (watched, ahead) = (Arc::clone(&given), Arc::clone(&most_ahead));
    let address = listen(move |_, mut origin| {
        let (given, ahead) = (Arc::clone(&watched), Arc::clone(&ahead));
        async move {
            origin.head().await;
            for taken in 0..64 {
                origin.bytes(MIB).await;
                ahead.fetch_max(given.load(Ordering::SeqCst).saturating_sub(taken * MIB), Ordering::SeqCst);
            }
            origin.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
            origin.wait_closed().await;
        }
    });
    static PIECE: [u8; 65_536] = [7; 65_536];
    let pieces = (0..1024).map(move |_| {
        given.fetch_add(PIECE.len(), Ordering::SeqCst);
        Ok(PIECE.as_slice())
    });
    let origins = origins([plain(address.await)]);
    let announced = RequestBody::Length(64 * MIB as u64);
    assert_eq!(post(&origins, &origin(), announced, frames(pieces)).await.unwrap().status, 201);
    // The kernel's own buffers on loopback hold several MiB.
    assert!(most_ahead.load(Ordering::SeqCst) < 24 * MIB, "{most_ahead:?} bytes ahead");
}

#[tokio::test]
async fn an_answer_is_seen_while_the_upload_goes_on() {
    // An origin that answers at once, reads nothing more, and even waits for the viewer of its long answer.
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        std::future::pending::<()>().await;
    });
    let endless = std::iter::repeat_with(|| Ok([0u8; 65_536].as_slice()));
    let origins = origins([plain(address.await)]);
    let mut response = post(&origins, &origin(), RequestBody::Chunked, frames(endless)).await.unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(read(&mut response).await.unwrap(), b"big");
}

#[tokio::test]
async fn both_directions_at_once() {
    // An echo: what is sent comes back while the rest is still on its way, far more than any buffer holds.
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n").await;
        let early = std::mem::take(&mut origin.unread);
        origin.send(early).await;
        let mut buffer = vec![0; 65_536];
        loop {
            match origin.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => origin.send(&buffer[..count]).await,
            }
        }
    });
    let pieces = (0..512).map(|_| Ok([9u8; 65_536].as_slice()));
    let origins = origins([plain(address.await)]);
    let mut response =
        post(&origins, &origin(), RequestBody::Length(512 * 65_536), frames(pieces)).await.unwrap();
    let mut count = 0;
    while let Some(piece) = response.body.next().await {
        let piece = piece.unwrap();
        assert!(piece.iter().all(|&byte| byte == 9));
        count += piece.len();
    }
    assert_eq!(count, 512 * 65_536);
}

/// Counts connections, and answers each request on them with the next of `wires`.
async fn counted(wires: &'static [&'static str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    let address = listen(move |_, mut origin| {
        count.fetch_add(1, Ordering::SeqCst);
        let requests = Arc::clone(&requests);
        async move {
            while !origin.head().await.is_empty() {
                let turn = requests.fetch_add(1, Ordering::SeqCst);
                origin.send(wires[turn % wires.len()]).await;
            }
        }
    });
    (address.await, connections)
}

#[tokio::test]
async fn connections_are_kept_when_nothing_is_left_on_them() {
    let (address, connections) = counted(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=99\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for _ in 0..20 {
        read(&mut get(&origins, &origin).await.unwrap()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let body = Full::new(Bytes::from_static(b""));
    read(&mut post(&origins, &origin, RequestBody::Length(0), body).await.unwrap()).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connections_with_something_left_on_them_are_closed() {
    let cases: [(&'static [&'static str], Method); 8] = [
        (&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"], Method::HEAD),
        (&["HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (&["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (&["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
            Method::GET,
        ),
    ];
    for (wires, method) in cases {
        let (address, connections) = counted(wires).await;
        let (origins, origin) = (origins([plain(address)]), origin());
        for _ in 0..3 {
            read(&mut send(&origins, &origin, method.clone()).await.unwrap()).await.unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3, "{wires:?}");
    }
}

#[tokio::test]
async fn an_exchange_given_up_takes_its_connection_along() {
    let (address, connections) = counted(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"]).await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for _ in 0..3 {
        let mut response = get(&origins, &origin).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    // The answer is complete, but the request never was.
    let (address, connections) = counted(&["HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"]).await;
    let origins = origins_for(address);
    for _ in 0..3 {
        let (_sender, body) = channel();
        let mut response = post(&origins, &origin, RequestBody::Length(1), body).await.unwrap();
        read(&mut response).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

fn origins_for(address: SocketAddr) -> Origins {
    origins([plain(address)])
}

#[tokio::test]
async fn connections_are_not_shared_between_hosts() {
    let (address, connections) = counted(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for host in ["a.test", "b.test", "a.test", "b.test:80"] {
        let headers = headers(host);
        let call = Call {
            origin: &origin,
            scheme: Scheme::Http,
            method: &Method::GET,
            target: "/",
            headers: &headers,
            body: RequestBody::None,
        };
        origins.fetch(call, Empty::new()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    // Every connection answers one request, promises to stay, and hangs up on the second one.
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let address = listen(move |_, mut origin| {
        let count = Arc::clone(&count);
        async move {
            origin.head().await;
            count.fetch_add(1, Ordering::SeqCst);
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            if !origin.head().await.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let (origins, origin) = (origins([plain(address.await)]), origin());
    for method in [Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(send(&origins, &origin, method).await.unwrap().status, 200);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 5, "the second and third were sent twice");
    // A POST was sent, and may have been acted upon: once only.
    let body = Full::new(Bytes::from_static(b"x"));
    let failure = post(&origins, &origin, RequestBody::Length(1), body).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::ClosedBeforeResponse | OriginFailure::Reset(_)), "{failure}");
    assert_eq!(requests.load(Ordering::SeqCst), 6);
}

/// A server that can be killed: its listener and its connections go at once.
struct Mortal {
    address: SocketAddr,
    kill: tokio::sync::watch::Sender<bool>,
    requests: Arc<AtomicUsize>,
}

async fn mortal() -> Mortal {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (kill, killed) = tokio::sync::watch::channel(false);
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut dead = killed.clone();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                _ = dead.changed() => return,
            };
            let (mut dead, count) = (killed.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut origin = Wire::new(stream);
                tokio::select! {
                    () = async {
                        while !origin.head().await.is_empty() {
                            count.fetch_add(1, Ordering::SeqCst);
                            tokio::task::yield_now().await;
                            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                        }
                    } => {}
                    _ = dead.changed() => {}
                }
                reset(&origin.stream);
            });
        }
    });
    Mortal { address, kill, requests }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_servers_dies_and_no_get_fails() {
    let (one, two) = (mortal().await, mortal().await);
    let origins = Arc::new(origins([plain(one.address), plain(two.address)]));
    let done = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (origins, done, origin) = (Arc::clone(&origins), Arc::clone(&done), origin());
            tokio::spawn(async move {
                for _ in 0..250 {
                    let mut response = get(&origins, &origin).await.unwrap();
                    assert_eq!(read(&mut response).await.unwrap(), b"ok");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < 500 {
        tokio::task::yield_now().await;
    }
    assert!(
        one.requests.load(Ordering::SeqCst) > 100 && two.requests.load(Ordering::SeqCst) > 100,
        "in turn"
    );
    one.kill.send(true).unwrap();
    for task in load {
        task.await.unwrap();
    }
    // Nothing had been sent to the dead one, so even these go through.
    for _ in 0..4 {
        let body = Full::new(Bytes::from_static(b""));
        post(&origins, &origin(), RequestBody::Length(0), body).await.unwrap();
    }
}

#[tokio::test]
async fn health_checks_find_out_before_viewers_do() {
    let (alive, connections) =
        counted(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]).await;
    let checked = Arc::new(tokio::sync::Semaphore::new(0));
    let (seen, viewers) = (Arc::clone(&checked), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&viewers);
    let ill = listen(move |_, mut origin| {
        let (seen, count) = (Arc::clone(&seen), Arc::clone(&count));
        async move {
            let head = origin.head().await;
            if head.starts_with("GET /health HTTP/1.1\r\nHost: origin.test\r\n") {
                origin.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
                origin.wait_closed().await;
                seen.add_permits(1);
            } else {
                count.fetch_add(1, Ordering::SeqCst);
                origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        }
    });
    let probe = Probe::Get("/health".to_owned());
    let health_check = HealthCheck { every: Duration::from_millis(20), timeout: LONG, probe };
    let servers = [plain(alive), plain(ill.await)];
    let origins =
        Origins::new(OriginsConfig { health_check: Some(health_check), ..config(servers) }).unwrap();
    get(&origins, &origin()).await.unwrap();
    checked.acquire_many(3).await.unwrap().forget();
    let before = viewers.load(Ordering::SeqCst);
    for _ in 0..6 {
        get(&origins, &origin()).await.unwrap();
    }
    assert_eq!(viewers.load(Ordering::SeqCst), before, "left alone");
    assert!(connections.load(Ordering::SeqCst) >= 6);
}

/// A certificate authority, and a TLS server with a certificate of it for `names`.
async fn tls(
    names: &[&str],
    authority: Option<&rcgen::Issuer<'static, rcgen::KeyPair>>,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params =
        rcgen::CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, authority).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = listen(move |_, origin| {
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        async move {
            let Ok(stream) = acceptor.accept(origin.stream).await else { return };
            count.fetch_add(1, Ordering::SeqCst);
            let sni = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
            let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Sni: {sni}\r\n\r\n");
            Wire::new(stream).answer_all(wire.as_bytes()).await;
        }
    });
    (address.await, connections)
}

fn authority() -> (rcgen::Issuer<'static, rcgen::KeyPair>, rustls_pki_types::CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "a private authority");
    let certificate = params.self_signed(&key).unwrap();
    (rcgen::Issuer::new(params, key), certificate.der().clone())
}

async fn get_as(origins: &Origins, host: &str) -> Result<OriginResponse, OriginFailure> {
    let (origin, headers) = (origin(), headers(host));
    let call = Call {
        origin: &origin,
        scheme: Scheme::Https,
        method: &Method::GET,
        target: "/",
        headers: &headers,
        body: RequestBody::None,
    };
    origins.fetch(call, Empty::new()).await
}

fn secure(address: SocketAddr, verification: Verification) -> Server {
    Server { scheme: Scheme::Https, verification, ..plain(address) }
}

#[tokio::test]
async fn certificates_are_for_the_forwarded_host_or_the_origin() {
    let (issuer, root) = authority();
    for (names, host, good) in [
        (["www.example.com"], "www.example.com", true),
        (["www.example.com"], "www.example.com:8443", true),
        (["*.example.com"], "www.example.com", true),
        ([NAME], "www.example.com", true),
        (["other.example.com"], "www.example.com", false),
    ] {
        let (address, connections) = tls(&names, Some(&issuer)).await;
        let config = config([secure(address, Verification::Strict)]);
        let origins = Origins::new(OriginsConfig { extra_roots: vec![root.clone()], ..config }).unwrap();
        match get_as(&origins, host).await {
            Ok(response) if good => assert_eq!(response.headers["x-sni"], "www.example.com"),
            Err(OriginFailure::Tls(_)) if !good => continue,
            other => panic!("{names:?} {host}: {other:?}"),
        }
        // The same again on the same connection; another name needs another.
        get_as(&origins, host).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        if get_as(&origins, "another.example.com").await.is_ok() {
            assert_eq!(connections.load(Ordering::SeqCst), 2);
        }
    }
}

#[tokio::test]
async fn nobody_vouches_for_a_self_signed_certificate() {
    let (address, _) = tls(&[NAME], None).await;
    let strict = origins([secure(address, Verification::Strict)]);
    let failure = get_as(&strict, NAME).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::Tls(_)), "{failure}");
    // Nor does an authority that did not sign it, nor a Host that cannot be a name.
    let (_, root) = authority();
    let config = config([secure(address, Verification::Strict)]);
    let other = Origins::new(OriginsConfig { extra_roots: vec![root], ..config }).unwrap();
    for host in [NAME, "", "not a name"] {
        assert!(matches!(get_as(&other, host).await, Err(OriginFailure::Tls(_))), "{host:?}");
    }
    // Only whoever says so goes without.
    let off = origins([secure(address, Verification::Off)]);
    assert_eq!(get_as(&off, "www.example.com").await.unwrap().status, 200);
}

#[test]
fn servers_are_read_from_urls() {
    let server = |url| Server::parse(url).map(|server| (server.scheme, server.host, server.port));
    assert_eq!(server("http://127.0.0.1:8000").unwrap(), (Scheme::Http, "127.0.0.1".to_owned(), 8000));
    assert_eq!(server("https://web/").unwrap(), (Scheme::Https, "web".to_owned(), 443));
    assert_eq!(server("http://[::1]:81").unwrap(), (Scheme::Http, "::1".to_owned(), 81));
    assert_eq!(server("http://[::1]").unwrap().2, 80);
    for wrong in [
        "",
        "web",
        "web:80",
        "ftp://web",
        "http://",
        "http://web/path",
        "http://web?q",
        "http://u@web",
        "http://web:",
    ] {
        assert!(server(wrong).is_err(), "{wrong}");
    }
}
