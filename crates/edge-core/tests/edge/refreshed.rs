//! stale-while-revalidate (§7.5): the viewer never waits, and one request refreshes for all.

use super::*;

const PAGE: &str = "Cache-Control: max-age=10, stale-while-revalidate=30\r\nETag: \"1\"\r\n";

async fn expired(origin: &mut Origin, world: &World) {
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok(PAGE, "old")).await });
    assert_eq!(reply.is(), (200, "Miss", "old"));
    world.pass(10);
}

#[tokio::test]
async fn nobody_waits_and_the_origin_is_asked_once() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    for reply in all(20, |_| world.get("/")).await {
        assert_eq!((reply.is(), reply.field("age")), ((200, "Hit", "old"), Some("10")));
    }
    let asked = origin.asked().await;
    assert_eq!(field(&asked.head, "if-none-match"), Some("\"1\""));
    assert_eq!(origin.seen(), 1 + 1);
    asked.answer(ok("Cache-Control: max-age=10\r\n", "new")).await;
    soon("the new page", async { while world.get("/").await.text() != "new" {} }).await;
    let reply = world.get("/").await;
    assert_eq!((reply.is(), reply.field("age")), ((200, "Hit", "new"), Some("0")));
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn what_the_viewer_has_or_wants_a_part_of_is_not_asked_for_everybody() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let reply = world.ask("GET", "/", "Range: bytes=0-0\r\nIf-None-Match: \"other\"\r\n").await;
    assert_eq!((reply.status, reply.text()), (206, "o"));
    let asked = origin.asked().await;
    assert_eq!((field(&asked.head, "range"), field(&asked.head, "if-none-match")), (None, Some("\"1\"")));
    assert!(asked.head.starts_with("GET / "), "{}", asked.head);
}

#[tokio::test]
async fn a_304_in_the_background_makes_it_fresh() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    assert_eq!(world.ask("HEAD", "/", "").await.x_cache(), "Hit");
    let asked = origin.asked().await;
    assert!(asked.head.starts_with("GET / "), "{}", asked.head);
    asked.answer("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n").await;
    soon("the page to be fresh", async { while world.get("/").await.field("age") != Some("0") {} }).await;
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn after_the_window_and_after_a_failure_it_is_as_without_it() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    assert_eq!(world.get("/").await.is(), (200, "Hit", "old"));
    origin.asked().await.answer("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
    // Held over: nobody is asked for as long as an error is kept (§7.4).
    until("the failure to be known", || origin.seen() == 2).await;
    world.pass(9);
    assert_eq!(world.get("/").await.is(), (200, "Hit", "old"));
    world.pass(40);
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "new")).await });
    assert_eq!(reply.is(), (200, "Miss", "new"), "past the window the viewer waits");
}

/// What was made from an older copy never takes the place of a newer one.
#[tokio::test]
async fn a_late_answer_about_an_old_copy_changes_nothing() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let page =
        |etag: &str, body: &str| ok(&format!("Cache-Control: max-age=10\r\nETag: \"{etag}\"\r\n"), body);
    let (_, ()) = tokio::join!(world.get("/"), async { origin.asked().await.answer(page("1", "old")).await });
    world.pass(10);
    let (late, ()) = tokio::join!(world.ask("HEAD", "/", ""), async {
        let head = origin.asked().await;
        let (fresh, ()) =
            tokio::join!(world.get("/"), async { origin.asked().await.answer(page("2", "new")).await });
        assert_eq!(fresh.is(), (200, "Miss", "new"));
        assert_eq!(world.get("/").await.is(), (200, "Hit", "new"));
        head.answer("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: max-age=1000\r\n\r\n").await;
    });
    assert_eq!((late.status, late.x_cache()), (200, "RefreshHit"));
    assert_eq!(world.get("/").await.is(), (200, "Hit", "new"));
}
