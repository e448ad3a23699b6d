//! WebSockets: bytes both ways, what ends them, and viewers and origins who abuse them.

use edge_core::viewer::Scheme;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

impl World {
    /// WebSockets that are open.
    fn tunnels(&self) -> u64 {
        self.server.edge().counters().tunnels.load(Ordering::Relaxed)
    }

    /// A WebSocket: the viewer's end and the origin's.
    pub(crate) async fn tunnel(&self, origin: &mut Origin) -> (Viewer, Asked) {
        let mut viewer = self.viewer().await;
        viewer.begin("GET", "/chat", HANDSHAKE).await;
        let mut asked = origin.asked().await;
        asked.send(AGREED).await;
        let head = viewer.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (viewer, asked)
    }
}

impl Viewer {
    async fn reads(&mut self, expected: &[u8]) {
        let read = soon("bytes for the viewer", self.0.bytes(expected.len())).await.unwrap();
        assert!(read == expected);
    }

    async fn hears_nothing_for(&mut self, time: Duration) {
        assert!(tokio::time::timeout(time, self.0.more()).await.is_err());
    }
}

async fn reads(asked: &mut Asked, expected: &[u8]) {
    let read = soon("bytes for the origin", asked.wire.bytes(expected.len())).await.unwrap();
    assert!(read == expected);
}

#[tokio::test]
async fn bytes_go_both_ways_until_both_have_ended() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    assert_eq!((asked.field("upgrade"), asked.field("connection")), (Some("websocket"), Some("Upgrade")));
    viewer.send("ping").await;
    reads(&mut asked, b"ping").await;
    asked.send("pong").await;
    viewer.reads(b"pong").await;
    assert_eq!(world.tunnels(), 1);
    // The viewer has said all; the origin has not.
    viewer.0.stream.shutdown().await.unwrap();
    asked.closed_by_edge().await;
    asked.send("and then").await;
    viewer.reads(b"and then").await;
    drop(asked);
    assert_eq!(viewer.rest().await, b"");
    until("the end of the tunnel", || world.tunnels() == 0).await;
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn the_origin_may_end_first() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    asked.wire.stream.shutdown().await.unwrap();
    assert_eq!(viewer.rest().await, b"");
    viewer.send("last words").await;
    reads(&mut asked, b"last words").await;
    drop(viewer);
    asked.closed_by_edge().await;
    until("the end of the tunnel", || world.tunnels() == 0).await;
}

#[tokio::test]
async fn what_is_large_goes_through_in_bounded_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 64;
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    let piece = noise(PIECE);
    for _ in 0..2 {
        let (from, to) = (&mut viewer.0.stream, &mut asked.wire);
        let sending = async {
            for _ in 0..PIECES {
                from.write_all(&piece).await.unwrap();
            }
        };
        let receiving = async {
            for _ in 0..PIECES {
                assert!(to.bytes(PIECE).await.unwrap() == piece);
            }
        };
        soon("64 MiB", async { tokio::join!(sending, receiving) }).await;
        // The other way too, in the second round.
        std::mem::swap(&mut viewer.0, &mut asked.wire);
    }
    std::mem::swap(&mut viewer.0, &mut asked.wire);
    // Nobody reads: what the edge takes is bounded, and the rest waits in the sockets.
    let mut written = 0_usize;
    while let Ok(result) =
        tokio::time::timeout(Duration::from_millis(200), viewer.0.stream.write(&piece)).await
    {
        written += result.unwrap();
        assert!(written < 48 << 20, "{written} bytes are held somewhere");
    }
}

#[tokio::test]
async fn bytes_sent_before_the_answer_are_the_websockets_own() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/chat", HANDSHAKE).await;
    viewer.send("early").await;
    let mut asked = origin.asked().await;
    // Not before the origin has agreed: it might take them for a request.
    assert_eq!(asked.wire.unread, b"");
    asked.send([AGREED, "at once"].concat()).await;
    assert!(viewer.head().await.starts_with("HTTP/1.1 101 "));
    viewer.reads(b"at once").await;
    reads(&mut asked, b"early").await;
}

