//! HTTP/2 without TLS, and its floods.
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use edge_core::proxy::listen::Limits;
use h2::client::{Connection, SendRequest};
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Running, SOON, ask, in_time, start, statuses};

type Sender = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

/// A polite viewer.
async fn hyper_viewer(running: &Running) -> (Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = TokioIo::new(running.connect().await);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn get(sender: &mut Sender, path: &str) -> hyper::Result<(u16, String)> {
    let request = Request::get(format!("http://a.example{path}")).body(Empty::new()).unwrap();
    let response = in_time(sender.send_request(request)).await?;
    assert_eq!(response.version(), Version::HTTP_2);
    let status = response.status().as_u16();
    let body = in_time(response.into_body().collect()).await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A viewer who decides about each frame.
async fn h2_viewer(running: &Running, window: u32) -> (SendRequest<Bytes>, Connection<TcpStream, Bytes>) {
    h2::client::Builder::new().initial_window_size(window).handshake(running.connect().await).await.unwrap()
}

fn request(path: &str) -> Request<()> {
    Request::get(format!("http://a.example{path}")).version(Version::HTTP_2).body(()).unwrap()
}

#[tokio::test]
async fn one_port_speaks_both() {
    let running = start(Limits::default());
    let (mut sender, _connection) = hyper_viewer(&running).await;
    assert_eq!(get(&mut sender, "/a").await.unwrap(), (200, "/a".to_owned()));
    let mut stream = running.connect().await;
    assert_eq!(statuses(&ask(&mut stream, "/b").await), [200]);
}

#[tokio::test]
async fn there_are_no_interim_responses() {
    let running = start(Limits::default());
    let (mut sender, _connection) = hyper_viewer(&running).await;
    assert_eq!(get(&mut sender, "/hints").await.unwrap(), (200, "unheard".to_owned()));
}

/// RFC 8441: a WebSocket over HTTP/2 begins with a CONNECT that names its protocol, where the server said so.
#[tokio::test]
async fn no_other_protocols_are_offered() {
    let mut running = start(Limits::default());
    let (sender, connection) = h2_viewer(&running, 65_535).await;
    let connection = tokio::spawn(connection);
    let mut sender = in_time(sender.ready()).await.unwrap();
    let (first, _) = sender.send_request(request("/first"), true).unwrap();
    assert_eq!(in_time(first).await.unwrap().status(), 200);
    assert!(!sender.is_extended_connect_protocol_enabled());
    // h2's client knows better than to ask, so this one is written by hand.
    connection.abort();
    let mut stream = running.connect().await;
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "a.example"),
    ] {
        // HPACK: a literal that is not indexed, its name a literal too (RFC 7541 §6.2.2).
        for part in [&[0][..], &[u8::try_from(name.len()).unwrap()], name.as_bytes()] {
            block.extend_from_slice(part);
        }
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    wire.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 4, 0, 0, 0, 1]);
    wire.extend_from_slice(&block);
    stream.write_all(&wire).await.unwrap();
    // The stream is reset, or the connection closed; the site is not asked.
    let mut answer = Vec::new();
    in_time(async {
        while !answer.windows(5).any(|frame| frame[..2] == [0, 0] && frame[3] == 3) {
            if tokio::io::AsyncReadExt::read_buf(&mut stream, &mut answer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    })
    .await;
    assert_eq!(running.all_seen(), ["GET /first"]);
}

#[tokio::test]
async fn the_preface_may_come_in_pieces() {
    let running = start(Limits::default());
    let mut stream = running.connect().await;
    stream.set_nodelay(true).unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for byte in preface {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(&settings).await.unwrap();
    let mut header = [0; 9];
    in_time(tokio::io::AsyncReadExt::read_exact(&mut stream, &mut header)).await.unwrap();
    assert_eq!(header[3], 4, "the server's SETTINGS come first");
}

#[tokio::test]
async fn large_heads_and_long_urls_reach_the_service_as_refusals() {
    let mut running = start(Limits::default());
    let (mut sender, _connection) = hyper_viewer(&running).await;
    let url = format!("/{}", "x".repeat(8_192));
    assert_eq!(get(&mut sender, &url).await.unwrap().0, 414);
    for (bytes, status) in [(32_000, 200), (32_800, 494)] {
        let request = Request::get("http://a.example/fields").header("x", "x".repeat(bytes));
        let response = in_time(sender.send_request(request.body(Empty::new()).unwrap())).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
    assert_eq!(running.all_seen(), ["UrlTooLong", "GET /fields", "HeadTooLarge"]);
}

#[tokio::test]
async fn a_panic_loses_one_stream() {
    let running = start(Limits::default());
    let (mut sender, _connection) = hyper_viewer(&running).await;
    assert!(get(&mut sender, "/panic").await.is_err());
    assert_eq!(get(&mut sender, "/a").await.unwrap().0, 200);
    assert_eq!(running.counters.panics.load(Relaxed), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = start(Limits { idle_timeout: SOON, ..Limits::default() });
    let (mut sender, connection) = hyper_viewer(&running).await;
    assert_eq!(get(&mut sender, "/a").await.unwrap().0, 200);
    in_time(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_at_work_is_not_idle() {
    let soon = Limits { idle_timeout: SOON, head_timeout: SOON, stall_timeout: SOON, ..Limits::default() };
    let mut running = start(soon);
    let (mut sender, _connection) = hyper_viewer(&running).await;
    let waiting = tokio::spawn(async move { get(&mut sender, "/wait").await });
    assert_eq!(running.next_seen().await, "GET /wait");
    assert!(tokio::time::timeout(3 * SOON, running.seen.recv()).await.is_err(), "given up on");
    running.gate.add_permits(1);
    assert_eq!(in_time(waiting).await.unwrap().unwrap().0, 200);
}

#[tokio::test]
async fn a_viewer_whose_window_stays_shut_is_cut() {
    let mut running = start(Limits { stall_timeout: SOON, idle_timeout: PATIENCE, ..Limits::default() });
    let (mut sender, connection) = h2_viewer(&running, 0).await;
    let (response, _) = sender.send_request(request("/zeros"), true).unwrap();
    let _connection = tokio::spawn(connection);
    let response = in_time(response).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(running.next_seen().await, "GET /zeros");
    assert_eq!(running.next_seen().await, "gone");
    assert_eq!(running.counters.cut.load(Relaxed), 1);
    // And can tell that this was not all.
    assert!(in_time(response.into_body().data()).await.unwrap().is_err());
}

/// CVE-2023-44487: streams that are opened and called off at once, as fast as they go.
#[tokio::test]
async fn a_rapid_reset_flood_ends_itself_and_hurts_nobody() {
    let running = start(Limits::default());
    let (mut polite, _connection) = hyper_viewer(&running).await;
    let (sender, connection) = h2_viewer(&running, 65_535).await;
    let ended = tokio::spawn(connection);
    let flood = tokio::spawn(async move {
        let mut sender = sender;
        let mut opened = 0_u32;
        while let Ok(ready) = sender.ready().await {
            sender = ready;
            let Ok((_response, mut stream)) = sender.send_request(request("/wait"), false) else { break };
            opened += 1;
            // Half are called off while they are being answered, half before anybody saw them.
            if opened.is_multiple_of(2) {
                tokio::task::yield_now().await;
            }
            stream.send_reset(h2::Reason::CANCEL);
        }
        opened
    });
    for _ in 0..50 {
        assert_eq!(get(&mut polite, "/polite").await.unwrap().0, 200);
    }
    let opened = in_time(flood).await.unwrap();
    assert!(opened < 5_000, "{opened} streams were let through");
    assert!(in_time(ended).await.unwrap().is_err());
    assert_eq!(get(&mut polite, "/polite").await.unwrap().0, 200);
}

#[tokio::test]
async fn more_streams_than_allowed_wait() {
    let mut running = start(Limits { h2_streams_max: 2, ..Limits::default() });
    let (sender, _connection) = hyper_viewer(&running).await;
    // The first answer tells that the server's settings have come.
    assert_eq!(get(&mut sender.clone(), "/a").await.unwrap().0, 200);
    assert_eq!(running.next_seen().await, "GET /a");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move { get(&mut sender, "/wait").await })
        })
        .collect();
    for _ in 0..2 {
        assert_eq!(running.next_seen().await, "GET /wait");
    }
    assert!(tokio::time::timeout(SOON, running.seen.recv()).await.is_err(), "a third stream was let in");
    running.gate.add_permits(3);
    for answer in waiting {
        assert_eq!(in_time(answer).await.unwrap().unwrap().0, 200);
    }
}

#[tokio::test]
async fn a_stop_finishes_streams_in_flight() {
    let mut running = start(Limits::default());
    let (sender, connection) = hyper_viewer(&running).await;
    let mut waiting = sender.clone();
    let answer = tokio::spawn(async move { get(&mut waiting, "/wait").await });
    assert_eq!(running.next_seen().await, "GET /wait");
    running.stop.ask();
    in_time(async { while TcpStream::connect(running.addr).await.is_ok() {} }).await;
    running.gate.add_permits(1);
    assert_eq!(in_time(answer).await.unwrap().unwrap(), (200, "waited".to_owned()));
    in_time(connection).await.unwrap().unwrap();
    in_time(running.ended).await.unwrap();
}

#[tokio::test]
async fn a_stop_closes_idle_connections_with_goodbye() {
    let running = start(Limits::default());
    let (mut sender, connection) = hyper_viewer(&running).await;
    assert_eq!(get(&mut sender, "/a").await.unwrap().0, 200);
    running.stop.ask();
    in_time(connection).await.unwrap().unwrap();
    in_time(running.ended).await.unwrap();
}
