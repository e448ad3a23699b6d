//! Answers that end too early: the viewer can tell, nothing is kept, the next request asks again (threats S1).

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Fin,
    Reset,
    Stall,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Length,
    Chunked,
}

const BODY: usize = 40_000;

/// How much of a body comes, of all of it.
fn parts() -> [usize; 4] {
    [0, 1, BODY / 2, BODY - 1]
}

async fn send_part(asked: &mut Asked, form: Form, body: &[u8], sent: usize) {
    match form {
        Form::Length => {
            asked.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        }
        Form::Chunked => {
            asked
                .send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()))
                .await;
        }
    }
    asked.send(&body[..sent]).await;
}

async fn end(mut asked: Asked, end: End) {
    match end {
        End::Fin => drop(asked),
        End::Reset => asked.reset(),
        End::Stall => asked.closed_by_edge().await,
    }
}

#[tokio::test]
async fn a_cut_answer_breaks_its_readers_and_is_not_kept() {
    let body = noise(BODY);
    for form in [Form::Length, Form::Chunked] {
        for how in [End::Fin, End::Reset, End::Stall] {
            for sent in parts() {
                let case = format!("{form:?} {how:?} after {sent}");
                let mut origin = Origin::start().await;
                let world =
                    World::with(&origin, |settings| settings.distribution.origins[0].read_timeout = SHORT)
                        .await;
                let mut first = world.viewer().await;
                first.begin("GET", "/", "").await;
                let mut asked = origin.asked().await;
                send_part(&mut asked, form, &body, sent).await;
                let head = first.head().await;
                let mut follower = world.viewer().await;
                follower.begin("GET", "/", "").await;
                let follower_head = follower.head().await;
                let (got, followed, ()) = tokio::join!(
                    first.body("GET", &head),
                    follower.body("GET", &follower_head),
                    end(asked, how)
                );
                // What was sent before a reset may be lost on the way; it is a part of the body in any case.
                for (who, got) in [("first", got), ("follower", followed)] {
                    let part = got.expect_err(&format!("{case}: the {who} took it for whole"));
                    assert!(body.starts_with(&part), "{case}");
                    assert!(how == End::Reset || part.len() == sent, "{case}: {} to the {who}", part.len());
                }
                let (reply, ()) = tokio::join!(world.get("/"), async {
                    origin.asked().await.answer(ok("", "whole")).await;
                });
                assert_eq!(reply.is(), (200, "Miss", "whole"), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn chunks_without_a_last_one_are_no_answer() {
    for wire in [
        "4\r\nbody\r\n",
        "4\r\nbody\r\n0\r\n",
        "4\r\nbody\r\n0\r\nX: y\r\n",
        "4\r\nbodyX\r\n0\r\n\r\n",
        "4\r\nbody\r\nz\r\n\r\n",
    ] {
        let mut origin = Origin::start().await;
        let world = World::new(&origin).await;
        let mut viewer = world.viewer().await;
        viewer.begin("GET", "/", "").await;
        let mut asked = origin.asked().await;
        asked.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{wire}")).await;
        drop(asked);
        // Cut at once, there may be no response at all.
        if let Some(reply) = viewer.reply_or_end("GET").await {
            let part = reply.body.unwrap_err();
            assert!(b"body".starts_with(&part[..]), "{wire:?}");
        }
        let (reply, ()) =
            tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "whole")).await });
        assert_eq!(reply.is(), (200, "Miss", "whole"), "{wire:?}");
    }
}

#[tokio::test]
async fn a_cut_body_is_seen_also_where_it_is_not_stored() {
    for fields in ["Cache-Control: no-store\r\n", "Set-Cookie: a=b\r\n"] {
        let mut origin = Origin::start().await;
        let world = World::with(&origin, |settings| {
            settings.distribution.default_behavior.forward.cookies = Names::All;
        })
        .await;
        let mut viewer = world.viewer().await;
        viewer.begin("POST", "/", "Content-Length: 0\r\n").await;
        let mut asked = origin.asked().await;
        asked.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 8\r\n\r\nhalf")).await;
        drop(asked);
        if let Some(reply) = viewer.reply_or_end("POST").await {
            assert!(b"half".starts_with(&reply.body.unwrap_err()[..]));
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_that_is_cut_has_no_end_either() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        let behavior = &mut settings.distribution.default_behavior;
        (behavior.compress, behavior.key.gzip) = (true, true);
    })
    .await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "Accept-Encoding: gzip\r\n").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 4000\r\n\r\n").await;
    let head = viewer.head().await;
    assert_eq!(field(&head, "content-encoding"), Some("gzip"));
    asked.send(vec![b'a'; 3_999]).await;
    drop(asked);
    assert!(viewer.body("GET", &head).await.is_err());
}

#[tokio::test]
async fn an_end_by_closing_is_stored_only_to_the_letter() {
    use edge_core::cache::storing::Guard;
    for (guard, second) in [(Guard::On, "Miss"), (Guard::Off, "Hit")] {
        let origin = Origin::start().await;
        let world = World::with(&origin, |settings| settings.guard = guard).await;
        let mut origin = origin;
        for x_cache in ["Miss", second] {
            let (reply, ()) = tokio::join!(world.get("/"), async {
                if x_cache == "Miss" {
                    let mut asked = origin.asked().await;
                    asked.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
                }
            });
            assert_eq!(reply.is(), (200, x_cache, "to the end"), "{guard:?}");
        }
    }
}

#[tokio::test]
async fn a_reset_is_no_end_even_where_closing_is() {
    use edge_core::cache::storing::Guard;
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.guard = Guard::Off).await;
    let mut viewer = world.viewer().await;
    viewer.begin("GET", "/", "").await;
    let mut asked = origin.asked().await;
    asked.send("HTTP/1.1 200 OK\r\n\r\nhalf").await;
    let head = viewer.head().await;
    assert_eq!(viewer.0.line().await.as_deref(), Some("4"), "{head}");
    assert_eq!(viewer.0.bytes(6).await.unwrap(), b"half\r\n");
    asked.reset();
    assert_eq!(viewer.rest().await, b"", "no last chunk");
    let (reply, ()) =
        tokio::join!(world.get("/"), async { origin.asked().await.answer(ok("", "whole")).await });
    assert_eq!(reply.is(), (200, "Miss", "whole"));
}
