//! The driver: one request in, one response out, exactly as the core's steps say.
//!
//! It translates hyper's request for the core, looks up what the steps ask for, goes on an errand to an origin or
//! waits for somebody who is on the way, and translates back. It decides nothing.

mod begun;
mod errand;
mod form;
mod invoke;
mod origin;
mod pump;
mod running;
mod standings;
mod teller;
mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALT_SVC, SET_COOKIE};
use http::{HeaderValue, Method, Version};
use tokio::time::Instant;

use self::begun::Begun;
use self::errand::Errand;
use self::form::Form;
pub use self::running::Running;
use self::standings::Standings;
use super::body::Body;
use super::clock::Clock;
use super::fetch::Origins;
use super::flights::{Boarding, Cargo, Flights};
use super::ids::RequestIds;
use super::invalidations::{Batch, Invalidations, NotInvalidated};
use super::listen::{Interims, Upgrade};
use super::store::{Object, Store};
use crate::cache::Key;
use crate::cache::invalidation::Subject;
use crate::exchange::{self, Invoke, LookUp, Rules, Sharing, Step, Trace};
use crate::response::{Pending, Source};
use crate::viewer::traffic::Traffic;
use crate::viewer::{self, Refusal, Scheme, Stream};

/// An edge: clones are the same edge.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: ArcSwap<Running>,
    store: Store,
    flights: Arc<Flights>,
    standings: Standings,
    invalidations: Arc<Invalidations>,
    clock: Clock,
    ids: RequestIds,
    counters: Counters,
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
    /// WebSockets that are open now.
    pub tunnels: AtomicU64,
}

/// Who asks, and how he came.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The other end of the connection.
    pub addr: std::net::SocketAddr,
    /// Whether it was TLS.
    pub scheme: Scheme,
    /// What the handshake agreed on, where there was one.
    pub tls: Option<viewer::Tls>,
}

