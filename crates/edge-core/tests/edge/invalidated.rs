//! Invalidations on a running edge (cloudfront.md §13): in force for whoever comes after them, whatever is under way.

use edge_core::proxy::invalidations::{Batch, Status};

use super::*;

/// Invalidates, under a reference of its own.
fn invalidate(world: &World, items: &[&str]) -> Arc<Batch> {
    static REFERENCE: AtomicUsize = AtomicUsize::new(0);
    let reference = REFERENCE.fetch_add(1, Ordering::Relaxed).to_string();
    let items = items.iter().map(ToString::to_string).collect();
    let edge = world.server.edge();
    let name = edge.running().rules().distribution.domain_name.clone();
    edge.invalidate(&name, &reference, items).unwrap()
}

/// Fetches `target`, which the origin answers like this.
async fn fill(world: &World, origin: &mut Origin, target: &str, wire: Vec<u8>) -> Reply {
    let (reply, ()) = tokio::join!(world.get(target), async { origin.asked().await.answer(wire).await });
    reply
}

#[tokio::test]
async fn what_is_invalidated_is_asked_for_again_and_the_rest_is_not() {
    let origin = Origin::answering(|_, number| ok("", number.to_string())).await;
    let world = World::new(&origin).await;
    for target in ["/a", "/a?x=1", "/ab", "/b"] {
        assert_eq!(world.get(target).await.x_cache(), "Miss");
    }
    for (item, gone) in [
        ("/a", vec!["/a"]),
        ("/a?x=1", vec!["/a?x=1"]),
        ("/a*", vec!["/a", "/a?x=1", "/ab"]),
        ("/c*", vec![]),
        ("/*", vec!["/a", "/a?x=1", "/ab", "/b"]),
    ] {
        invalidate(&world, &[item]);
        for target in ["/a", "/a?x=1", "/ab", "/b"] {
            let expected = if gone.contains(&target) { "Miss" } else { "Hit" };
            assert_eq!(world.get(target).await.x_cache(), expected, "{item}: {target}");
            assert_eq!(world.get(target).await.x_cache(), "Hit", "{item}: {target} again");
        }
    }
}

#[tokio::test]
async fn tags_are_those_of_the_header_configured_when_it_was_stored() {
    let answers = |_: &str, _| ok("Cache-Tag: News, sports\r\nOther: late\r\n", "page");
    let origin = Origin::answering(answers).await;
    let world = World::with(&origin, |settings| {
        settings.distribution.cache_tag_header = Some("cache-tag".parse().unwrap());
    })
    .await;
    for (item, x_cache) in [("#late", "Hit"), ("#new", "Hit"), ("#NEWS", "Miss"), ("#sports", "Miss")] {
        world.get("/").await;
        invalidate(&world, &[item]);
        assert_eq!(world.get("/").await.x_cache(), x_cache, "{item}");
    }
    let mut settings = world.settings.clone();
    settings.distribution.cache_tag_header = Some("other".parse().unwrap());
    world.server.reload(&settings).unwrap();
    invalidate(&world, &["#late"]);
    assert_eq!(world.get("/").await.x_cache(), "Hit");
    invalidate(&world, &["#news"]);
    assert_eq!(world.get("/").await.x_cache(), "Miss");
    invalidate(&world, &["#late"]);
    assert_eq!(world.get("/").await.x_cache(), "Miss");
}

/// The old response arrives after the new one, and before it.
#[tokio::test]
async fn what_was_under_way_is_for_those_who_asked_before() {
    for old_first in [false, true] {
        let mut origin = Origin::start().await;
        let world = World::new(&origin).await;
        let before = async {
            let (one, other) = tokio::join!(world.get("/"), world.get("/"));
            for reply in [one, other] {
                assert_eq!(reply.text(), "old");
            }
        };
        let after = async {
            let old = origin.asked().await;
            world.requested(2).await;
            invalidate(&world, &["/"]);
            let (first, second, ()) = tokio::join!(world.get("/"), world.get("/"), async {
                let new = origin.asked().await;
                world.requested(4).await;
                let (old_wire, new_wire) = (ok("", "old"), ok("", "new"));
                if old_first {
                    old.answer(old_wire).await;
                    // The end of the old flight is not the end of the new one: he joins that.
                    let (late, ()) = tokio::join!(world.get("/"), async {
                        world.requested(5).await;
                        new.answer(new_wire).await;
                    });
                    assert_eq!(late.is(), (200, "Hit", "new"));
                } else {
                    new.answer(new_wire).await;
                    old.answer(old_wire).await;
                }
            });
            let mut x_cache = [first.is(), second.is()];
            x_cache.sort_unstable();
            assert_eq!(x_cache, [(200, "Hit", "new"), (200, "Miss", "new")]);
        };
        tokio::join!(before, after);
        assert_eq!(world.get("/").await.is(), (200, "Hit", "new"), "the old response is not kept");
        assert_eq!(origin.seen(), 2);
    }
}

#[tokio::test]
async fn a_body_that_is_half_there_is_not_joined() {
    for (fields, item) in [("", "/"), ("Cache-Tag: a\r\n", "#a")] {
        let mut origin = Origin::start().await;
        let world = World::with(&origin, |settings| {
            settings.distribution.cache_tag_header = Some("cache-tag".parse().unwrap());
        })
        .await;
        let (reply, ()) = tokio::join!(world.get("/"), async {
            let mut old = origin.asked().await;
            old.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 6\r\n\r\nold")).await;
            until("a part is kept", || world.server.edge().held_bytes() > 0).await;
            invalidate(&world, &[item]);
            assert_eq!(fill(&world, &mut origin, "/", ok("", "new")).await.is(), (200, "Miss", "new"));
            old.send("old").await;
        });
        assert_eq!(reply.text(), "oldold");
        assert_eq!(world.get("/").await.is(), (200, "Hit", "new"));
    }
}

