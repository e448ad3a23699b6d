//! The fingerprint is that of the bytes a viewer really sent, however they arrive, and is taken where somebody wants it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use edge_core::distribution::HeaderForwarding;
use edge_core::viewer::Fingerprint;
use http::HeaderName;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::policies::{distribution_with, start};
use crate::support::{Running, in_time};
use crate::tls::trusting;

/// Sends the first message in pieces of this many bytes, and tells it and what the listener knows.
async fn seen(running: &Running, mut client: ClientConnection, most: usize) -> (Vec<u8>, String) {
    let mut stream = running.connect().await;
    stream.set_nodelay(true).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    for piece in hello.chunks(most) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.writer().write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        stream.write_all(&bytes).await.unwrap();
        let mut bytes = vec![0; 16 * 1024];
        let count = in_time(stream.read(&mut bytes)).await.unwrap();
        assert_ne!(count, 0, "closed too early");
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        let _ = client.reader().read_to_end(&mut answer); // it would block, or it is the end
    }
    (hello, String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn the_fingerprint_is_of_what_was_sent() {
    for wanted in [true, false] {
        let mut distribution = distribution_with("a.example.com", "");
        if wanted {
            let name = HeaderName::from_static("cloudfront-viewer-ja4-fingerprint");
            distribution.default_behavior.forward.headers = HeaderForwarding::Only(vec![name]);
        }
        let (running, root) = start(&format!("fingerprint-{wanted}"), vec![distribution]);
        let config = trusting(&[root], &["http/1.1"]);
        for most in [10_000, 100, 7] {
            let name = ServerName::try_from("a.example.com").unwrap();
            let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let (hello, answer) = seen(&running, client, most).await;
            let Fingerprint { ja3, ja4 } = Fingerprint::of(&hello).unwrap();
            assert!(ja4.starts_with("t13d") && ja4.contains("h1_"), "{ja4}");
            for told in [ja3, ja4] {
                assert_eq!(answer.contains(&told), wanted, "{answer}");
            }
        }
    }
}
