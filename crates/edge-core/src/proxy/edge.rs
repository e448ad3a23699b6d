//! The driver: one request in, one response out, exactly as the core's steps say.
//!
//! It translates hyper's request for the core, fetches and stores what the steps ask for, and translates back. It
//! decides nothing. What goes to an origin runs in a task of its own, so a viewer who leaves does not end a fill that
//! others read or the cache keeps; a request nobody else wants ends with its viewer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, StatusCode, Version};
use tokio::sync::oneshot;

use super::body::Body;
use super::clock::Clock;
use super::compress::Coder;
use super::fetch::{self, Framing, OriginBody, OriginFailure, Origins};
use super::fill::{self, Keeping, Writer};
use super::flights::{Boarding, Cargo, Flights, Lead};
use super::ids::RequestIds;
use super::store::{Content, Object, Store};
use crate::distribution::Distribution;
use crate::exchange::{self, Answer, Ask, Ending, Outcome, Rules, Sharing, Step, Storing, Trace};
use crate::header::encoding::Coding;
use crate::origin::Failure;
use crate::response::{Connection, Response, Source};
use crate::viewer::{self, Refusal, Scheme, Stream};

/// An edge: clones are the same edge.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: ArcSwap<Running>,
    store: Store,
    flights: Arc<Flights>,
    clock: Clock,
    ids: RequestIds,
    counters: Counters,
}

/// What a reload replaces, all at once.
#[derive(Debug)]
pub struct Running {
    /// What is decided by.
    pub rules: Arc<Rules>,
    /// Who is asked.
    pub origins: Arc<Origins>,
}

/// What an edge counted since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests read.
    pub requests: AtomicU64,
    /// Requests sent to origins.
    pub origin_requests: AtomicU64,
    /// Responses the guard kept from being shared.
    pub guarded: AtomicU64,
}

/// Who asks, and how he came.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    /// The other end of the connection.
    pub addr: std::net::SocketAddr,
    /// Whether it was TLS.
    pub scheme: Scheme,
}

