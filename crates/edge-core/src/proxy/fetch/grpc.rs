//! A call of gRPC: HTTP/2 to the origin, both ways at once, with the trailers that say how it ended (§11.5).
//!
//! Nothing is collected: what the viewer sends is the origin's as it comes, and the answer may begin before the upload has
//! ended. It knows nothing of messages and statuses of gRPC.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::connect::{Destination, Speaks};
use super::failure::OriginFailure;
use super::head::OURS;
use super::lines::Seat;
use super::{Call, OriginBody, OriginResponse, RequestBody, Scheme, Shared, Timings};
use crate::proxy::pool::{Lease, Member};

/// The viewer's half of a call, on its way to the origin.
pub(super) struct Upload {
    body: Option<ViewerBody>,
    progress: Arc<Mutex<Progress>>,
}

type ViewerBody = Pin<Box<dyn Body<Data = Bytes, Error = CalledOff> + Send>>;

/// The viewer's half broke off: to the origin that is a call that is cancelled, not one that failed.
#[derive(Debug)]
pub(super) struct CalledOff {
    why: String,
    reason: h2::Error,
}

impl fmt::Display for CalledOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for CalledOff {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

impl CalledOff {
    fn because(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), reason: h2::Error::from(h2::Reason::CANCEL) }
    }
}

/// How the upload is doing: the viewer's time is not the origin's.
#[derive(Debug, Clone, Copy)]
struct Progress {
    last: Instant,
    waits_for_viewer: bool,
}

impl Upload {
    fn new<B>(announced: RequestBody, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        use http_body_util::BodyExt as _;
        let body = (announced != RequestBody::None)
            .then(|| Box::pin(body.map_err(CalledOff::because)) as ViewerBody);
        let progress = Progress { last: Instant::now(), waits_for_viewer: false };
        Self { body, progress: Arc::new(Mutex::new(progress)) }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = CalledOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CalledOff>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = loop {
            match body.as_mut().poll_frame(cx) {
                // Trailers of a request never travel on (threats.md, M2), and no call has any.
                Poll::Ready(Some(Ok(frame))) if !frame.is_data() => {}
                frame => break frame,
            }
        };
        let progress = Progress { last: Instant::now(), waits_for_viewer: frame.is_pending() };
        *this.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        if matches!(frame, Poll::Ready(None)) {
            this.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), |_| SizeHint::default())
    }
}

/// What bounds a call: the origin's silence, and the whole of it where a cap is configured.
struct Watch {
    upload: Arc<Mutex<Progress>>,
    heard: Instant,
    timeout: Duration,
    timer: Pin<Box<Sleep>>,
    completion: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    fn new(upload: &Upload, timeout: Duration, completion: Option<Instant>) -> Self {
        let now = Instant::now();
        Self {
            upload: Arc::clone(&upload.progress),
            heard: now,
            timeout,
            timer: Box::pin(sleep_until(now + timeout)),
            completion: completion.map(|deadline| Box::pin(sleep_until(deadline))),
        }
    }

    /// Ready when the origin has had its time.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<OriginFailure> {
        if self.completion.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(OriginFailure::CompletionTimeout);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let upload = *self.upload.lock().unwrap_or_else(PoisonError::into_inner);
            let since = if upload.waits_for_viewer { now } else { upload.last.max(self.heard) };
            let due = since + self.timeout;
            if due <= now {
                return Poll::Ready(OriginFailure::ReadTimeout);
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// The origin's half of a call, as it arrives. Dropped before its end, the call is cancelled.
pub struct CallBody {
    body: Incoming,
    watch: Watch,
    failure: Option<OriginFailure>,
    _seat: Seat,
    _lease: Lease,
}

impl CallBody {
    /// The next data, or the trailers. An error stays one.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, OriginFailure>>> {
        if let Some(failure) = &self.failure {
            return Poll::Ready(Some(Err(failure.clone())));
        }
        let failure = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.watch.heard = Instant::now();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => OriginFailure::Truncated,
            Poll::Pending => ready!(self.watch.poll_over(cx)),
        };
        self.failure = Some(failure.clone());
        Poll::Ready(Some(Err(failure)))
    }

    /// The next data alone.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, OriginFailure>>> {
        loop {
            match ready!(self.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Whether nothing more comes, not even trailers.
    pub fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.body.is_end_stream()
    }
}

impl fmt::Debug for CallBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBody").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// A try that came to nothing, and the viewer's half, if no byte of the call has been sent.
struct Failed {
    failure: OriginFailure,
    unsent: Option<Upload>,
}

impl Shared {
    /// Makes a call. It is tried again where none of it had been sent.
    pub(super) async fn call<B>(
        &self,
        call: Call<'_>,
        body: B,
        completion: Option<Instant>,
    ) -> Result<OriginResponse, OriginFailure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let mut upload = Upload::new(call.body, body);
        let pool = self.pool(&call);
        let mut left = usize::from(call.origin.connection_attempts.max(1)) + pool.len() - 1;
        let (mut tried, start) = (Vec::new(), self.addresses.draw());
        loop {
            let Some(member) = pool.pick(&tried, Instant::now()) else {
                return Err(OriginFailure::Dns("no server".to_owned()));
            };
            let Failed { failure, unsent } =
                match self.try_call(&call, &member, upload, completion, start + tried.len()).await {
                    Ok(response) => {
                        member.answered(Instant::now());
                        return Ok(response);
                    }
                    Err(failed) => failed,
                };
            if failure.server_is_gone() {
                member.failed(Instant::now());
            }
            if failure == OriginFailure::ReadTimeout {
                member.silent(Instant::now());
            }
            left -= 1;
            let pointless = left == 0 || pool.len() == 1 && failure.will_repeat();
            match unsent.filter(|_| !pointless) {
                Some(unsent) => upload = unsent,
                None => return Err(failure),
            }
            tried.push(member);
        }
    }

