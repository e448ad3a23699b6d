//! An errand: one request to an origin, from its head to the last byte of its answer.
//!
//! It runs in a task of its own, so a viewer who leaves does not end a fill that others read or the cache keeps; what
//! nobody else wants ends with its viewer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Empty;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::begun::Begun;
use super::form::Form;
use super::origin::{call, ending, to_core};
use super::pump::{Arrival, pump};
use super::teller::{self, Teller};
use super::way::Way;
use super::{Edge, Offered};
use crate::cache::{Key, Stored};
use crate::exchange::{Answer, Ask, Did, Outcome, Rules, Step, Storing};
use crate::proxy::body::Body;
use crate::proxy::clock::Clock;
use crate::proxy::fetch::{Interim, OriginBody, OriginFailure, OriginResponse, Origins, Timings};
use crate::proxy::fill::{self, Arrived, Keeping};
use crate::proxy::flights::{Boarding, Cargo, Lead};
use crate::proxy::listen::Interims;
use crate::proxy::store::Object;
use crate::response::server_timing::Upstream;
use crate::response::{Response, Source};

/// A request on its way to an origin, with what its answer needs.
pub(super) struct Errand {
    pub(super) ask: Box<Ask>,
    pub(super) held: Option<Arc<Object>>,
    pub(super) origins: Arc<Origins>,
    pub(super) form: Form,
    /// The viewer's connection, if he offered it.
    pub(super) upgrade: Option<Offered>,
}

/// What is larger is sent as it comes, also where something stale is at hand.
const HELD_BACK_BYTES_MAX: u64 = 1024 * 1024;

/// Who gets an answer, and how.
struct Delivery {
    lead: Option<Lead>,
    form: Form,
    /// Nobody, once he got something else.
    tell: Option<Teller>,
    instead: Option<Instead>,
}

/// What is at hand for a response that does not become whole in time.
struct Instead {
    until: Instant,
    answer: Answer,
    held: Option<Arc<Object>>,
}

