//! Bodies on their way to the origin.

use super::*;

#[tokio::test]
async fn a_large_body_streams_through_in_bounded_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 64;
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("PUT", "/", &format!("Content-Length: {}\r\n", PIECE * PIECES)).await;
    let mut asked = origin.asked().await;
    assert_eq!(asked.field("content-length"), Some((PIECE * PIECES).to_string().as_str()));
    let piece = noise(PIECE);
    let sent = piece.clone();
    let Viewer(wire) = &mut viewer;
    let sending = async {
        for _ in 0..PIECES {
            tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &sent).await.unwrap();
        }
    };
    let receiving = async {
        for _ in 0..PIECES {
            assert!(asked.wire.bytes(PIECE).await.unwrap() == piece);
        }
        asked.answer(ok("", "thanks")).await;
    };
    soon("64 MiB", async { tokio::join!(sending, receiving) }).await;
    assert_eq!(viewer.reply("PUT").await.is(), (200, "Miss", "thanks"));
}

#[tokio::test]
async fn an_origin_that_does_not_read_holds_the_viewer_back() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("PUT", "/", "Content-Length: 1000000000\r\n").await;
    let asked = origin.asked().await;
    let piece = vec![b'x'; 64 * 1_024];
    let mut written = 0_usize;
    // Everything the kernel and the edge take without the origin reading a byte.
    while let Ok(result) = tokio::time::timeout(
        Duration::from_millis(200),
        tokio::io::AsyncWriteExt::write(&mut viewer.0.stream, &piece),
    )
    .await
    {
        written += result.unwrap();
        assert!(written < 48 << 20, "{written} bytes are held somewhere");
    }
    assert_eq!(asked.wire.unread.len(), 0);
}

#[tokio::test]
async fn a_chunked_body_is_framed_anew() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/", "Transfer-Encoding: chunked\r\nTrailer: X\r\n").await;
    viewer.send("4;ext=1\r\nbody\r\n").await;
    let mut asked = origin.asked().await;
    assert_eq!((asked.field("transfer-encoding"), asked.field("content-length")), (Some("chunked"), None));
    viewer.send("3\r\n!!!\r\n0\r\nX: trailer\r\n\r\n").await;
    assert_eq!(asked.wire.chunked().await.unwrap(), b"body!!!");
    asked.answer(ok("", "thanks")).await;
    assert_eq!(viewer.reply("POST").await.is(), (200, "Miss", "thanks"));
    assert_eq!(
        tokio::join!(viewer.get("/"), async { origin.asked().await.answer(ok("", "next")).await }).0.text(),
        "next"
    );
}

#[tokio::test]
async fn a_viewer_who_waits_for_leave_to_send_gets_it() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/", "Content-Length: 4\r\nExpect: 100-continue\r\n").await;
    assert_eq!(viewer.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    viewer.send("body").await;
    let mut asked = origin.asked().await;
    assert_eq!(asked.field("expect"), None);
    assert_eq!(asked.wire.bytes(4).await.unwrap(), b"body");
    asked.answer(ok("", "thanks")).await;
    assert_eq!(viewer.reply("POST").await.is(), (200, "Miss", "thanks"));
}

#[tokio::test]
async fn the_answer_may_come_before_the_body() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/", "Content-Length: 100000000\r\n").await;
    viewer.send(noise(1_000)).await;
    let mut asked = origin.asked().await;
    // The origin has read nothing of the body and says no.
    asked.send("HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(viewer.reply("POST").await.is(), (401, "Error", "no"));
    // Nobody reads the other 100 MB.
    asked.closed_by_edge().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_the_request() {
    for fields in ["Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut origin = Origin::start().await;
        let world = World::new(&origin).await;
        let mut viewer = world.viewer().await;
        viewer.begin("POST", "/", fields).await;
        viewer.send("4\r\nhalf\r\n").await;
        let mut asked = origin.asked().await;
        drop(viewer);
        soon("the end", async { while asked.wire.more().await {} }).await;
        // Not as if it were whole.
        assert!(!asked.wire.unread.ends_with(b"0\r\n\r\n"), "{fields}");
    }
}

#[tokio::test]
async fn nothing_is_sent_twice_that_may_not_be() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let mut origin = Origin::start().await;
        let world =
            World::with(&origin, |settings| settings.distribution.origins[0].connection_attempts = 3).await;
        let mut viewer = world.viewer().await;
        viewer.begin(method, "/", "Content-Length: 4\r\n").await;
        viewer.send("body").await;
        let mut asked = origin.asked().await;
        assert_eq!(asked.wire.bytes(4).await.unwrap(), b"body");
        asked.reset();
        assert_eq!(viewer.reply(method).await.status, 502, "{method}");
        assert_eq!(origin.seen(), 1, "{method}");
    }
}
