//! Objects larger than their share of the cache, bodies without a length, slow readers.

use tokio::sync::watch;

use super::*;

const CACHE: u64 = 8 << 20;

fn small_cache(settings: &mut Settings) {
    settings.cache_bytes = CACHE;
}

#[tokio::test]
async fn what_is_larger_than_its_share_passes_and_is_not_kept() {
    let body = noise((CACHE / 8 + 1) as usize);
    let wire = ok("", &body);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::with(&origin, small_cache).await;
    for _ in 0..2 {
        let reply = world.get("/").await;
        assert_eq!((reply.status, reply.x_cache()), (200, "Miss"));
        assert!(reply.body.unwrap() == body);
    }
    assert_eq!(origin.seen(), 2);
    assert_eq!(world.server.edge().cache_size().0, 0);
}

#[tokio::test]
async fn what_is_as_large_as_its_share_is_kept() {
    let body = noise((CACHE / 8) as usize - 64 * 1_024);
    let wire = ok("", &body);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::with(&origin, small_cache).await;
    for x_cache in ["Miss", "Hit"] {
        let reply = world.get("/").await;
        assert_eq!((reply.status, reply.x_cache()), (200, x_cache));
        assert!(reply.body.unwrap() == body);
    }
}

#[tokio::test]
async fn what_grows_too_large_reaches_all_its_readers_and_is_not_kept() {
    let body = noise(3 * CACHE as usize);
    let mut origin = Origin::start().await;
    let world = World::with(&origin, small_cache).await;
    let edge = &world;
    let (replies, ()) = tokio::join!(all(3, |_| edge.get("/")), async {
        let mut asked = origin.asked().await;
        world.requested(3).await;
        asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for piece in body.chunks(100_000) {
            asked.send(format!("{:x}\r\n", piece.len())).await;
            asked.send(piece).await;
            asked.send("\r\n").await;
        }
        asked.answer("0\r\n\r\n").await;
    });
    for reply in replies {
        assert!(reply.body.unwrap() == body);
    }
    assert_eq!(origin.seen(), 1);
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "small")).await });
    assert_eq!(reply.is(), (200, "Miss", "small"));
}

#[tokio::test]
async fn who_comes_when_it_is_too_large_already_asks_for_himself() {
    let body = noise(CACHE as usize);
    let mut origin = Origin::start().await;
    let world = World::with(&origin, small_cache).await;
    let mut first = world.viewer().await;
    first.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len())).await;
    asked.send(&body[..body.len() / 2]).await;
    let head = first.head().await;
    _ = first.0.line().await;
    first.0.bytes(CACHE as usize / 4).await.unwrap();
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "small")).await });
    assert_eq!(reply.is(), (200, "Miss", "small"), "{head}");
    drop(first);
    asked.closed_by_edge().await;
}

/// Writes until the connection ends; says after each piece how much it was.
async fn written_by(mut asked: Asked, written: watch::Sender<u64>) {
    let piece = vec![b'x'; 64 * 1_024];
    while tokio::io::AsyncWriteExt::write_all(&mut asked.wire.stream, &piece).await.is_ok() {
        written.send_modify(|written| *written += piece.len() as u64);
    }
}

#[tokio::test]
async fn a_slow_reader_holds_the_origin_back() {
    const LENGTH: u64 = 256 << 20;
    let mut origin = Origin::start().await;
    let world = World::with(&origin, small_cache).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")).await;
    viewer.head().await;
    let (written, mut wrote) = watch::channel(0);
    let writing = tokio::spawn(written_by(asked, written));
    // The viewer reads nothing. Sockets fill, then everything stands still.
    while tokio::time::timeout(SHORT, wrote.changed()).await.is_ok() {}
    let held = *wrote.borrow();
    // Two pairs of kernel buffers, which grow to some megabytes each, and what is ours.
    assert!(held < 32 << 20, "{held} bytes are under way");
    // Reading moves it on; leaving ends it.
    viewer.0.bytes(40 << 20).await.unwrap();
    assert!(*wrote.borrow() >= 40 << 20);
    drop(viewer);
    soon("the origin's connection closing", writing).await.unwrap();
    assert!(*wrote.borrow() < LENGTH);
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_last() {
    for (form, fields) in [("cacheable", ""), ("not cacheable", "Cache-Control: no-store\r\n")] {
        let mut origin = Origin::start().await;
        let world = World::new(&origin).await;
        let mut viewer = world.viewer().await;
        viewer.begin("GET", "/", "").await;
        let mut asked = origin.asked().await;
        asked.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 8\r\n\r\n")).await;
        viewer.head().await;
        asked.send("half").await;
        assert_eq!(viewer.0.bytes(4).await.unwrap(), b"half", "{form}");
        asked.send("rest").await;
        assert_eq!(viewer.0.bytes(4).await.unwrap(), b"rest", "{form}");
    }
}