impl Edge {
    /// An edge with an empty cache of this many bytes.
    pub fn new(running: Running, cache_bytes: u64, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            running: ArcSwap::from_pointee(running),
            store: Store::new(cache_bytes),
            flights: Arc::default(),
            clock,
            ids: RequestIds::new(),
            counters: Counters::default(),
        }))
    }

    /// From the next request on, these. Requests under way end as they began; the cache stays.
    pub fn replace(&self, running: Running) {
        self.0.running.store(Arc::new(running));
    }

    /// What is in force now.
    pub fn running(&self) -> Arc<Running> {
        self.0.running.load_full()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Objects held, roughly, and what they weigh in bytes.
    pub fn cache_size(&self) -> (u64, u64) {
        self.0.store.size()
    }

    /// The whole service: what CloudFront would answer.
    pub async fn handle<B>(&self, request: http::Request<B>, viewer: Viewer) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let inner = &*self.0;
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let now = inner.clock.now();
        let id = inner.ids.next();
        let running = inner.running.load();
        let (parts, body) = request.into_parts();
        let form = Form { version: parts.version, head: parts.method == Method::HEAD };
        let stream = if body.is_end_stream() { Stream::Ended } else { Stream::Open };
        let request = match viewer::Request::read(parts, viewer.scheme, stream, viewer.addr) {
            Ok(request) => request,
            Err(refusal) => {
                let response = exchange::refuse_unread(&running.rules.place, refusal, &id, now);
                return form.plain(response);
            }
        };
        let step = exchange::begin(&running.rules, request, id, now);
        let (step, held) = match step {
            Step::LookUp(look_up) => {
                let held = inner.store.get(look_up.key());
                (look_up.found(held.as_deref().map(|object| &object.head), now), held)
            }
            step => (step, None),
        };
        match step {
            Step::Answer(answer) => form.answer(answer.response, held.as_deref()),
            Step::Ask(ask) => {
                let origins = Arc::clone(&running.origins);
                drop(running);
                self.ask(Errand { ask, held, origins, form }, body).await
            }
            // A look-up leads to an answer or to an origin, never to a look-up.
            Step::LookUp(_) => form.broken(),
        }
    }

    /// Refuses a head the listener would not read.
    pub fn refuse_unread(&self, refusal: Refusal) -> http::Response<Body> {
        let inner = &*self.0;
        let form = Form { version: Version::HTTP_11, head: false };
        let place = &inner.running.load().rules.place;
        form.plain(exchange::refuse_unread(place, refusal, &inner.ids.next(), inner.clock.now()))
    }

    /// Goes to the origin, or waits for somebody who is on the way there.
    async fn ask<B>(&self, errand: Errand, body: B) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let key = match errand.ask.sharing() {
            Sharing::Collapsed => errand.ask.key(),
            Sharing::Alone => None,
        };
        let Some(key) = key else { return self.run(errand, body, None).await };
        match self.0.flights.board(key) {
            Boarding::Leads(lead) => {
                // Between our look-up and our boarding another flight may have landed.
                let landed = self.0.store.get(key).filter(|object| !is_same(Some(object), errand.held.as_ref()));
                match landed {
                    Some(object) => {
                        drop(lead);
                        self.joined(errand, &Cargo::Whole(object))
                    }
                    None => self.run(errand, body, Some(lead)).await,
                }
            }
            Boarding::Waits(waiter) => match waiter.wait().await {
                Some(cargo) => self.joined(errand, &cargo),
                None => self.run(errand, body, None).await,
            },
        }
    }

    /// Answers with what another's flight brought.
    fn joined(&self, errand: Errand, cargo: &Cargo) -> http::Response<Body> {
        let now = self.0.clock.now();
        let Errand { ask, form, .. } = errand;
        match cargo {
            Cargo::Whole(object) => form.answer(ask.joined(&object.head, now).response, Some(object)),
            Cargo::Arriving { head, follower, length } => {
                let response = ask.joined(head, now).response;
                match response.body {
                    Source::Stored => form.with_body(response, Body::following(follower.reader(), *length)),
                    _ => form.answer(response, None),
                }
            }
        }
    }

    /// Asks the origin in a task of its own and answers with what it tells.
    async fn run<B>(&self, errand: Errand, body: B, lead: Option<Lead>) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (tell, told) = oneshot::channel();
        let form = errand.form;
        let edge = self.clone();
        tokio::spawn(async move { edge.fetch(errand, body, lead, tell).await });
        told.await.unwrap_or_else(|_| form.broken())
    }

    /// One exchange with an origin, to the last byte.
    async fn fetch<B>(&self, errand: Errand, body: B, lead: Option<Lead>, mut tell: oneshot::Sender<http::Response<Body>>)
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let Errand { ask, held, origins, form } = errand;
        self.0.counters.origin_requests.fetch_add(1, Ordering::Relaxed);
        let rules = Arc::clone(ask.rules());
        let fetched = tokio::select! {
            fetched = origins.fetch(call(ask.call(), &rules.distribution), body) => fetched,
            // Nobody else wants it, and its viewer is gone.
            () = tell.closed(), if lead.is_none() => return,
        };
        let now = self.0.clock.now();
        let (outcome, source) = match fetched {
            Ok(response) => {
                let ending = ending(&response.body);
                let outcome = Outcome::Response { status: response.status, headers: response.headers, ending };
                (outcome, Some(response.body))
            }
            Err(failure) => {
                tracing::warn!(target: "edge::origin", %failure, "the origin failed");
                (Outcome::Failed(to_core(&failure)), None)
            }
        };
        let Answer { response, storing, compress, trace } = ask.answered(outcome, now);
        self.report(&trace, &rules);
        match (storing, source) {
            (Some(Storing::Whole { key, stored }), Some(source)) if response.body == Source::Origin => {
                let fill = Fill { source, compress, keep: Some((key, stored)), lead };
                self.fill(fill, response, form, tell).await;
            }
            (storing, Some(source)) if response.body == Source::Origin => {
                debug_assert!(storing.is_none(), "only a whole response is stored with the origin's body");
                drop(lead); // nothing to share: whoever waits is released now
                self.fill(Fill { source, compress, keep: None, lead: None }, response, form, tell).await;
            }
            (storing, _) => {
                let object = self.keep(storing, &response, held, lead.as_ref());
                _ = tell.send(form.answer(response, object.as_deref()));
            }
        }
    }

    /// Stores what needs no body from the origin: a page of our own, or a new head for what is held.
    fn keep(
        &self,
        storing: Option<Storing>,
        response: &Response,
        held: Option<Arc<Object>>,
        lead: Option<&Lead>,
    ) -> Option<Arc<Object>> {
        let (key, object) = match storing {
            None => return held,
            Some(Storing::Head { key, stored }) => {
                let content = held.as_ref().map(|object| object.content.clone())?;
                (key, Object { head: stored, content })
            }
            Some(Storing::Whole { key, stored }) => {
                let content = match &response.body {
                    Source::Text(text) => Content::One(text.clone()),
                    _ => Content::One(Bytes::new()),
                };
                (key, Object { head: stored, content })
            }
        };
        let object = Arc::new(object);
        self.0.store.put(key, Arc::clone(&object));
        if let Some(lead) = lead {
            lead.share(Cargo::Whole(Arc::clone(&object)));
        }
        Some(object)
    }

    /// Sends the response as it arrives: to its viewer, to all who wait, and whole into the store.
    async fn fill(&self, fill: Fill, response: Response, form: Form, tell: oneshot::Sender<http::Response<Body>>) {
        let Fill { source, compress, keep, lead } = fill;
        let length = match (source.framing(), compress) {
            (Framing::Length(length), None) => Some(length),
            _ => None,
        };
        let store = &self.0.store;
        let keep = keep.filter(|_| length.is_none_or(|length| length <= store.object_bytes_max()));
        let keeping = if keep.is_some() { Keeping::Whole } else { Keeping::Nothing };
        let (writer, reader) = fill::begin(keeping);
        if let (Some((_, head)), Some(follower), Some(lead)) = (&keep, writer.follower(), &lead) {
            lead.share(Cargo::Arriving { head: Arc::clone(head), follower, length });
        }
        let lead = if keep.is_some() { lead } else { None };
        _ = tell.send(form.with_body(response, Body::following(reader, length)));
        let Some(pieces) = pump(source, compress, writer, store, lead.as_ref()).await else { return };
        if let Some((key, head)) = keep {
            store.put(key, Arc::new(Object { head, content: Content::of(pieces) }));
        }
    }

    /// Tells the operator what the guard did; what else was decided is for those who ask.
    fn report(&self, trace: &Trace, rules: &Rules) {
        let Some(withheld) = &trace.withheld else { return };
        self.0.counters.guarded.fetch_add(1, Ordering::Relaxed);
        let behavior = trace.behavior.map(|id| rules.distribution.behavior(id).path_pattern.as_str());
        tracing::info!(target: "edge::guard", behavior, "{withheld}");
    }
}