#[tokio::test]
async fn a_tag_may_be_on_what_has_not_answered_yet() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        settings.distribution.cache_tag_header = Some("cache-tag".parse().unwrap());
    })
    .await;
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let old = origin.asked().await;
        invalidate(&world, &["#a"]);
        let new = ok("Cache-Tag: a\r\n", "new");
        assert_eq!(fill(&world, &mut origin, "/", new).await.is(), (200, "Miss", "new"));
        old.answer(ok("Cache-Tag: a\r\n", "old")).await;
    });
    assert_eq!(reply.text(), "old");
    assert_eq!(world.get("/").await.is(), (200, "Hit", "new"));
}

#[tokio::test]
async fn nothing_stale_stands_in_after_an_invalidation() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    fill(&world, &mut origin, "/", ok("Cache-Control: max-age=10\r\n", "old")).await;
    world.pass(10);
    let bad = || b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno".to_vec();
    assert_eq!(fill(&world, &mut origin, "/", bad()).await.is(), (200, "Hit", "old"));
    invalidate(&world, &["/"]);
    assert_eq!(fill(&world, &mut origin, "/", bad()).await.is(), (500, "Error", "no"));
}

/// The viewer who asked before gets what stands in; nobody else does.
#[tokio::test]
async fn what_stands_in_at_that_moment_does_so_once() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    fill(&world, &mut origin, "/", ok("Cache-Control: max-age=10\r\n", "old")).await;
    world.pass(10);
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let asked = origin.asked().await;
        invalidate(&world, &["/"]);
        asked.answer("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno").await;
    });
    assert_eq!(reply.is(), (200, "Hit", "old"));
    assert_eq!(fill(&world, &mut origin, "/", ok("", "new")).await.is(), (200, "Miss", "new"));
}

#[tokio::test]
async fn a_304_of_that_moment_confirms_it_once() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let tag = "Cache-Control: max-age=10\r\nETag: \"a\"\r\n";
    fill(&world, &mut origin, "/", ok(tag, "old")).await;
    world.pass(10);
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let asked = origin.asked().await;
        assert_eq!(asked.field("if-none-match"), Some("\"a\""));
        invalidate(&world, &["/"]);
        asked.answer("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await;
    });
    assert_eq!(reply.is(), (200, "RefreshHit", "old"));
    let (reply, ()) = tokio::join!(world.get("/"), async {
        let asked = origin.asked().await;
        assert_eq!(asked.field("if-none-match"), None, "what was invalidated is no condition");
        asked.answer(ok(tag, "new")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "new"));
}

#[tokio::test]
async fn errors_that_are_kept_go_too() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let missing = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno".to_vec();
    fill(&world, &mut origin, "/", missing).await;
    assert_eq!(world.get("/").await.is(), (404, "Error", "no"));
    invalidate(&world, &["/"]);
    assert_eq!(fill(&world, &mut origin, "/", ok("", "there")).await.is(), (200, "Miss", "there"));
}

#[tokio::test]
async fn the_sweep_frees_memory_and_completes() {
    let origin = Origin::answering(|_, _| ok("", noise(1_000))).await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    for number in 0..600 {
        viewer.get(&format!("/{}/{number}", number % 2)).await;
    }
    let edge = world.server.edge();
    let half = edge.held_bytes() / 2;
    let batch = invalidate(&world, &["/0/*"]);
    soon("the sweep", edge.invalidations().completed(&batch)).await;
    assert_eq!(edge.invalidations().status(&batch), Status::Completed);
    assert_eq!(edge.cache_size().0, 300);
    until("the bytes are free", || edge.held_bytes() == half).await;
    let batches: Vec<_> = (0..50).map(|number| invalidate(&world, &[&format!("/{number}*")])).collect();
    for batch in &batches {
        soon("the sweep", edge.invalidations().completed(batch)).await;
    }
    assert_eq!(edge.cache_size(), (0, 0));
    until("the bytes are free", || edge.held_bytes() == 0).await;
}

/// Whoever starts after an invalidation never sees what was there before it, however many do however much at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_ever_sees_what_was_there_before() {
    const VERSIONS: usize = 200;
    let version = Arc::new(AtomicUsize::new(0));
    let at_origin = Arc::clone(&version);
    let origin = Origin::answering(move |_, _| ok("", at_origin.load(Ordering::SeqCst).to_string())).await;
    let world = Arc::new(World::new(&origin).await);
    let announced = Arc::new(AtomicUsize::new(0));
    let viewers: Vec<_> = (0..8)
        .map(|_| {
            let (world, announced) = (Arc::clone(&world), Arc::clone(&announced));
            tokio::spawn(async move {
                let (mut viewer, mut hits) = (world.viewer().await, 0);
                loop {
                    let least = announced.load(Ordering::SeqCst);
                    let reply = viewer.get("/page").await;
                    let seen: usize = reply.text().parse().unwrap();
                    assert!(seen >= least, "{seen} after the invalidation of what was before {least}");
                    hits += usize::from(reply.x_cache() == "Hit");
                    if least == VERSIONS {
                        return hits;
                    }
                }
            })
        })
        .collect();
    for number in 1..=VERSIONS {
        version.store(number, Ordering::SeqCst);
        invalidate(&world, &[["/page", "/p*"][number % 2]]);
        announced.store(number, Ordering::SeqCst);
        let count = world.requests();
        until("a few requests", || world.requests() > count + 5).await;
    }
    let mut hits = 0;
    for viewer in viewers {
        hits += soon("a viewer", viewer).await.unwrap();
    }
    assert!(hits > 0, "some were hits all the same");
}
