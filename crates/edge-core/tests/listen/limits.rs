//! What a viewer may make us wait for or keep is bounded (threats §2.5).
use std::sync::atomic::Ordering::Relaxed;

use edge_core::proxy::listen::Limits;
use tokio::io::AsyncWriteExt;

use crate::support::{PATIENCE, SOON, ask, in_time, read_answer, read_to_end, start, statuses};

/// Every deadline is far away, so that a test shows which one it waits for.
fn patient() -> Limits {
    Limits {
        head_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        handshake_timeout: PATIENCE,
        linger_timeout: PATIENCE,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_slow_head_is_cut_at_its_deadline() {
    for sent in ["", "PRI * HT", "GET / HT", "GET / HTTP/1.1\r\nHost: a.example\r\n"] {
        let running = start(Limits { head_timeout: SOON, ..patient() });
        let mut stream = running.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, "", "after {sent:?}");
    }
}

#[tokio::test]
async fn a_slow_second_head_is_cut_too() {
    let running = start(Limits { head_timeout: SOON, ..patient() });
    let mut stream = running.connect().await;
    assert_eq!(statuses(&ask(&mut stream, "/a").await), [200]);
    stream.write_all(b"GET /b").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = start(Limits { idle_timeout: SOON, ..patient() });
    let mut stream = running.connect().await;
    assert_eq!(statuses(&ask(&mut stream, "/a").await), [200]);
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(running.counters.cut.load(Relaxed), 0);
}

#[tokio::test]
async fn a_slow_answer_of_ours_is_nobodys_fault() {
    let soon = Limits { head_timeout: SOON, idle_timeout: SOON, stall_timeout: SOON, ..patient() };
    let mut running = start(soon);
    let mut stream = running.connect().await;
    // The second request is sent ahead: its head was in before the first answer.
    let two = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    stream.write_all(two.as_bytes()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(running.next_seen().await, "GET /wait");
        assert!(tokio::time::timeout(3 * SOON, running.seen.recv()).await.is_err(), "given up on");
        running.gate.add_permits(1);
        assert_eq!(statuses(&read_answer(&mut stream).await), [200]);
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_is_cut() {
    let mut running = start(Limits { stall_timeout: SOON, ..patient() });
    let mut stream = running.connect().await;
    let half = "POST /read HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nhello";
    stream.write_all(half.as_bytes()).await.unwrap();
    assert_eq!(running.next_seen().await, "POST /read");
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(running.counters.cut.load(Relaxed), 1);
}

#[tokio::test]
async fn a_viewer_who_does_not_read_is_cut() {
    let mut running = start(Limits { stall_timeout: SOON, ..patient() });
    let mut stream = running.connect().await;
    stream.write_all(b"GET /zeros HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    assert_eq!(running.next_seen().await, "GET /zeros");
    assert_eq!(running.next_seen().await, "gone");
    assert_eq!(running.counters.cut.load(Relaxed), 1);
}

#[tokio::test]
async fn connections_over_the_cap_wait_their_turn() {
    let mut running = start(Limits { connections_max: 1, ..patient() });
    let mut first = running.connect().await;
    assert_eq!(statuses(&ask(&mut first, "/first").await), [200]);
    assert_eq!(running.next_seen().await, "GET /first");
    let mut second = running.connect().await;
    second.write_all(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(SOON, running.seen.recv()).await.is_err(), "served over the cap");
    drop(first);
    assert_eq!(statuses(&read_answer(&mut second).await), [200]);
}

fn head_of(bytes: usize) -> String {
    let start = "GET /fields HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nX: ";
    let end = "\r\n\r\n";
    format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
}

#[tokio::test]
async fn large_heads_are_refused_with_an_answer_the_viewer_can_read() {
    let mut running = start(patient());
    assert_eq!(statuses(&running.raw(head_of(32_768).as_bytes()).await), [200]);
    assert_eq!(running.all_seen(), ["GET /fields"]);
    for bytes in [32_769, 70_000, 200_000] {
        assert_eq!(statuses(&running.raw(head_of(bytes).as_bytes()).await), [494], "{bytes}");
        assert_eq!(running.all_seen(), ["HeadTooLarge"]);
    }
    assert_eq!(running.counters.refused.load(Relaxed), 3);
}

#[tokio::test]
async fn long_urls_are_refused() {
    let mut running = start(patient());
    let get = |bytes: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "x".repeat(bytes - 1))
    };
    assert_eq!(statuses(&running.raw(get(8_192).as_bytes()).await), [200]);
    for bytes in [8_193, 40_000, 70_000] {
        assert_eq!(statuses(&running.raw(get(bytes).as_bytes()).await), [414], "{bytes}");
    }
    assert_eq!(running.all_seen()[1..], ["UrlTooLong"; 3]);
    // Nothing tells what a line without an end was to be.
    assert_eq!(statuses(&running.raw("x".repeat(40_000).as_bytes()).await), [414]);
}

#[tokio::test]
async fn many_fields_are_refused() {
    let running = start(patient());
    let with = |fields: usize| {
        let more = "X: 1\r\n".repeat(fields - 2);
        format!("GET /fields HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n")
    };
    let answered = running.raw(with(100).as_bytes()).await;
    assert!(answered.ends_with("\r\n\r\n100"), "{answered}");
    assert_eq!(statuses(&running.raw(with(101).as_bytes()).await), [494]);

    let running = start(Limits { fields_max: 150, ..patient() });
    assert!(running.raw(with(150).as_bytes()).await.ends_with("\r\n\r\n150"));
    assert_eq!(statuses(&running.raw(with(151).as_bytes()).await), [494]);
}

#[tokio::test]
async fn a_panic_loses_one_request_and_is_counted() {
    let running = start(patient());
    let mut other = running.connect().await;
    assert_eq!(statuses(&ask(&mut other, "/a").await), [200]);
    assert_eq!(running.raw(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    assert_eq!(statuses(&ask(&mut other, "/b").await), [200]);
    assert_eq!(running.counters.panics.load(Relaxed), 1);
}

#[tokio::test]
async fn an_answer_to_a_viewer_who_still_sends_is_not_lost() {
    let running = start(patient());
    let body = vec![b'x'; 200_000];
    let head = format!("POST /now HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", body.len());
    let answered = in_time(running.raw(&[head.as_bytes(), &body].concat())).await;
    assert_eq!(statuses(&answered), [200]);
    assert!(answered.ends_with("/now"));
}