/// A request on its way to an origin, with what its answer needs.
struct Errand {
    ask: Ask,
    held: Option<Arc<Object>>,
    origins: Arc<Origins>,
    form: Form,
}

/// A response that is arriving.
struct Fill {
    source: OriginBody,
    compress: Option<Coding>,
    keep: Option<(crate::cache::Key, Arc<crate::cache::Stored>)>,
    lead: Option<Lead>,
}

/// Moves a body from the origin to its readers. `Some`: all of it, kept. A body that breaks off breaks its readers.
async fn pump(
    mut source: OriginBody,
    compress: Option<Coding>,
    mut writer: Writer,
    store: &Store,
    lead: Option<&Lead>,
) -> Option<Vec<Bytes>> {
    let mut coder = compress.map(Coder::new);
    let mut room = store.reserve();
    loop {
        let (piece, last) = match source.next().await {
            Some(Ok(bytes)) => match &mut coder {
                Some(coder) => (coder.write(bytes).await.ok()?, false),
                None => (bytes, false),
            },
            Some(Err(failure)) => {
                tracing::warn!(target: "edge::origin", %failure, "the origin's response broke off");
                writer.fail();
                return None;
            }
            None => match coder.take() {
                Some(coder) => (coder.finish().await.ok()?, true),
                None => (Bytes::new(), true),
            },
        };
        let size = writer.kept_bytes() + piece.len() as u64;
        if writer.is_keeping() && (size > store.object_bytes_max() || !room.grow(piece.len() as u64)) {
            if let Some(lead) = lead {
                lead.retract();
            }
            writer.keep_nothing();
        }
        // Nobody reads it, nobody keeps it: the connection to the origin is closed with the body.
        writer.push(piece).await.ok()?;
        if last {
            return writer.finish();
        }
    }
}

