//! HTTP/3 from viewer to origin: the same edge and the same cache, over QUIC, asked by another's client.

use bytes::{Buf, Bytes};
use edge_core::distribution::deployment::{Deployment, Traffic};
use edge_core::distribution::viewer_tls::ViewerMtls;
use edge_core::distribution::{HeaderForwarding, HttpVersion};
use edge_core::proxy::server::Http3;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use quinn::crypto::rustls::QuicClientConfig;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::*;

type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;
type Stream = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// A viewer who speaks HTTP/3.
struct Http3Viewer {
    sender: Sender,
    quic: quinn::Connection,
    /// It must not go before what it carries does.
    _endpoint: quinn::Endpoint,
}

/// What he read: the head, and the body or how far it came.
struct Read {
    head: Response<()>,
    body: Result<Vec<u8>, Vec<u8>>,
    trailers: Option<HeaderMap>,
}

impl Read {
    fn is(&self) -> (u16, &str, &str) {
        let x_cache = self.field("x-cache").and_then(|text| text.split(' ').next()).unwrap_or_default();
        let body = self.body.as_deref().map_or("cut", |body| std::str::from_utf8(body).unwrap_or("bytes"));
        (self.head.status().as_u16(), x_cache, body)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

impl Http3Viewer {
    async fn connect(world: &World, name: &str) -> Result<Self, quinn::ConnectionError> {
        Self::with_window(world, name, 1 << 20).await
    }

    /// One who takes so many bytes ahead of what he reads.
    async fn with_window(world: &World, name: &str, window: u32) -> Result<Self, quinn::ConnectionError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(world.server.local_ca().unwrap()).unwrap()).unwrap();
        let mut tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = quinn::TransportConfig::default();
        transport.stream_receive_window(window.into()).receive_window(window.into());
        config.transport_config(Arc::new(transport));
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(config, world.server.https()[0], name).unwrap();
        let quic = soon("a handshake", connecting).await?;
        let connection = h3_quinn::Connection::new(quic.clone());
        let (mut driver, sender) = h3::client::new(connection).await.unwrap();
        tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
        Ok(Self { sender, quic, _endpoint: endpoint })
    }

    /// Sends a head, and a body if there is one.
    async fn begin(&mut self, request: Request<&'static [u8]>) -> Stream {
        let (parts, body) = request.into_parts();
        let mut stream = self.sender.send_request(Request::from_parts(parts, ())).await.unwrap();
        if !body.is_empty() {
            stream.send_data(Bytes::from_static(body)).await.unwrap();
        }
        stream.finish().await.unwrap();
        stream
    }

    async fn ask(&mut self, request: Request<&'static [u8]>) -> Read {
        let stream = self.begin(request).await;
        soon("an answer", read(stream)).await.unwrap()
    }

    async fn get(&mut self, target: &str) -> Read {
        self.ask(get(target)).await
    }
}

async fn read(mut stream: Stream) -> Option<Read> {
    let head = stream.recv_response().await.ok()?;
    let mut whole = Vec::new();
    loop {
        match stream.recv_data().await {
            Ok(Some(mut piece)) => whole.extend_from_slice(&piece.copy_to_bytes(piece.remaining())),
            Ok(None) => {
                let trailers = stream.recv_trailers().await.unwrap();
                return Some(Read { head, body: Ok(whole), trailers });
            }
            Err(_) => return Some(Read { head, body: Err(whole), trailers: None }),
        }
    }
}

fn get(target: &str) -> Request<&'static [u8]> {
    Request::get(format!("https://{HOST}{target}")).body(&b""[..]).unwrap()
}

/// An edge whose distribution has HTTP/3, and what else is changed.
async fn world(origin: &Origin, change: impl FnOnce(&mut Settings)) -> World {
    World::with(origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-http3-ca"));
        settings.distribution.http_version = HttpVersion::Http2And3;
        change(settings);
    })
    .await
}

