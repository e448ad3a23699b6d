//! What comes instead: the other origin of a group (§5.9), the page of an error (§10.1).

use edge_core::distribution::{ErrorPage, ErrorResponse, OriginGroup, Target};
use http::StatusCode;

use super::*;

/// An edge with two origins in a group.
async fn grouped(first: &Origin, second: &Origin, statuses: &[u16]) -> World {
    let server = format!("http://{}", second.addr);
    World::with(first, |settings| {
        settings.servers.insert("second.test".to_owned(), vec![server]);
        let distribution = &mut settings.distribution;
        let mut other = distribution.origins[0].clone();
        (other.id, other.domain_name) = ("second".to_owned(), "second.test".to_owned());
        distribution.origins.push(other);
        distribution.origin_groups.push(OriginGroup {
            id: "both".to_owned(),
            primary: 0,
            secondary: 1,
            failover_statuses: statuses.iter().map(|&code| StatusCode::from_u16(code).unwrap()).collect(),
        });
        distribution.default_behavior.target = Target::Group(0);
    })
    .await
}

#[tokio::test]
async fn the_second_origin_answers_for_the_first() {
    let second =
        Origin::answering(|head, _| ok("", format!("second: {}", field(head, "host").unwrap()))).await;
    for trouble in ["HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", ""] {
        let mut first = Origin::start().await;
        let world = grouped(&first, &second, &[503]).await;
        let (replies, ()) = tokio::join!(all(5, |_| world.get("/page")), async {
            let asked = first.asked().await;
            if trouble.is_empty() { asked.reset() } else { asked.answer(trouble).await }
        });
        for reply in replies {
            assert_eq!((reply.status, reply.text()), (200, "second: second.test"));
        }
        assert_eq!(world.get("/page").await.x_cache(), "Hit", "and it is kept as the first one's");
        assert_eq!(first.seen(), 1);
    }
    assert_eq!(second.seen(), 2);
}

#[tokio::test]
async fn what_the_second_says_is_final_and_a_post_stays_with_the_first() {
    let first = Origin::answering(|_, _| b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nfirst".to_vec()).await;
    let second =
        Origin::answering(|_, _| b"HTTP/1.1 503 No\r\nContent-Length: 6\r\n\r\nsecond".to_vec()).await;
    let world = grouped(&first, &second, &[503]).await;
    assert_eq!(world.get("/").await.is(), (503, "Error", "second"));
    let reply = world.ask("POST", "/", "Content-Length: 0\r\n").await;
    assert_eq!(reply.is(), (503, "Error", "first"));
    assert_eq!((first.seen(), second.seen()), (2, 1));
}

/// An edge that has a page for 503s and 502s.
async fn with_page(origin: &Origin) -> World {
    World::with(origin, |settings| {
        settings.distribution.error_responses = [502, 503]
            .map(|code| ErrorResponse {
                error_code: StatusCode::from_u16(code).unwrap(),
                page: Some(ErrorPage { path: "/sorry".to_owned(), response_code: StatusCode::OK }),
                caching_min_ttl: seconds(5),
            })
            .to_vec();
    })
    .await
}

#[tokio::test]
async fn a_page_of_its_own_instead_of_the_error() {
    let origin = Origin::answering(|head, _| {
        if head.starts_with("GET /sorry ") {
            ok("Content-Type: text/x-sorry\r\n", "sorry")
        } else {
            b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nerror".to_vec()
        }
    })
    .await;
    let world = with_page(&origin).await;
    for reply in all(20, |_| world.get("/page")).await {
        assert_eq!(
            (reply.is(), reply.field("content-type")),
            ((200, "Error", "sorry"), Some("text/x-sorry"))
        );
    }
    assert_eq!(origin.seen(), 2, "one for the page that fails, one for the page that says so");
    let reply = world.ask("HEAD", "/page", "").await;
    assert_eq!((reply.status, reply.x_cache(), reply.text().len()), (200, "Error", 0));
    world.pass(5);
    assert_eq!(world.get("/page").await.is(), (200, "Error", "sorry"));
    assert_eq!(origin.seen(), 3, "the error was kept for five seconds, its page for a minute");
    assert_eq!(world.ask("POST", "/form", "Content-Length: 0\r\n").await.is(), (200, "Error", "sorry"));
}

#[tokio::test]
async fn a_page_that_cannot_be_had_is_the_error_its_own_origin_made() {
    let origin =
        Origin::answering(|_, _| b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nerror".to_vec()).await;
    let world = with_page(&origin).await;
    assert_eq!(world.get("/page").await.is(), (503, "Error", "error"));
    assert_eq!(origin.seen(), 2);
    let mut dead = Origin::start().await;
    let world = with_page(&dead).await;
    let (reply, ()) = tokio::join!(world.get("/page"), async {
        dead.asked().await.reset();
        dead.asked().await.reset();
    });
    assert_eq!((reply.status, reply.x_cache()), (502, "Error"));
    assert_eq!(dead.seen(), 2, "no page for a page");
}