/// What shapes a response besides the core's answer.
#[derive(Debug, Clone, Copy)]
struct Form {
    version: Version,
    head: bool,
}

impl Form {
    /// A response whose body, if any, is at hand.
    fn answer(self, response: Response, held: Option<&Object>) -> http::Response<Body> {
        let body = match (&response.body, held) {
            (Source::Stored, Some(object)) => Body::stored(&object.content),
            (Source::Text(_), _) => return self.plain(response),
            _ => Body::empty(),
        };
        self.with_body(response, body)
    }

    /// A page CloudFront wrote itself.
    fn plain(self, mut response: Response) -> http::Response<Body> {
        let Source::Text(text) = std::mem::replace(&mut response.body, Source::Empty) else {
            return self.with_body(response, Body::empty());
        };
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        self.with_body(response, Body::from(text))
    }

    fn with_body(self, response: Response, body: Body) -> http::Response<Body> {
        let mut out = http::Response::new(if self.head { Body::empty() } else { body });
        *out.status_mut() = response.status;
        *out.headers_mut() = response.headers;
        if response.connection == Connection::Closed && self.version <= Version::HTTP_11 {
            out.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        out
    }

    /// A task of ours was lost to a panic: one request, and it is seen.
    fn broken(self) -> http::Response<Body> {
        let mut out = http::Response::new(Body::empty());
        *out.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        out
    }
}

fn is_same(one: Option<&Arc<Object>>, other: Option<&Arc<Object>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The core's call, as the origin side takes it.
fn call<'a>(call: &'a crate::origin::Call, distribution: &'a Distribution) -> fetch::Call<'a> {
    fetch::Call {
        origin: &distribution.origins[call.origin],
        scheme: call.scheme,
        method: &call.method,
        target: &call.target,
        headers: &call.headers,
        body: match call.body {
            viewer::Body::None => fetch::RequestBody::None,
            viewer::Body::Length(length) => fetch::RequestBody::Length(length),
            viewer::Body::Chunked => fetch::RequestBody::Chunked,
        },
    }
}

fn ending(body: &OriginBody) -> Ending {
    match body.framing() {
        Framing::UntilClose => Ending::ByClose,
        _ => Ending::Provable,
    }
}

/// The proxy's failures, as the core names them.
fn to_core(failure: &OriginFailure) -> Failure {
    match failure {
        OriginFailure::Dns(_) => Failure::Dns,
        OriginFailure::Refused | OriginFailure::Tls(_) | OriginFailure::Reset(_) => Failure::Connect,
        // §10.2: unreachable counts as a timeout.
        OriginFailure::Unreachable(_) | OriginFailure::ConnectTimeout => Failure::ConnectTimeout,
        OriginFailure::ReadTimeout => Failure::ReadTimeout,
        OriginFailure::CompletionTimeout => Failure::CompletionTimeout,
        OriginFailure::ClosedBeforeResponse | OriginFailure::Truncated => Failure::Closed,
        OriginFailure::HeaderTooBig => Failure::HeadTooLarge,
        OriginFailure::InvalidResponse(_) | OriginFailure::InvalidRequest(_) | OriginFailure::ViewerBody(_) => {
            Failure::Invalid
        }
    }
}
