//! Many who want the same at once (cloudfront.md §7.11).

use edge_core::cache::storing::Guard;

use super::*;

const CROWD: usize = 50;

/// Everybody asks for `/`, with these fields; the first at the origin is answered when all of them are waiting.
async fn crowd(world: &World, origin: &mut Origin, fields: &str, wire: Vec<u8>) -> Vec<Reply> {
    let (replies, ()) = tokio::join!(all(CROWD, |_| world.ask("GET", "/", fields)), async {
        let first = origin.asked().await;
        world.requested(CROWD as u64).await;
        first.answer(wire).await;
    });
    replies
}

fn count(replies: &[Reply], x_cache: &str) -> usize {
    replies.iter().filter(|reply| reply.x_cache() == x_cache).count()
}

fn cookies_forwarded(settings: &mut Settings) {
    settings.distribution.default_behavior.forward.cookies = Names::All;
}

#[tokio::test]
async fn fifty_cold_requests_are_one_at_the_origin() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let replies = crowd(&world, &mut origin, "", ok("", "page")).await;
    assert_eq!((count(&replies, "Miss"), count(&replies, "Hit")), (1, CROWD - 1));
    assert!(replies.iter().all(|reply| reply.text() == "page"));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn fifty_expired_requests_are_one_at_the_origin() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (reply, ()) = tokio::join!(world.get("/"), async {
        origin.asked().await.answer(ok("ETag: \"a\"\r\n", "page")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "page"));
    world.pass(60);
    let (replies, ()) = tokio::join!(all(CROWD, |_| world.get("/")), async {
        let first = origin.asked().await;
        assert_eq!(first.field("if-none-match"), Some("\"a\""));
        world.requested(CROWD as u64 + 1).await;
        first.answer("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await;
    });
    assert_eq!((count(&replies, "RefreshHit"), count(&replies, "Hit")), (1, CROWD - 1));
    assert!(replies.iter().all(|reply| reply.text() == "page"));
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn where_cookies_are_forwarded_those_without_any_still_share() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, cookies_forwarded).await;
    let replies = crowd(&world, &mut origin, "", ok("", "page")).await;
    assert_eq!((count(&replies, "Miss"), count(&replies, "Hit")), (1, CROWD - 1));
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn where_cookies_are_forwarded_cloudfront_asks_for_each() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::with(&origin, |settings| {
        cookies_forwarded(settings);
        settings.guard = Guard::Off;
    })
    .await;
    // None is answered before all have asked.
    let mut scripted = Origin::start().await;
    let mut settings = world.settings.clone();
    settings.servers.insert(ORIGIN.to_owned(), vec![format!("http://{}", scripted.addr)]);
    world.server.reload(&settings).unwrap();
    let (replies, ()) = tokio::join!(all(CROWD, |_| world.get("/")), async {
        let mut asked = Vec::new();
        for _ in 0..CROWD {
            asked.push(scripted.asked().await);
        }
        for asked in asked {
            asked.answer(ok("", "page")).await;
        }
    });
    assert_eq!(count(&replies, "Miss"), CROWD);
    assert_eq!(world.get("/").await.is(), (200, "Hit", "page"));
}

#[tokio::test]
async fn cookies_on_the_request_end_the_sharing() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, cookies_forwarded).await;
    let edge = &world;
    let asks = all(CROWD, |id| async move { edge.ask("GET", "/", &format!("Cookie: id={id}\r\n")).await });
    let (replies, ()) = tokio::join!(asks, async {
        let mut asked = Vec::new();
        for _ in 0..CROWD {
            asked.push(origin.asked().await);
        }
        for asked in asked {
            let own = asked.field("cookie").unwrap().to_owned();
            asked.answer(ok("", own)).await;
        }
    });
    for (id, reply) in replies.iter().enumerate() {
        assert_eq!(reply.is(), (200, "Miss", format!("id={id}").as_str()));
    }
}

