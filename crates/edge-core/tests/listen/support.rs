//! A site that tells what it sees, and viewers who speak in raw bytes.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use edge_core::proxy::listen::{
    Counters, Interims, Limits, Listener, Peer, Refusal, RequestBody, Service, Stop,
};
use edge_core::proxy::tls::Tls;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// No test waits longer than this for anything: a hang is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A deadline small enough to wait for.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// Answers by the path, and tells what it was asked.
#[derive(Clone)]
pub(crate) struct Site {
    seen: mpsc::UnboundedSender<String>,
    gate: Arc<Semaphore>,
}

impl Service for Site {
    type Body = Answer;
    type Error = Infallible;

    async fn call<B: RequestBody>(
        &self,
        request: Request<B>,
        peer: &Peer,
        interims: Interims<'_>,
    ) -> Response<Answer> {
        let path = request.uri().path().to_owned();
        let _ = self.seen.send(format!("{} {path}", request.method()));
        match path.as_str() {
            // Holds the request until the test opens the gate.
            "/wait" => {
                let gone = Gone(self.seen.clone());
                self.gate.acquire().await.unwrap().forget();
                std::mem::forget(gone);
                Response::new(Answer::text("waited"))
            }
            "/read" => match request.into_body().collect().await {
                Ok(body) => Response::new(Answer::text(body.to_bytes())),
                Err(_) => status(StatusCode::BAD_REQUEST, "broken body"),
            },
            "/zeros" => Response::new(Answer::Zeros(64 * 1024, Gone(self.seen.clone()))),
            "/peer" => Response::new(Answer::text(format!("{peer:?}"))),
            "/fields" => Response::new(Answer::text(request.headers().len().to_string())),
            "/hints" => {
                let link = http::HeaderMap::from_iter([(http::header::LINK, "</a.css>".parse().unwrap())]);
                interims.send(StatusCode::EARLY_HINTS, &link);
                // Each gets out by itself.
                tokio::task::yield_now().await;
                interims.send(StatusCode::PROCESSING, &http::HeaderMap::new());
                Response::new(Answer::text(if interims.are_heard() { "heard" } else { "unheard" }))
            }
            "/panic" => panic!("asked for"),
            "/upgrade" => self.upgrade(request),
            _ => Response::new(Answer::text(path)),
        }
    }

    fn refuse(&self, refusal: Refusal, _peer: &Peer) -> Response<Answer> {
        let _ = self.seen.send(format!("{refusal:?}"));
        status(refusal.status(), "refused")
    }
}

impl Site {
    /// Grants the upgrade and echoes one line.
    fn upgrade<B: RequestBody>(&self, request: Request<B>) -> Response<Answer> {
        tokio::spawn(async move {
            let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            let mut line = [0; 5];
            io.read_exact(&mut line).await.unwrap();
            io.write_all(&line).await.unwrap();
            io.shutdown().await.unwrap();
        });
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS, "");
        response.headers_mut().insert("connection", "upgrade".parse().unwrap());
        response.headers_mut().insert("upgrade", "echo".parse().unwrap());
        response
    }
}

fn status(status: StatusCode, text: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::text(text));
    *response.status_mut() = status;
    response
}

/// Tells when it is dropped.
pub(crate) struct Gone(mpsc::UnboundedSender<String>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send("gone".to_owned());
    }
}

/// A short text, or a number of chunks of 64 KiB.
pub(crate) enum Answer {
    Text(Option<Bytes>),
    Zeros(usize, #[expect(dead_code, reason = "tells when the body is dropped")] Gone),
}

impl Answer {
    fn text(text: impl Into<Bytes>) -> Self {
        Self::Text(Some(text.into()).filter(|text| !text.is_empty()))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match self.get_mut() {
            Self::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Self::Zeros(0, _) => None,
            Self::Zeros(left, _) => {
                *left -= 1;
                Some(Ok(Frame::data(Bytes::from_static(&[0; 64 * 1024]))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(None) | Self::Zeros(0, _))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(match self {
            Self::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Self::Zeros(left, _) => *left as u64 * 64 * 1024,
        })
    }
}

/// A listener that serves a [`Site`].
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: Stop,
    pub(crate) ended: JoinHandle<()>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) seen: mpsc::UnboundedReceiver<String>,
    pub(crate) gate: Arc<Semaphore>,
}

pub(crate) fn start(limits: Limits) -> Running {
    start_with(limits, None)
}

pub(crate) fn start_with(limits: Limits, tls: Option<Arc<Tls>>) -> Running {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), tls, limits).unwrap();
    let at = (listener.local_addr().unwrap(), listener.counters());
    serving(at, |site, stop| tokio::spawn(listener.serve(site, stop)))
}

fn serving(
    (addr, counters): (SocketAddr, Arc<Counters>),
    serve: impl FnOnce(Site, Stop) -> JoinHandle<()>,
) -> Running {
    let (sender, seen) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let stop = Stop::new();
    let ended = serve(Site { seen: sender, gate: Arc::clone(&gate) }, stop.clone());
    Running { addr, stop, ended, counters, seen, gate }
}

/// A QUIC listener that serves one.
#[cfg(feature = "http3")]
pub(crate) fn start_quic(limits: Limits, tls: Arc<Tls>) -> Running {
    let listener =
        edge_core::proxy::listen::QuicListener::bind("127.0.0.1:0".parse().unwrap(), tls, limits).unwrap();
    let at = (listener.local_addr().unwrap(), listener.counters());
    serving(at, |site, stop| tokio::spawn(listener.serve(site, stop)))
}

impl Running {
    /// What the site is asked next.
    pub(crate) async fn next_seen(&mut self) -> String {
        in_time(self.seen.recv()).await.unwrap()
    }

    /// What it was asked so far.
    pub(crate) fn all_seen(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes and reads until the listener closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // A refused viewer may be cut off while it is still sending.
        let (mut read, mut write) = stream.split();
        let sent = write.write_all(bytes);
        let answered = read_to_end(&mut read);
        tokio::join!(async { drop(sent.await) }, answered).1
    }
}

/// All there is to read, up to the end or a reset.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = in_time(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer with a Content-Length from a connection that stays open.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let byte = in_time(stream.read_u8()).await.unwrap();
        text.push(byte as char);
    }
}

pub(crate) async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

/// The statuses of all answers in a text.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.1 ")
        .filter_map(|(at, start)| text[at + start.len()..][..3].parse().ok())
        .collect()
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}
