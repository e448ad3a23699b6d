//! Requests CloudFront answers itself: the form of its pages, and what becomes of the connection and of bodies nobody
//! wants (threats M5, M9).

use super::*;

/// CloudFront's form of a page (cloudfront.md §10.4).
fn assert_is_page(reply: &Reply, status: u16) {
    assert_eq!((reply.status, reply.x_cache()), (status, "Error"), "{}", reply.head);
    assert_eq!((reply.field("server"), reply.field("content-type")), (Some("CloudFront"), Some("text/html")));
    assert!(reply.field("via").is_some_and(|via| via.ends_with(".cloudfront.net (CloudFront)")));
    assert!(reply.field("x-amz-cf-pop").is_some() && reply.field("date").is_some());
    let id = reply.field("x-amz-cf-id").unwrap();
    assert_eq!(id.len(), 56);
    let page = reply.text();
    assert!(page.starts_with("<!DOCTYPE HTML PUBLIC") && page.ends_with("</BODY></HTML>\n"));
    assert!(
        page.contains(&format!("<H1>{status} ERROR</H1>")) && page.contains(&format!("Request ID: {id}\n"))
    );
}

async fn nobody() -> (Origin, World) {
    let origin = Origin::answering(|head, _| ok("", head.lines().next().unwrap())).await;
    let world = World::new(&origin).await;
    (origin, world)
}

#[tokio::test]
async fn a_host_nobody_has_is_refused() {
    let (origin, world) = nobody().await;
    let mut viewer = world.viewer().await;
    viewer.send("GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").await;
    assert_is_page(&viewer.reply("GET").await, 403);
    // The connection is still good.
    assert_eq!(viewer.get("/").await.status, 200);
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_in_one_way_is_a_400_and_the_end() {
    let (origin, world) = nobody().await;
    let long = "x".repeat(8_192);
    let big = "x".repeat(32_768);
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: edge.test\r\nContent-Length: +5\r\n\r\n".to_owned(), 400),
        (
            "POST / HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
            400,
        ),
        ("GET / HTTP/1.1\r\nHost : edge.test\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: edge.test\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: edge.test\r\nX: {big}\r\n\r\n"), 494),
    ];
    for (wire, status) in cases {
        let mut viewer = world.viewer().await;
        // What follows in the same packet is no request any more.
        viewer.send(format!("{wire}GET /smuggled HTTP/1.1\r\nHost: edge.test\r\n\r\n")).await;
        let reply = viewer.reply("GET").await;
        assert_is_page(&reply, status);
        assert_eq!(reply.field("connection"), Some("close"), "{status}");
        assert_eq!(viewer.rest().await, b"", "{status}");
    }
    assert_eq!(origin.seen(), 0);
}

/// CVE-2025-4366: the body of a request that was answered from the cache was read as the next request.
#[tokio::test]
async fn a_get_with_a_body_is_refused_and_its_body_is_never_a_request() {
    let (origin, world) = nobody().await;
    assert_eq!(world.get("/held").await.x_cache(), "Miss");
    assert_eq!(world.get("/held").await.x_cache(), "Hit");
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for target in ["/held", "/not-held"] {
        for method in ["GET", "HEAD"] {
            let bodies = [
                (format!("Content-Length: {}\r\n", smuggled.len()), smuggled.clone()),
                ("Transfer-Encoding: chunked\r\n".to_owned(), chunk.clone()),
                // Announced, and never sent.
                ("Content-Length: 100000\r\n".to_owned(), smuggled.clone()),
            ];
            for (fields, body) in bodies {
                let mut viewer = world.viewer().await;
                let head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
                viewer.send(format!("{head}{body}{smuggled}")).await;
                let reply = viewer.reply(method).await;
                assert_eq!(
                    (reply.status, reply.field("connection")),
                    (403, Some("close")),
                    "{method} {target} {fields}"
                );
                if method == "GET" {
                    assert_is_page(&reply, 403);
                }
                assert_eq!(viewer.rest().await, b"", "{method} {target} {fields}");
            }
        }
    }
    assert_eq!(origin.seen(), 1, "no byte of a body reached the origin");
}

#[tokio::test]
async fn a_body_that_is_not_read_is_never_the_next_request() {
    let (origin, world) = nobody().await;
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    // The host is refused before the body is looked at.
    let mut viewer = world.viewer().await;
    let head =
        format!("POST / HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: {}\r\n\r\n", smuggled.len());
    viewer.send(format!("{head}{smuggled}")).await;
    let reply = viewer.reply("POST").await;
    assert_is_page(&reply, 403);
    assert_eq!(viewer.rest().await, b"");
    assert_eq!(origin.seen(), 0);
}

/// The answer comes before the body was read: what is left of it is read to its end, or the connection ends.
#[tokio::test]
async fn an_early_answer_leaves_no_byte_behind() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let mut viewer = world.viewer().await;
    viewer.begin("POST", "/", &format!("Content-Length: {}\r\n", 10 + smuggled.len())).await;
    viewer.send("0123456789").await;
    let asked = origin.asked().await;
    asked.answer("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").await;
    assert_eq!(viewer.reply("POST").await.is(), (413, "Error", "big"));
    viewer.send(&smuggled).await;
    // The rest of the body is swallowed; if a request fits behind it, it is answered, else the connection is over.
    let after = format!("GET /after HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    _ = tokio::io::AsyncWriteExt::write_all(&mut viewer.0.stream, after.as_bytes()).await;
    let answered = tokio::spawn(async move { viewer.rest().await });
    until("an end", || answered.is_finished() || origin.seen() > 1).await;
    if origin.seen() > 1 {
        let asked = origin.asked().await;
        assert_eq!(asked.target(), "/after");
        asked.answer(ok("", "after")).await;
    }
    let rest = answered.await.unwrap();
    assert!(!rest.windows(9).any(|window| window == b"/smuggled"));
}

#[tokio::test]
async fn methods_outside_the_behavior_are_refused() {
    let (origin, world) = nobody().await;
    let mut settings = world.settings.clone();
    settings.distribution.default_behavior.allowed_methods = AllowedMethods::GetHead;
    world.server.reload(&settings).unwrap();
    for method in ["OPTIONS", "DELETE", "TRACE", "BREW"] {
        let mut viewer = world.viewer().await;
        let reply = viewer.ask(method, "/", "").await;
        assert_is_page(&reply, 403);
        assert!(reply.text().contains("The distribution supports only cachable requests."));
        assert_eq!(viewer.get("/").await.status, 200, "{method}");
    }
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn plain_http_is_redirected_where_it_must_be() {
    let (origin, world) = nobody().await;
    let mut settings = world.settings.clone();
    settings.distribution.default_behavior.viewer_protocol_policy =
        edge_core::distribution::ViewerProtocolPolicy::RedirectToHttps;
    world.server.reload(&settings).unwrap();
    let mut viewer = world.viewer().await;
    let reply = viewer.get("/a?b=c").await;
    assert_eq!((reply.status, reply.x_cache()), (301, "Redirect"));
    assert_eq!(reply.field("location"), Some("https://edge.test/a?b=c"));
    assert_eq!(reply.text().len(), 167);
    assert_eq!(viewer.ask("HEAD", "/", "").await.status, 301);
    assert_eq!(viewer.ask("DELETE", "/", "").await.status, 307);
    assert_eq!(origin.seen(), 0);
}
