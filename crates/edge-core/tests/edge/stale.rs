//! Origins that fail while something older is held, and cold ones that fail.

use edge_core::cache::storing::Guard;

use super::*;

/// Fills `/` with a page that is fresh for ten seconds, and lets it expire.
async fn expired(origin: &mut Origin, world: &World) {
    let (reply, ()) = tokio::join!(world.get("/"), async {
        origin.asked().await.answer(ok("Connection: close\r\nCache-Control: max-age=10\r\n", "old")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "old"));
    world.pass(10);
}

/// What an origin does instead of answering.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Says500,
    Resets,
    Closes,
    CutsItsHead,
    Hangs,
    TalksNonsense,
}

impl Trouble {
    async fn make(self, mut asked: Asked) {
        match self {
            Self::Says500 => asked.answer("HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno").await,
            Self::Resets => asked.reset(),
            Self::Closes => drop(asked),
            Self::CutsItsHead => asked.send("HTTP/1.1 200 OK\r\nContent-").await,
            Self::Hangs => asked.closed_by_edge().await,
            Self::TalksNonsense => asked.send("SSH-2.0-OpenSSH\r\n\r\n").await,
        }
    }
}

#[tokio::test]
async fn something_stale_stands_in_and_the_origin_is_left_alone_for_a_while() {
    use Trouble::{Closes, CutsItsHead, Hangs, Resets, Says500, TalksNonsense};
    for trouble in [Says500, Resets, Closes, CutsItsHead, Hangs, TalksNonsense] {
        let mut origin = Origin::start().await;
        let world = World::with(&origin, |settings| {
            settings.distribution.origins[0].read_timeout = SHORT;
            // To the letter: the viewer waits until the attempt has failed.
            settings.guard = Guard::Off;
        })
        .await;
        expired(&mut origin, &world).await;
        let (reply, ()) = tokio::join!(world.get("/"), async { trouble.make(origin.asked().await).await });
        assert_eq!(reply.is(), (200, "Hit", "old"), "{trouble:?}");
        assert_eq!(reply.field("age"), Some("10"));
        let seen = origin.seen();
        world.pass(9);
        assert_eq!(world.get("/").await.is(), (200, "Hit", "old"), "{trouble:?}");
        assert_eq!(origin.seen(), seen, "{trouble:?}: left alone");
        world.pass(1);
        let (reply, ()) = tokio::join!(world.get("/"), async { trouble.make(origin.asked().await).await });
        assert_eq!(reply.is(), (200, "Hit", "old"), "{trouble:?}: tried once more");
        world.pass(10);
        let (reply, ()) =
            tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "new")).await });
        assert_eq!(reply.is(), (200, "Miss", "new"), "{trouble:?}: back");
        assert_eq!(world.get("/").await.is(), (200, "Hit", "new"));
    }
}

#[tokio::test]
async fn a_dead_origin_is_not_noticed_while_pages_are_held() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        // Nobody listens at this address any more.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        settings.servers.insert("gone.test".to_owned(), vec![format!("http://{gone}")]);
    })
    .await;
    expired(&mut origin, &world).await;
    let mut settings = world.settings.clone();
    let gone = settings.servers.remove("gone.test").unwrap();
    settings.servers.insert(ORIGIN.to_owned(), gone);
    world.server.reload(&settings).unwrap();
    for _ in 0..3 {
        assert_eq!(world.get("/").await.is(), (200, "Hit", "old"));
        world.pass(11);
    }
    let cold = world.get("/cold").await;
    assert_eq!((cold.status, cold.x_cache()), (502, "Error"));
}

#[tokio::test]
async fn a_crowd_is_answered_by_what_stood_in() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let asked_before = world.requests();
    let (replies, ()) = tokio::join!(all(20, |_| world.get("/")), async {
        let asked = origin.asked().await;
        world.requested(asked_before + 20).await;
        asked.reset();
    });
    for reply in replies {
        assert_eq!(reply.is(), (200, "Hit", "old"));
    }
    assert_eq!(origin.seen(), 2);
}

