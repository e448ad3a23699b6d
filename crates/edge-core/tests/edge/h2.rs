//! HTTP/2, with prior knowledge on the plain listener and over TLS.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::*;

type Sender = SendRequest<Full<Bytes>>;

async fn over<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Sender {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

impl World {
    /// A connection over TLS that agrees on this protocol; the world's clock is the machine's, and it has a local CA.
    pub(crate) async fn tls(&self, protocol: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.server.local_ca().unwrap()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = TcpStream::connect(self.server.https()[0]).await.unwrap();
        connector.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap()
    }

    async fn h2(&self) -> Sender {
        over(TcpStream::connect(self.server.http()[0]).await.unwrap()).await
    }
}

fn get(target: &str) -> http::Request<Full<Bytes>> {
    http::Request::get(format!("http://{HOST}{target}")).body(Full::default()).unwrap()
}

/// Status, `X-Cache`, and the body or how far it came.
async fn read(response: http::Response<hyper::body::Incoming>) -> (u16, String, Result<Bytes, Vec<u8>>) {
    let x_cache =
        response.headers().get("x-cache").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    let mut body = pin!(response.into_body());
    let mut whole = Vec::new();
    loop {
        match body.frame().await {
            None => return (status, x_cache, Ok(whole.into())),
            Some(Ok(frame)) => whole.extend_from_slice(&frame.into_data().unwrap()),
            Some(Err(_)) => return (status, x_cache, Err(whole)),
        }
    }
}

async fn ask(
    sender: &mut Sender,
    request: http::Request<Full<Bytes>>,
) -> (u16, String, Result<Bytes, Vec<u8>>) {
    soon("a response", async {
        match sender.send_request(request).await {
            Ok(response) => read(response).await,
            // The stream was reset before its head was out.
            Err(_) => (0, String::new(), Err(Vec::new())),
        }
    })
    .await
}

const HIT: &str = "Hit from cloudfront";
const MISS: &str = "Miss from cloudfront";

#[tokio::test]
async fn one_cache_for_both_protocols() {
    let body = noise(100_000);
    let wire = ok("", &body);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::new(&origin).await;
    let mut sender = world.h2().await;
    let (status, x_cache, got) = ask(&mut sender, get("/")).await;
    assert_eq!((status, x_cache.as_str()), (200, MISS));
    assert!(got.unwrap() == body);
    let (_, x_cache, got) = ask(&mut sender, get("/")).await;
    assert_eq!(x_cache, HIT);
    assert!(got.unwrap() == body);
    assert_eq!(world.get("/").await.x_cache(), "Hit");
    let head = http::Request::head(format!("http://{HOST}/")).body(Full::default()).unwrap();
    let response = sender.send_request(head).await.unwrap();
    assert_eq!(response.headers()["content-length"], "100000");
    assert_eq!(read(response).await.2.unwrap(), "");
}

#[tokio::test]
async fn a_crowd_on_one_connection_is_one_request_at_the_origin() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let sender = world.h2().await;
    let (replies, ()) = tokio::join!(
        all(50, |_| {
            let mut sender = sender.clone();
            async move { ask(&mut sender, get("/")).await }
        }),
        async {
            let asked = origin.asked().await;
            world.requested(50).await;
            asked.answer(ok("", "page")).await;
        }
    );
    assert_eq!(replies.iter().filter(|reply| reply.1 == MISS).count(), 1);
    assert!(replies.iter().all(|(status, _, body)| (*status, body.as_deref()) == (200, Ok(b"page"))));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn a_cut_answer_is_a_stream_error_and_the_connection_lives() {
    for chunked in [false, true] {
        for sent in [0, 5, 9] {
            let mut origin = Origin::start().await;
            let world = World::new(&origin).await;
            let mut sender = world.h2().await;
            let mut second = sender.clone();
            let (cut, ()) = tokio::join!(ask(&mut sender, get("/")), async {
                let mut asked = origin.asked().await;
                let framing = if chunked {
                    "Transfer-Encoding: chunked\r\n\r\na\r\n"
                } else {
                    "Content-Length: 10\r\n\r\n"
                };
                asked.send(format!("HTTP/1.1 200 OK\r\n{framing}{}", &"0123456789"[..sent])).await;
                drop(asked);
            });
            assert!(b"0123456789"[..sent].starts_with(&cut.2.unwrap_err()), "{chunked} {sent}");
            let (whole, ()) = tokio::join!(ask(&mut second, get("/")), async {
                origin.asked().await.answer(ok("", "whole")).await;
            });
            assert_eq!(
                (whole.0, whole.1.as_str(), whole.2.unwrap()),
                (200, MISS, Bytes::from_static(b"whole"))
            );
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_called_off_ends_what_only_it_wanted() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut sender = world.h2().await;
    let asking = sender.send_request(get("/own"));
    let (response, mut asked) = tokio::join!(asking, async {
        let mut asked = origin.asked().await;
        asked.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 100\r\n\r\nhalf").await;
        asked
    });
    drop(response.unwrap());
    asked.closed_by_edge().await;
    let (reply, ()) =
        tokio::join!(ask(&mut sender, get("/")), async { origin.asked().await.answer(ok("", "page")).await });
    assert_eq!(reply.2.unwrap(), "page");
}

#[tokio::test]
async fn bodies_go_up() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut sender = world.h2().await;
    let body = Bytes::from(noise(3 << 20));
    let post = http::Request::post(format!("http://{HOST}/")).body(Full::new(body.clone())).unwrap();
    let (reply, ()) = tokio::join!(ask(&mut sender, post), async {
        let mut asked = origin.asked().await;
        let got = match asked.field("content-length") {
            Some(length) => asked.wire.bytes(length.parse().unwrap()).await,
            None => asked.wire.chunked().await,
        };
        assert!(got.unwrap() == body);
        asked.answer(ok("", "thanks")).await;
    });
    assert_eq!((reply.0, reply.2.unwrap()), (200, Bytes::from_static(b"thanks")));
}

#[tokio::test]
async fn what_is_refused_on_http_1_is_refused_here() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::new(&origin).await;
    let mut sender = world.h2().await;
    let with_body =
        http::Request::get(format!("http://{HOST}/")).body(Full::new(Bytes::from_static(b"x"))).unwrap();
    assert_eq!(ask(&mut sender, with_body).await.0, 403);
    let elsewhere = http::Request::get("http://elsewhere.example/").body(Full::default()).unwrap();
    assert_eq!(ask(&mut sender, elsewhere).await.0, 403);
    let long = get(&format!("/{}", "x".repeat(8_192)));
    assert_eq!(ask(&mut sender, long).await.0, 414);
    assert_eq!(ask(&mut sender, get("/")).await.0, 200);
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn over_tls_with_the_local_ca() {
    let origin =
        Origin::answering(|head, _| ok("", field(head, "via").unwrap().split(' ').next().unwrap())).await;
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-h2-ca");
    let world = World::with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(directory);
        // The viewer looks at its own clock.
        settings.clock = Clock::system();
        settings.distribution.http_version = edge_core::distribution::HttpVersion::Http2;
    })
    .await;
    let stream = world.tls("h2").await;
    let mut sender = over(stream).await;
    let request = || http::Request::get(format!("https://{HOST}/")).body(Full::default()).unwrap();
    let reply = ask(&mut sender, request()).await;
    assert_eq!((reply.0, reply.1.as_str(), reply.2.unwrap()), (200, MISS, Bytes::from_static(b"2.0")));
    assert_eq!(ask(&mut sender, request()).await.1, HIT);
    assert_eq!(world.get("/").await.x_cache(), "Hit");
}
