//! One connection kept busy: opened, asked one request after another (on HTTP/2 several at a time), opened again.
//!
//! Every request ends here in exactly one count: a complete response of the promised length, or an error of one kind.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::plan::{Protocol, Spoken};
use super::report::{Answer, Kind, Tally};
use super::{Job, Run, lock, now};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const RETRY_WAIT_MIN: Duration = Duration::from_millis(10);
const RETRY_WAIT_MAX: Duration = Duration::from_millis(500);
/// After so many connections without one answer it asks whether anybody has been answered at all.
const ATTEMPTS_BEFORE_DOUBT: u32 = 8;
/// A request that cannot be put on so many connections one after another has failed.
const UNSENT_MAX: u8 = 3;

/// Asks `server` until the run is over.
pub(super) async fn keep_busy(run: Arc<Run>, server: usize, tally: Arc<Mutex<Tally>>) {
    let mut waiting: Vec<Job> = Vec::new();
    let mut useless_in_a_row = 0;
    loop {
        if waiting.is_empty() {
            match run.next_job(server).await {
                Some(job) => waiting.push(job),
                None => return,
            }
        }
        let started = now();
        let health = Arc::new(Health::default());
        match connect(&run, server).await {
            Ok(connection) => {
                lock(&tally).connected(now() - started);
                let lane = |first| Lane {
                    run: run.clone(),
                    server,
                    tally: tally.clone(),
                    health: health.clone(),
                    first,
                };
                waiting = use_up(connection, run.plan.streams, lane, waiting).await;
            }
            Err(failure) => {
                waiting.pop();
                failure.count(&tally);
            }
        }
        if health.answered.load(Ordering::Relaxed) {
            useless_in_a_row = 0;
            continue;
        }
        useless_in_a_row += 1;
        if useless_in_a_row >= ATTEMPTS_BEFORE_DOUBT {
            run.give_up_unless_answered();
        }
        let wait = RETRY_WAIT_MIN.saturating_mul(1 << useless_in_a_row.min(6)).min(RETRY_WAIT_MAX);
        tokio::time::sleep(wait).await;
    }
}

/// A connection and the task that drives it, which ends with it.
struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

async fn connect(run: &Run, server: usize) -> Result<Connection, Failure> {
    let late = |_| Failure::new(Kind::Timeout, "connecting took longer than --timeout");
    timeout(run.plan.timeout, connect_unbounded(run, server)).await.map_err(late)?
}

async fn connect_unbounded(run: &Run, server: usize) -> Result<Connection, Failure> {
    let server = &run.plan.servers[server];
    let tcp = TcpStream::connect(&server.addresses[..]).await.map_err(|error| {
        let to = server.addresses.first().map(ToString::to_string).unwrap_or_default();
        Failure::new(Kind::Connect, format!("{to}: {error}"))
    })?;
    let _ = tcp.set_nodelay(true); // worth having, not worth failing for
    let Some((tls, name)) = &server.tls else {
        let spoken = if run.plan.protocol == Protocol::H2 { Spoken::H2 } else { Spoken::H1 };
        return start(tcp, spoken).await;
    };
    let stream = tls
        .connect(name.clone(), tcp)
        .await
        .map_err(|error| Failure::new(Kind::Tls, format!("{}: {error}", name.to_str())))?;
    let agreed_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if run.plan.protocol == Protocol::H2 && !agreed_h2 {
        return Err(Failure::new(Kind::Tls, "the server did not agree to h2"));
    }
    start(stream, if agreed_h2 { Spoken::H2 } else { Spoken::H1 }).await
}

async fn start<S>(stream: S, spoken: Spoken) -> Result<Connection, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    match spoken {
        Spoken::H1 => {
            let (sender, connection) = http1::handshake(io).await.map_err(|error| Failure::of(&error))?;
            let driver = tokio::spawn(async { drop(connection.await) }); // each request learns of it by itself
            Ok(Connection { sender: Sender::H1(sender), driver })
        }
        Spoken::H2 => {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .handshake(io)
                .await
                .map_err(|error| Failure::of(&error))?;
            let driver = tokio::spawn(async { drop(connection.await) });
            Ok(Connection { sender: Sender::H2(sender), driver })
        }
    }
}