/// `Alt-Svc` of one answer over TLS.
async fn alt_svc(world: &World) -> Option<String> {
    let io = hyper_util::rt::TokioIo::new(world.tls("http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/alt").header("host", HOST).body(Empty::<Bytes>::new()).unwrap();
    let response = soon("an answer", sender.send_request(request)).await.unwrap();
    response.headers().get("alt-svc").map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn one_cache_for_all_versions() {
    let origin = Origin::answering(|_, _| ok("ETag: \"a\"\r\n", "0123456789")).await;
    let world = world(&origin, |_| {}).await;
    assert_eq!(world.server.http3(), world.server.https());
    let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    assert_eq!(viewer.get("/").await.is(), (200, "Miss", "0123456789"));
    let hit = viewer.get("/").await;
    assert_eq!(hit.is(), (200, "Hit", "0123456789"));
    assert_eq!(hit.field("content-length"), Some("10"));
    assert_eq!(hit.trailers, None);
    let offer = format!("h3=\":{}\"; ma=86400", world.server.https()[0].port());
    assert_eq!(hit.field("alt-svc"), Some(offer.as_str()));
    assert_eq!(world.get("/").await.is(), (200, "Hit", "0123456789"));

    let head = Request::head(format!("https://{HOST}/")).body(&b""[..]).unwrap();
    let head = viewer.ask(head).await;
    assert_eq!((head.is(), head.field("content-length")), ((200, "Hit", ""), Some("10")));
    let with = |name: &str, value: &str| {
        let mut request = get("/");
        request.headers_mut().insert(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        request
    };
    assert_eq!(viewer.ask(with("if-none-match", "\"a\"")).await.is(), (304, "Hit", ""));
    let part = viewer.ask(with("range", "bytes=2-4")).await;
    assert_eq!((part.is(), part.field("content-range")), ((206, "Hit", "234"), Some("bytes 2-4/10")));
    let parts = viewer.ask(with("range", "bytes=0-0,9-9")).await;
    assert!(parts.field("content-type").unwrap().starts_with("multipart/byteranges; boundary="));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn a_body_comes_whole_and_with_its_framing() {
    let mut origin = Origin::start().await;
    let world = world(&origin, |settings| {
        let names =
            ["cloudfront-viewer-http-version", "cloudfront-viewer-tls"].map(|name| name.parse().unwrap());
        settings.distribution.default_behavior.forward.headers = HeaderForwarding::Only(names.to_vec());
    })
    .await;
    let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    for length in [Some("9"), None] {
        let mut request = Request::post(format!("https://{HOST}/form"));
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let stream = viewer.begin(request.body(&b"some=form"[..]).unwrap()).await;
        let mut asked = origin.asked().await;
        assert_eq!(asked.field("content-length"), length);
        let body = match length {
            Some(_) => asked.wire.bytes(9).await.unwrap(),
            None => asked.wire.chunked().await.unwrap(),
        };
        assert_eq!(body, b"some=form");
        assert_eq!(asked.field("cloudfront-viewer-http-version"), Some("3.0"));
        assert!(asked.field("cloudfront-viewer-tls").unwrap().starts_with("TLSv1.3:TLS_AES_128_GCM_SHA256:"));
        asked.answer(ok("", "thanks")).await;
        assert_eq!(soon("an answer", read(stream)).await.unwrap().is(), (200, "Miss", "thanks"));
    }
}

#[tokio::test]
async fn a_get_has_no_body_however_its_end_comes() {
    let mut origin = Origin::start().await;
    let world = world(&origin, |_| {}).await;
    let viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    let heard = || viewer.quic.stats().udp_rx.datagrams;
    let before = heard();
    let mut stream = viewer.sender.clone().send_request(get("/").map(drop)).await.unwrap();
    // The edge has confirmed what came, and the end is in none of it.
    until("a word from the edge", || heard() > before).await;
    stream.finish().await.unwrap();
    let asked = origin.asked().await;
    assert_eq!(asked.field("transfer-encoding"), None);
    asked.answer(ok("", "page")).await;
    assert_eq!(soon("an answer", read(stream)).await.unwrap().is(), (200, "Miss", "page"));
}

#[tokio::test]
async fn an_origin_that_does_not_read_holds_the_viewer_back() {
    let mut origin = Origin::start().await;
    let world = world(&origin, |_| {}).await;
    let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    let request = Request::put(format!("https://{HOST}/")).body(()).unwrap();
    let mut stream = viewer.sender.send_request(request).await.unwrap();
    let _asked = origin.asked().await;
    let piece = Bytes::from(vec![b'x'; 64 * 1_024]);
    let mut written = 0;
    while let Ok(result) = tokio::time::timeout(SHORT * 2, stream.send_data(piece.clone())).await {
        result.unwrap();
        written += piece.len();
        assert!(written < 48 << 20, "{written} bytes are held somewhere");
    }
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_a_large_body() {
    const LENGTH: usize = 12 << 20;
    let body = noise(LENGTH);
    let wire = ok("", &body);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = world(&origin, |settings| settings.cache_bytes = 8 << 20).await;
    let mut slow = Http3Viewer::with_window(&world, HOST, 16 * 1_024).await.unwrap();
    let mut stream = slow.begin(get("/")).await;
    let head = soon("a head", stream.recv_response()).await.unwrap();
    assert_eq!(head.headers()["content-length"], LENGTH.to_string());
    // He does not read, and others are served meanwhile.
    let mut other = Http3Viewer::connect(&world, HOST).await.unwrap();
    assert!(other.get("/other").await.body.unwrap() == body);
    let mut got = Vec::new();
    while let Some(mut piece) = soon("a piece", stream.recv_data()).await.unwrap() {
        got.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
    }
    assert!(got == body);
}

#[tokio::test]
async fn a_cut_answer_is_a_stream_error_and_the_connection_lives() {
    for chunked in [false, true] {
        let mut origin = Origin::start().await;
        let world = world(&origin, |_| {}).await;
        let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
        let stream = viewer.begin(get("/")).await;
        let mut asked = origin.asked().await;
        let framing =
            if chunked { "Transfer-Encoding: chunked\r\n\r\na\r\n" } else { "Content-Length: 10\r\n\r\n" };
        asked.send(format!("HTTP/1.1 200 OK\r\n{framing}01234")).await;
        drop(asked);
        if let Some(cut) = soon("an answer", read(stream)).await {
            assert!(b"01234".starts_with(&cut.body.unwrap_err()[..]), "{chunked}");
        }
        let stream = viewer.begin(get("/")).await;
        origin.asked().await.answer(ok("", "whole")).await;
        assert_eq!(soon("an answer", read(stream)).await.unwrap().is(), (200, "Miss", "whole"));
    }
}

#[tokio::test]
async fn what_a_viewer_takes_back_is_fetched_to_its_end() {
    let mut origin = Origin::start().await;
    let world = world(&origin, |_| {}).await;
    let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    let mut stream = viewer.begin(get("/")).await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234").await;
    soon("a head", stream.recv_response()).await.unwrap();
    stream.stop_sending(h3::error::Code::H3_REQUEST_CANCELLED);
    drop(stream);
    let next = viewer.begin(get("/")).await;
    world.requested(2).await;
    asked.send("56789").await;
    assert_eq!(soon("an answer", read(next)).await.unwrap().is(), (200, "Hit", "0123456789"));
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "0123456789"));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn a_stop_finishes_what_was_asked() {
    let mut origin = Origin::start().await;
    let world = world(&origin, |_| {}).await;
    let mut viewer = Http3Viewer::connect(&world, HOST).await.unwrap();
    let stream = viewer.begin(get("/")).await;
    let asked = origin.asked().await;
    let (read, ()) = tokio::join!(soon("an answer", read(stream)), async {
        let stopping = world.server.stop();
        let answering = asked.answer(ok("", "page"));
        soon("the end", async { tokio::join!(stopping, answering) }).await;
    });
    assert_eq!(read.unwrap().is(), (200, "Miss", "page"));
    let why = soon("a goodbye", viewer.quic.closed()).await;
    let quinn::ConnectionError::ApplicationClosed(close) = why else { panic!("{why}") };
    assert_eq!(close.error_code.into_inner(), 0x100, "H3_NO_ERROR");
}

#[tokio::test]
async fn only_names_that_have_it_are_served_over_quic() {
    let origin = Origin::answering(|_, _| ok("", "here")).await;
    let world = world(&origin, |settings| {
        let mut other = |name: &str, version: HttpVersion| {
            let mut other = distribution();
            other.domain_name = name.to_owned();
            other.http_version = version;
            settings.others.push(other);
            settings.others.len() - 1
        };
        other("two.test", HttpVersion::Http2);
        other("one.test", HttpVersion::Http1);
        other("three.test", HttpVersion::Http3);
        let mtls = other("mtls.test", HttpVersion::Http2And3);
        settings.others[mtls].viewer_tls.mtls = Some(ViewerMtls::Passthrough);
    })
    .await;
    for (name, is_served) in
        [(HOST, true), ("two.test", false), ("one.test", false), ("three.test", true), ("mtls.test", false)]
    {
        assert_eq!(Http3Viewer::connect(&world, name).await.is_ok(), is_served, "{name}");
    }
    let mut settings = world.settings.clone();
    settings.distribution.http_version = HttpVersion::Http2;
    assert!(alt_svc(&world).await.is_some());
    world.server.reload(&settings).unwrap();
    assert!(Http3Viewer::connect(&world, HOST).await.is_err(), "from the next handshake on");
    assert_eq!(alt_svc(&world).await, None);
}

#[tokio::test]
async fn it_is_offered_where_it_is_spoken() {
    let origin = Origin::answering(|_, _| ok("Alt-Svc: h3=\":1\"\r\n", "page")).await;
    let offering = world(&origin, |_| {}).await;
    let offer = format!("h3=\":{}\"; ma=86400", offering.server.http3()[0].port());
    assert_eq!(alt_svc(&offering).await, Some(offer.clone()), "of a Miss");
    assert_eq!(alt_svc(&offering).await, Some(offer), "of a Hit");
    assert_eq!(
        offering.get("/alt").await.field("alt-svc"),
        Some("h3=\":1\""),
        "over plain HTTP what the origin says"
    );
    type Change = fn(&mut Settings);
    let without: [Change; 5] = [
        |settings| settings.http3 = Http3::Off,
        |settings| settings.distribution.http_version = HttpVersion::Http2,
        |settings| settings.distribution.http_version = HttpVersion::Http1,
        |settings| settings.distribution.viewer_tls.mtls = Some(ViewerMtls::Passthrough),
        |settings| {
            let traffic = Traffic::Weight { share: 0.1, sessions: None };
            settings.distribution.deployment = Some(Deployment { staging: "s.test".to_owned(), traffic });
        },
    ];
    for (number, change) in without.into_iter().enumerate() {
        let world = world(&origin, change).await;
        assert_eq!(world.server.http3(), [], "{number}");
        assert_eq!(alt_svc(&world).await.as_deref(), Some("h3=\":1\""), "{number}: what the origin says");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_over_udp_is_said() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = std::net::UdpSocket::bind(free.local_addr().unwrap()).unwrap();
    drop(free);
    let mut settings = world(&origin, |_| {}).await.settings;
    settings.https = vec![taken.local_addr().unwrap()];
    let error = Server::start(settings.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on UDP 127.0.0.1:") && error.contains("--no-http3"), "{error}");
    settings.http3 = Http3::Off;
    let server = Server::start(settings).await.unwrap();
    assert_eq!((server.https()[0], server.http3()), (taken.local_addr().unwrap(), &[][..]));
}

#[tokio::test]
async fn the_log_says_how_the_viewer_came() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let mut log = None;
    let world = world(&origin, |settings| log = Some(logged::told(settings))).await;
    let (mut log, mut viewer) = (log.unwrap(), Http3Viewer::connect(&world, HOST).await.unwrap());
    for x_cache in ["Miss", "Hit"] {
        assert_eq!(viewer.get("/").await.is(), (200, x_cache, "page"));
        let line = log.next().await;
        let told = ["cs-protocol", "cs-protocol-version", "ssl-protocol", "ssl-cipher", "x-edge-result-type"];
        assert_eq!(
            told.map(|name| line[name].as_str()),
            ["https", "HTTP/3.0", "TLSv1.3", "TLS_AES_128_GCM_SHA256", x_cache]
        );
    }
}
