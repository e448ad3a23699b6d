//! Responses before the final one, on sockets. What is written when is tested byte by byte beside the code.
use edge_core::proxy::listen::Limits;
use tokio::io::AsyncWriteExt;

use crate::support::{Running, read_answer, start};

async fn next_head(running: &Running, version: &str) -> String {
    running.raw(format!("GET /hints HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn they_are_written_when_they_are_sent() {
    let running = start(Limits::default());
    let mut stream = running.connect().await;
    let request = "GET /hints HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all([request, request].concat().as_bytes()).await.unwrap();
    for _ in 0..2 {
        let hints = read_answer(&mut stream).await;
        assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
        assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 102 Processing\r\n\r\n");
        assert!(read_answer(&mut stream).await.ends_with("\r\n\r\nheard"));
    }
}

#[tokio::test]
async fn http_1_0_has_none() {
    let running = start(Limits::default());
    let answered = next_head(&running, "1.0").await;
    assert!(
        answered.starts_with("HTTP/1.0 200 OK\r\n") && answered.ends_with("\r\n\r\nunheard"),
        "{answered}"
    );
    assert!(next_head(&running, "1.1").await.starts_with("HTTP/1.1 103 Early Hints\r\n"));
}
