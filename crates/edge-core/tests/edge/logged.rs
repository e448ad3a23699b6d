//! The access log, as far as only a wire shows it: bytes, ports, protocols, and viewers who leave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_core::log::{FIELDS, Format, Kind, Record};
use edge_core::proxy::access_log::{AccessLogSettings, Keep};
use edge_core::proxy::journal::Target;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::*;

/// What is told, in its order.
pub(crate) struct Log(mpsc::UnboundedReceiver<Box<Record>>);

pub(crate) type Fields = BTreeMap<&'static str, String>;

impl Log {
    pub(crate) async fn next(&mut self) -> Fields {
        let record = soon("a line of the log", self.0.recv()).await.unwrap();
        let value = |field: &edge_core::log::Field| {
            let mut value = Vec::new();
            field.write(&record, &mut value);
            (field.name, String::from_utf8(value).unwrap())
        };
        FIELDS.iter().map(value).collect()
    }

    fn is_empty(&mut self) -> bool {
        self.0.try_recv().is_err()
    }
}

/// These fields, in this order.
fn of<const N: usize>(line: &Fields, names: [&str; N]) -> [String; N] {
    names.map(|name| line[name].clone())
}

/// Status, result, result as it began, and whose fault it was.
fn results(line: &Fields) -> [String; 4] {
    let names =
        ["sc-status", "x-edge-result-type", "x-edge-response-result-type", "x-edge-detailed-result-type"];
    of(line, names)
}

pub(crate) fn told(settings: &mut Settings) -> Log {
    let (sender, records) = mpsc::unbounded_channel();
    settings.access_log = Some(AccessLogSettings::Records(Keep::with(move |record| _ = sender.send(record))));
    Log(records)
}

async fn world(origin: &Origin) -> (World, Log) {
    world_with(origin, |_| {}).await
}

async fn world_with(origin: &Origin, change: impl FnOnce(&mut Settings)) -> (World, Log) {
    let mut log = None;
    let world = World::with(origin, |settings| {
        log = Some(told(settings));
        change(settings);
    })
    .await;
    (world, log.unwrap())
}

