//! What goes out when, byte by byte, to a viewer whose socket holds less than any message.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, join};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::*;
use crate::proxy::listen::Bounds;
use crate::proxy::listen::connection::{Accepted, serve_http1};
use crate::proxy::listen::{Host, Limits, Peer, Refusal, RequestBody, Scheme, Service, Stop};

/// Less than any head, so that every message is written in pieces.
const SOCKET_BYTES: usize = 16;

/// Sends as many hints as the path says, then answers.
#[derive(Clone)]
struct Hints(mpsc::UnboundedSender<&'static str>);

struct Gone(mpsc::UnboundedSender<&'static str>);

impl Drop for Gone {
    fn drop(&mut self) {
        _ = self.0.send("over");
    }
}

impl Service for Hints {
    type Body = Full<Bytes>;
    type Error = Infallible;

    async fn call<B: RequestBody>(
        &self,
        request: Request<B>,
        _: &Peer,
        interims: Interims<'_>,
    ) -> Response<Self::Body> {
        let _gone = Gone(self.0.clone());
        let path = request.uri().path();
        let count = path.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(0);
        for number in 0..count {
            let headers = HeaderMap::from_iter([(http::header::LINK, HeaderValue::from(number))]);
            interims.send(StatusCode::EARLY_HINTS, &headers);
        }
        _ = self.0.send("sent");
        if path.ends_with("/read") {
            // Once in this task and flushed, before the body is asked for.
            tokio::task::yield_now().await;
            _ = request.into_body().collect().await;
        } else if path.ends_with("/apart") {
            drop(tokio::spawn(request.into_body().collect()));
            return Response::new(Full::default());
        } else if path.ends_with("/never") {
            std::future::pending::<()>().await;
        }
        Response::new(Full::from("x".repeat(100)))
    }

    fn refuse(&self, _: Refusal, _: &Peer) -> Response<Self::Body> {
        Response::new(Full::default())
    }
}

struct Connection {
    to_edge: DuplexStream,
    from_edge: DuplexStream,
    told: mpsc::UnboundedReceiver<&'static str>,
    serving: JoinHandle<()>,
}

fn connect() -> Connection {
    let ((read, to_edge), (from_edge, write)) = (duplex(4096), duplex(SOCKET_BYTES));
    let (tell, told) = mpsc::unbounded_channel();
    let addr = "127.0.0.1:1".parse().unwrap();
    let (stop, limits) = (Stop::new(), Arc::new(Limits::default()));
    let bounds = Bounds { stop: stop.clone(), limits: Arc::clone(&limits) };
    let host = Host { service: Hints(tell), tls: None, limits, counters: Arc::default(), stop };
    let accepted = Accepted {
        host: Arc::new(host),
        peer: Peer { addr, local: addr, scheme: Scheme::Http, tls: None, used: Arc::default(), bounds },
        stream: join(read, write),
        read: BytesMut::new(),
        place: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
    };
    Connection { to_edge, from_edge, told, serving: tokio::spawn(serve_http1(accepted)) }
}

impl Connection {
    async fn send(&mut self, text: &str) {
        in_time(self.to_edge.write_all(text.as_bytes())).await.unwrap();
    }

    async fn told(&mut self) -> &'static str {
        in_time(self.told.recv()).await.unwrap()
    }

    /// All that comes until the connection is closed: dates removed, which nobody knows.
    async fn rest(&mut self) -> String {
        let mut text = String::new();
        in_time(self.from_edge.read_to_string(&mut text)).await.unwrap();
        let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        lines.join("\n")
    }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}

fn hints(count: usize) -> String {
    (0..count).map(|number| format!("HTTP/1.1 103 Early Hints\nlink: {number}\n\n")).collect()
}

fn answer(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\n{fields}content-length: 100\n\n{}", "x".repeat(100))
}

const LAST: &str = "Host: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn they_come_before_the_answer_and_after_the_one_before() {
    let mut connection = connect();
    connection.send(&format!("GET /2 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /1 HTTP/1.1\r\n{LAST}")).await;
    let head = "HTTP/1.1 200 OK\nconnection: close\ncontent-length: 100\n\n";
    assert_eq!(connection.rest().await, hints(2) + &answer("") + &hints(1) + head);
}

/// An answer without a body, to a request whose own came late, is in hyper's buffer when the next one is served.
#[tokio::test]
async fn an_answer_on_its_way_is_not_cut_into() {
    let mut connection = connect();
    connection.send("POST /apart HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!((connection.told().await, connection.told().await), ("sent", "over"));
    connection.send(&format!("helloGET /1 HTTP/1.1\r\n{LAST}")).await;
    assert_eq!(connection.told().await, "sent");
    assert_eq!(
        connection.rest().await,
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n".to_owned() + &hints(1) + &answer("connection: close\n")
    );
}

/// Hyper sends 100 by itself, while ours is written in part.
#[tokio::test]
async fn what_has_begun_is_finished() {
    let mut connection = connect();
    let fields = "Host: a\r\nConnection: close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    connection.send(&format!("POST /1/read HTTP/1.1\r\n{fields}hello")).await;
    assert_eq!((connection.told().await, connection.told().await), ("sent", "over"));
    let go_on = "HTTP/1.1 100 Continue\n\n";
    assert_eq!(connection.rest().await, hints(1) + go_on + &answer("connection: close\n"));
}

#[tokio::test]
async fn what_a_viewer_does_not_take_is_bounded() {
    let mut connection = connect();
    connection.send(&format!("GET /9000 HTTP/1.1\r\n{LAST}")).await;
    let text = connection.rest().await;
    let count = text.matches(" 103 ").count();
    assert!(text == hints(count) + &answer("connection: close\n"), "{count}");
    let bytes = hints(count).replace('\n', "\r\n").len();
    assert!(bytes <= QUEUED_BYTES_MAX && bytes + 50 > QUEUED_BYTES_MAX, "{bytes}");
}

#[tokio::test]
async fn nobody_waits_for_a_viewer_who_left() {
    for path in ["/9/never", "/9"] {
        let mut connection = connect();
        connection.send(&format!("GET {path} HTTP/1.1\r\n{LAST}")).await;
        assert_eq!(connection.told().await, "sent");
        drop((connection.to_edge, connection.from_edge));
        in_time(connection.serving).await.unwrap();
    }
}

#[tokio::test]
async fn in_http_1_0_there_are_none() {
    let mut connection = connect();
    connection.send(&format!("GET /2 HTTP/1.0\r\n{LAST}")).await;
    assert_eq!(connection.rest().await, answer("").replacen("/1.1", "/1.0", 1));
}

#[test]
fn what_is_no_interim_response_is_dropped() {
    let queue = Queue::default();
    for status in [100, 101, 200, 404] {
        Interims::on(&queue, Version::HTTP_11).send(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        assert_eq!(queue.take(), "", "{status}");
    }
    Interims::on(&queue, Version::HTTP_11).send(StatusCode::from_u16(199).unwrap(), &HeaderMap::new());
    assert_eq!(queue.take(), "HTTP/1.1 199 \r\n\r\n");
}
