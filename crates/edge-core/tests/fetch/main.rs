//! Requests to origins, against servers that are scripted byte by byte.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod request;
mod response;
mod reuse;
mod servers;
mod tls;

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edge_core::distribution::{Origin, OriginKind, OriginProtocol};
use edge_core::proxy::fetch::{
    Call, ClientCertificate, Framing, HealthCheck, OriginFailure, OriginResponse, Origins, OriginsConfig,
    Probe, RequestBody, Scheme, Server, Verification,
};
use edge_core::viewer::traffic::Traffic;
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
        signing: None,
        reach: edge_core::distribution::Reach::Public,
        client_certificate: None,
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
    let call = Call {
        origin,
        scheme: Scheme::Http,
        method: &method,
        target: "/",
        headers: &headers,
        body,
        traffic: Traffic::Messages,
    };
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
        traffic: Traffic::Messages,
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

fn origins_for(address: SocketAddr) -> Origins {
    origins([plain(address)])
}