impl Edge {
    /// Asks the origin in a task of its own and answers with what it tells.
    pub(super) async fn run<B>(
        &self,
        errand: Errand,
        body: Begun<B>,
        (lead, place): (Option<Lead>, OwnedSemaphorePermit),
        interims: Interims<'_>,
    ) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let (tell, told) = teller::to(interims);
        let form = errand.form;
        let edge = self.clone();
        tokio::spawn(async move {
            edge.fetch(errand, body, lead, tell).await;
            drop(place); // it was taken until the last byte
        });
        told.wait(interims, form).await
    }

    /// One exchange with an origin, or with both of a group, to the last byte.
    async fn fetch<B>(&self, errand: Errand, mut body: Begun<B>, lead: Option<Lead>, tell: Teller)
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let Errand { ask, mut held, origins, form, upgrade } = errand;
        let rules = Arc::clone(ask.rules());
        let (mut tell, mut source, mut instead) = (Some(tell), None, None);
        let mut step = Step::Ask(ask);
        loop {
            step = match step {
                // A Lambda first, which may answer in the origin's place.
                Step::Ask(ask) if ask.invocation().is_some() => self.prepare(ask, &origins, &mut body).await,
                // The second origin of a group has a patience of its own, and no body comes to it.
                Step::Ask(ask) => {
                    let mut errand = Errand { ask, held, origins: Arc::clone(&origins), form, upgrade: None };
                    let (until, sent) = (self.deadline(&errand), body.take());
                    let fetched = self.fetched(&mut errand, sent, until, lead.as_ref(), &mut tell).await;
                    let Some(fetched) = fetched else { return };
                    let mut ask = errand.ask;
                    if let Ok(response) = &fetched {
                        *ask = ask.measured(upstream(response.timings));
                    }
                    let (outcome, arriving) = outcome_of(fetched, &self.0.clock);
                    let now = self.0.clock.now();
                    instead = self.instead(&ask, &outcome, until, errand.held.as_ref(), now);
                    (held, source) = (errand.held, arriving);
                    ask.answered(outcome, now)
                }
                Step::Invoke(invoke) => self.invoke(invoke, &origins, &mut body).await,
                Step::Answer(answer) => {
                    self.report(&answer.trace, &rules);
                    if answer.response.body == Source::Tunnel {
                        return self.tunnel(answer.response, source, upgrade, (form, tell)).await;
                    }
                    let delivery = Delivery { lead, form, tell, instead };
                    return self.conclude(answer, source, held, delivery).await;
                }
                step @ (Step::LookUp(_) | Step::Instead { .. }) => {
                    let step = self.failed(step, &rules, lead.as_ref());
                    drop(lead); // whoever waits has his answer, or asks for himself
                    if let Some(tell) = tell.filter(|tell| !tell.is_closed()) {
                        tell.send(self.walk(step, rules, None, origins, form).await);
                    }
                    return;
                }
            };
        }
    }

    /// Until when its viewer waits, where something stale is at hand.
    fn deadline(&self, errand: &Errand) -> Option<Instant> {
        let mood = self.0.standings.of(errand.ask.rules(), errand.ask.call().origin).mood();
        errand.ask.patience(mood, self.0.clock.now()).map(|patience| Instant::now() + patience)
    }

    /// What is at hand should the body not become whole in time. An error of the origin's is what it is, whole or not.
    fn instead(
        &self,
        ask: &Ask,
        outcome: &Outcome,
        until: Option<Instant>,
        held: Option<&Arc<Object>>,
        now: SystemTime,
    ) -> Option<Instead> {
        let Outcome::Response { status, .. } = outcome else { return None };
        let until = until.filter(|_| status.as_u16() < 400)?;
        Some(Instead { until, answer: ask.unanswered(now)?, held: held.cloned() })
    }

    /// The origin's answer goes to the viewer, into the store, to all who wait.
    async fn conclude(
        &self,
        answer: Answer,
        source: Option<OriginBody>,
        held: Option<Arc<Object>>,
        mut delivery: Delivery,
    ) {
        let Answer { response, storing, compress, .. } = answer;
        let source = match &response.body {
            Source::Given(bytes) => Some(OriginBody::given(bytes.clone())),
            Source::Origin => match source.map(OriginBody::into_call) {
                // A call is its viewer's alone, so he reads it himself, trailers and all.
                Some(Ok(call)) => {
                    if let Some(tell) = delivery.tell {
                        tell.send(delivery.form.with_body(response, Body::of_call(call)));
                    }
                    return;
                }
                Some(Err(source)) => Some(source),
                None => None,
            },
            // A tunnel is gone before it comes to this.
            Source::Empty | Source::Text(_) | Source::Stored | Source::Slices(_) | Source::Tunnel => None,
        };
        match (storing, source) {
            (Some(Storing::Whole { key, stored }), Some(source)) => {
                self.fill(Arrival::new(source, compress), Some((key, stored)), response, delivery).await;
            }
            (storing, Some(source)) => {
                // What is held may go; what arrives is not kept.
                _ = self.keep(storing, &Source::Empty, held, None);
                // Nothing to share: whoever waits is released now.
                (delivery.lead, delivery.instead) = (None, None);
                self.fill(Arrival::new(source, compress), None, response, delivery).await;
            }
            (storing, None) => {
                let object = self.keep(storing, &response.body, held, delivery.lead.as_ref());
                if let Some(tell) = delivery.tell {
                    tell.send(delivery.form.answer(response, object.as_deref()));
                }
            }
        }
    }

    /// Keeps that something failed, and goes on to the page that says so.
    pub(super) fn failed(&self, mut step: Step, rules: &Rules, lead: Option<&Lead>) -> Step {
        while let Step::Instead { storing, trace, page } = step {
            self.report(&trace, rules);
            if storing.is_some() {
                self.keep(storing, &Source::Empty, None, lead);
            }
            step = *page;
        }
        step
    }

    /// From a step that needs nobody's body to the response. Boxed: it may lead to an errand of its own.
    pub(super) fn walk(
        &self,
        step: Step,
        rules: Arc<Rules>,
        held: Option<Arc<Object>>,
        origins: Arc<Origins>,
        form: Form,
    ) -> Pin<Box<dyn Future<Output = http::Response<Body>> + Send>> {
        let edge = self.clone();
        let way = Box::new(Way { step, rules, held, origins, form, upgrade: None });
        Box::pin(async move { edge.go(way, nothing(), Interims::UNHEARD).await })
    }

    /// Brings what was served stale up to date, unless somebody is on the way already (§7.5).
    pub(super) fn refresh(&self, ask: Option<Box<Ask>>, held: Option<&Arc<Object>>, origins: &Arc<Origins>) {
        let Some(ask) = ask else { return };
        let board = |key| self.0.flights.board((key, ask.asked_for()), ask.since(), self.0.store.in_force());
        let Some(Boarding::Leads(lead)) = ask.key().map(board) else { return };
        let form = Form { version: http::Version::HTTP_11, head: false, arrived: Instant::now() };
        let (held, origins) = (held.cloned(), Arc::clone(origins));
        let errand = Errand { ask, held, origins, form, upgrade: None };
        let edge = self.clone();
        // Nobody waits for what it tells.
        let tell = Teller::to_nobody();
        tokio::spawn(async move { edge.fetch(errand, nothing(), Some(lead), tell).await });
    }

    /// What the origin says; `None` once nobody wants to know. A viewer whose patience ends before gets the stale object
    /// at hand, as do all who wait with him, and the request goes on: for those who come, or to know that it answers again.
    async fn fetched<B>(
        &self,
        errand: &mut Errand,
        body: Begun<B>,
        until: Option<Instant>,
        lead: Option<&Lead>,
        tell: &mut Option<Teller>,
    ) -> Option<Result<OriginResponse, OriginFailure>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        self.0.counters.origin_requests.fetch_add(1, Ordering::Relaxed);
        let Errand { ask, held, origins, form, .. } = errand;
        let ask = &**ask;
        let origin = ask.call().origin;
        let hint = tell.as_ref().map(Teller::hinter);
        let heard = |interim: &Interim| {
            let headers = ask.interim(interim.status, &interim.headers);
            if let (Some(hint), Some(headers)) = (&hint, headers) {
                hint(interim.status, headers);
            }
        };
        let body = match &ask.call().given {
            Some(given) => Begun::given(given.clone()),
            None => body,
        };
        let call = call(ask.call(), &ask.rules().distribution);
        let mut fetching = pin!(origins.fetch_hearing(call, body, &heard));
        let gone = async {
            match tell {
                Some(tell) => tell.closed().await,
                None => std::future::pending().await,
            }
        };
        let patience = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            fetched = &mut fetching => return Some(self.noted(ask, fetched)),
            // Nobody else wants it, and its viewer is gone.
            () = gone, if lead.is_none() => return None,
            () = patience => {}
        }
        self.0.standings.note(ask.rules(), origin, Did::Dallied, self.0.clock.now());
        if let Some(Answer { response, storing, .. }) = ask.unanswered(self.0.clock.now()) {
            // What comes yet is about this one.
            *held = self.keep(storing, &response.body, held.take(), lead);
            if let Some(waiting) = tell.take() {
                waiting.send(form.answer(response, held.as_deref()));
            }
        }
        let fetched = self.noted(ask, fetching.await);
        (lead.is_some() || tell.is_some()).then_some(fetched)
    }

    /// Notes how the origin did.
    fn noted(
        &self,
        ask: &Ask,
        fetched: Result<OriginResponse, OriginFailure>,
    ) -> Result<OriginResponse, OriginFailure> {
        let did = fetched.as_ref().map_or(Did::Failed, |response| Did::answer(response.status));
        self.0.standings.note(ask.rules(), ask.call().origin, did, self.0.clock.now());
        fetched
    }

    /// Stores what needs no body from the origin: a page of our own, or a new head for what is held.
    fn keep(
        &self,
        storing: Option<Storing>,
        body: &Source,
        held: Option<Arc<Object>>,
        lead: Option<&Lead>,
    ) -> Option<Arc<Object>> {
        let store = &self.0.store;
        let (key, object) = match storing {
            None => return held,
            Some(Storing::Forget { key }) => {
                if let Some(held) = &held {
                    store.remove(&key, held);
                }
                return held;
            }
            Some(Storing::Head { key, stored }) => {
                let held = held?;
                let object = Arc::new(Object::new(stored, held.content.clone()));
                store.replace(key, &held, Arc::clone(&object));
                share(lead, &object);
                return Some(object);
            }
            Some(Storing::Whole { key, stored }) => {
                let content = match body {
                    Source::Text(text) => store.text(text),
                    _ => store.text(&Bytes::new()),
                };
                (key, Object::new(stored, content))
            }
        };
        let object = Arc::new(object);
        store.put(key, Arc::clone(&object));
        share(lead, &object);
        Some(object)
    }

    /// Sends the response as it arrives: to its viewer, to all who wait, and whole into the store. Where something stale
    /// is at hand, it is not begun before it is whole: a body that breaks off, or is late, has the stale one served
    /// `instead`.
    async fn fill(
        &self,
        arrival: Arrival,
        keep: Option<(Key, Arc<Stored>)>,
        response: Response,
        delivery: Delivery,
    ) {
        let Delivery { lead, form, tell, instead } = delivery;
        let store = &self.0.store;
        let keep = keep.filter(|_| arrival.length().is_none_or(|length| length <= store.object_bytes_max()));
        let length = arrival.delivered_length();
        let (writer, reader) = fill::begin(if keep.is_some() { Keeping::Whole } else { Keeping::Nothing });
        // Where nothing may be shared the flight is over now, and whoever waits asks for himself.
        let lead = lead.filter(|_| keep.as_ref().is_some_and(|(_, head)| head.serves_waiters()));
        let instead =
            instead.filter(|_| keep.is_some() && length.is_none_or(|length| length < HELD_BACK_BYTES_MAX));
        let cargo = match (&keep, writer.follower()) {
            (Some((_, head)), Some(follower)) => {
                Some(Cargo::Arriving { head: Arc::clone(head), follower, length })
            }
            _ => None,
        };
        let mut pump = pin!(pump(arrival, writer, store, lead.as_ref()));
        let mut pumped = None;
        let stale = match instead {
            None => None,
            Some(Instead { until, answer, held }) => {
                let arrived = tokio::select! {
                    biased;
                    arrived = reader.arrived(HELD_BACK_BYTES_MAX) => arrived,
                    () = async { pumped = Some(pump.as_mut().await); std::future::pending().await } => Arrived::Broken,
                    () = sleep_until(until), if tell.is_some() => Arrived::Broken,
                };
                (arrived == Arrived::Broken).then_some((answer, held))
            }
        };
        if let Some((Answer { response, storing, .. }, held)) = stale {
            drop((cargo, reader));
            let object = self.keep(storing, &response.body, held, lead.as_ref());
            if let Some(tell) = tell {
                tell.send(form.answer(response, object.as_deref()));
            }
        } else {
            if let (Some(cargo), Some(lead)) = (cargo, &lead) {
                lead.share(cargo);
            }
            if let Some(tell) = tell {
                tell.send(form.with_body(response, Body::following(reader, length)));
            }
        }
        let pieces = match pumped {
            Some(pieces) => pieces,
            None => pump.await,
        };
        let Some(pieces) = pieces else { return };
        if let Some((key, head)) = keep {
            store.put_filled(key, head, pieces);
        }
        // The flight is over when `lead` goes, here: whoever comes in between finds the one or the other.
    }
}

/// For requests without a body.
fn nothing() -> Begun<Empty<Bytes>> {
    Begun::given(Bytes::new())
}

/// The origin side's words for the core, and the body that comes with them.
fn outcome_of(
    fetched: Result<OriginResponse, OriginFailure>,
    clock: &Clock,
) -> (Outcome, Option<OriginBody>) {
    match fetched {
        Ok(mut response) => {
            clock.date(&mut response.headers);
            let ending = ending(&response.body);
            let outcome = Outcome::Response { status: response.status, headers: response.headers, ending };
            (outcome, Some(response.body))
        }
        Err(failure) => {
            tracing::warn!(target: "edge::origin", %failure, "the origin failed");
            (Outcome::Failed(to_core(&failure)), None)
        }
    }
}

/// The origin side's measurements, as the core names them.
fn upstream(Timings { dns, connect, first_byte }: Timings) -> Upstream {
    Upstream { dns, connect, first_byte }
}

/// Whoever waits may have it, if it is for more than one.
fn share(lead: Option<&Lead>, object: &Arc<Object>) {
    if let Some(lead) = lead.filter(|_| object.head.serves_waiters()) {
        lead.share(Cargo::Whole(Arc::clone(object)));
    }
}
