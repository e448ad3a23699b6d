//! A viewer: HTTPS by HTTP/2 or HTTP/1.1, a User-Agent, and cookies kept as a browser keeps them.
//!
//! It connects to an address and asks for a name, so no name is ever looked up. What it is told to send is sent as
//! it is: strange paths, several Cookie fields, headers that a browser would not set.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::jar::Jar;

/// A desktop's browser.
pub(crate) const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to connect, and how.
#[derive(Clone)]
pub(crate) struct Door {
    addr: SocketAddr,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
}

impl Door {
    pub(crate) fn plain(addr: SocketAddr) -> Self {
        Self { addr, tls: None }
    }

    /// Trusts this authority and no other.
    pub(crate) fn tls(addr: SocketAddr, ca: &Path, name: &'static str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        Self { addr, tls: Some((Arc::new(config), ServerName::try_from(name).unwrap())) }
    }
}

/// HTTP/2 or HTTP/1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    H1,
    H2,
}

/// A request to make.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// Instead of the viewer's own.
    pub(crate) authority: Option<String>,
}

impl Ask {
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: Method::GET,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            authority: None,
        }
    }

    pub(crate) fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(target) }
    }

    /// A form, as a browser sends it.
    pub(crate) fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        Self::post(target, pairs.join("&")).header("content-type", "application/x-www-form-urlencoded")
    }

    /// One more header; of one name there may be several.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.parse().unwrap(), value.parse().unwrap()));
        self
    }
}

/// Percent-encodes whatever is not plain.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let byte = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

/// A complete response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as text, decompressed.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.header("content-encoding") == "gzip" {
            let mut out = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&*self.body), &mut out)
                .unwrap();
            text.push_str(&String::from_utf8_lossy(&out));
        } else {
            text.push_str(&String::from_utf8_lossy(&self.body));
        }
        text
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// "Hit" of "Hit from cloudfront".
    pub(crate) fn x_cache(&self) -> &str {
        self.header("x-cache").split(' ').next().unwrap_or_default()
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.x_cache().ends_with("Hit") // RefreshHit too
    }

    pub(crate) fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    /// The device class WordPress saw.
    pub(crate) fn device(&self) -> String {
        self.mark("device")
    }

    /// Equal renderings are copies of one answer.
    pub(crate) fn rendering(&self) -> String {
        self.mark("rendering")
    }

    /// The secret of the session the page was made for, or nothing.
    pub(crate) fn secret(&self) -> String {
        self.mark("secret")
    }

    fn mark(&self, kind: &str) -> String {
        let text = self.text();
        let after = text.split_once(&format!("<!-- {kind}:")).map(|(_, after)| after);
        after
            .and_then(|after| after.split_once(" -->"))
            .map(|(value, _)| value.to_owned())
            .unwrap_or_default()
    }
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

/// A browser.
pub(crate) struct Viewer {
    door: Door,
    /// `host:port` in its address bar.
    pub(crate) authority: String,
    pub(crate) agent: &'static str,
    pub(crate) jar: Jar,
    protocol: Protocol,
    connection: Mutex<Option<Sender>>,
}

impl Viewer {
    /// By HTTP/2 where there is TLS.
    pub(crate) fn new(door: Door, authority: &str) -> Self {
        let protocol = if door.tls.is_some() { Protocol::H2 } else { Protocol::H1 };
        let authority = authority.to_owned();
        Self { door, authority, agent: DESKTOP, jar: Jar::default(), protocol, connection: Mutex::new(None) }
    }

    pub(crate) fn by(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    pub(crate) fn agent(mut self, agent: &'static str) -> Self {
        self.agent = agent;
        self
    }

    /// A page, without keeping the cookies it sets.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Ask::get(target)).await
    }

    /// A request whose answer must come; cookies it sets are not kept.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        let what = format!("{} {}", ask.method, ask.target);
        self.try_send(ask).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// As a browser: the cookies it sets are kept.
    pub(crate) async fn visit(&mut self, ask: Ask) -> Answer {
        let path = ask.target.split('?').next().unwrap_or_default().to_owned();
        let answer = self.send(ask).await;
        self.jar.keep(&answer.set_cookies(), &path);
        answer
    }