#[tokio::test]
async fn what_follows_a_handshake_that_was_declined_is_a_request() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    // Whoever takes the second for bytes of a WebSocket would have the origin answer it, unseen by the edge.
    viewer.begin("GET", "/chat", HANDSHAKE).await;
    viewer.begin("GET", "/secret", "Host: other.test\r\n").await;
    origin.asked().await.answer(ok("", "no")).await;
    assert_eq!(viewer.reply("GET").await.is(), (200, "Miss", "no"));
    // Two Hosts: it is refused as it would be on a connection of its own.
    assert_eq!(viewer.reply("GET").await.status, 400);
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn a_switch_nobody_asked_for_is_no_answer() {
    for (method, fields) in [
        ("GET", ""),
        ("GET", "Upgrade: websocket\r\n"),
        ("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        ("POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n"),
        ("POST", HANDSHAKE),
    ] {
        let mut origin = Origin::start().await;
        let world = World::new(&origin).await;
        let mut viewer = world.viewer().await;
        viewer.begin(method, "/", fields).await;
        if fields.contains("Length") {
            viewer.send("body").await;
        }
        let mut asked = origin.asked().await;
        assert_eq!(
            (asked.field("upgrade"), asked.field("connection")),
            (None, Some("Keep-Alive")),
            "{fields}"
        );
        asked.send([AGREED, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"].concat()).await;
        assert_eq!(viewer.reply(method).await.status, 502, "{method} {fields}");
        asked.closed_by_edge().await;
        assert_eq!(world.tunnels(), 0);
        // The viewer is where he was.
        let next = async { origin.asked().await.answer(ok("", "next")).await };
        assert_eq!(tokio::join!(viewer.get("/next"), next).0.text(), "next", "{method} {fields}");
    }
}

#[tokio::test]
async fn a_switch_to_something_else_is_no_answer() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", HANDSHAKE).await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").await;
    assert_eq!(viewer.reply("GET").await.status, 502);
    asked.closed_by_edge().await;
}

#[tokio::test]
async fn an_origin_that_closes_at_once_ends_it() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (mut viewer, asked) = world.tunnel(&mut origin).await;
    drop(asked);
    assert_eq!(viewer.rest().await, b"");
    drop(viewer);
    until("the end of the tunnel", || world.tunnels() == 0).await;
    // One that closes instead of answering is a failure like any other.
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/chat", HANDSHAKE).await;
    drop(origin.asked().await);
    assert_eq!(viewer.reply("GET").await.status, 502);
}

#[tokio::test]
async fn a_side_that_is_gone_takes_the_other_with_it() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (mut viewer, asked) = world.tunnel(&mut origin).await;
    asked.reset();
    assert_eq!(viewer.rest().await, b"");
    let (viewer, mut asked) = world.tunnel(&mut origin).await;
    socket2::SockRef::from(&viewer.0.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(viewer);
    asked.closed_by_edge().await;
    until("the end of both tunnels", || world.tunnels() == 0).await;
}

#[tokio::test]
async fn a_viewer_who_leaves_before_the_answer_leaves_nothing_behind() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/chat", HANDSHAKE).await;
    let mut asked = origin.asked().await;
    drop(viewer);
    asked.closed_by_edge().await;
    assert_eq!(world.tunnels(), 0);
}

#[tokio::test]
async fn without_a_byte_from_the_origin_it_ends() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.limits.tunnel_idle_timeout = SHORT).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    // Each byte of the origin's buys time …
    for _ in 0..4 {
        viewer.hears_nothing_for(SHORT / 2).await;
        asked.send(".").await;
        viewer.reads(b".").await;
    }
    // … and none of the viewer's does.
    soon("the end", async {
        while viewer.0.stream.write_all(b"!").await.is_ok() && asked.wire.more().await {}
    })
    .await;
    assert_eq!(viewer.rest().await, b"");
    until("the end of the tunnel", || world.tunnels() == 0).await;
}

