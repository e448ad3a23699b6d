//! One end of a connection: messages of HTTP/1 as they come off the wire, framing undone.

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A socket and what was read from it ahead of its turn.
pub(crate) struct Wire {
    socket: Box<dyn Socket>,
    unread: Vec<u8>,
}

/// The first line and the fields of a message.
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) headers: HeaderMap,
}

/// How the end of a body is told.
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Wire {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        Self { socket: Box::new(socket), unread: Vec::new() }
    }

    /// Writes all of it; the other side may have had enough before.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok() && self.socket.flush().await.is_ok()
    }

    pub(crate) async fn close(mut self) {
        _ = self.socket.shutdown().await;
    }

    /// Reads more; `false` at the end, orderly or not.
    pub(crate) async fn more(&mut self) -> bool {
        self.socket.read_buf(&mut self.unread).await.unwrap_or(0) > 0
    }

    /// `None` if the connection ends first.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let bytes: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Some(Head::parse(&bytes[..end]));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// A body; `Err` is what came before the end of the connection.
    pub(crate) async fn body(&mut self, framing: Framing) -> Result<Vec<u8>, Vec<u8>> {
        match framing {
            Framing::Length(length) => self.bytes(length).await,
            Framing::Chunked => self.chunked().await,
            Framing::UntilClose => {
                while self.more().await {}
                Ok(std::mem::take(&mut self.unread))
            }
        }
    }

    async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.unread.len() < count {
            if !self.more().await {
                return Err(std::mem::take(&mut self.unread));
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn chunked(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await.and_then(|line| usize::from_str_radix(&line, 16).ok());
            let Some(size) = size else { return Err(body) };
            match self.bytes(size + 2).await {
                Ok(chunk) => body.extend_from_slice(&chunk[..size]),
                Err(part) => return Err([body, part].concat()),
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

impl Head {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|&byte| byte == b':').unwrap();
            let name = HeaderName::from_bytes(&line[..colon]).unwrap();
            headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).unwrap());
        }
        Self { first, headers }
    }

    pub(crate) fn has(&self, name: &str, word: &str) -> bool {
        self.headers.get_all(name).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// `None` if nothing tells of a body.
    pub(crate) fn framing(&self) -> Option<Framing> {
        if self.has("transfer-encoding", "chunked") {
            return Some(Framing::Chunked);
        }
        let length = self.headers.get("content-length")?.to_str().ok()?;
        length.parse().ok().map(Framing::Length)
    }
}

/// A body in one chunk.
pub(crate) fn chunked(body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    if !body.is_empty() {
        wire.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        wire.extend_from_slice(body);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}
