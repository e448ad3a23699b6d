//! HTTP/3 byte by byte: what is refused, what ends a connection, what is cut, and what is finished. Viewers speak in raw
//! frames (RFC 9114 §7) over real QUIC, as no client would break the rules for us.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use edge_core::distribution::{Distribution, HttpVersion};
use edge_core::proxy::listen::Limits;
use edge_core::proxy::tls::{Sites, Tls};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, ReadToEndError};
use rustls::CipherSuite;
use rustls::pki_types::CertificateDer;

use crate::policies::{certificates, with_policy};
use crate::support::{Running, SOON, in_time, start_quic};

const NAME: &str = "a.example.com";

fn with_http3(alias: &str, policy: &str) -> Distribution {
    Distribution { http_version: HttpVersion::Http2And3, ..with_policy(alias, policy, "sni-only") }
}

fn start_for(
    name: &str,
    limits: Limits,
    distributions: Vec<Distribution>,
) -> (Running, CertificateDer<'static>) {
    let (certificates, root) = certificates(name);
    let tls = Tls::of(certificates, Sites::of(distributions, &HashMap::new()).unwrap()).unwrap();
    (start_quic(limits, Arc::new(tls)), root)
}

fn start(name: &str, limits: Limits) -> (Running, CertificateDer<'static>) {
    start_for(name, limits, vec![with_http3(NAME, "TLSv1.2_2021")])
}

/// A viewer, who has said nothing yet.
struct Viewer {
    quic: quinn::Connection,
    _endpoint: quinn::Endpoint,
}

async fn connect_as(
    running: &Running,
    root: &CertificateDer<'static>,
    name: Option<&str>,
    has: impl Fn(&str) -> bool,
) -> Result<Viewer, ConnectionError> {
    let mut provider = rustls::crypto::ring::default_provider();
    // What QUIC begins with (RFC 9001 §5.2), whatever is agreed on later.
    let is_first =
        |suite: &&rustls::SupportedCipherSuite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256;
    let first =
        provider.cipher_suites.iter().find(is_first).and_then(|suite| suite.tls13()?.quic_suite()).unwrap();
    provider.cipher_suites.retain(|suite| has(suite.suite().as_str().unwrap()));
    let mut tls = tls(provider, root);
    tls.enable_sni = name.is_some();
    let config = QuicClientConfig::with_initial(Arc::new(tls), first).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    let quic = in_time(endpoint.connect_with(config, running.addr, name.unwrap_or(NAME)).unwrap()).await?;
    Ok(Viewer { quic, _endpoint: endpoint })
}

fn tls(provider: rustls::crypto::CryptoProvider, root: &CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    tls
}

async fn connect(running: &Running, root: &CertificateDer<'static>) -> Viewer {
    connect_as(running, root, Some(NAME), |_| true).await.unwrap()
}

impl Viewer {
    /// Sends these bytes on a stream of its own, and ends it.
    async fn send(&self, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
        let (mut send, receive) = self.quic.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        let _ = send.finish();
        (send, receive)
    }

    /// All that is answered, as bytes in which texts can be found.
    async fn ask(&self, bytes: &[u8]) -> Result<String, ReadToEndError> {
        let (_send, mut receive) = self.send(bytes).await;
        let answer = in_time(receive.read_to_end(1 << 20)).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn get(&self, path: &str) -> Result<String, ReadToEndError> {
        self.ask(&get(path)).await
    }

    /// Sends these bytes on a stream in one direction, which stays open.
    async fn side(&self, bytes: &[u8]) -> quinn::SendStream {
        let mut send = self.quic.open_uni().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send
    }

    /// The code the connection is closed with.
    async fn closed(&self) -> u64 {
        match in_time(self.quic.closed()).await {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("{other}"),
        }
    }
}

fn number(value: usize) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
    }
}

fn frame(kind: usize, payload: &[u8]) -> Vec<u8> {
    [number(kind), number(payload.len()), payload.to_vec()].concat()
}

