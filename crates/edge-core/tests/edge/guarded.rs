//! The guard on the wire: a page made for one viewer is never shown to another; to the letter it is.

use edge_core::cache::storing::Guard;
use edge_core::distribution::HeaderForwarding;

use super::*;

/// Which distribution, what the viewers send, what the origin says, and why it is not shared.
type Case = (&'static str, fn(&mut Settings), &'static str, &'static str);

const CASES: [Case; 7] = [
    ("Set-Cookie", forward_cookies, "", "Set-Cookie: session=1\r\n"),
    ("private over a minimum", minimum, "", "Cache-Control: private\r\n"),
    ("no-store over a minimum", minimum, "", "Cache-Control: no-store, max-age=60\r\n"),
    ("Authorization outside the key", forward_all_headers, "Authorization: Basic eA==\r\n", ""),
    ("a cookie outside the key", forward_cookies, "Cookie: session=1\r\n", ""),
    ("Vary outside the key", forward_all_headers, "", "Vary: X-Region\r\n"),
    ("Vary on everything over a minimum", minimum, "", "Vary: *\r\n"),
];

fn forward_cookies(settings: &mut Settings) {
    settings.distribution.default_behavior.forward.cookies = Names::All;
}

fn forward_all_headers(settings: &mut Settings) {
    settings.distribution.default_behavior.forward.headers = HeaderForwarding::AllViewer { plus: Vec::new() };
}

fn minimum(settings: &mut Settings) {
    settings.distribution.default_behavior.ttl.min = seconds(30);
}

async fn personal(fields: &'static str) -> Origin {
    Origin::answering(move |_, count| ok(fields, format!("for viewer {count}"))).await
}

#[tokio::test]
async fn nobody_sees_the_page_of_another() {
    for (case, change, request, response) in CASES {
        let origin = personal(response).await;
        let world = World::with(&origin, change).await;
        assert_eq!(world.ask("GET", "/", request).await.is(), (200, "Miss", "for viewer 0"), "{case}");
        assert_eq!(world.ask("GET", "/", request).await.is(), (200, "Miss", "for viewer 1"), "{case}");
        assert_eq!(world.get("/").await.is(), (200, "Miss", "for viewer 2"), "{case}");
        assert!(world.server.edge().counters().guarded.load(Ordering::Relaxed) >= 2, "{case}");
    }
}

#[tokio::test]
async fn to_the_letter_it_is_shared_as_cloudfront_does() {
    for (case, change, request, response) in CASES {
        let origin = personal(response).await;
        let world = World::with(&origin, |settings| {
            change(settings);
            settings.guard = Guard::Off;
        })
        .await;
        assert_eq!(world.ask("GET", "/", request).await.is(), (200, "Miss", "for viewer 0"), "{case}");
        assert_eq!(world.get("/").await.is(), (200, "Hit", "for viewer 0"), "{case}");
        assert_eq!(world.server.edge().counters().guarded.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn what_was_shared_to_the_letter_is_not_shared_under_the_guard() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        forward_cookies(settings);
        settings.guard = Guard::Off;
    })
    .await;
    let personal = |name: &str| ok("Set-Cookie: session=1\r\n", name);
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(personal("Ann")).await });
    assert_eq!(reply.is(), (200, "Miss", "Ann"));
    // One fill is still under way when the guard goes on.
    let mut slow = world.viewer().await;
    slow.begin("GET", "/slow", "").await;
    let mut filling = origin.asked().await;
    filling.send("HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 3\r\n\r\n").await;
    slow.head().await;
    let mut settings = world.settings.clone();
    settings.guard = Guard::On;
    world.server.reload(&settings).unwrap();
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(personal("Bob")).await });
    assert_eq!(reply.is(), (200, "Miss", "Bob"));
    let (reply, ()) =
        tokio::join!(world.get("/slow"), async { origin.asked().await.answer(personal("Bob")).await });
    assert_eq!(reply.is(), (200, "Miss", "Bob"));
    filling.send("Ann").await;
    assert_eq!(slow.0.bytes(3).await.unwrap(), b"Ann");
    let (reply, ()) =
        tokio::join!(world.get("/slow"), async { origin.asked().await.answer(personal("Cid")).await });
    assert_eq!(reply.is(), (200, "Miss", "Cid"));
}

#[tokio::test]
async fn a_body_outside_the_key_fills_nothing() {
    // OPTIONS may be cached and may have a body, which no key tells apart.
    let origin =
        Origin::answering(|head, count| ok("", format!("{} {count}", head.split(' ').next().unwrap()))).await;
    let world = World::with(&origin, |settings| {
        settings.distribution.default_behavior.options = edge_core::distribution::OptionsCaching::On;
    })
    .await;
    let mut viewer = world.viewer().await;
    assert_eq!(viewer.ask("OPTIONS", "/", "Content-Length: 2\r\n").await.is(), (200, "Miss", "OPTIONS 0"));
    assert_eq!(world.ask("OPTIONS", "/", "").await.is(), (200, "Miss", "OPTIONS 1"));
    assert_eq!(world.ask("OPTIONS", "/", "").await.is(), (200, "Hit", "OPTIONS 1"));
    assert_eq!(world.get("/").await.is(), (200, "Miss", "GET 2"));
}

#[tokio::test]
async fn an_upload_that_a_viewer_breaks_off_is_nobody_elses_error() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        settings.distribution.default_behavior.options = edge_core::distribution::OptionsCaching::On;
    })
    .await;
    let mut viewer = world.viewer().await;
    viewer.begin("OPTIONS", "/", "Content-Length: 10\r\n").await;
    viewer.send("half").await;
    let mut asked = origin.asked().await;
    drop(viewer);
    asked.closed_by_edge().await;
    let (reply, ()) = tokio::join!(world.ask("OPTIONS", "/", ""), async {
        origin.asked().await.answer(ok("", "fine")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "fine"));
}
