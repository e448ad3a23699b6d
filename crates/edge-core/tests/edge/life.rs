//! Reload and stop under load, and tasks that are lost.

use std::sync::atomic::AtomicBool;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reload_under_load_drops_nothing() {
    let origin = Origin::answering(|head, _| {
        let fields = if head.contains("/own") { "Cache-Control: no-store\r\n" } else { "" };
        ok(fields, head.split(' ').nth(1).unwrap())
    })
    .await;
    let world = Arc::new(World::new(&origin).await);
    let over = Arc::new(AtomicBool::new(false));
    let viewers: Vec<_> = (0..16)
        .map(|id| {
            let (world, over) = (Arc::clone(&world), Arc::clone(&over));
            tokio::spawn(async move {
                let mut viewer = world.viewer().await;
                let mut count = 0_u64;
                while !over.load(Ordering::SeqCst) {
                    for target in [format!("/{}", count % 7), format!("/own/{id}/{count}")] {
                        let reply = viewer.get(&target).await;
                        assert_eq!((reply.status, reply.text()), (200, target.as_str()));
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 1..=20_u64 {
        let mut settings = world.settings.clone();
        settings.distribution.default_behavior.ttl.default = seconds(round);
        world.server.reload(&settings).unwrap();
        let before = world.requests();
        until("more requests", || world.requests() > before + 50).await;
    }
    over.store(true, Ordering::SeqCst);
    for viewer in viewers {
        assert!(viewer.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_reload_keeps_connections_to_the_servers_that_stay_and_closes_the_others() {
    let mut origin = Origin::start().await;
    let mut world = World::with(&origin, |settings| {
        settings.distribution.origins[0].keepalive_timeout = 10 * LONG;
    })
    .await;
    let (reply, mut asked) = tokio::join!(world.get("/1"), async {
        let mut asked = origin.asked().await;
        asked.send(ok("", "one")).await;
        asked
    });
    assert_eq!(reply.is(), (200, "Miss", "one"));
    world.server.reload(&world.settings).unwrap();
    let (reply, ()) = tokio::join!(world.get("/2"), async {
        let head = soon("a request on the same connection", asked.wire.head()).await.unwrap();
        assert!(head.starts_with("GET /2 "));
        asked.send(ok("", "two")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "two"));
    let other = Origin::start().await;
    world.settings.servers.insert(ORIGIN.to_owned(), vec![format!("http://{}", other.addr)]);
    world.server.reload(&world.settings).unwrap();
    asked.closed_by_edge().await;
}

#[tokio::test]
async fn new_rules_are_in_force_for_the_next_request_and_bad_ones_never() {
    let origin = Origin::answering(|head, _| ok("", head.lines().next().unwrap())).await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    assert_eq!(viewer.get("/").await.text(), "GET / HTTP/1.1");
    assert_eq!(viewer.get("/").await.x_cache(), "Hit");
    let mut settings = world.settings.clone();
    settings.distribution.origins[0].path = "/sub".to_owned();
    settings.distribution.default_behavior.allowed_methods = AllowedMethods::GetHead;
    world.server.reload(&settings).unwrap();
    // The same connection, the same cache, other rules.
    assert_eq!(viewer.get("/").await.x_cache(), "Hit");
    assert_eq!(viewer.get("/new").await.text(), "GET /sub/new HTTP/1.1");
    assert_eq!(viewer.ask("DELETE", "/", "").await.status, 403);
    let mut bad = world.settings.clone();
    bad.servers.insert(ORIGIN.to_owned(), vec!["gopher://nowhere".to_owned()]);
    assert!(world.server.reload(&bad).is_err());
    bad.servers.clear();
    bad.origin_roots.push("/does/not/exist.pem".into());
    assert!(world.server.reload(&bad).is_err());
    assert_eq!(viewer.get("/newer").await.text(), "GET /sub/newer HTTP/1.1");
    assert_eq!(viewer.ask("DELETE", "/", "").await.status, 403);
}

#[tokio::test]
async fn a_request_under_way_ends_by_the_rules_it_began_with() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    let head = viewer.head().await;
    let mut settings = world.settings.clone();
    settings.servers.insert(ORIGIN.to_owned(), vec!["http://127.0.0.1:1".to_owned()]);
    world.server.reload(&settings).unwrap();
    asked.send("half").await;
    assert_eq!(viewer.body("GET", &head).await.unwrap(), b"halfhalf");
    assert_eq!(viewer.get("/").await.is(), (200, "Hit", "halfhalf"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_under_load_cuts_nothing() {
    for _ in 0..5 {
        let origin =
            Origin::answering(|head, _| ok("Cache-Control: no-store\r\n", head.split(' ').nth(1).unwrap()))
                .await;
        let world = World::new(&origin).await;
        let addr = world.server.http()[0];
        let answered = Arc::new(AtomicUsize::new(0));
        let viewers: Vec<_> = (0..16)
            .map(|id| {
                let answered = Arc::clone(&answered);
                tokio::spawn(async move {
                    let mut viewer = Viewer::connect(addr).await;
                    for count in 0.. {
                        let target = format!("/{id}/{count}");
                        viewer.begin("GET", &target, "").await;
                        // A request that was accepted is answered in full, however the connection ends afterwards.
                        let Some(head) = viewer.0.head().await else { return false };
                        let body = viewer.body("GET", &head).await;
                        assert_eq!(body.unwrap(), target.as_bytes());
                        answered.fetch_add(1, Ordering::SeqCst);
                        if field(&head, "connection") == Some("close") {
                            assert_eq!(viewer.rest().await, b"");
                            return true;
                        }
                    }
                    unreachable!()
                })
            })
            .collect();
        until("load", || answered.load(Ordering::SeqCst) > 100).await;
        soon("the stop", world.server.stop()).await;
        for viewer in viewers {
            // Idle for an instant, a connection may be closed without a word; then nothing had been accepted.
            _ = viewer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    viewer.head().await;
    let stopping = tokio::spawn(world.server.stop());
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    asked.send("half").await;
    assert_eq!(viewer.0.bytes(8).await.unwrap(), b"halfhalf");
    assert_eq!(viewer.rest().await, b"");
    soon("the stop", stopping).await.unwrap();
}

/// A body that panics when it is read stands for any task that is lost.
struct Panics;

impl http_body::Body for Panics {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        panic!("on purpose, in a test")
    }
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let edge = world.server.edge().clone();
    let viewer = edge_core::proxy::edge::Viewer {
        addr: "127.0.0.1:1".parse().unwrap(),
        scheme: edge_core::viewer::Scheme::Http,
        tls: None,
    };
    let request =
        http::Request::post("/").header("host", HOST).header("content-length", "5").body(Panics).unwrap();
    let response = soon("an answer", edge.handle(request, viewer)).await;
    assert_eq!(response.status(), 500);
    let (reply, ()) = tokio::join!(world.get("/"), async {
        loop {
            let asked = origin.asked().await;
            if asked.head.starts_with("GET") {
                return asked.answer(ok("", "page")).await;
            }
        }
    });
    assert_eq!(reply.is(), (200, "Miss", "page"));
}
