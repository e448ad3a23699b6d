//! Messages that must come through as they are: statuses, fields, methods.

use super::*;

#[tokio::test]
async fn cookies_that_are_set_stay_apart_and_in_order() {
    let fields = "Set-Cookie: b=2; Path=/\r\nX: y\r\nSet-Cookie: a=1\r\nset-cookie: b=3\r\n";
    let origin = Origin::answering(move |_, _| ok(fields, "")).await;
    let world =
        World::with(&origin, |settings| settings.distribution.default_behavior.forward.cookies = Names::All)
            .await;
    let reply = world.get("/").await;
    assert_eq!(fields_of(&reply, "set-cookie"), ["b=2; Path=/", "a=1", "b=3"]);
    let reply = world.ask("POST", "/", "Content-Length: 0\r\n").await;
    assert_eq!(fields_of(&reply, "set-cookie"), ["b=2; Path=/", "a=1", "b=3"]);
}

fn fields_of<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    fields(&reply.head, name)
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for (status, kept) in [(301, true), (302, true), (303, true), (307, false), (308, false)] {
        let origin = Origin::answering(move |_, _| {
            let fields = "Location: http://origin.test/elsewhere?x#y\r\nContent-Length: 5\r\n";
            format!("HTTP/1.1 {status} Go\r\n{fields}\r\nmoved").into_bytes()
        })
        .await;
        let world = World::new(&origin).await;
        for x_cache in ["Miss", if kept { "Hit" } else { "Miss" }] {
            let reply = world.get("/").await;
            assert_eq!(reply.is(), (status, x_cache, "moved"));
            assert_eq!(reply.field("location"), Some("http://origin.test/elsewhere?x#y"));
        }
    }
}

#[tokio::test]
async fn a_switch_of_protocols_nobody_asked_for_is_a_bad_answer() {
    let origin =
        Origin::answering(|_, _| b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_vec()).await;
    let world = World::new(&origin).await;
    assert_eq!(world.get("/").await.status, 502);
}

#[tokio::test]
async fn answers_without_a_body() {
    let origin = Origin::answering(|head, _| match head.split(' ').nth(1).unwrap() {
        "/204" => b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n".to_vec(),
        "/205" => b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => ok("", ""),
    })
    .await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    for (target, status) in [("/204", 204), ("/205", 205), ("/200", 200)] {
        for _ in 0..2 {
            let reply = viewer.get(target).await;
            assert_eq!((reply.status, reply.text()), (status, ""), "{target}");
            assert!(
                status != 204
                    || reply.field("content-length").is_none() && reply.field("transfer-encoding").is_none()
            );
        }
        assert_eq!(viewer.ask("DELETE", target, "").await.status, status);
    }
}

#[tokio::test]
async fn every_method_reaches_the_origin_and_only_reads_are_kept() {
    let origin = Origin::answering(|head, count| match head.starts_with("HEAD") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(),
        false => ok("", format!("{} {count}", head.split(' ').next().unwrap())),
    })
    .await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    assert_eq!(viewer.get("/").await.is(), (200, "Miss", "GET 0"));
    for (at, method) in ["PUT", "PATCH", "DELETE", "OPTIONS", "POST", "PUT"].into_iter().enumerate() {
        let reply = viewer.ask(method, "/", "").await;
        assert_eq!(reply.is(), (200, "Miss", format!("{method} {}", at + 1).as_str()));
    }
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "GET 0"));
}

#[tokio::test]
async fn the_origin_gets_what_a_policy_sends_and_no_more() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let fields = "Cookie: a=b\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Forwarded-Host: evil\r\nAccept-Encoding: gzip\r\n";
    let (reply, ()) = tokio::join!(world.ask("GET", "/a//b/../c%2f?x=1&x=2", fields), async {
        let asked = origin.asked().await;
        assert_eq!(asked.target(), "/a//b/../c%2f?x=1&x=2");
        assert_eq!(super::fields(&asked.head, "host"), [ORIGIN]);
        assert_eq!(asked.field("x-forwarded-for"), Some("203.0.113.9,127.0.0.1"));
        for name in ["cookie", "x-hop", "x-forwarded-host", "accept-encoding", "expect", "te"] {
            assert_eq!(asked.field(name), None, "{name}");
        }
        asked.answer(ok("", "page")).await;
    });
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn hop_by_hop_fields_of_the_origin_stay_behind() {
    let fields = "Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nX-Cache: HIT\r\nX-Amz-Cf-Id: mine\r\nVary: X-Hidden, Accept-Encoding\r\n";
    let origin = Origin::answering(move |_, _| ok(fields, "page")).await;
    let world = World::new(&origin).await;
    let reply = world.ask("DELETE", "/", "").await;
    assert_eq!(fields_of(&reply, "x-cache"), ["Miss from cloudfront"]);
    assert_eq!(
        (reply.field("x-hop"), reply.field("keep-alive"), reply.field("connection")),
        (None, None, None)
    );
    assert_eq!(fields_of(&reply, "vary"), ["Accept-Encoding"]);
    assert_ne!(reply.field("x-amz-cf-id"), Some("mine"));
}

#[tokio::test]
async fn a_viewer_of_http_1_0_gets_his_answer_and_its_end() {
    let origin = Origin::answering(|head, _| match head.contains("/chunked") {
        true => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n".to_vec(),
        false => ok("", "page"),
    })
    .await;
    let world = World::new(&origin).await;
    for target in ["/chunked", "/plain"] {
        for _ in 0..2 {
            let mut viewer = world.viewer().await;
            viewer.send(format!("GET {target} HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await;
            let head = viewer.head().await;
            assert_eq!(field(&head, "transfer-encoding"), None);
            assert_eq!(viewer.rest().await, b"page", "{head}");
        }
    }
}
