//! The driver: one request in, one response out, exactly as the core's steps say.
//!
//! It translates hyper's request for the core, looks up what the steps ask for, goes on an errand to an origin or
//! waits for somebody who is on the way, and translates back. It decides nothing.

mod begun;
mod errand;
mod form;
mod invoke;
mod noted;
mod origin;
mod pump;
mod quota;
mod running;
mod standings;
mod teller;
mod tunnel;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALT_SVC, SET_COOKIE};
use http::{HeaderValue, Method};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::begun::{Begun, Counted};
use self::errand::Errand;
use self::form::Form;
pub use self::running::Running;
use self::standings::Standings;
use self::tunnel::Offered;
use self::way::{Settled, Way};
use super::access_log::{AccessLog, Note};
use super::body::Body;
use super::clock::Clock;
use super::flights::{Boarding, Cargo, Flights};
use super::ids::RequestIds;
use super::invalidations::{Batch, Invalidations, NotInvalidated};
use super::listen::{Interims, Upgrade};
use super::store::{Object, Store};
use crate::exchange::{self, Answer, Exceeded, Rules, Sharing, Step, Trace};
use crate::response::{Pending, Source};
use crate::viewer::traffic::Traffic;
use crate::viewer::{self, Scheme, Stream};

/// Methods whose bodies are uploads in the metrics (§3).
const UPLOADS: [Method; 3] = [Method::OPTIONS, Method::POST, Method::PUT];

/// An edge: clones are the same edge.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    running: ArcSwap<Running>,
    store: Store,
    room: Room,
    /// One for each request that may wait for an origin.
    places: Arc<Semaphore>,
    flights: Arc<Flights>,
    standings: Standings,
    invalidations: Arc<Invalidations>,
    clock: Clock,
    ids: RequestIds,
    counters: Counters,
    log: Option<Arc<AccessLog>>,
}

