//! Responses before the final one (RFC 9110 §15.2): passed on to the viewer whose request they answer, kept for nobody.

use edge_core::distribution::ResponseHeadersPolicy;

use super::*;

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nX-My: 1\r\n\r\n";

fn with_hints(fields: &str) -> Vec<u8> {
    [HINTS.as_bytes(), &ok(fields, "page")].concat()
}

/// The head of an interim response.
async fn interim(viewer: &mut Viewer) -> String {
    let head = viewer.head().await;
    assert!(head.starts_with("HTTP/1.1 1"), "{head}");
    head
}

#[tokio::test]
async fn they_come_through_when_they_are_sent() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send(HINTS).await;
    let head = interim(&mut viewer).await;
    assert!(head.starts_with("HTTP/1.1 103 Early Hints\r\n"), "{head}");
    assert_eq!((field(&head, "link"), field(&head, "x-my")), (Some("</style.css>; rel=preload"), Some("1")));
    asked.send("HTTP/1.1 102 Processing\r\n\r\n").await;
    assert!(interim(&mut viewer).await.starts_with("HTTP/1.1 102 Processing\r\n"));
    asked.answer(ok("", "page")).await;
    let reply = viewer.reply("GET").await;
    assert_eq!((reply.is(), reply.field("link"), reply.field("x-my")), ((200, "Miss", "page"), None, None));

    let reply = viewer.get("/").await;
    assert_eq!((reply.is(), reply.field("link")), ((200, "Hit", "page"), None));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn with_the_answer_in_one_piece_they_come_before_it() {
    let origin = Origin::answering(|head, _| match head.starts_with("HEAD") {
        true => [HINTS, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"].concat().into_bytes(),
        false => with_hints("Cache-Control: no-store\r\n"),
    })
    .await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    for method in ["HEAD", "GET", "GET", "OPTIONS", "DELETE"] {
        viewer.begin(method, "/", "").await;
        assert!(interim(&mut viewer).await.contains("style.css"), "{method}");
        let reply = viewer.reply(method).await;
        assert_eq!(reply.is(), (200, "Miss", if method == "HEAD" { "" } else { "page" }));
    }
}

#[tokio::test]
async fn after_a_body_that_was_awaited_they_come_too() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/", "Content-Length: 5\r\nExpect: 100-continue\r\n").await;
    assert_eq!(interim(&mut viewer).await, "HTTP/1.1 100 Continue\r\n\r\n");
    viewer.send("hello").await;
    origin.asked().await.answer(with_hints("")).await;
    assert!(interim(&mut viewer).await.contains("style.css"));
    assert_eq!(viewer.reply("POST").await.is(), (200, "Miss", "page"));
}

#[tokio::test]
async fn what_is_not_for_viewers_stays_behind() {
    let hints = "HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nX-Cache: HIT\r\n\
        X-Amz-Cf-Id: mine\r\nX-Edge-A: 1\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\
        X-Removed: 1\r\nX-Kept: 1\r\n\r\n";
    let wire = ["HTTP/1.1 100 Continue\r\n\r\n", hints].concat();
    let origin = Origin::answering(move |_, _| [wire.as_bytes(), &ok("", "page")].concat()).await;
    let world = World::with(&origin, |settings| {
        let remove = vec![http::HeaderName::from_static("x-removed")];
        settings.distribution.default_behavior.response_headers =
            Some(Arc::new(ResponseHeadersPolicy { remove, ..ResponseHeadersPolicy::default() }));
        settings.distribution.default_behavior.forward.cookies = Names::All;
    })
    .await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let head = interim(&mut viewer).await;
    let names: Vec<&str> =
        head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(names, ["x-kept", "via"], "{head}");
    assert_eq!(viewer.reply("GET").await.is(), (200, "Miss", "page"));
}

/// Who leads gets what the origin says to him; the others wait for the answer.
#[tokio::test]
async fn of_a_crowd_one_gets_them() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (heads, ()) = tokio::join!(
        all(5, |_| async {
            let mut viewer = world.viewer().await;
            viewer.begin("GET", "/", "").await;
            let first = viewer.head().await;
            if first.starts_with("HTTP/1.1 103") {
                assert_eq!(viewer.reply("GET").await.is(), (200, "Miss", "page"));
            }
            first[..12].to_owned()
        }),
        async {
            let first = origin.asked().await;
            world.requested(5).await;
            first.answer(with_hints("")).await;
        }
    );
    assert_eq!(heads.iter().filter(|head| *head == "HTTP/1.1 103").count(), 1);
    assert_eq!(heads.iter().filter(|head| *head == "HTTP/1.1 200").count(), 4);
}

#[tokio::test]
async fn an_origin_that_fails_after_them_has_failed() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send(HINTS).await;
    interim(&mut viewer).await;
    drop(asked);
    assert_eq!(viewer.reply("GET").await.status, 502);
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn viewers_of_http_1_0_get_none() {
    let origin = Origin::answering(|_, _| with_hints("Cache-Control: no-store\r\n")).await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.send(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await;
    let head = viewer.head().await;
    assert!(head.contains(" 200 OK\r\n"), "{head}");
    assert_eq!(viewer.rest().await, b"page");
}

/// A viewer whose patience ended has the stale page; what the origin says after that is for nobody.
#[tokio::test]
async fn after_the_answer_there_are_none() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (_, ()) = tokio::join!(world.get("/"), async {
        origin.asked().await.answer(ok("Connection: close\r\nCache-Control: max-age=10\r\n", "old")).await;
    });
    world.pass(10);
    let (_, ()) = tokio::join!(world.get("/"), async { origin.asked().await.reset() });
    world.pass(10);
    let mut viewer = world.viewer().await;
    let (reply, late) = tokio::join!(viewer.get("/"), origin.asked());
    assert_eq!(reply.is(), (200, "Hit", "old"));
    late.answer(with_hints("")).await;
    soon("the new page", async { while viewer.get("/").await.text() != "page" {} }).await;
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "page"));
}