/// Who found an origin silent waited for all: the next page's viewer waits a moment, and the full time again once it
/// has answered anything.
#[tokio::test]
async fn one_viewer_finds_out_that_an_origin_hangs() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    for page in ["/one", "/two"] {
        let (reply, ()) = tokio::join!(world.get(page), async {
            origin
                .asked()
                .await
                .answer(ok("Connection: close\r\nCache-Control: max-age=10\r\n", "old"))
                .await;
        });
        assert_eq!(reply.x_cache(), "Miss");
    }
    world.pass(10);
    let (_, ()) = tokio::join!(world.get("/one"), async { origin.asked().await.reset() });
    let began = tokio::time::Instant::now();
    let (reply, mut hung) = tokio::join!(world.get("/two"), origin.asked());
    assert_eq!(reply.is(), (200, "Hit", "old"));
    assert!(began.elapsed() < Duration::from_secs(3), "the patience with an origin that answers is 5 s");
    hung.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew").await;
    soon("the new page", async { while world.get("/two").await.text() != "new" {} }).await;
}

/// What stood in meanwhile is what a late 304 is about.
#[tokio::test]
async fn a_304_that_is_late_makes_it_fresh_all_the_same() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    for page in ["/one", "/two"] {
        let (reply, ()) = tokio::join!(world.get(page), async {
            let page = ok("Connection: close\r\nCache-Control: max-age=10\r\nETag: \"1\"\r\n", "page");
            origin.asked().await.answer(page).await;
        });
        assert_eq!(reply.x_cache(), "Miss");
    }
    world.pass(10);
    // One failure, so that nobody waits long for the next page.
    let (_, ()) = tokio::join!(world.get("/one"), async { origin.asked().await.reset() });
    let (reply, hung) = tokio::join!(world.get("/two"), origin.asked());
    assert_eq!((reply.is(), reply.field("age")), ((200, "Hit", "page"), Some("10")));
    hung.answer("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n").await;
    soon("the page to be fresh", async { while world.get("/two").await.field("age") != Some("0") {} }).await;
}

/// An origin that hangs, or that a firewall swallows, keeps nobody waiting where something is held.
#[tokio::test]
async fn nobody_waits_long_for_an_origin_that_hangs() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let began = tokio::time::Instant::now();
    let (replies, hung) = tokio::join!(all(10, |_| world.get("/")), origin.asked());
    assert!(began.elapsed() < Duration::from_secs(10), "the read timeout is {LONG:?}");
    let before = tokio::time::Instant::now();
    for reply in replies {
        assert_eq!(reply.is(), (200, "Hit", "old"));
    }
    // It hangs on and on; that costs nobody anything any more, also when it would be time to ask again.
    for _ in 0..30 {
        world.pass(4);
        assert_eq!(world.get("/").await.is(), (200, "Hit", "old"));
    }
    assert!(before.elapsed() < Duration::from_secs(5));
    assert_eq!(origin.seen(), 2, "one request hangs, and no crowd behind it");
    // At last it answers: the fill was never given up.
    hung.answer(ok("", "new")).await;
    soon("the new page", async { while world.get("/").await.text() != "new" {} }).await;
}

async fn half(asked: &mut Asked, chunked: bool) {
    let framing =
        if chunked { "Transfer-Encoding: chunked\r\n\r\n8\r\nhalf" } else { "Content-Length: 8\r\n\r\nhalf" };
    asked.send(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_begun_while_something_stale_is_held() {
    for chunked in [false, true] {
        for reset in [false, true] {
            let mut origin = Origin::start().await;
            let world = World::new(&origin).await;
            expired(&mut origin, &world).await;
            let asked_before = world.requests();
            let (replies, ()) = tokio::join!(all(10, |_| world.get("/")), async {
                let mut asked = origin.asked().await;
                half(&mut asked, chunked).await;
                world.requested(asked_before + 10).await;
                if reset {
                    asked.reset();
                }
            });
            for reply in replies {
                assert_eq!(reply.is(), (200, "Hit", "old"), "chunked {chunked}, reset {reset}");
            }
            assert_eq!(origin.seen(), 2, "one request for all, and then a pause");
            world.pass(10);
            let (reply, ()) =
                tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "new")).await });
            assert_eq!(reply.text(), if reply.x_cache() == "Miss" { "new" } else { "old" });
            soon("the new page", async { while world.get("/").await.text() != "new" {} }).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_late_is_for_those_who_come_later() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let (reply, mut asked) = tokio::join!(world.get("/"), async {
        let mut asked = origin.asked().await;
        half(&mut asked, false).await;
        asked
    });
    assert_eq!(reply.is(), (200, "Hit", "old"));
    asked.send("half").await;
    soon("the new page", async { while world.get("/").await.text() != "halfhalf" {} }).await;
    assert_eq!(origin.seen(), 2);
}