/// A head of literals (RFC 9204 §4.5.6).
fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    fn text(pattern: u8, bits: u32, text: &str) -> Vec<u8> {
        let mask = (1usize << bits) - 1;
        let mut out = vec![pattern | text.len().min(mask) as u8];
        if let Some(mut rest) = text.len().checked_sub(mask) {
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
        [out, text.as_bytes().to_vec()].concat()
    }
    let fields = fields.iter().flat_map(|(name, value)| [text(0x20, 3, name), text(0, 7, value)].concat());
    frame(0x1, &[0, 0].into_iter().chain(fields).collect::<Vec<_>>())
}

fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "https"), (":authority", NAME), (":path", path)]
}

fn get(path: &str) -> Vec<u8> {
    head(&request("GET", path))
}

/// How a stream ended: with this code, if not in order.
fn code<T: std::fmt::Debug>(result: Result<T, ReadToEndError>) -> u64 {
    match result {
        Err(ReadToEndError::Read(quinn::ReadError::Reset(code))) => code.into_inner(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_too_large_or_can_be_read_in_two_ways_is_refused_and_the_connection_lives() {
    let (mut running, root) = start("h3-refused", Limits::default());
    let viewer = connect(&running, &root).await;
    let long = format!("/{}", "a".repeat(8_192));
    let with = |more: (&str, &str)| {
        let mut fields = request("GET", "/");
        fields.push(more);
        head(&fields)
    };
    let (big, huge) = ("x".repeat(40_000), "x".repeat(80_000));
    let endless = [number(0x1), number(0x3fff_ffff)].concat();
    for (bytes, refusal, status) in [
        (get(&long), "UrlTooLong", "414"),
        (with(("a", &big)), "HeadTooLarge", "494"),
        (with(("a", &huge)), "HeadTooLarge", "494"),
        (endless, "HeadTooLarge", "494"),
        (with((":path", "/b")), "Malformed", "400"),
        (with(("connection", "close")), "Malformed", "400"),
        (with(("A", "b")), "Malformed", "400"),
        (head(&request("GET", "/")[..3]), "Malformed", "400"),
    ] {
        let (mut send, mut receive) = viewer.quic.open_bi().await.unwrap();
        // What is not wanted is not read to its end.
        let _ = send.write_all(&bytes).await;
        let answer = in_time(receive.read_to_end(1 << 20)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // 400 is a number of the static table.
        assert!(answer.ends_with("refused") && (status == "400" || answer.contains(status)), "{answer:?}");
        let seen = running.next_seen().await;
        assert!(seen.starts_with(refusal), "{seen} for {refusal} {status}");
    }
    assert!(viewer.get("/after").await.unwrap().ends_with("/after"));
    assert_eq!(running.counters.refused.load(Relaxed), 8);
}

#[tokio::test]
async fn broken_frames_and_streams_end_the_connection() {
    let (running, root) = start("h3-broken", Limits::default());
    let settings = [vec![0x0], frame(0x4, &[])].concat();
    let second = [settings.clone(), frame(0x4, &[])].concat();
    let requests: [(&[u8], u64); 6] = [
        (&frame(0x0, b"body first"), 0x105),
        (&frame(0x4, &[]), 0x105),
        (&frame(0x1, &[1, 0]), 0x200),
        (&[get("/read"), vec![0x0, 0x5, b'a']].concat(), 0x106),
        (&[get("/read"), vec![0x0]].concat(), 0x106),
        (&[head(&request("POST", "/read")), frame(0x5, b"push")].concat(), 0x105),
    ];
    for (bytes, expected) in requests {
        let viewer = connect(&running, &root).await;
        let _stream = viewer.send(bytes).await;
        assert_eq!(viewer.closed().await, expected, "{bytes:x?}");
    }
    let sides: [(&[&[u8]], u64); 8] = [
        (&[&second], 0x105),
        (&[&[0x0, 0x7, 0x1, 0x0]], 0x10a),
        (&[&[0x0, 0x4, 0x2, 0x2, 0x0]], 0x109),
        (&[&settings, &settings], 0x103),
        (&[&[0x1, 0x0]], 0x103),
        (&[&[0x2, 0x20, 0x41, b'a', 0x1, b'b']], 0x201),
        (&[&[0x2], &[0x2]], 0x103),
        (&[&[0x0, 0x1, 0x1, 0x0]], 0x105),
    ];
    for (streams, expected) in sides {
        let viewer = connect(&running, &root).await;
        let mut open = Vec::new();
        for bytes in streams {
            open.push(viewer.side(bytes).await);
        }
        assert_eq!(viewer.closed().await, expected, "{streams:x?}");
    }
    let viewer = connect(&running, &root).await;
    drop(viewer.side(&settings).await);
    assert_eq!(viewer.closed().await, 0x104, "a control stream that ends");
}

#[tokio::test]
async fn what_nobody_knows_is_passed_over() {
    let (running, root) = start("h3-unknown", Limits::default());
    let viewer = connect(&running, &root).await;
    let _side = viewer.side(&[number(0x21), b"whatever".to_vec()].concat()).await;
    let _control =
        viewer.side(&[vec![0x0], frame(0x4, &[0x21, 0x1]), frame(0x2_1f, b"grease")].concat()).await;
    let grease = frame(0x21, &[7; 3_000]);
    let body = [frame(0x0, b"bo"), grease.clone(), frame(0x0, b"dy")].concat();
    let bytes = [grease.clone(), head(&request("POST", "/read")), body, grease].concat();
    assert!(viewer.ask(&bytes).await.unwrap().ends_with("body"));
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says() {
    let (running, root) = start("h3-length", Limits::default());
    let viewer = connect(&running, &root).await;
    let post = |length: &'static str, body: &[u8]| {
        let mut fields = request("POST", "/read");
        fields.push(("content-length", length));
        [head(&fields), frame(0x0, body)].concat()
    };
    assert!(viewer.ask(&post("4", b"body")).await.unwrap().ends_with("body"));
    for wrong in [post("5", b"body"), post("3", b"body")] {
        assert!(viewer.ask(&wrong).await.unwrap().ends_with("broken body"));
    }
    let trailers = [post("4", b"body"), head(&[("a", "b")])].concat();
    assert!(viewer.ask(&trailers).await.unwrap().ends_with("body"), "with trailers");
}

#[tokio::test]
async fn a_viewer_who_leaves_frees_what_he_asked_for() {
    let (mut running, root) = start("h3-leaves", Limits::default());
    let viewer = connect(&running, &root).await;
    for path in ["/wait", "/zeros"] {
        let (_send, mut receive) = viewer.send(&get(path)).await;
        assert_eq!(running.next_seen().await, format!("GET {path}"));
        receive.stop(0x10c_u32.into()).unwrap();
        assert_eq!(running.next_seen().await, "gone", "{path}");
    }
    let (_send, _receive) = viewer.send(&get("/wait")).await;
    assert_eq!(running.next_seen().await, "GET /wait");
    viewer.quic.close(0x100_u32.into(), b"");
    assert_eq!(running.next_seen().await, "gone", "with the connection");
}

#[tokio::test]
async fn who_calls_off_too_much_is_sent_away() {
    let limits = Limits { h2_cancels_max: 10, ..Limits::default() };
    let (mut running, root) = start("h3-cancels", limits);
    let viewer = connect(&running, &root).await;
    for _ in 0..11 {
        let (_send, mut receive) = viewer.send(&get("/wait")).await;
        assert_eq!(running.next_seen().await, "GET /wait");
        receive.stop(0x10c_u32.into()).unwrap();
        assert_eq!(running.next_seen().await, "gone");
    }
    assert_eq!(viewer.closed().await, 0x107, "H3_EXCESSIVE_LOAD");
}

#[tokio::test]
async fn a_panic_loses_one_request() {
    let (running, root) = start("h3-panic", Limits::default());
    let viewer = connect(&running, &root).await;
    assert_eq!(code(viewer.get("/panic").await), 0x102, "H3_INTERNAL_ERROR, and no end in order");
    assert!(viewer.get("/after").await.unwrap().ends_with("/after"));
    assert_eq!(running.counters.panics.load(Relaxed), 1);
}

#[tokio::test]
async fn time_is_bounded() {
    let limits = Limits { head_timeout: SOON, idle_timeout: SOON, stall_timeout: SOON, ..Limits::default() };
    let (running, root) = start("h3-time", Limits { stall_timeout: SOON * 50, ..limits.clone() });
    let viewer = connect(&running, &root).await;
    let (mut send, mut receive) = viewer.quic.open_bi().await.unwrap();
    send.write_all(&get("/slow")[..5]).await.unwrap();
    assert_eq!(code(in_time(receive.read_to_end(100)).await), 0x10d, "half a head");
    assert_eq!(viewer.closed().await, 0x100, "idle from then on");
    let silent = connect(&running, &root).await;
    assert_eq!(silent.closed().await, 0x100, "nothing at all");

    let (mut running, root) = start("h3-stall", Limits { idle_timeout: SOON * 100, ..limits });
    let viewer = connect(&running, &root).await;
    let (mut send, mut receive) = viewer.quic.open_bi().await.unwrap();
    send.write_all(&[head(&request("POST", "/read")), vec![0x0, 0x5, b'a']].concat()).await.unwrap();
    assert!(
        String::from_utf8_lossy(&in_time(receive.read_to_end(1_000)).await.unwrap()).ends_with("broken body")
    );
    let (_send, mut unread) = viewer.send(&get("/zeros")).await;
    while running.next_seen().await != "gone" {}
    let mut taken = 0;
    let cut = loop {
        match in_time(unread.read_chunk(usize::MAX, true)).await {
            Ok(Some(chunk)) => taken += chunk.bytes.len(),
            other => break other,
        }
    };
    assert!(cut.is_err() && taken < 64 << 20, "an answer nobody reads: {cut:?} after {taken}");
}

#[tokio::test]
async fn a_slow_answer_does_not_end_the_connection() {
    let silence_max = SOON * 4;
    let limits = Limits {
        head_timeout: silence_max,
        idle_timeout: silence_max,
        stall_timeout: silence_max,
        ..Limits::default()
    };
    let (mut running, root) = start("h3-slow", limits);
    let viewer = connect(&running, &root).await;
    let (_send, mut waiting) = viewer.send(&get("/wait")).await;
    assert_eq!(running.next_seen().await, "GET /wait");
    let silence = tokio::time::timeout(silence_max * 2, viewer.quic.closed()).await;
    assert!(silence.is_err(), "it was closed: {silence:?}");
    running.gate.add_permits(1);
    let answer = in_time(waiting.read_to_end(1_000)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).ends_with("waited"));
}

#[tokio::test]
async fn heads_that_are_not_whole_are_kept_within_bounds() {
    let (mut running, root) = start("h3-heads", Limits::default());
    let viewer = connect(&running, &root).await;
    let (half, rest) = (get("/half"), 9);
    let mut begun = Vec::new();
    for _ in 0..16 {
        let (mut send, receive) = viewer.quic.open_bi().await.unwrap();
        send.write_all(&half[..half.len() - rest]).await.unwrap();
        begun.push((send, receive));
    }
    let (_send, mut waiting) = viewer.send(&get("/behind")).await;
    let early = tokio::time::timeout(SOON, running.next_seen()).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    let (send, _) = &mut begun[7];
    send.write_all(&half[half.len() - rest..]).await.unwrap();
    send.finish().unwrap();
    let mut seen = [running.next_seen().await, running.next_seen().await];
    seen.sort();
    assert_eq!(seen, ["GET /behind", "GET /half"]);
    assert!(
        String::from_utf8_lossy(&in_time(waiting.read_to_end(1_000)).await.unwrap()).ends_with("/behind")
    );
}

#[tokio::test]
async fn a_stop_finishes_what_was_accepted() {
    let (mut running, root) = start("h3-stop", Limits::default());
    let viewer = connect(&running, &root).await;
    let (_send, mut waiting) = viewer.send(&get("/wait")).await;
    assert_eq!(running.next_seen().await, "GET /wait");
    let mut control = in_time(viewer.quic.accept_uni()).await.unwrap();
    running.stop.ask();
    // Type of the stream, SETTINGS with one setting, then the notice with the largest number there is.
    let mut said = vec![0; 3];
    in_time(control.read_exact(&mut said)).await.unwrap();
    assert_eq!(said[..2], [0x0, 0x4]);
    let mut settings = vec![0; usize::from(said[2])];
    in_time(control.read_exact(&mut settings)).await.unwrap();
    let mut notice = [0; 10];
    in_time(control.read_exact(&mut notice)).await.unwrap();
    assert_eq!(notice, [0x7, 0x8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc]);
    let mut last = [0; 3];
    in_time(control.read_exact(&mut last)).await.unwrap();
    assert_eq!(last, [0x7, 0x1, 0x4], "the second request would not be answered");
    running.gate.add_permits(1);
    let answer = in_time(waiting.read_to_end(1_000)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).ends_with("waited"));
    assert_eq!(viewer.closed().await, 0x100);
    in_time(running.ended).await.unwrap();
}

#[tokio::test]
async fn the_drain_has_a_deadline() {
    let (mut running, root) = start("h3-drain", Limits { drain_timeout: SOON, ..Limits::default() });
    let viewer = connect(&running, &root).await;
    let (_send, _waiting) = viewer.send(&get("/wait")).await;
    assert_eq!(running.next_seen().await, "GET /wait");
    running.stop.ask();
    in_time(running.ended).await.unwrap();
    assert_eq!(viewer.closed().await, 0x100);
}

#[tokio::test]
async fn who_may_connect_is_bounded() {
    let (running, root) =
        start("h3-retry", Limits { h3_unproven_handshakes_max: 0, connections_max: 1, ..Limits::default() });
    let viewer = connect(&running, &root).await;
    assert!(viewer.get("/proven").await.unwrap().ends_with("/proven"));
    assert_eq!(running.counters.retried.load(Relaxed), 1);
    let second = connect_as(&running, &root, Some(NAME), |_| true).await;
    assert!(matches!(second, Err(ConnectionError::ConnectionClosed(_))), "no place");
    assert!(viewer.get("/still").await.unwrap().ends_with("/still"));
}

#[tokio::test]
async fn each_name_has_its_policy_over_quic_too() {
    let plain = with_policy("c.example.com", "TLSv1.2_2021", "sni-only");
    let (running, root) = start_for(
        "h3-policies",
        Limits::default(),
        vec![with_http3(NAME, "TLSv1.2_2021"), with_http3("b.example.com", "TLSv1.3_2025"), plain],
    );
    type Has = fn(&str) -> bool;
    let any: Has = |_| true;
    let chacha: Has = |name| name.contains("CHACHA");
    for (name, has, cipher) in [
        (Some(NAME), any, Some("TLS_AES_128_GCM_SHA256")),
        (Some(NAME), chacha, Some("TLS_CHACHA20_POLY1305_SHA256")),
        (Some("b.example.com"), any, Some("TLS_AES_128_GCM_SHA256")),
        (Some("b.example.com"), chacha, None),
        (Some("c.example.com"), any, None),
        (None, any, None),
    ] {
        let viewer = connect_as(&running, &root, name, has).await;
        assert_eq!(viewer.is_ok(), cipher.is_some(), "{name:?} {cipher:?}");
        let (Ok(viewer), Some(cipher)) = (viewer, cipher) else { continue };
        let told = viewer.get("/peer").await.unwrap();
        assert!(told.contains(&format!("cipher: {cipher:?}")), "{told}");
        assert!(told.contains(&format!("sni: Some({:?}), version: \"TLSv1.3\"", name.unwrap())), "{told}");
        assert!(told.contains("scheme: Https"), "{told}");
    }
}