/// Uses a connection until it is of no more use or the run is over. Returns the jobs it leaves for the next one.
async fn use_up(
    mut connection: Connection,
    streams: usize,
    lane: impl Fn(Option<Job>) -> Lane,
    mut waiting: Vec<Job>,
) -> Vec<Job> {
    match &mut connection.sender {
        Sender::H1(sender) => {
            let left = lane(waiting.pop()).drive(sender).await;
            waiting.extend(left);
        }
        Sender::H2(sender) => {
            let mut lanes = JoinSet::new();
            for _ in 0..streams {
                let (lane, mut sender) = (lane(waiting.pop()), sender.clone());
                lanes.spawn(async move { lane.drive(&mut sender).await });
            }
            while let Some(left) = lanes.join_next().await {
                waiting.extend(left.ok().flatten());
            }
        }
    }
    waiting
}

/// What the lanes of one connection tell each other.
#[derive(Default)]
struct Health {
    /// It has carried a complete response.
    answered: AtomicBool,
    /// It failed in a way that leaves no trust in it.
    spent: AtomicBool,
}

/// One request at a time on a connection; HTTP/2 has several lanes.
struct Lane {
    run: Arc<Run>,
    server: usize,
    tally: Arc<Mutex<Tally>>,
    health: Arc<Health>,
    first: Option<Job>,
}

impl Lane {
    /// Asks until the connection or the run ends. Returns the job that must be done on another connection.
    async fn drive(mut self, sender: &mut impl Viewer) -> Option<Job> {
        loop {
            let job = match self.first.take() {
                Some(job) => job,
                None => self.run.next_job(self.server).await?,
            };
            let started = job.due.unwrap_or_else(now);
            let outcome = if sender.is_closed() || self.health.spent.load(Ordering::Relaxed) {
                Err(Failure::unsent())
            } else {
                lock(&self.tally).in_flight += 1;
                let late = |_| Failure::new(Kind::Timeout, "no complete response within --timeout");
                let outcome = timeout(self.run.plan.timeout, self.ask(sender, &job)).await;
                lock(&self.tally).in_flight -= 1;
                outcome.map_err(late).flatten()
            };
            match outcome {
                Ok((answer, x_cache)) => {
                    lock(&self.tally).answered(&answer, x_cache, now().saturating_duration_since(started));
                    if !self.health.answered.swap(true, Ordering::Relaxed) {
                        self.run.answered.store(true, Ordering::Relaxed);
                    }
                }
                Err(failure) if failure.one_stream => match self.again(&failure, &job) {
                    true => self.first = Some(Job { attempts: job.attempts + 1, due: Some(started), ..job }),
                    false => failure.count(&self.tally),
                },
                Err(failure) => {
                    self.health.spent.store(true, Ordering::Relaxed);
                    if self.again(&failure, &job) {
                        return Some(Job { attempts: job.attempts + 1, due: Some(started), ..job });
                    }
                    failure.count(&self.tally);
                    return None;
                }
            }
        }
    }

    /// Whether a viewer would send this request again, on a new connection. RFC 9110 §9.2.2: only if it never went
    /// out, or if asking twice does no harm and a connection that had been working was closed without an answer.
    fn again(&self, failure: &Failure, job: &Job) -> bool {
        if failure.unsent {
            return job.attempts < UNSENT_MAX;
        }
        let again = failure.unanswered
            && job.attempts == 0
            && self.run.plan.method.is_idempotent()
            && self.health.answered.load(Ordering::Relaxed);
        lock(&self.tally).retried += u64::from(again);
        again
    }

