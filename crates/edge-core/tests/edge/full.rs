//! A quota that is used up, and no room for one more (cloudfront.md §8.2, §10.2).

use std::num::NonZeroU32;

use edge_core::distribution::load;

use super::*;

/// A page of one's own for 503.
fn with_page(settings: &mut Settings) {
    let document = r#"{"CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
        "CustomErrorResponses": {"Quantity": 1, "Items": [{"ErrorCode": 503, "ResponsePagePath": "/busy", "ResponseCode": "200"}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}"#;
    settings.distribution.error_responses = load(document).unwrap().distribution.error_responses;
}

fn exceeded(world: &World) -> u64 {
    world.server.edge().counters().exceeded.load(Ordering::Relaxed)
}

#[tokio::test]
async fn what_comes_above_the_quota_is_503_until_the_next_second() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let world = World::with(&origin, |settings| {
        with_page(settings);
        settings.requests_per_second = NonZeroU32::new(2);
    })
    .await;
    assert_eq!(world.get("/").await.is(), (200, "Miss", "page"));
    assert_eq!(world.get("/").await.is(), (200, "Hit", "page"));
    let reply = world.get("/").await;
    assert_eq!((reply.status, reply.x_cache()), (503, "LimitExceeded"));
    assert!(reply.text().contains("<H1>503 ERROR</H1>"), "{}", reply.text());
    assert_eq!((exceeded(&world), origin.seen()), (1, 1), "no page is fetched for it");
    world.pass(1);
    assert_eq!(world.get("/").await.is(), (200, "Hit", "page"));
}

#[tokio::test]
async fn who_would_wait_where_all_places_are_taken_is_told_so() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        with_page(settings);
        settings.origin_requests_max = 2;
    })
    .await;
    let (reply, ()) = tokio::join!(world.get("/held"), async {
        origin.asked().await.answer(ok("", "held")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "held"));
    let (mut one, mut other) = (world.viewer().await, world.viewer().await);
    one.begin("GET", "/a", "").await;
    other.begin("GET", "/b", "").await;
    let (a, b) = (origin.asked().await, origin.asked().await);
    let reply = world.get("/c").await;
    assert_eq!((reply.status, reply.x_cache()), (503, "CapacityExceeded"));
    assert!(reply.text().contains("<H1>503 ERROR</H1>"), "{}", reply.text());
    assert_eq!(world.get("/held").await.is(), (200, "Hit", "held"), "hits need no place");
    // Its minute is over: what is stale is better than nothing.
    world.pass(61);
    assert_eq!(world.get("/held").await.is(), (200, "Hit", "held"));
    assert_eq!((exceeded(&world), origin.seen()), (2, 3));
    // A place is free again with the last byte of an answer.
    a.answer(ok("", "a")).await;
    b.answer(ok("", "b")).await;
    assert_eq!((one.reply("GET").await.status, other.reply("GET").await.status), (200, 200));
    until("places are free", || world.server.edge().waiting() == 0).await;
    let (reply, ()) = tokio::join!(world.get("/c"), async {
        origin.asked().await.answer(ok("", "c")).await;
    });
    assert_eq!(reply.is(), (200, "Miss", "c"));
}