#[tokio::test]
async fn a_stop_gives_it_the_time_it_gives_to_all_and_no_more() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.limits.drain_timeout = 4 * SHORT).await;
    let (mut viewer, mut asked) = world.tunnel(&mut origin).await;
    let World { server, .. } = world;
    let edge = server.edge().clone();
    let stopped = tokio::spawn(server.stop());
    viewer.hears_nothing_for(SHORT).await;
    asked.send("still here").await;
    viewer.reads(b"still here").await;
    assert_eq!(viewer.rest().await, b"");
    asked.closed_by_edge().await;
    soon("the end of the server", stopped).await.unwrap();
    until("the end of the tunnel", || edge.counters().tunnels.load(Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn a_stop_waits_for_nobody_once_it_has_ended() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.limits.drain_timeout = LONG * 100).await;
    let (viewer, asked) = world.tunnel(&mut origin).await;
    let World { server, .. } = world;
    let stopped = tokio::spawn(server.stop());
    drop((viewer, asked));
    soon("the end of the server", stopped).await.unwrap();
}

#[tokio::test]
async fn two_hundred_leave_no_task_and_no_descriptor_behind() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    // What is made once is made now.
    drop(world.tunnel(&mut origin).await);
    until("the end of the first", || world.tunnels() == 0).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let (tasks, open) = (metrics.num_alive_tasks(), descriptors());
    let mut both = Vec::new();
    for _ in 0..200 {
        both.push(world.tunnel(&mut origin).await);
    }
    assert_eq!(world.tunnels(), 200);
    for (viewer, asked) in &mut both {
        viewer.send("a").await;
        reads(asked, b"a").await;
        asked.send("b").await;
        viewer.reads(b"b").await;
    }
    assert!(metrics.num_alive_tasks() >= tasks + 200);
    // Some end by the one side, some by the other, some by both.
    for (at, (viewer, asked)) in both.into_iter().enumerate() {
        match at % 3 {
            0 => drop((viewer, asked)),
            1 => asked.reset(),
            _ => socket2::SockRef::from(&viewer.0.stream).set_linger(Some(Duration::ZERO)).unwrap(),
        }
    }
    until("the end of all", || world.tunnels() == 0).await;
    until("the end of their tasks", || metrics.num_alive_tasks() <= tasks).await;
    // Other tests open files too, and close them.
    until("the end of their sockets", || descriptors() <= open + 150).await;
}

#[tokio::test]
async fn over_tls_it_is_the_same() {
    let mut origin = Origin::start().await;
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-tunnel-ca");
    let world = World::with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(directory);
        settings.clock = Clock::system();
    })
    .await;
    let mut stream = world.tls("http/1.1").await;
    stream
        .write_all(format!("GET /chat HTTP/1.1\r\nHost: {HOST}\r\n{HANDSHAKE}\r\n").as_bytes())
        .await
        .unwrap();
    let mut asked = origin.asked().await;
    asked.send([AGREED, "hello"].concat()).await;
    let mut text = Vec::new();
    soon("the origin's words", async {
        while !text.ends_with(b"hello") {
            assert!(stream.read_buf(&mut text).await.unwrap() > 0);
        }
    })
    .await;
    stream.write_all(b"and you").await.unwrap();
    reads(&mut asked, b"and you").await;
    // The end is told by TLS too, in both directions.
    stream.shutdown().await.unwrap();
    asked.closed_by_edge().await;
    drop(asked);
    assert_eq!(soon("the end", stream.read_buf(&mut text)).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_embeds_the_service_has_no_connection_to_give_away() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let handshake = http::Request::get("/chat").header("host", HOST);
    let handshake = handshake.header("connection", "Upgrade").header("upgrade", "websocket");
    let request = handshake.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let viewer =
        edge_core::proxy::edge::Viewer { addr: ([192, 0, 2, 1], 1).into(), scheme: Scheme::Http, tls: None };
    let edge = world.server.edge();
    let (response, ()) = tokio::join!(edge.handle(request, viewer), async {
        let asked = origin.asked().await;
        assert_eq!(asked.field("upgrade"), None);
        asked.answer(ok("", "page")).await;
    });
    assert_eq!(response.status(), 200);
}
