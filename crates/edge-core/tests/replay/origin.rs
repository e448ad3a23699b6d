//! The origin of a case: two ports, plain and TLS, that hand each request to the runner and send what it says, in the
//! HTTP they are spoken to.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::format::{Message, SeenAsked};
use super::wire::{Framing, Head, Socket, Wire, chunked};

pub(crate) struct Origin {
    pub(crate) http_port: u16,
    pub(crate) https_port: u16,
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
}

/// A request that waits for its answer. Dropped, its connection is closed.
pub(crate) struct Asked {
    pub(crate) seen: SeenAsked,
    pub(crate) reply: oneshot::Sender<(Reply, HeaderMap)>,
}

pub(crate) enum Reply {
    /// These bytes, and more requests on the same connection.
    Stay(Vec<u8>),
    /// These bytes and the end of the connection.
    Close(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

impl Origin {
    pub(crate) async fn start(tls: &Arc<ServerConfig>) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_port = plain.local_addr().unwrap().port();
        let https_port = secure.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::clone(tls));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Ok((stream, _)) = plain.accept() => {
                        tokio::spawn(serve_plain(stream, sender.clone()));
                    }
                    Ok((stream, _)) = secure.accept() => {
                        let (acceptor, sender) = (acceptor.clone(), sender.clone());
                        tokio::spawn(async move {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                                serve_http2(stream, "https", sender).await;
                            } else {
                                serve(Wire::new(stream), "https", sender).await;
                            }
                        });
                    }
                    () = sender.closed() => return,
                }
            }
        });
        Self { http_port, https_port, asked }
    }
}

/// The first bytes tell.
async fn serve_plain(stream: TcpStream, asked: mpsc::UnboundedSender<Asked>) {
    let mut first = [0; 3];
    while stream.peek(&mut first).await.is_ok_and(|read| read > 0 && read < first.len()) {
        tokio::task::yield_now().await;
    }
    if &first == b"PRI" {
        serve_http2(stream, "http", asked).await;
    } else {
        serve(Wire::new(stream), "http", asked).await;
    }
}

async fn serve_http2(
    stream: impl Socket + 'static,
    scheme: &'static str,
    asked: mpsc::UnboundedSender<Asked>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let asked = asked.clone();
        async move {
            let (parts, body) = request.into_parts();
            _ = body.collect().await;
            let line =
                format!("{} {}", parts.method, parts.uri.path_and_query().map_or("", |one| one.as_str()));
            let mut headers = parts.headers;
            if let Some(authority) = parts.uri.authority() {
                headers.insert("host", authority.as_str().parse().unwrap());
            }
            let (reply, answer) = oneshot::channel();
            let seen = SeenAsked { origin: None, line, scheme, http: "2", headers };
            _ = asked.send(Asked { seen, reply });
            match answer.await {
                Ok((Reply::Stay(bytes) | Reply::Close(bytes), trailers)) => framed(&bytes, trailers),
                Ok((Reply::Silence, _)) => std::future::pending().await,
                Err(_) => Err("no answer".to_owned()),
            }
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.auto_date_header(false);
    _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// What was written for HTTP/1.1, as frames; what is no HTTP resets the stream.
fn framed(bytes: &[u8], trailers: HeaderMap) -> Result<Response<BoxBody<Bytes, Infallible>>, String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no answer")?;
    let head = Head::parse(&bytes[..end]);
    let status = head.first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or("no status")?;
    let body = Full::new(Bytes::copy_from_slice(&bytes[end + 4..]));
    let body = match trailers.is_empty() {
        true => body.boxed(),
        false => body.with_trailers(async { Some(Ok(trailers)) }).boxed(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status.parse().map_err(|_| "no status")?;
    *response.headers_mut() = head.headers;
    response.headers_mut().remove("connection");
    Ok(response)
}

async fn serve(mut wire: Wire, scheme: &'static str, asked: mpsc::UnboundedSender<Asked>) {
    while let Some(head) = wire.head().await {
        if wire.body(head.framing().unwrap_or(Framing::Length(0))).await.is_err() {
            return;
        }
        let line = head.first.trim_end_matches(" HTTP/1.1").to_owned();
        let mut headers = head.headers;
        // The connection is between us and the edge.
        if headers.get("connection").is_some_and(|value| value == "Keep-Alive") {
            headers.remove("connection");
        }
        let (reply, answer) = oneshot::channel();
        _ = asked.send(Asked { seen: SeenAsked { origin: None, line, scheme, http: "1.1", headers }, reply });
        match answer.await.map(|(reply, _)| reply) {
            Ok(Reply::Stay(bytes)) => {
                if !wire.send(&bytes).await {
                    return;
                }
            }
            Ok(Reply::Close(bytes)) => {
                wire.send(&bytes).await;
                return wire.close().await;
            }
            Ok(Reply::Silence) => while wire.more().await {},
            Err(_) => return,
        }
    }
}

/// The bytes of an answer to a request of this method.
pub(crate) fn answer(message: &Message, method: &str) -> Reply {
    let mut wire = format!("{}\r\n", message.first).into_bytes();
    for (name, value) in &message.headers {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    let bodiless = method == "HEAD" || [" 204", " 304"].iter().any(|status| message.first.contains(status));
    if !bodiless {
        if message.has("transfer-encoding") {
            wire.extend_from_slice(&chunked(&message.body));
        } else {
            wire.extend_from_slice(&message.body);
        }
    }
    // What is no longer HTTP ends with its connection.
    let switched = message.first.contains(" 101");
    let closes =
        switched || message.headers.iter().any(|(name, value)| name == "connection" && value == "close");
    if closes { Reply::Close(wire) } else { Reply::Stay(wire) }
}