#[tokio::test]
async fn the_id_is_the_one_in_the_log() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (world, mut log) = world(&origin).await;
    let mut ids = Vec::new();
    for x_cache in ["Miss", "Hit"] {
        let reply = world.get("/a").await;
        assert_eq!(reply.x_cache(), x_cache);
        let line = log.next().await;
        assert_eq!(line["x-edge-request-id"], reply.field("x-amz-cf-id").unwrap());
        assert_eq!(line["x-edge-result-type"], x_cache);
        ids.push(line["x-edge-request-id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    let reply = world.ask("GET", "/a", "Content-Length: 1, 1\r\n").await;
    assert_eq!(
        (reply.status, reply.field("x-amz-cf-id")),
        (400, Some(&*log.next().await["x-edge-request-id"]))
    );
}

/// What HTTP/1.1 puts on the wire, to the byte: with a length, in chunks, without a body, and a page of our own.
#[tokio::test]
async fn bytes_are_those_of_the_wire() {
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let mut viewer = world.viewer().await;
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n0123456789abcdefghi\r\n0\r\n\r\n";
    let nothing = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let sized = String::from_utf8(ok("Content-Type: text/plain\r\n", "x".repeat(300))).unwrap();
    for (target, method, body, answer) in [
        ("/a", "GET", "", &sized),
        ("/b", "GET", "", &chunked.to_owned()),
        ("/c", "POST", "0123456789", &sized),
        ("/d", "DELETE", "", &nothing),
        ("/e", "HEAD", "", &sized.split_inclusive("\r\n\r\n").next().unwrap().to_owned()),
    ] {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{length}\r\n{body}");
        viewer.send(&request).await;
        let mut asked = origin.asked().await;
        asked.send(answer).await;
        let head = viewer.head().await;
        let sent = match method {
            "HEAD" | "DELETE" => 0,
            _ if field(&head, "transfer-encoding").is_some() => {
                viewer.body(method, &head).await.unwrap();
                "13\r\n0123456789abcdefghi\r\n0\r\n\r\n".len()
            }
            _ => viewer.body(method, &head).await.unwrap().len(),
        };
        let line = log.next().await;
        assert_eq!(line["cs-bytes"], request.len().to_string(), "{request}");
        // The head comes without its empty line.
        let whole = head.trim_end().len() + "\r\n\r\n".len() + sent;
        assert_eq!(line["sc-bytes"], whole.to_string(), "{head}");
        drop(asked);
    }
    let reply = world.ask("GET", "/none", "Content-Length: 1\r\nConnection: close\r\n").await;
    assert_eq!(reply.status, 403);
    assert_eq!(log.next().await["sc-content-len"], reply.body.unwrap().len().to_string());
}

#[tokio::test]
async fn who_the_viewer_is_and_what_he_speaks() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (world, mut log) = world_with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-logged-ca"));
    })
    .await;
    let names = ["c-ip", "c-port", "cs-protocol", "ssl-protocol", "ssl-cipher", "cs-protocol-version"];
    let mut viewer = world.viewer().await;
    let port = viewer.0.stream.local_addr().unwrap().port().to_string();
    viewer.get("/a").await;
    let line = log.next().await;
    assert_eq!(of(&line, names), ["127.0.0.1", &port, "http", "-", "-", "HTTP/1.1"]);
    assert_eq!(of(&line, ["date", "time", "timestamp(ms)"]), ["2027-01-15", "08:00:00", "1800000000000"]);
    assert_eq!(of(&line, ["cs(Host)", "x-host-header", "cs-uri-stem"]), [HOST, HOST, "/a"]);
    // Nothing takes no time, and the whole takes no less than its beginning.
    let [whole, begin, origins] =
        ["time-taken", "time-to-first-byte", "origin-fbl"].map(|name| line[name].parse::<f64>().unwrap());
    assert!(begin <= whole && origins <= begin && whole < LONG.as_secs_f64(), "{line:?}");
    let mut stream = world.tls("http/1.1").await;
    let port = stream.get_ref().0.local_addr().unwrap().port().to_string();
    stream.write_all(format!("GET /a HTTP/1.0\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    let line = log.next().await;
    let tls = ["127.0.0.1", &port, "https", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "HTTP/1.0"];
    assert_eq!((of(&line, names), &*line["x-edge-result-type"]), (tls.map(str::to_owned), "Hit"));
    let h2 = world.tls("h2").await;
    let (mut sender, connection) = ::h2::client::handshake(h2).await.unwrap();
    tokio::spawn(async move { _ = connection.await });
    let request = http::Request::get(format!("https://{HOST}/a?b")).body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let mut body = soon("a response", response).await.unwrap().into_body();
    while body.data().await.is_some() {}
    let line = log.next().await;
    assert_eq!(
        of(&line, ["cs-protocol", "cs-protocol-version", "x-host-header", "cs-uri-query"]),
        ["https", "HTTP/2.0", HOST, "b"]
    );
}

#[tokio::test]
async fn a_viewer_who_leaves_before_the_answer() {
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/a", "").await;
    let asked = origin.asked().await;
    drop(viewer);
    let line = log.next().await;
    assert_eq!(results(&line), ["000", "Error", "Error", "ClientCommError"]);
    assert_eq!(of(&line, ["cs-uri-stem", "sc-bytes", "sc-content-type"]), ["/a", "0", "-"]);
    drop(asked);
}

#[tokio::test]
async fn a_viewer_who_stops_in_the_middle_of_his_body() {
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/a", "Content-Length: 100\r\n").await;
    viewer.send("0123456789").await;
    let asked = origin.asked().await;
    drop(viewer);
    let line = log.next().await;
    assert_eq!(line["x-edge-detailed-result-type"], "ClientHungUpRequest", "{line:?}");
    assert_eq!(line["x-edge-result-type"], "Error");
    drop(asked);
}

/// 14 is `Error` then, while 23 says how it began.
#[tokio::test]
async fn a_viewer_who_leaves_in_the_middle_of_the_answer() {
    let body = noise(16 << 20);
    let sent = body.clone();
    let origin = Origin::answering(move |_, _| ok("", &sent)).await;
    let (world, mut log) = world(&origin).await;
    assert_eq!(world.get("/a").await.body.unwrap().len(), body.len());
    assert_eq!(results(&log.next().await), ["200", "Miss", "Miss", "Miss"]);
    for target in ["/a", "/other"] {
        let mut viewer = world.viewer().await;
        viewer.begin("GET", target, "").await;
        viewer.head().await;
        drop(viewer);
        let line = log.next().await;
        let began = if target == "/a" { "Hit" } else { "Miss" };
        assert_eq!(results(&line), ["200", "Error", began, "ClientCommError"]);
        let sent: usize = line["sc-bytes"].parse().unwrap();
        assert!(sent < body.len() && line["sc-content-len"] == body.len().to_string(), "{line:?}");
    }
}

/// Over HTTP/2 a viewer calls off one of his requests, and the connection stays.
#[tokio::test]
async fn a_stream_that_is_called_off() {
    let body = noise(16 << 20);
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let stream = tokio::net::TcpStream::connect(world.server.http()[0]).await.unwrap();
    let (mut sender, connection) = ::h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { _ = connection.await });
    let get = |target: &str| http::Request::get(format!("http://{HOST}{target}")).body(()).unwrap();
    let (response, mut stream) = sender.send_request(get("/a"), true).unwrap();
    let asked = origin.asked().await;
    stream.send_reset(::h2::Reason::CANCEL);
    let line = log.next().await;
    assert_eq!(results(&line), ["000", "Error", "Error", "ClientCommError"]);
    assert_eq!(line["cs-protocol-version"], "HTTP/2.0");
    drop((asked, response));
    sender = sender.ready().await.unwrap();
    let (response, mut stream) = sender.send_request(get("/b"), true).unwrap();
    let mut asked = origin.asked().await;
    let sending = tokio::spawn(async move { _ = asked.wire.stream.write_all(&ok("", body)).await });
    let response = soon("a response", response).await.unwrap();
    stream.send_reset(::h2::Reason::CANCEL);
    assert_eq!(results(&log.next().await), ["200", "Error", "Miss", "ClientCommError"]);
    drop(response);
    _ = soon("the end of the origin's answer", sending).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/a", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789").await;
    viewer.head().await;
    drop(asked);
    viewer.rest().await;
    assert_eq!(results(&log.next().await), ["200", "Error", "Miss", "OriginReadError"]);
}

