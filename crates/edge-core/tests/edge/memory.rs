//! What is held is bounded by configuration (threats U9).

use super::*;

const CACHE: u64 = 8 << 20;

#[tokio::test]
async fn eight_megabytes_hold_no_more_of_sixty_four() {
    for (count, size) in [(256, 256 << 10), (4_096, 16 << 10)] {
        let body = noise(size);
        let origin = Origin::answering(move |_, _| ok("", &body)).await;
        let world = World::with(&origin, |settings| settings.cache_bytes = CACHE).await;
        let mut viewer = world.viewer().await;
        for id in 0..count {
            let reply = viewer.get(&format!("/{id}")).await;
            assert_eq!(reply.body.unwrap().len(), size);
            let (_, weight) = world.server.edge().cache_size();
            assert!(weight <= CACHE + CACHE / 4, "{weight} bytes after {id} objects of {size}");
        }
        let (objects, weight) = world.server.edge().cache_size();
        assert!(objects > 0 && weight <= CACHE, "{objects} objects, {weight} bytes");
    }
}

#[tokio::test]
async fn many_fills_at_once_share_a_bound() {
    // 64 objects of 1 MiB, all half way, in a cache of 8 MiB: what does not fit is not kept, and all is delivered.
    const FILLS: usize = 64;
    let body = noise((1 << 20) - 70_000);
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.cache_bytes = CACHE).await;
    let mut viewers = Vec::new();
    let mut asked = Vec::new();
    for id in 0..FILLS {
        let mut viewer = world.viewer().await;
        viewer.begin("GET", &format!("/{id}"), "").await;
        viewers.push(viewer);
        let mut one = origin.asked().await;
        one.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).await;
        asked.push(one);
    }
    let half = body.len() / 2;
    for (asked, viewer) in asked.iter_mut().zip(&mut viewers) {
        asked.send(&body[..half]).await;
        viewer.head().await;
        assert!(viewer.0.bytes(half).await.unwrap() == body[..half]);
        let held = world.server.edge().held_bytes();
        assert!(held <= CACHE + CACHE / 4, "{held}");
    }
    for (asked, viewer) in asked.into_iter().zip(&mut viewers) {
        asked.answer(&body[half..]).await;
        assert!(viewer.0.bytes(body.len() - half).await.unwrap() == body[half..]);
    }
    let stored = world.server.edge().cache_size().0;
    assert!((1..FILLS as u64).contains(&stored), "{stored}");
}

#[tokio::test]
async fn slow_readers_of_evicted_objects_are_counted() {
    let body = noise((1 << 20) - 70_000);
    let reader_of = body.clone();
    let origin = Origin::answering(move |_, _| ok("", &body)).await;
    let world = World::with(&origin, |settings| settings.cache_bytes = CACHE).await;
    // Forty viewers each ask for something of their own and read the head only.
    let mut slow = Vec::new();
    for id in 0..40 {
        let mut viewer = world.viewer().await;
        viewer.begin("GET", &format!("/{id}"), "").await;
        viewer.head().await;
        slow.push(viewer);
        let held = world.server.edge().held_bytes();
        assert!(held <= CACHE + CACHE / 4, "{held} bytes held after {id}");
    }
    // All of them get everything in the end, and then there is room again.
    for mut viewer in slow {
        assert!(viewer.0.bytes(reader_of.len()).await.unwrap() == reader_of);
    }
    until("room", || world.server.edge().held_bytes() <= CACHE).await;
    assert_eq!(world.get("/again").await.x_cache(), "Miss");
    assert_eq!(world.get("/again").await.x_cache(), "Hit");
}

#[tokio::test]
async fn a_body_in_tiny_pieces_is_not_larger_for_that() {
    // 200,000 chunks of one byte each.
    let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let body = noise(200_000);
    for byte in &body {
        wire.extend_from_slice(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::with(&origin, |settings| settings.cache_bytes = CACHE).await;
    let reply = world.get("/").await;
    assert!(reply.body.unwrap() == body);
    assert!(world.server.edge().held_bytes() <= 2 << 20);
    let again = world.get("/").await;
    assert!(again.body.unwrap() == body);
}
