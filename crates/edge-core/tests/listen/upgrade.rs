//! An upgrade is an upgrade only once it was granted (CVE-2026-2833).
use edge_core::proxy::listen::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{in_time, read_answer, read_to_end, start, statuses};

fn upgrade(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
}

#[tokio::test]
async fn bytes_behind_a_granted_upgrade_are_its_own() {
    for ahead in [true, false] {
        let mut running = start(Limits::default());
        let mut stream = running.connect().await;
        // A request before it: its verdict must not be taken for the upgrade's.
        let before = "GET /before HTTP/1.1\r\nHost: a.example\r\n\r\n";
        stream
            .write_all([before, &upgrade("/upgrade"), if ahead { "hello" } else { "" }].concat().as_bytes())
            .await
            .unwrap();
        assert_eq!(statuses(&read_answer(&mut stream).await), [200]);
        assert_eq!(statuses(&read_answer(&mut stream).await), [101]);
        if !ahead {
            stream.write_all(b"hello").await.unwrap();
        }
        assert_eq!(read_to_end(&mut stream).await, "hello");
        assert_eq!(running.all_seen(), ["GET /before", "GET /upgrade"]);
    }
}

#[tokio::test]
async fn bytes_behind_a_declined_upgrade_are_requests() {
    let mut running = start(Limits::default());
    let next = "GET /next HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let answered = running.raw([&upgrade("/declined"), next].concat().as_bytes()).await;
    assert_eq!(statuses(&answered), [200, 200]);
    assert_eq!(running.all_seen(), ["GET /declined", "GET /next"]);

    let bad = "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answered = running.raw([&upgrade("/declined"), bad].concat().as_bytes()).await;
    assert_eq!(statuses(&answered), [200, 400]);
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place() {
    let mut running = start(Limits { connections_max: 1, ..Limits::default() });
    let mut stream = running.connect().await;
    stream.write_all(upgrade("/upgrade").as_bytes()).await.unwrap();
    assert_eq!(statuses(&read_answer(&mut stream).await), [101]);
    assert_eq!(running.next_seen().await, "GET /upgrade");
    let mut other = running.connect().await;
    other.write_all(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(crate::support::SOON, running.seen.recv()).await.is_err());
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    in_time(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"hello");
    assert_eq!(statuses(&read_answer(&mut other).await), [200]);
}