#[tokio::test]
async fn a_websocket_is_told_when_it_is_closed() {
    let mut origin = Origin::start().await;
    let (world, mut log) = world(&origin).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    viewer.send("0123456789").await;
    asked.wire.bytes(10).await.unwrap();
    asked.send("01234").await;
    viewer.0.bytes(5).await.unwrap();
    world.pass(7);
    assert!(log.is_empty());
    drop(asked);
    viewer.rest().await;
    drop(viewer);
    let line = log.next().await;
    assert_eq!(results(&line), ["101", "Miss", "Miss", "Miss"]);
    assert_eq!(of(&line, ["cs-protocol", "time"]), ["ws", "08:00:07"]);
    let [sent, received] = ["sc-bytes", "cs-bytes"].map(|name| line[name].parse::<usize>().unwrap());
    let handshake = "GET /chat HTTP/1.1\r\nHost: \r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".len()
        + HOST.len();
    assert_eq!(received, handshake + 10);
    assert!(sent > 5 + "HTTP/1.1 101 Switching Protocols\r\n\r\n".len(), "{sent}");
    assert!(log.is_empty());
}

/// 400 has a line, of which nobody knows much; what was too large to be read has none.
#[tokio::test]
async fn what_cannot_be_read() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (world, mut log) = world(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.send("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    viewer.rest().await;
    let line = log.next().await;
    assert_eq!(results(&line), ["400", "Error", "Error", "InvalidRequest"]);
    assert_eq!(of(&line, ["cs-method", "cs-uri-stem", "c-ip", "cs-bytes"]), ["-", "-", "127.0.0.1", "0"]);
    for (target, field, status) in
        [("a".repeat(9_000), String::new(), 414), (String::new(), "x".repeat(40_000), 494)]
    {
        assert_eq!(world.ask("GET", &format!("/{target}"), &format!("X: {field}\r\n")).await.status, status);
    }
    let mut viewer = world.viewer().await;
    viewer.send("GET /a HTTP/1.1\r\nHost: nobody.example\r\n\r\n").await;
    viewer.head().await;
    let line = log.next().await;
    assert_eq!(results(&line), ["403", "Error", "Error", "InvalidRequestHeader"]);
    assert_eq!(of(&line, ["cs(Host)", "x-host-header"]), [HOST, "nobody.example"]);
}

#[tokio::test]
async fn uploads_are_counted() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::new(&origin).await;
    for (method, body) in [("POST", 10), ("PUT", 20), ("OPTIONS", 30), ("PATCH", 40), ("DELETE", 50)] {
        let body = "x".repeat(body);
        let mut viewer = world.viewer().await;
        viewer.begin(method, "/a", &format!("Content-Length: {}\r\n", body.len())).await;
        viewer.send(&body).await;
        assert_eq!(viewer.reply(method).await.status, 200, "{method}");
    }
    assert!(world.server.edge().access_log().is_none());
    assert_eq!(world.server.edge().counters().bytes_uploaded.load(Ordering::Relaxed), 60);
}

/// A path of its own, where nothing is.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("edge-logged-{name}-{}", std::process::id()));
    _ = std::fs::remove_file(&path);
    path
}

fn lines(settings: &mut Settings, path: &Path) {
    let (target, format) = (Target::File(path.to_owned()), Format::standard(Kind::Standard));
    settings.access_log = Some(AccessLogSettings::Lines { target, format });
}

#[tokio::test]
async fn a_server_that_stops_has_written_its_lines() {
    let path = path("file");
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::with(&origin, |settings| lines(settings, &path)).await;
    for _ in 0..20 {
        world.get("/a").await;
    }
    let edge = world.server.edge().clone();
    world.server.stop().await;
    let text = std::fs::read_to_string(&path).unwrap();
    _ = std::fs::remove_file(&path);
    assert!(text.starts_with("#Version: 1.0\n#Fields: date time "), "{text}");
    assert_eq!((text.lines().count(), text.matches("\tHit\t").count()), (22, 19 * 3), "{text}");
    assert_eq!(edge.access_log().unwrap().counters().unwrap().written.load(Ordering::Relaxed), 20);
}

/// A disk on which nothing can be written costs lines, and nobody notices but who asks.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_does_not_hold_up_anybody() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::with(&origin, |settings| lines(settings, Path::new("/dev/full"))).await;
    for _ in 0..20 {
        assert_eq!(world.get("/a").await.status, 200);
    }
    let edge = world.server.edge().clone();
    world.server.stop().await;
    let counters = edge.access_log().unwrap().counters().unwrap();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((read(&counters.written), read(&counters.dropped)), (0, 20));
}