#[tokio::test]
async fn what_is_large_and_what_is_to_the_letter_is_sent_as_it_comes() {
    for (guard, length) in [(Guard::On, 2_000_000), (Guard::Off, 8)] {
        let mut origin = Origin::start().await;
        let world = World::with(&origin, |settings| settings.guard = guard).await;
        expired(&mut origin, &world).await;
        let mut viewer = world.viewer().await;
        viewer.begin("GET", "/", "").await;
        let mut asked = origin.asked().await;
        asked.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhalf")).await;
        assert_eq!(field(&viewer.head().await, "content-length"), Some(&*length.to_string()), "{guard:?}");
        assert_eq!(viewer.0.bytes(4).await.unwrap(), b"half");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_sent_as_it_comes_and_to_one() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.cache_bytes = 64 * 1024).await;
    expired(&mut origin, &world).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    let part = noise(12_000);
    asked.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2ee0\r\n").await;
    asked.send(&part).await;
    assert!(viewer.head().await.contains("Miss from cloudfront"));
    // Whoever comes now would have to begin in the middle.
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "own")).await });
    assert_eq!(reply.text(), "own");
    asked.send("\r\n0\r\n\r\n").await;
    assert!(viewer.0.chunked().await.unwrap() == part);
}

#[tokio::test]
async fn an_origin_that_failed_has_a_moment_to_show_that_it_is_back() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let (reply, ()) = tokio::join!(world.get("/"), async { origin.asked().await.reset() });
    assert_eq!(reply.is(), (200, "Hit", "old"));
    world.pass(10);
    // Not back: one request finds out, and brings the page whenever it comes.
    let (reply, hung) = tokio::join!(world.get("/"), origin.asked());
    assert_eq!(reply.is(), (200, "Hit", "old"));
    hung.answer(ok("", "new")).await;
    soon("the new page", async { while world.get("/").await.text() != "new" {} }).await;
    assert_eq!(origin.seen(), 3);
}

#[tokio::test]
async fn a_4xx_goes_to_the_viewer_although_something_stale_is_held() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    expired(&mut origin, &world).await;
    let (reply, ()) = tokio::join!(world.get("/"), async {
        origin.asked().await.answer("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone").await;
    });
    assert_eq!(reply.is(), (404, "Error", "gone"));
    assert_eq!(world.get("/").await.is(), (404, "Error", "gone"));
}

#[tokio::test]
async fn failures_have_their_statuses() {
    use Trouble::{Closes, CutsItsHead, Hangs, Resets, TalksNonsense};
    let cases = [(Resets, 502), (Closes, 502), (CutsItsHead, 502), (Hangs, 504), (TalksNonsense, 502)];
    for (trouble, status) in cases {
        let mut origin = Origin::start().await;
        let world =
            World::with(&origin, |settings| settings.distribution.origins[0].read_timeout = SHORT).await;
        let (reply, ()) = tokio::join!(world.get("/"), async { trouble.make(origin.asked().await).await });
        assert_eq!((reply.status, reply.x_cache()), (status, "Error"), "{trouble:?}");
        assert!(reply.text().contains(&format!("<H1>{status} ERROR</H1>")), "{trouble:?}");
    }
}
