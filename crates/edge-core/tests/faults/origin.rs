//! An origin that can be well, or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::page;

/// How an origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    /// Nobody listens, and what was open is reset.
    Killed,
    /// Requests are taken and not answered; once it is well again, they are.
    Hangs,
    Says500,
    /// Half a body, and a reset.
    Resets,
    /// Half a body, and an orderly end.
    SendsShort,
}

pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    mode: watch::Sender<Mode>,
    state: Arc<State>,
    /// Holds the port while nobody listens on it.
    _port: Socket,
}

struct State {
    asked: AtomicUsize,
    generation: AtomicU64,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let port = bound("127.0.0.1:0".parse().unwrap());
        let addr = port.local_addr().unwrap().as_socket().unwrap();
        let (mode, seen) = watch::channel(Mode::Well);
        let state = Arc::new(State { asked: AtomicUsize::new(0), generation: AtomicU64::new(1) });
        let (first, shared) = (listener(addr), Arc::clone(&state));
        tokio::spawn(serve(first, addr, seen, shared));
        Self { addr, mode, state, _port: port }
    }

    pub(crate) fn be(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Well again, with a new generation of pages.
    pub(crate) fn recover(&self) -> u64 {
        let generation = self.state.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.be(Mode::Well);
        generation
    }

    /// How many requests came so far.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

fn bound(addr: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&addr.into()).unwrap();
    socket
}

fn listener(addr: SocketAddr) -> TcpListener {
    let socket = bound(addr);
    socket.listen(1_024).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpListener::from_std(socket.into()).unwrap()
}

async fn serve(first: TcpListener, addr: SocketAddr, mut mode: watch::Receiver<Mode>, state: Arc<State>) {
    let mut listening = Some(first);
    loop {
        let killed = *mode.borrow_and_update() == Mode::Killed;
        listening = if killed { None } else { Some(listening.unwrap_or_else(|| listener(addr))) };
        let accept = async {
            match &listening {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accept => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(talk(stream, mode.clone(), Arc::clone(&state)));
                }
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

/// Answers on one connection until it ends or the origin is killed.
async fn talk(mut stream: TcpStream, mode: watch::Receiver<Mode>, state: Arc<State>) {
    let mut killed = mode.clone();
    tokio::select! {
        _ = killed.wait_for(|mode| *mode == Mode::Killed) => reset(&stream),
        () = answer_all(&mut stream, mode, &state) => {}
    }
}

async fn answer_all(stream: &mut TcpStream, mut mode: watch::Receiver<Mode>, state: &State) {
    let mut unread = Vec::new();
    loop {
        let Some(head) = head(stream, &mut unread).await else { return };
        state.asked.fetch_add(1, Ordering::SeqCst);
        if mode.wait_for(|mode| *mode != Mode::Hangs).await.is_err() {
            return;
        }
        let mode = *mode.borrow();
        let wire = match mode {
            Mode::Says500 => b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nno db".to_vec(),
            _ => wire(&head, state.generation.load(Ordering::SeqCst)),
        };
        let cut = matches!(mode, Mode::Resets | Mode::SendsShort);
        let sent = if cut { &wire[..wire.len() / 2] } else { &wire[..] };
        if stream.write_all(sent).await.is_err() {
            return;
        }
        match mode {
            Mode::Resets => return reset(stream),
            Mode::SendsShort => return,
            _ => {}
        }
    }
}

fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

async fn head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            return String::from_utf8(unread.drain(..end + 4).collect()).ok();
        }
        if stream.read_buf(unread).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// A whole response.
fn wire(head: &str, generation: u64) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let Some(page) = page::find(path) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    };
    let keep = if path.starts_with("/p/") { "max-age=1" } else { "no-store" };
    let mut fields = format!("Cache-Control: {keep}\r\n");
    if page.tagged {
        let tag = format!("\"{generation}\"");
        fields += &format!("ETag: {tag}\r\n");
        if head.to_ascii_lowercase().contains(&format!("if-none-match: {tag}")) {
            return format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n").into_bytes();
        }
    }
    let body = page.body(generation);
    if !page.chunked {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        return [head.into_bytes(), body].concat();
    }
    let mut wire = format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(8_000) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}
