//! Compression at fill (cloudfront.md §9): once per variant, never per hit.

use std::io::Read;

use super::*;

fn compressing(settings: &mut Settings) {
    let behavior = &mut settings.distribution.default_behavior;
    (behavior.compress, behavior.key.gzip, behavior.key.brotli) = (true, true, true);
}

fn page(length: usize) -> String {
    "A sentence that comes again and again, as sentences do. ".chars().cycle().take(length).collect()
}

fn decoded(reply: &Reply) -> String {
    let bytes = reply.body.as_deref().unwrap();
    let mut text = String::new();
    match reply.field("content-encoding") {
        Some("gzip") => _ = flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap(),
        Some("br") => _ = brotli::Decompressor::new(bytes, 4_096).read_to_string(&mut text).unwrap(),
        _ => text.push_str(reply.text()),
    }
    text
}

#[tokio::test]
async fn each_variant_is_compressed_once_and_kept() {
    let text = page(300_000);
    let wire = ok("Content-Type: text/html; charset=utf-8\r\nETag: \"a\"\r\n", &text);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::with(&origin, compressing).await;
    let variants = [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip", Some("gzip")),
        ("br;q=0, gzip;q=0.5", Some("gzip")),
        ("identity", None),
    ];
    let mut asked = 0;
    for (accept, coding) in variants {
        let fields = format!("Accept-Encoding: {accept}\r\n");
        let first = world.ask("GET", "/", &fields).await;
        assert_eq!(first.field("content-encoding"), coding, "{accept}");
        assert!(decoded(&first) == text, "{accept}");
        asked += usize::from(first.x_cache() == "Miss");
        let second = world.ask("GET", "/", &fields).await;
        assert_eq!(second.x_cache(), "Hit", "{accept}");
        assert_eq!(second.field("content-encoding"), coding);
        assert!(first.body == second.body, "{accept}: the same bytes");
        let expected = if coding.is_some() { "W/\"a\"" } else { "\"a\"" };
        assert_eq!((first.field("etag"), second.field("etag")), (Some(expected), Some(expected)), "{accept}");
        if coding.is_some() {
            assert_eq!(second.field("vary"), Some("Accept-Encoding"));
            assert_ne!(first.field("content-length"), Some("300000"), "{accept}: not the origin's");
            assert!(second.body.as_ref().unwrap().len() < text.len() / 20);
        }
        let head = world.ask("HEAD", "/", &fields).await;
        assert_eq!((head.x_cache(), head.field("content-encoding")), ("Hit", coding));
        assert!(head.field("content-length").is_none_or(|length| length != "0"), "{}", head.head);
    }
    assert_eq!(asked, 3, "br, gzip and plain");
    assert_eq!(origin.seen(), 3);
}

#[tokio::test]
async fn only_within_the_window_and_only_what_has_a_length() {
    let cases = [
        (999, "text/html", "", false),
        (1_000, "text/html", "", true),
        (10_000_000, "text/html", "", true),
        (10_000_001, "text/html", "", false),
        (5_000, "image/png", "", false),
        (5_000, "text/html", "Content-Encoding: identity\r\n", false),
    ];
    for (length, kind, fields, compressed) in cases {
        let text = page(length);
        let wire = ok(&format!("Content-Type: {kind}\r\n{fields}"), &text);
        let origin = Origin::answering(move |_, _| wire.clone()).await;
        let world = World::with(&origin, compressing).await;
        for _ in 0..2 {
            let reply = world.ask("GET", "/", "Accept-Encoding: gzip\r\n").await;
            assert_eq!(
                reply.field("content-encoding") == Some("gzip"),
                compressed,
                "{length} {kind} {fields}"
            );
            assert!(compressed || reply.body.as_ref().unwrap().len() == length);
            assert!(!compressed || decoded(&reply) == text);
        }
        assert_eq!(origin.seen(), 1, "{length} {kind}");
    }
    let origin = Origin::answering(|_, _| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}7d0\r\n{}\r\n0\r\n\r\n", page(2_000)).into_bytes()
    })
    .await;
    let world = World::with(&origin, compressing).await;
    let reply = world.ask("GET", "/", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((reply.field("content-encoding"), reply.text().len()), (None, 2_000));
}

#[tokio::test]
async fn an_origin_that_compresses_is_passed_on_as_it_is() {
    let packed = noise(5_000);
    let wire = ok("Content-Type: text/html\r\nContent-Encoding: gzip\r\nETag: \"a\"\r\n", &packed);
    let origin = Origin::answering(move |_, _| wire.clone()).await;
    let world = World::with(&origin, compressing).await;
    for x_cache in ["Miss", "Hit"] {
        let reply = world.ask("GET", "/", "Accept-Encoding: gzip\r\n").await;
        assert_eq!((reply.x_cache(), reply.field("etag")), (x_cache, Some("\"a\"")));
        assert!(reply.body.as_ref().unwrap() == &packed);
    }
}

#[tokio::test]
async fn a_crowd_of_first_requests_shares_one_compression() {
    let text = page(100_000);
    let mut origin = Origin::start().await;
    let world = World::with(&origin, compressing).await;
    let (replies, ()) = tokio::join!(all(20, |_| world.ask("GET", "/", "Accept-Encoding: br\r\n")), async {
        let mut first = origin.asked().await;
        world.requested(20).await;
        let wire = ok("Content-Type: text/html\r\n", &text);
        first.send(&wire[..50_000]).await;
        first.answer(&wire[50_000..]).await;
    });
    for reply in &replies {
        assert_eq!(reply.field("content-encoding"), Some("br"));
        assert!(decoded(reply) == text);
    }
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn many_compressions_at_once_are_all_right() {
    let origin = Origin::answering(|head, _| {
        let target = head.split(' ').nth(1).unwrap();
        ok("Content-Type: text/html\r\n", format!("{target} {}", page(60_000)))
    })
    .await;
    let world = World::with(&origin, compressing).await;
    let edge = &world;
    let replies =
        all(
            200,
            |id| async move { edge.ask("GET", &format!("/{id}"), "Accept-Encoding: br, gzip\r\n").await },
        )
        .await;
    for (id, reply) in replies.iter().enumerate() {
        assert!(decoded(reply) == format!("/{id} {}", page(60_000)), "{id}");
    }
}