    async fn ask<V: Viewer>(&self, sender: &mut V, job: &Job) -> Result<(Answer, usize), Failure> {
        let plan = &self.run.plan;
        let request = plan.request(self.server, job.turn, V::SPOKEN);
        let response = sender.send(request).await?;
        let (head, mut body) = response.into_parts();
        let x_cache = lock(&self.tally).x_cache(head.headers.get(X_CACHE).map(HeaderValue::as_bytes));
        let promised = match head.headers.get(CONTENT_LENGTH) {
            // RFC 9110 §8.6: here it is the length of a body that is not sent.
            Some(_) if plan.method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED => None,
            Some(length) => length.to_str().ok().and_then(|length| length.parse::<u64>().ok()),
            None => None,
        };
        let mut body_bytes = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Err(error) => {
                    let mut failure = Failure::of(&error);
                    if failure.orderly_end && promised.is_some_and(|promised| body_bytes < promised) {
                        failure.kind = Kind::ShortBody;
                    }
                    failure.message = format!("{} after {body_bytes} bytes of body", failure.message);
                    return Err(failure.in_body());
                }
            }
        }
        // hyper takes RST_STREAM with NO_ERROR or CANCEL for the end of a body. The end it is not.
        if V::SPOKEN == Spoken::H2 && !body.is_end_stream() && plan.method != Method::HEAD {
            let message = format!("stream reset after {body_bytes} bytes of body");
            return Err(Failure::new(Kind::Closed, message).in_body());
        }
        match promised {
            Some(promised) if promised != body_bytes => {
                let message = format!("body of {body_bytes} bytes, Content-Length {promised}");
                Err(Failure::new(Kind::ShortBody, message).in_body())
            }
            _ => Ok((Answer { status: head.status.as_u16(), body_bytes, spoken: V::SPOKEN }, x_cache)),
        }
    }
}

/// What the two protocols' senders have in common.
trait Viewer {
    const SPOKEN: Spoken;
    fn is_closed(&self) -> bool;
    fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> impl Future<Output = Result<Response<Incoming>, Failure>> + Send;
}

impl Viewer for http1::SendRequest<Full<Bytes>> {
    const SPOKEN: Spoken = Spoken::H1;

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        self.ready().await.map_err(|_| Failure::unsent())?;
        self.try_send_request(request).await.map_err(Failure::of_sending)
    }
}

impl Viewer for http2::SendRequest<Full<Bytes>> {
    const SPOKEN: Spoken = Spoken::H2;

    fn is_closed(&self) -> bool {
        self.is_closed()
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        self.ready().await.map_err(|_| Failure::unsent())?;
        self.try_send_request(request).await.map_err(Failure::of_sending)
    }
}

/// Why a request has no complete response, and what may be done about it.
struct Failure {
    kind: Kind,
    message: String,
    /// No byte of the request went out.
    unsent: bool,
    /// The connection was closed without a byte of the response.
    unanswered: bool,
    /// The other side ended the message without breaking anything: too early, but on purpose.
    orderly_end: bool,
    /// Only this HTTP/2 stream failed.
    one_stream: bool,
}

impl Failure {
    fn new(kind: Kind, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { kind, message, unsent: false, unanswered: false, orderly_end: false, one_stream: false }
    }

    fn unsent() -> Failure {
        Failure { unsent: true, ..Failure::new(Kind::Closed, "the connection was closed") }
    }

    fn of_sending(mut error: TrySendError<Request<Full<Bytes>>>) -> Failure {
        if error.take_message().is_some() {
            return Failure::unsent();
        }
        Failure::of(&error.into_error())
    }

    /// Sorts hyper's errors by their causes, the only place where it tells them.
    fn of(error: &hyper::Error) -> Failure {
        let mut failure = Failure::new(Kind::Protocol, error.to_string());
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            failure.kind = Kind::Closed;
            failure.unanswered = true;
            failure.orderly_end = error.is_incomplete_message();
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            failure.message = format!("{}: {error}", failure.message);
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                failure.sort_h2(error);
            } else if let Some(error) = error.downcast_ref::<io::Error>() {
                failure.kind = Kind::Closed;
                failure.unanswered = true;
                failure.orderly_end |= error.kind() == io::ErrorKind::UnexpectedEof;
            }
            cause = error.source();
        }
        failure
    }

    fn sort_h2(&mut self, error: &h2::Error) {
        self.one_stream = error.is_reset();
        if error.is_io() {
            self.kind = Kind::Closed;
            self.unanswered = true;
        } else if error.is_remote() {
            self.kind = Kind::Closed;
            // RFC 9113 §8.7: refused streams were not processed; nor was what a graceful GOAWAY leaves out.
            let reason = error.reason();
            self.unanswered = reason == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR));
        } else {
            // h2 itself compares the body with its Content-Length and resets the stream.
            self.orderly_end = error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR);
        }
    }

    /// The head of a response has arrived: what fails now is never sent again.
    fn in_body(mut self) -> Failure {
        self.unsent = false;
        self.unanswered = false;
        self
    }

    fn count(self, tally: &Mutex<Tally>) {
        lock(tally).failed(self.kind, || self.message);
    }
}
