//! A stop finishes what was accepted: no request is dropped (threats U5).
use std::io::{Read, Write};

use edge_core::proxy::listen::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{SOON, ask, in_time, read_to_end, start, statuses};

#[tokio::test]
async fn a_request_in_flight_is_finished_and_the_connection_closed() {
    let mut running = start(Limits::default());
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    assert_eq!(running.next_seen().await, "GET /wait");
    running.stop.ask();
    // Refused at the latest when the listener is gone; the request is still in flight then.
    in_time(async { while TcpStream::connect(running.addr).await.is_ok() {} }).await;
    running.gate.add_permits(1);
    let answered = read_to_end(&mut stream).await;
    assert_eq!(statuses(&answered), [200]);
    assert!(answered.contains("connection: close\r\n"), "{answered}");
    assert!(answered.ends_with("waited"));
    in_time(running.ended).await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let running = start(Limits::default());
    let mut stream = running.connect().await;
    assert_eq!(statuses(&ask(&mut stream, "/a").await), [200]);
    running.stop.ask();
    assert_eq!(read_to_end(&mut stream).await, "");
    in_time(running.ended).await.unwrap();
}

/// On this runtime of one thread nothing accepts between the connect and the stop.
#[tokio::test]
async fn connections_the_kernel_has_greeted_are_served() {
    let running = start(Limits::default());
    let mut viewers: Vec<_> = (0..20)
        .map(|_| {
            let mut viewer = std::net::TcpStream::connect(running.addr).unwrap();
            viewer.write_all(b"GET /late HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").unwrap();
            viewer
        })
        .collect();
    running.stop.ask();
    in_time(running.ended).await.unwrap();
    for viewer in &mut viewers {
        let mut answered = String::new();
        viewer.read_to_string(&mut answered).unwrap();
        assert_eq!(statuses(&answered), [200]);
    }
}

#[tokio::test]
async fn the_drain_has_a_deadline() {
    let mut running = start(Limits { drain_timeout: SOON, ..Limits::default() });
    let mut stream = running.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    assert_eq!(running.next_seen().await, "GET /wait");
    running.stop.ask();
    in_time(running.ended).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}
