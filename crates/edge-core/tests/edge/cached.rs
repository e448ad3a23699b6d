//! Miss, Hit, Age, expiry, revalidation, cached errors.

use super::*;

#[tokio::test]
async fn the_second_viewer_gets_a_hit_with_its_age() {
    let origin = Origin::answering(|_, count| ok("ETag: \"a\"\r\n", format!("page {count}"))).await;
    let world = World::new(&origin).await;
    let first = world.get("/").await;
    assert_eq!(first.is(), (200, "Miss", "page 0"));
    assert_eq!(first.field("age"), None);
    world.pass(7);
    let second = world.get("/").await;
    assert_eq!(second.is(), (200, "Hit", "page 0"));
    assert_eq!(second.field("age"), Some("7"));
    assert_ne!(first.field("x-amz-cf-id"), second.field("x-amz-cf-id"));
    assert_eq!(world.get("/?other").await.is(), (200, "Miss", "page 1"));
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn hits_come_one_after_another_on_a_connection() {
    let origin = Origin::answering(|head, _| ok("", head.split(' ').nth(1).unwrap())).await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    for round in 0..3 {
        for target in ["/a", "/b", "/c"] {
            assert_eq!(viewer.get(target).await.is(), (200, if round == 0 { "Miss" } else { "Hit" }, target));
        }
    }
    // Several at once, answered in order.
    let asked: String =
        ["/c", "/a", "/b"].map(|target| format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).concat();
    viewer.send(asked).await;
    for target in ["/c", "/a", "/b"] {
        assert_eq!(viewer.reply("GET").await.is(), (200, "Hit", target));
    }
    assert_eq!(origin.seen(), 3);
}

#[tokio::test]
async fn an_expired_object_is_confirmed_by_a_304_and_fresh_again() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let fields = "ETag: \"a\"\r\nCache-Control: max-age=10\r\nX-Old: 1\r\n";
        origin.asked().await.answer(ok(fields, "page")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "page"));
    world.pass(10);
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let asked = origin.asked().await;
        assert_eq!(asked.field("if-none-match"), Some("\"a\""));
        asked
            .answer(
                "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=20\r\nX-New: 2\r\nETag: \"a\"\r\n\r\n",
            )
            .await;
    });
    assert_eq!(reply.is(), (200, "RefreshHit", "page"));
    assert_eq!((reply.field("x-old"), reply.field("x-new")), (Some("1"), Some("2")));
    world.pass(19);
    let reply = world.get("/").await;
    assert_eq!(reply.is(), (200, "Hit", "page"));
    assert_eq!(reply.field("age"), Some("19"));
    world.pass(1);
    let (reply, ()) = tokio::join!(world.get("/"), async {
        origin.asked().await.answer(ok("ETag: \"b\"\r\n", "new page")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "new page"));
    assert_eq!(world.get("/").await.is(), (200, "Hit", "new page"));
    assert_eq!(origin.seen(), 3);
}

#[tokio::test]
async fn conditions_of_viewers_are_answered_from_the_cache() {
    let origin = Origin::answering(|_, _| ok("ETag: \"a\"\r\nContent-Type: text/plain\r\n", "page")).await;
    let world = World::new(&origin).await;
    world.get("/").await;
    let mut viewer = world.viewer().await;
    let reply = viewer.ask("GET", "/", "If-None-Match: \"x\", W/\"a\"\r\n").await;
    assert_eq!((reply.status, reply.x_cache(), reply.field("etag")), (304, "Hit", Some("\"a\"")));
    assert_eq!(reply.field("content-length"), None);
    assert_eq!(viewer.ask("GET", "/", "If-None-Match: \"x\"\r\n").await.is(), (200, "Hit", "page"));
    assert_eq!(viewer.ask("GET", "/", "If-Match: \"x\"\r\n").await.status, 412);
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "page"));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn a_304_to_the_viewers_own_condition_passes_and_is_not_kept() {
    let origin = Origin::answering(|head, _| match field(head, "if-none-match") {
        Some(_) => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
        None => ok("ETag: \"a\"\r\n", "page"),
    })
    .await;
    let world = World::new(&origin).await;
    let reply = world.ask("GET", "/", "If-None-Match: \"a\"\r\n").await;
    assert_eq!((reply.status, reply.x_cache()), (304, "Miss"));
    assert_eq!(world.get("/").await.is(), (200, "Miss", "page"));
}

#[tokio::test]
async fn an_error_is_kept_for_ten_seconds() {
    for code in ["404 Not Found", "500 Internal Server Error", "503 Service Unavailable"] {
        let origin = Origin::answering(move |_, count| {
            format!("HTTP/1.1 {code}\r\nContent-Length: 7\r\n\r\nerror {count}").into_bytes()
        })
        .await;
        let world = World::new(&origin).await;
        let status = code[..3].parse().unwrap();
        assert_eq!(world.get("/").await.is(), (status, "Error", "error 0"));
        world.pass(9);
        let reply = world.get("/").await;
        assert_eq!(reply.is(), (status, "Error", "error 0"));
        assert_eq!(reply.field("age"), Some("9"));
        world.pass(1);
        assert_eq!(world.get("/").await.is(), (status, "Error", "error 1"));
        assert_eq!(origin.seen(), 2, "{code}");
    }
}

#[tokio::test]
async fn a_page_of_ours_is_kept_like_an_error_of_the_origin() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (reply, ()) = tokio::join!(world.get("/"), async { drop(origin.asked().await) });
    assert_eq!((reply.status, reply.x_cache()), (502, "Error"));
    world.pass(9);
    assert_eq!(world.get("/").await.status, 502);
    assert_eq!(origin.seen(), 1);
    world.pass(1);
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "page")).await });
    assert_eq!(reply.is(), (200, "Miss", "page"));
    assert_eq!(world.get("/").await.is(), (200, "Hit", "page"));
}

#[tokio::test]
async fn what_must_be_confirmed_each_time_is() {
    let origin = Origin::answering(|head, count| match field(head, "if-none-match") {
        Some("\"a\"") if count < 3 => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
        _ => ok("ETag: \"a\"\r\nCache-Control: no-cache\r\n", format!("page {count}")),
    })
    .await;
    let world = World::new(&origin).await;
    assert_eq!(world.get("/").await.is(), (200, "Miss", "page 0"));
    assert_eq!(world.get("/").await.is(), (200, "RefreshHit", "page 0"));
    assert_eq!(world.get("/").await.is(), (200, "RefreshHit", "page 0"));
    assert_eq!(world.get("/").await.is(), (200, "Miss", "page 3"));
}

#[tokio::test]
async fn a_head_request_reads_what_get_stored_but_never_fills_for_it() {
    let origin = Origin::answering(|head, count| match head.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".to_vec(),
        false => ok("", format!("get{count}")),
    })
    .await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    let reply = viewer.ask("HEAD", "/", "").await;
    assert_eq!((reply.status, reply.x_cache(), reply.field("content-length")), (200, "Miss", Some("4")));
    assert_eq!(viewer.get("/").await.is(), (200, "Miss", "get1"));
    let reply = viewer.ask("HEAD", "/", "").await;
    assert_eq!((reply.status, reply.x_cache(), reply.field("content-length")), (200, "Hit", Some("4")));
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "get1"));
    assert_eq!(origin.seen(), 2);
}