impl Edge {
    /// An edge with an empty cache of this many bytes.
    pub fn new(running: Running, cache_bytes: u64, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            running: ArcSwap::from_pointee(running),
            store: Store::new(cache_bytes),
            flights: Arc::default(),
            standings: Standings::default(),
            invalidations: Arc::default(),
            clock,
            ids: RequestIds::new(),
            counters: Counters::default(),
        }))
    }

    /// From the next request on, these. Requests under way end as they began; the cache stays.
    pub fn replace(&self, running: Running) {
        self.0.running.store(Arc::new(running));
        self.0.standings.forget();
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

    /// Bytes of bodies that are in memory because they are stored, are being stored, or are still read after that.
    pub fn held_bytes(&self) -> u64 {
        self.0.store.held_bytes()
    }

    /// Invalidates paths and tags of a distribution, by its own domain name (§13.1). When it returns it is in force, for
    /// every request from then on and for what is being fetched at this moment; memory is freed in the background.
    pub fn invalidate(
        &self,
        distribution: &str,
        caller_reference: &str,
        items: Vec<String>,
    ) -> Result<Arc<Batch>, NotInvalidated> {
        let Inner { invalidations, store, clock, .. } = &*self.0;
        invalidations.add(store, distribution, caller_reference, items, clock.now())
    }

    /// The invalidations so far.
    pub fn invalidations(&self) -> &Invalidations {
        &self.0.invalidations
    }

    /// The whole service: what CloudFront would answer.
    pub async fn handle<B>(&self, request: http::Request<B>, viewer: Viewer) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        self.serve(request, viewer, None, Interims::UNHEARD).await
    }

    /// As [`handle`](Self::handle), for a viewer who may have offered his connection; what an origin says before its
    /// response is told to `interims`.
    pub(super) async fn serve<B>(
        &self,
        request: http::Request<B>,
        viewer: Viewer,
        upgrade: Option<Upgrade>,
        interims: Interims<'_>,
    ) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let head = request.method() == Method::HEAD;
        let (decided, beside) = self.decide(request, viewer, upgrade.as_ref());
        let mut response = match decided {
            Decided::Answered(response) => response,
            // Boxed, or the state of a miss would be a part of every hit's future.
            Decided::Goes(mut errand, body) => {
                errand.upgrade = upgrade;
                Box::pin(self.ask(errand, Begun::whole(body), interims)).await
            }
            Decided::Calls(mut call, body) => {
                call.upgrade = upgrade;
                Box::pin(self.enter(call, body, interims)).await
            }
        };
        if let Some(pending) = response.extensions_mut().remove::<Box<Pending>>() {
            response = Box::pin(self.finish(pending, response, head)).await;
        }
        if let Some(set_cookie) = beside.set_cookie {
            response.headers_mut().append(SET_COOKIE, set_cookie);
        }
        if let Some(alt_svc) = beside.alt_svc {
            response.headers_mut().insert(ALT_SVC, alt_svc);
        }
        response
    }

    /// All that needs no waiting: a hit is a function call.
    fn decide<B: http_body::Body>(
        &self,
        request: http::Request<B>,
        viewer: Viewer,
        upgrade: Option<&Upgrade>,
    ) -> (Decided<B>, Beside) {
        let inner = &*self.0;
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let now = inner.clock.now();
        let id = inner.ids.next();
        let running = inner.running.load();
        let (parts, body) = request.into_parts();
        let head = parts.method == Method::HEAD;
        let form = Form { version: parts.version, head, arrived: Instant::now() };
        let stream = if body.is_end_stream() { Stream::Ended } else { Stream::Open };
        let mut request = match viewer::Request::read(parts, viewer.scheme, stream, viewer.addr) {
            Ok(request) => request,
            Err(refusal) => {
                let response = exchange::refuse_unread(&running.rules().place, refusal, &id, now);
                return (Decided::Answered(form.plain(response)), Beside::default());
            }
        };
        let (site, set_cookie) = running.choose(&mut request, &id, now);
        let beside = Beside { set_cookie, alt_svc: site.rules.place.alt_svc(request.scheme).cloned() };
        running.locate(&mut request, site);
        request.tls = viewer.tls;
        if upgrade.is_none() {
            request.traffic = Traffic::Messages; // whoever embeds the service has no connection to give away
        }
        let mut step = exchange::begin(&site.rules, request, id, now);
        let mut held = None;
        loop {
            let look_up = match step {
                Step::LookUp(look_up) => look_up,
                // The page of an error that is stored, or is our own: there is nothing to keep.
                Step::Instead { trace, page, .. } => {
                    self.report(&trace, &site.rules);
                    step = *page;
                    continue;
                }
                Step::Ask(_) | Step::Invoke(_) | Step::Answer(_) => break,
            };
            (step, held) = self.look_up(look_up, now);
        }
        let decided = match step {
            Step::Answer(mut answer) => {
                self.report(&answer.trace, &site.rules);
                if answer.refresh.is_some() {
                    self.refresh(answer.refresh.take(), held.as_ref(), &running.origins);
                }
                Decided::Answered(form.answer(answer.response, held.as_deref()))
            }
            Step::Ask(ask) => {
                let origins = Arc::clone(&running.origins);
                Decided::Goes(Errand { ask, held, origins, form, upgrade: None }, body)
            }
            Step::Invoke(invoke) => {
                let origins = Arc::clone(&running.origins);
                Decided::Calls(Box::new(Entering { invoke, origins, form, upgrade: None }), body)
            }
            // Both lead on, above.
            Step::LookUp(_) | Step::Instead { .. } => Decided::Answered(form.broken()),
        };
        (decided, beside)
    }

    /// A Lambda at viewer-request is called, then all goes on as without it.
    async fn enter<B>(&self, entering: Box<Entering>, body: B, interims: Interims<'_>) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let Entering { invoke, origins, form, upgrade } = *entering;
        let (rules, mut body) = (Arc::clone(invoke.rules()), Begun::whole(body));
        let (mut step, mut held) = (Step::Invoke(invoke), None);
        loop {
            step = match step {
                Step::Invoke(invoke) => self.invoke(invoke, &origins, &mut body).await,
                Step::LookUp(look_up) => {
                    let found = self.look_up(look_up, self.0.clock.now());
                    held = found.1;
                    found.0
                }
                Step::Instead { .. } => self.failed(step, &rules, None),
                Step::Ask(ask) => {
                    let errand = Errand { ask, held, origins, form, upgrade };
                    return self.ask(errand, body, interims).await;
                }
                Step::Answer(mut answer) => {
                    self.report(&answer.trace, &rules);
                    self.refresh(answer.refresh.take(), held.as_ref(), &origins);
                    return form.answer(answer.response, held.as_deref());
                }
            };
        }
    }

    /// What the store holds, and what follows from it.
    fn look_up(&self, mut look_up: LookUp, now: SystemTime) -> (Step, Option<Arc<Object>>) {
        let Inner { store, standings, .. } = &*self.0;
        // Before the look: what comes in between covers what this request brings.
        let since = store.in_force().epoch();
        let object = self.held(look_up.key(), look_up.asked_for());
        let held = object.as_deref().map(Object::held);
        if let Some(origin) = held.and_then(|held| look_up.waits_for(held)) {
            let standing = standings.of(look_up.rules(), origin);
            look_up = look_up.knowing(standing);
        }
        (look_up.found(held, since, now), object)
    }

    /// What is held under the key and may still be used, whatever the viewer called it.
    fn held(&self, key: &Key, asked_for: Option<Subject<'_>>) -> Option<Arc<Object>> {
        let store = &self.0.store;
        let covered = |object: &Object| {
            asked_for.as_ref().is_some_and(|subject| store.in_force().covers(object.head.since, subject))
        };
        store.get(key).filter(|object| !covered(object))
    }

    /// Refuses a head the listener would not read.
    pub fn refuse_unread(&self, refusal: Refusal) -> http::Response<Body> {
        let inner = &*self.0;
        let form = Form { version: Version::HTTP_11, head: false, arrived: Instant::now() };
        let running = inner.running.load();
        let place = &running.rules().place;
        form.plain(exchange::refuse_unread(place, refusal, &inner.ids.next(), inner.clock.now()))
    }

    /// Goes to the origin, or waits for somebody who is on the way there.
    async fn ask<B>(&self, errand: Errand, body: Begun<B>, interims: Interims<'_>) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let key = match errand.ask.sharing() {
            Sharing::Collapsed => errand.ask.key(),
            Sharing::Alone => None,
        };
        let Some(key) = key else { return self.run(errand, body, None, interims).await };
        let asked_for = errand.ask.asked_for();
        match self.0.flights.board((key, asked_for), errand.ask.since(), self.0.store.in_force()) {
            Boarding::Leads(lead) => {
                // Between our look-up and our boarding another flight may have landed.
                let landed = self.held(key, asked_for).filter(|object| {
                    !is_same(Some(object), errand.held.as_ref()) && errand.ask.may_join(object.held())
                });
                match landed {
                    Some(object) => {
                        drop(lead);
                        self.joined(errand, &Cargo::Whole(object)).await
                    }
                    None => self.run(errand, body, Some(lead), interims).await,
                }
            }
            Boarding::Waits(waiter) => match waiter.wait().await {
                Some(cargo) if errand.ask.may_join(cargo.held()) => self.joined(errand, &cargo).await,
                _ => self.run(errand, body, None, interims).await,
            },
        }
    }

    /// Answers with what another's flight brought.
    async fn joined(&self, errand: Errand, cargo: &Cargo) -> http::Response<Body> {
        let Errand { ask, form, origins, .. } = errand;
        let object = match cargo {
            Cargo::Whole(object) => Some(object),
            Cargo::Arriving { .. } => None,
        };
        let response = match ask.joined(cargo.held(), self.0.clock.now()) {
            Step::Answer(answer) => answer.response,
            step => return self.walk(step, object.cloned(), origins, form).await,
        };
        match cargo {
            Cargo::Arriving { follower, length, .. } if response.body == Source::Stored => {
                form.with_body(response, Body::following(follower.reader(), *length))
            }
            _ => form.answer(response, object.map(|object| &**object)),
        }
    }

    /// Tells the operator what the guard did and what functions had to say; what else was decided is for those who ask.
    fn report(&self, trace: &Trace, rules: &Rules) {
        for ran in [&trace.ran_at_request, &trace.ran_at_response].into_iter().flatten() {
            let (function, at) = (ran.name.as_str(), ran.moment.as_str());
            for line in &ran.log {
                tracing::info!(target: "edge::function", function, at, "{line}");
            }
            if let Some(failed) = &ran.failed {
                tracing::warn!(target: "edge::function", function, at, "{failed}");
            }
        }
        for called in trace.lambdas.iter() {
            if let Some(failed) = &called.failed {
                let (arn, at) = (called.arn.as_str(), called.event.as_str());
                tracing::warn!(target: "edge::lambda", arn, at, "{failed}");
            }
        }
        let Some(withheld) = &trace.withheld else { return };
        self.0.counters.guarded.fetch_add(1, Ordering::Relaxed);
        let behavior = trace.behavior.map(|id| rules.distribution.behavior(id).path_pattern.as_str());
        tracing::info!(target: "edge::guard", behavior, "{withheld}");
    }
}

/// What an answer carries that no step decides, whatever it is.
#[derive(Default)]
struct Beside {
    /// Keeps the viewer's session where it is (§17.1).
    set_cookie: Option<HeaderValue>,
    /// Tells of HTTP/3 (§8.1).
    alt_svc: Option<HeaderValue>,
}

/// What became of a request before anything was waited for.
enum Decided<B> {
    /// It is answered.
    Answered(http::Response<Body>),
    /// It goes to an origin, with its body.
    Goes(Errand, B),
    /// A Lambda is called first.
    Calls(Box<Entering>, B),
}

/// A request that waits for a Lambda at viewer-request.
struct Entering {
    invoke: Box<Invoke>,
    origins: Arc<Origins>,
    form: Form,
    /// The viewer's connection, where he offers it.
    upgrade: Option<Upgrade>,
}

fn is_same(one: Option<&Arc<Object>>, other: Option<&Arc<Object>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