    /// A request, and why there was no whole answer.
    pub(crate) async fn try_send(&self, ask: Ask) -> Result<Answer, String> {
        tokio::time::timeout(PATIENCE, self.exchange(ask))
            .await
            .map_err(|_| "no answer in a minute".to_owned())?
    }

    async fn exchange(&self, ask: Ask) -> Result<Answer, String> {
        let request = self.request(ask);
        let mut connection = self.connection.lock().await;
        self.connected(&mut connection).await?;
        let answering = match connection.as_mut() {
            Some(Sender::H1(sender)) => {
                // One after the other: the lock is held until the body is read.
                let answer = sender.send_request(request).await.map_err(told)?;
                return complete(answer).await;
            }
            Some(Sender::H2(sender)) => sender.clone().send_request(request),
            None => return Err("no connection".to_owned()),
        };
        drop(connection);
        let answer = answering.await;
        complete(answer.map_err(|error| if was_reset(&error) { cut(error) } else { told(error) })?).await
    }

    fn request(&self, ask: Ask) -> Request<Full<Bytes>> {
        let authority = ask.authority.as_ref().unwrap_or(&self.authority);
        let path = ask.target.split('?').next().unwrap_or_default();
        let mut request = Request::new(Full::new(ask.body));
        *request.method_mut() = ask.method;
        let headers = request.headers_mut();
        let own_cookies = ask.headers.iter().any(|(name, _)| name == COOKIE);
        if let Some(cookies) = self.jar.header(path).filter(|_| !own_cookies) {
            headers.insert(COOKIE, HeaderValue::from_str(&cookies).unwrap());
        }
        if !ask.headers.iter().any(|(name, _)| name == USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(self.agent));
        }
        for (name, value) in ask.headers {
            headers.append(name, value);
        }
        *request.uri_mut() = match self.protocol {
            Protocol::H1 => {
                request.headers_mut().insert(HOST, HeaderValue::from_str(authority).unwrap());
                ask.target.parse().unwrap()
            }
            Protocol::H2 => {
                let whole =
                    Uri::builder().scheme("https").authority(&**authority).path_and_query(&*ask.target);
                whole.build().unwrap()
            }
        };
        request
    }

    /// A connection that can take a request; a closed one is replaced before anything is sent on it.
    async fn connected(&self, connection: &mut Option<Sender>) -> Result<(), String> {
        let ready = match connection {
            Some(Sender::H1(sender)) => sender.ready().await.is_ok(),
            Some(Sender::H2(sender)) => sender.ready().await.is_ok(),
            None => false,
        };
        if !ready {
            *connection = Some(self.connect().await?);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect(self.door.addr).await.map_err(|error| error.to_string())?;
        _ = stream.set_nodelay(true);
        let Some((config, name)) = &self.door.tls else { return self.speak(stream).await };
        let mut config = rustls::ClientConfig::clone(config);
        config.alpn_protocols =
            vec![if self.protocol == Protocol::H2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let stream = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream).await;
        self.speak(stream.map_err(|error| format!("TLS: {error}"))?).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Sender, String> {
        let io = TokioIo::new(stream);
        Ok(match self.protocol {
            Protocol::H1 => {
                let (sender, connection) = http1::handshake(io).await.map_err(told)?;
                tokio::spawn(connection);
                Sender::H1(sender)
            }
            Protocol::H2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.map_err(told)?;
                tokio::spawn(connection);
                Sender::H2(sender)
            }
        })
    }
}

/// What an error says of a response that ended too early.
pub(crate) const CUT: &str = "its body was cut short";

async fn complete(response: http::Response<hyper::body::Incoming>) -> Result<Answer, String> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(cut)?.to_bytes();
    Ok(Answer { status: parts.status, version: parts.version, headers: parts.headers, body })
}

fn cut(error: hyper::Error) -> String {
    format!("{CUT}: {}", told(error))
}

/// Whether the server broke the stream off. With a stream HTTP/2 drops all that was not written yet, and where the body
/// broke off soon that is the head too.
fn was_reset(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_reset() && cause.is_remote() && cause.reason() == Some(h2::Reason::INTERNAL_ERROR)
    })
}

/// An error with its causes.
fn told(error: hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