#[tokio::test]
async fn an_uncacheable_first_answer_releases_all_at_once() {
    for fields in ["Cache-Control: no-store\r\n", "Cache-Control: private\r\n", "Set-Cookie: a=b\r\n"] {
        let mut origin = Origin::start().await;
        let world = World::with(&origin, |settings| {
            // Set-Cookie is only seen where cookies are forwarded; these requests carry none.
            cookies_forwarded(settings);
        })
        .await;
        let (replies, ()) = tokio::join!(all(CROWD, |_| world.get("/")), async {
            let mut first = origin.asked().await;
            world.requested(CROWD as u64).await;
            // The head alone tells; nobody waits for the body.
            first.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 3\r\n\r\n")).await;
            let mut others = Vec::new();
            for _ in 1..CROWD {
                others.push(origin.asked().await);
            }
            first.send("own").await;
            for (at, other) in others.into_iter().enumerate() {
                other.answer(ok(fields, at.to_string())).await;
            }
        });
        assert_eq!(count(&replies, "Miss"), CROWD, "{fields}");
        let mut bodies: Vec<_> = replies.iter().map(Reply::text).collect();
        bodies.sort_unstable();
        bodies.dedup();
        assert_eq!(bodies.len(), CROWD, "{fields}: everybody has an answer of their own");
    }
}

#[tokio::test]
async fn a_failed_first_request_is_an_answer_for_all() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let (replies, ()) = tokio::join!(all(CROWD, |_| world.get("/")), async {
        let first = origin.asked().await;
        world.requested(CROWD as u64).await;
        first.reset();
    });
    assert!(replies.iter().all(|reply| reply.status == 502 && reply.x_cache() == "Error"));
    assert_eq!(origin.seen(), 1, "no herd at an origin that fails");
}

#[tokio::test]
async fn a_failure_that_may_not_be_kept_releases_all() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        let error_responses = &mut settings.distribution.error_responses;
        error_responses.push(edge_core::distribution::ErrorResponse {
            error_code: http::StatusCode::BAD_GATEWAY,
            page: None,
            caching_min_ttl: Duration::ZERO,
        });
    })
    .await;
    let (replies, ()) = tokio::join!(all(CROWD, |_| world.get("/")), async {
        let first = origin.asked().await;
        world.requested(CROWD as u64).await;
        first.reset();
        for _ in 1..CROWD {
            origin.asked().await.answer(ok("Cache-Control: no-store\r\n", "page")).await;
        }
    });
    assert_eq!(replies.iter().filter(|reply| reply.status == 502).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), CROWD - 1);
}

#[tokio::test]
async fn the_first_viewer_leaves_and_the_fill_goes_on() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    // Before the head …
    let mut first = world.viewer().await;
    first.begin("GET", "/a", "").await;
    let asked = origin.asked().await;
    drop(first);
    let (reply, ()) = tokio::join!(world.get("/a"), async {
        world.requested(2).await;
        asked.answer(ok("", "page")).await;
    });
    assert_eq!(reply.is(), (200, "Hit", "page"));
    // … and within the body.
    let mut first = world.viewer().await;
    first.begin("GET", "/b", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    first.head().await;
    drop(first);
    let (reply, ()) = tokio::join!(world.get("/b"), async {
        world.requested(4).await;
        asked.send("half").await;
    });
    assert_eq!(reply.is(), (200, "Hit", "halfhalf"));
    assert_eq!(world.get("/b").await.is(), (200, "Hit", "halfhalf"));
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn an_uncacheable_response_ends_with_its_viewer_even_while_the_origin_is_silent() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    for target in ["/before-the-head", "/in-the-body"] {
        let mut viewer = world.viewer().await;
        viewer.begin("GET", target, "Cache-Control: no-cache\r\nIf-None-Match: \"x\"\r\n").await;
        let mut asked = origin.asked().await;
        if target == "/in-the-body" {
            asked.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
            viewer.head().await;
        }
        drop(viewer);
        // The origin sends nothing more.
        asked.closed_by_edge().await;
    }
}

#[tokio::test]
async fn who_comes_while_a_fill_runs_gets_all_of_it() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut first = world.viewer().await;
    first.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\none two ").await;
    let head = first.head().await;
    assert_eq!(first.0.bytes(8).await.unwrap(), b"one two ");
    let mut second = world.viewer().await;
    second.begin("GET", "/", "").await;
    let second_head = second.head().await;
    assert_eq!(second.0.bytes(8).await.unwrap(), b"one two ");
    assert!(second_head.contains("Hit from cloudfront"), "{second_head}");
    assert_eq!(field(&head, "content-length"), field(&second_head, "content-length"));
    asked.send("tree").await;
    assert_eq!(first.0.bytes(4).await.unwrap(), b"tree");
    assert_eq!(second.0.bytes(4).await.unwrap(), b"tree");
    assert_eq!(origin.seen(), 1);
}