    async fn try_call(
        &self,
        call: &Call<'_>,
        member: &Arc<Member>,
        mut upload: Upload,
        completion: Option<Instant>,
        start: usize,
    ) -> Result<OriginResponse, Failed> {
        let lease = member.lease();
        loop {
            let (seat, kept, mut timings) = match self.seat(call, member, start).await {
                Ok(found) => found,
                Err(failure) => return Err(Failed { failure, unsent: Some(upload) }),
            };
            let began = Instant::now();
            let mut watch = Watch::new(&upload, call.origin.read_timeout, completion);
            let request = write_request(call, member.server.scheme, upload)
                .map_err(|failure| Failed { failure, unsent: None })?;
            let mut sender = seat.sender();
            let mut answer = pin!(sender.try_send_request(request));
            let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Ok(answer)),
                Poll::Pending => watch.poll_over(cx).map(Err),
            });
            let response = match answer.await {
                Err(failure) => return Err(Failed { failure, unsent: None }),
                Ok(Err(mut error)) => {
                    let unsent = error.take_message().map(Request::into_body);
                    match unsent {
                        // A connection that was left open turns out closed: once more, on another.
                        Some(unsent) if kept => {
                            upload = unsent;
                            continue;
                        }
                        unsent => return Err(Failed { failure: failure(&error.into_error()), unsent }),
                    }
                }
                Ok(Ok(response)) => response,
            };
            timings.first_byte = began.elapsed();
            watch.heard = Instant::now();
            let server = seat.0.address;
            let (parts, body) = response.into_parts();
            let body = CallBody { body, watch, failure: None, _seat: seat, _lease: lease };
            return Ok(OriginResponse {
                status: parts.status,
                version: Version::HTTP_2,
                headers: parts.headers,
                body: OriginBody::of_call(body),
                server,
                timings,
                interim: Vec::new(),
            });
        }
    }

    /// A place on a connection, whether it was there already, and what it took.
    async fn seat(
        &self,
        call: &Call<'_>,
        member: &Arc<Member>,
        start: usize,
    ) -> Result<(Seat, bool, Timings), OriginFailure> {
        let (server, began) = (&member.server, Instant::now());
        let deadline = began + call.origin.connection_timeout;
        let to = Destination::of(call, server, Speaks::Http2);
        let names = (to.host.to_owned(), to.domain_name.to_owned());
        let key = (server.clone(), names.0, names.1, to.client_certificate.map(str::to_owned));
        let lines = &self.connector.lines;
        let mut timings =
            Timings { dns: Duration::ZERO, connect: Duration::ZERO, first_byte: Duration::ZERO };
        if let Some(seat) = lines.take(&key) {
            return Ok((seat, true, timings));
        }
        let gate = lines.gate(&key);
        let waited = timeout_at(deadline, gate.lock()).await;
        let _connecting = waited.map_err(|_| OriginFailure::ConnectTimeout)?;
        if let Some(seat) = lines.take(&key) {
            return Ok((seat, true, timings));
        }
        let addresses = self.addresses_of(server, call.origin.connection_timeout, start).await?;
        timings.dns = began.elapsed();
        let connected = self.connector.fresh(&to, &addresses, &self.addresses, deadline).await?;
        let opening = lines.open(key, connected.stream, connected.address, call.origin.keepalive_timeout);
        let opened = timeout_at(deadline, opening).await;
        let seat = opened.map_err(|_| OriginFailure::ConnectTimeout)??;
        timings.connect = began.elapsed().saturating_sub(timings.dns);
        Ok((seat, false, timings))
    }
}

/// The request to a server that speaks this scheme, which need not be the one the core chose.
fn write_request(call: &Call<'_>, scheme: Scheme, body: Upload) -> Result<Request<Upload>, OriginFailure> {
    let mut hosts = call.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(OriginFailure::InvalidRequest("a request needs exactly one Host"));
    };
    let uri =
        Uri::builder().scheme(scheme.as_str()).authority(host.as_bytes()).path_and_query(call.target).build();
    let uri = uri.map_err(|_| OriginFailure::InvalidRequest("a target or a Host that is none"))?;
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (call.method.clone(), uri);
    *request.version_mut() = Version::HTTP_2;
    let ours = |name: &str| OURS.contains(&name) && name != "te";
    let headers: HeaderMap = call
        .headers
        .iter()
        .filter(|(name, _)| !ours(name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    *request.headers_mut() = headers;
    Ok(request)
}

/// Why hyper has no answer.
fn failure(error: &hyper::Error) -> OriginFailure {
    if error.is_closed() || error.is_canceled() {
        return OriginFailure::ClosedBeforeResponse;
    }
    let source = std::error::Error::source(error);
    if source.and_then(|source| source.downcast_ref::<h2::Error>()).is_some_and(h2::Error::is_reset) {
        return OriginFailure::Truncated; // of the call alone: it says nothing against the server
    }
    OriginFailure::Reset(source.map_or_else(|| error.to_string(), ToString::to_string))
}
