//! A viewer who goes on whatever happens.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const HOST: &str = "edge.test";

/// A viewer waits no longer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    H1,
    H2,
}

enum Connection {
    H1(http1::SendRequest<Empty<Bytes>>),
    H2(http2::SendRequest<Empty<Bytes>>),
}

pub(crate) struct Viewer {
    addr: SocketAddr,
    protocol: Protocol,
    connection: Option<Connection>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// In seconds.
    pub(crate) age: u64,
    pub(crate) body: Bytes,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The viewer gave up.
    TooLate,
    /// The connection or the stream broke.
    Cut(String),
}

impl Viewer {
    pub(crate) fn new(addr: SocketAddr, protocol: Protocol) -> Self {
        Self { addr, protocol, connection: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Got, Failed> {
        let got = match timeout(PATIENCE, self.try_get(path)).await {
            Err(_) => Err(Failed::TooLate),
            Ok(Err(error)) => Err(Failed::Cut(error.to_string())),
            Ok(Ok(got)) => Ok(got),
        };
        if got.is_err() {
            self.connection = None;
        }
        got
    }

    async fn try_get(&mut self, path: &str) -> Result<Got, Box<dyn std::error::Error + Send + Sync>> {
        if self.connection.is_none() {
            self.connection = Some(connect(self.addr, self.protocol).await?);
        }
        let response = match &mut self.connection {
            Some(Connection::H1(sender)) => {
                let request = http::Request::get(path).header("host", HOST).body(Empty::new())?;
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Some(Connection::H2(sender)) => {
                let request = http::Request::get(format!("http://{HOST}{path}")).body(Empty::new())?;
                sender.ready().await?;
                sender.send_request(request).await?
            }
            None => return Err("no connection".into()),
        };
        let age = response.headers().get("age").and_then(|age| age.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Got { status, age: age.unwrap_or_default(), body })
    }
}

async fn connect(
    addr: SocketAddr,
    protocol: Protocol,
) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TokioIo::new(TcpStream::connect(addr).await?);
    Ok(match protocol {
        Protocol::H1 => {
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Connection::H1(sender)
        }
        Protocol::H2 => {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            Connection::H2(sender)
        }
    })
}
