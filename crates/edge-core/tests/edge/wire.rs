//! The two ends of the wire: an origin that is scripted byte by byte, and a viewer who sees every byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{HOST, soon};

/// A server that hands each request it gets to the test.
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
    seen: Arc<AtomicUsize>,
}

/// A request that reached the origin, and the connection it came on. Dropped, the connection is closed.
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) wire: Wire,
    next: Next,
}

#[derive(Clone)]
pub(crate) struct Next {
    asked: mpsc::UnboundedSender<Asked>,
    seen: Arc<AtomicUsize>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        let next = Next { asked: sender, seen: Arc::default() };
        let seen = Arc::clone(&next.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                next.clone().read(Wire::new(stream));
            }
        });
        Self { addr, asked, seen }
    }

    /// An origin that answers by itself; `answer` gets the head of the request and how many came before it.
    pub(crate) async fn answering(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Self {
        let mut scripted = Self::start().await;
        let (addr, seen) = (scripted.addr, Arc::clone(&scripted.seen));
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(asked) = scripted.asked.recv().await {
                let wire = answer(&asked.head, count);
                count += 1;
                tokio::spawn(asked.answer(wire));
            }
        });
        Self { addr, seen, asked: mpsc::unbounded_channel().1 }
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        soon("a request at the origin", self.asked.recv()).await.unwrap()
    }

    /// The next request, whenever it comes.
    pub(crate) async fn next(&mut self) -> Asked {
        match self.asked.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }

    /// How many requests came so far.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

impl Next {
    pub(crate) fn read(self, mut wire: Wire) {
        tokio::spawn(async move {
            let Some(head) = wire.head().await else { return };
            self.seen.fetch_add(1, Ordering::SeqCst);
            _ = self.asked.clone().send(Asked { head, wire, next: self });
        });
    }
}

impl Asked {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends all of an answer; the connection is good for another request.
    pub(crate) async fn answer(mut self, bytes: impl AsRef<[u8]>) {
        // The edge may have had enough of a body.
        if self.wire.stream.write_all(bytes.as_ref()).await.is_ok() {
            self.next.read(self.wire);
        }
    }

    /// Closes with a reset instead of an end.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.wire.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Waits until the edge closes the connection.
    pub(crate) async fn closed_by_edge(&mut self) {
        soon("the edge closing the origin's connection", async { while self.wire.more().await {} }).await;
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

/// A socket and what was read from it ahead of its turn.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) unread: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Reads more; `false` at the end, orderly or not.
    pub(crate) async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0
    }

    /// A message's head, with the empty line; `None` if the connection ends first.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                return Some(String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// So many bytes; `Err` is what came before the end of the connection.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.unread.len() < count {
            if !self.more().await {
                return Err(std::mem::take(&mut self.unread));
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line = self.unread.drain(..end + 2).collect();
                return String::from_utf8(line).ok().map(|line| line.trim_end().to_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// A chunked body to its last chunk; `Err` is what came of it.
    pub(crate) async fn chunked(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line().await else { return Err(body) };
            let size = usize::from_str_radix(&line, 16).unwrap();
            match self.bytes(size + 2).await {
                Ok(mut chunk) => {
                    chunk.truncate(size);
                    body.append(&mut chunk);
                }
                Err(mut part) => {
                    body.append(&mut part);
                    return Err(body);
                }
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// A viewer who speaks HTTP/1.1 and sees every byte.
pub(crate) struct Viewer(pub(crate) Wire);

/// What a viewer got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// `Err`: the connection ended before the body did, after these bytes.
    pub(crate) body: Result<Vec<u8>, Vec<u8>>,
}

impl Viewer {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(Wire::new(TcpStream::connect(addr).await.unwrap()))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn head(&mut self) -> String {
        soon("the head of a response", self.0.head())
            .await
            .unwrap_or_else(|| panic!("closed without a response"))
    }

    pub(crate) async fn get(&mut self, target: &str) -> Reply {
        self.ask("GET", target, "").await
    }

    /// Sends a request; `fields` are lines with their ends.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, fields: &str) -> Reply {
        self.begin(method, target, fields).await;
        self.reply(method).await
    }

    pub(crate) async fn begin(&mut self, method: &str, target: &str, fields: &str) {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")).await;
    }

    pub(crate) async fn reply(&mut self, method: &str) -> Reply {
        self.reply_or_end(method).await.unwrap_or_else(|| panic!("closed without a response"))
    }

    /// As [`Viewer::reply`]; `None` if the connection ends before there is a head.
    pub(crate) async fn reply_or_end(&mut self, method: &str) -> Option<Reply> {
        let head = soon("the head of a response, or an end", self.0.head()).await?;
        let body = soon("the body of a response", self.body(method, &head)).await;
        Some(Reply { status: status(&head), head, body })
    }

    pub(crate) async fn body(&mut self, method: &str, head: &str) -> Result<Vec<u8>, Vec<u8>> {
        if method == "HEAD" || matches!(status(head), 204 | 304) {
            return Ok(Vec::new());
        }
        if let Some(length) = field(head, "content-length") {
            return self.0.bytes(length.parse().unwrap()).await;
        }
        assert_eq!(field(head, "transfer-encoding"), Some("chunked"), "{head}");
        self.0.chunked().await
    }

    /// What else comes before the edge closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        soon("the edge closing the connection", async { while self.0.more().await {} }).await;
        std::mem::take(&mut self.0.unread)
    }
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// The first word of `X-Cache`.
    pub(crate) fn x_cache(&self) -> &str {
        self.field("x-cache").and_then(|value| value.strip_suffix(" from cloudfront")).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(
            self.body.as_ref().unwrap_or_else(|part| panic!("cut after {} bytes", part.len())),
        )
        .unwrap()
    }

    /// Status, `X-Cache` and body, which say it all most of the time.
    pub(crate) fn is(&self) -> (u16, &str, &str) {
        (self.status, self.x_cache(), self.text())
    }
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|code| code.trim().parse().ok())
        .unwrap_or_else(|| panic!("no status in {head:?}"))
}

pub(crate) fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    fields(head, name).first().copied()
}
