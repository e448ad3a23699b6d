//! The origin of a case: two ports, plain and TLS, that hand each request to the runner and send what it says.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::format::{Message, SeenAsked};
use super::wire::{Framing, Wire, chunked};

pub(crate) struct Origin {
    pub(crate) http_port: u16,
    pub(crate) https_port: u16,
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
}

/// A request that waits for its answer. Dropped, its connection is closed.
pub(crate) struct Asked {
    pub(crate) seen: SeenAsked,
    pub(crate) reply: oneshot::Sender<Reply>,
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
                        tokio::spawn(serve(Wire::new(stream), "http", sender.clone()));
                    }
                    Ok((stream, _)) = secure.accept() => {
                        let (acceptor, sender) = (acceptor.clone(), sender.clone());
                        tokio::spawn(async move {
                            if let Ok(stream) = acceptor.accept(stream).await {
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
        _ = asked.send(Asked { seen: SeenAsked { origin: None, line, scheme, headers }, reply });
        match answer.await {
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