/// How much an edge may keep, and how many it may keep waiting.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The size of the cache in bytes.
    pub cache_bytes: u64,
    /// Requests that may wait for origins at once; more are answered with what is stale, or with 503.
    pub origin_requests_max: u32,
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
    /// Requests refused for a quota, or for want of room.
    pub exceeded: AtomicU64,
    /// WebSockets that are open now.
    pub tunnels: AtomicU64,
    /// Bytes of the bodies of OPTIONS, POST and PUT (§3, §15.3).
    pub bytes_uploaded: AtomicU64,
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
    /// An edge with an empty cache.
    pub fn new(running: Running, room: Room, clock: Clock) -> Self {
        Self::logging(running, room, clock, None)
    }

    /// The same, with an access log.
    pub fn logging(running: Running, room: Room, clock: Clock, log: Option<AccessLog>) -> Self {
        Self(Arc::new(Inner {
            running: ArcSwap::from_pointee(running),
            store: Store::new(room.cache_bytes),
            places: Arc::new(Semaphore::new(room.origin_requests_max as usize)),
            room,
            flights: Arc::default(),
            standings: Standings::default(),
            invalidations: Arc::default(),
            clock,
            ids: RequestIds::new(),
            counters: Counters::default(),
            log: log.map(Arc::new),
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

    /// The access log, if there is one.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.0.log.as_deref()
    }

    /// Requests that wait for origins now, or whose answers are still arriving.
    pub fn waiting(&self) -> u32 {
        let Inner { room, places, .. } = &*self.0;
        room.origin_requests_max.saturating_sub(places.available_permits() as u32)
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
        let mut beside = Beside::default();
        let decided = self.decide(request, viewer, upgrade.as_ref(), &mut beside);
        let note = &beside.note;
        let offered =
            |upgrade: Option<Upgrade>| upgrade.map(|upgrade| Offered { upgrade, note: note.clone() });
        let mut response = match decided {
            Decided::Answered(response) => response,
            // Boxed, or the state of a miss would be a part of every hit's future.
            Decided::Goes(mut errand, body) => {
                errand.upgrade = offered(upgrade);
                Box::pin(self.ask(errand, body, interims)).await
            }
            Decided::Calls(mut way, body) => {
                way.upgrade = offered(upgrade);
                Box::pin(self.go(way, body, interims)).await
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
        if let Some(note) = beside.note {
            note.answered(&mut response);
        }
        response
    }

    /// All that needs no waiting: a hit is a function call.
    fn decide<B>(
        &self,
        request: http::Request<B>,
        viewer: Viewer,
        upgrade: Option<&Upgrade>,
        beside: &mut Beside,
    ) -> Decided<B>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let inner = &*self.0;
        inner.counters.requests.fetch_add(1, Ordering::Relaxed);
        let now = inner.clock.now();
        let id = inner.ids.next();
        let running = inner.running.load();
        let (parts, body) = request.into_parts();
        let head = parts.method == Method::HEAD;
        let form = Form { version: parts.version, head, arrived: Instant::now() };
        let mut note = self.note(Some(&parts), &viewer, (&id, running.rules()), form);
        let stream = if body.is_end_stream() { Stream::Ended } else { Stream::Open };
        let is_upload = stream == Stream::Open && UPLOADS.contains(&parts.method);
        let fields_sent = running.fields_sent(&parts.headers);
        let mut request = match viewer::Request::read(parts, viewer.scheme, stream, viewer.addr) {
            Ok(request) => request,
            Err(refusal) => {
                let response = exchange::refuse_unread(&running.rules().place, refusal, &id, now);
                beside.note = note.and_then(|note| note.refused(refusal));
                return Decided::Answered(form.plain(response));
            }
        };
        let site = running.choose(&mut request, &id, now, &mut beside.set_cookie);
        beside.alt_svc = site.rules.place.alt_svc(request.scheme).cloned();
        running.locate(&mut request, site, inner.log.as_deref());
        if let Some(note) = &mut note {
            note.is_for(&site.rules, request.location.as_ref());
        }
        beside.note = note.map(Arc::new);
        if site.quota.as_ref().is_some_and(|quota| quota.is_exceeded(now)) {
            inner.counters.exceeded.fetch_add(1, Ordering::Relaxed);
            let place = &site.rules.place;
            let response = exchange::refuse_exceeding(place, Exceeded::Limit, &id, now);
            return Decided::Answered(form.plain(response));
        }
        (request.tls, request.fields_sent) = (viewer.tls, fields_sent);
        if upgrade.is_none() {
            request.traffic = Traffic::Messages; // whoever embeds the service has no connection to give away
        }
        let mut held = None;
        // Most are looked up, and that is their end.
        let first = match exchange::begin(&site.rules, request, id, now) {
            Step::LookUp(look_up) => self.look_up(look_up, &mut held, now),
            step => step,
        };
        let begun = |body| {
            let upload = is_upload.then(|| self.clone());
            Begun::whole(body).counted(Counted { upload, note: beside.note.clone() })
        };
        let answered = |answer: Answer, held: Option<&Arc<Object>>| {
            self.report(&answer.trace, &site.rules);
            Decided::Answered(self.answer(answer, held, &running.origins, form))
        };
        if let Step::Answer(answer) = first {
            return answered(answer, held.as_ref());
        }
        match self.settled(first, &mut held, &site.rules, now) {
            Settled::Answer(answer) => answered(answer, held.as_ref()),
            Settled::Ask(ask) => {
                let origins = Arc::clone(&running.origins);
                Decided::Goes(Errand { ask, held, origins, form, upgrade: None }, begun(body))
            }
            Settled::Invoke(invoke) => {
                let (rules, origins) = (Arc::clone(&site.rules), Arc::clone(&running.origins));
                let step = Step::Invoke(invoke);
                Decided::Calls(Box::new(Way { step, rules, held, origins, form, upgrade: None }), begun(body))
            }
        }
    }

    /// Goes to the origin, or waits for somebody who is on the way there.
    async fn ask<B>(&self, errand: Errand, body: Begun<B>, interims: Interims<'_>) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
            return self.without_room(errand);
        };
        let key = match errand.ask.sharing() {
            Sharing::Collapsed => errand.ask.key(),
            Sharing::Alone => None,
        };
        let Some(key) = key else { return self.run(errand, body, (None, place), interims).await };
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
                    None => self.run(errand, body, (Some(lead), place), interims).await,
                }
            }
            Boarding::Waits(waiter) => match waiter.wait().await {
                Some(cargo) if errand.ask.may_join(cargo.held()) => self.joined(errand, &cargo).await,
                _ => self.run(errand, body, (None, place), interims).await,
            },
        }
    }

    /// Answers at once: too many wait already.
    fn without_room(&self, errand: Errand) -> http::Response<Body> {
        self.0.counters.exceeded.fetch_add(1, Ordering::Relaxed);
        let Errand { ask, held, form, .. } = errand;
        let answer = ask.without_room(self.0.clock.now());
        self.report(&answer.trace, ask.rules());
        form.answer(answer.response, held.as_deref())
    }

    /// Answers with what another's flight brought.
    async fn joined(&self, errand: Errand, cargo: &Cargo) -> http::Response<Body> {
        let Errand { ask, form, origins, .. } = errand;
        let rules = Arc::clone(ask.rules());
        let object = match cargo {
            Cargo::Whole(object) => Some(object),
            Cargo::Arriving { .. } => None,
        };
        let response = match ask.joined(cargo.held(), self.0.clock.now()) {
            Step::Answer(answer) => answer.response,
            step => return self.walk(step, rules, object.cloned(), origins, form).await,
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

/// What became of a request before anything was waited for.
enum Decided<B: http_body::Body> {
    /// It is answered.
    Answered(http::Response<Body>),
    /// It goes to an origin, with its body.
    Goes(Errand, Begun<B>),
    /// A Lambda is called first.
    Calls(Box<Way>, Begun<B>),
}

/// What a request has beside its answer.
#[derive(Default)]
struct Beside {
    /// What keeps the viewer's session where it is (§17.1).
    set_cookie: Option<HeaderValue>,
    /// Tells of HTTP/3 (§8.1).
    alt_svc: Option<HeaderValue>,
    /// What the access log is told.
    note: Option<Arc<Note>>,
}

fn is_same(one: Option<&Arc<Object>>, other: Option<&Arc<Object>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
