//! An errand: one request to an origin, from its head to the last byte of its answer.
//!
//! It runs in a task of its own, so a viewer who leaves does not end a fill that others read or the cache keeps; what
//! nobody else wants ends with its viewer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Empty;
use tokio::time::sleep;

use super::form::Form;
use super::origin::{call, ending, to_core};
use super::pump::{Arrival, pump};
use super::teller::{self, Teller};
use super::{Edge, Origins};
use crate::cache::{Key, Stored};
use crate::exchange::{Answer, Ask, Outcome, Step, Storing};
use crate::proxy::body::Body;
use crate::proxy::fetch::{Interim, OriginBody, OriginFailure, OriginResponse};
use crate::proxy::fill::{self, Keeping};
use crate::proxy::flights::{Boarding, Cargo, Lead};
use crate::proxy::listen::Interims;
use crate::proxy::store::Object;
use crate::response::{Response, Source};

/// A request on its way to an origin, with what its answer needs.
pub(super) struct Errand {
    pub(super) ask: Box<Ask>,
    pub(super) held: Option<Arc<Object>>,
    pub(super) origins: Arc<Origins>,
    pub(super) form: Form,
}

impl Edge {
    /// Asks the origin in a task of its own and answers with what it tells.
    pub(super) async fn run<B>(
        &self,
        errand: Errand,
        body: B,
        lead: Option<Lead>,
        interims: Interims<'_>,
    ) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let (tell, told) = teller::to(interims);
        let form = errand.form;
        let edge = self.clone();
        tokio::spawn(async move { edge.fetch(errand, body, lead, tell).await });
        told.wait(interims, form).await
    }

    /// One exchange with an origin, or with both of a group, to the last byte.
    async fn fetch<B>(&self, mut errand: Errand, body: B, lead: Option<Lead>, mut tell: Teller)
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let mut fetched = self.fetched(&errand, body, lead.as_ref(), &mut tell).await;
        loop {
            let Some(outcome) = fetched else { return };
            let (outcome, source) = outcome_of(outcome);
            let Errand { ask, held, origins, form } = errand;
            let rules = Arc::clone(ask.rules());
            match ask.answered(outcome, self.0.clock.now()) {
                Step::Answer(answer) => {
                    self.report(&answer.trace, &rules);
                    return self.conclude(answer, source, held, lead, form, tell).await;
                }
                Step::Ask(ask) => {
                    errand = Errand { ask, held, origins, form };
                    fetched = self.fetched(&errand, Empty::new(), lead.as_ref(), &mut tell).await;
                }
                step => {
                    let step = self.kept(step, held.as_ref(), lead.as_ref());
                    drop(lead); // whoever waits has his answer, or asks for himself
                    if !tell.is_closed() {
                        tell.send(self.walk(step, None, origins, form).await);
                    }
                    return;
                }
            }
        }
    }

    /// The origin's answer goes to the viewer, into the store, to all who wait.
    async fn conclude(
        &self,
        answer: Answer,
        source: Option<OriginBody>,
        held: Option<Arc<Object>>,
        lead: Option<Lead>,
        form: Form,
        tell: Teller,
    ) {
        let Answer { response, storing, compress, .. } = answer;
        match (storing, source) {
            (Some(Storing::Whole { key, stored }), Some(source)) if response.body == Source::Origin => {
                let arrival = Arrival::new(source, compress);
                self.fill(arrival, Some((key, stored)), lead, (response, form), tell).await;
            }
            (storing, Some(source)) if response.body == Source::Origin => {
                debug_assert!(storing.is_none(), "only a whole response is stored with the origin's body");
                drop(lead); // nothing to share: whoever waits is released now
                self.fill(Arrival::new(source, compress), None, None, (response, form), tell).await;
            }
            (storing, _) => {
                let object = self.keep(storing, &response.body, held, lead.as_ref());
                tell.send(form.answer(response, object.as_deref()));
            }
        }
    }

    /// Does what is to be done to the store before the step that follows.
    fn kept(&self, mut step: Step, held: Option<&Arc<Object>>, lead: Option<&Lead>) -> Step {
        while let Step::Keep { storing, next } = step {
            self.keep(Some(storing), &Source::Empty, held.cloned(), lead);
            step = *next;
        }
        step
    }

    /// From a step that needs nobody's body to the response. Boxed: it may lead to an errand of its own.
    pub(super) fn walk(
        &self,
        mut step: Step,
        mut held: Option<Arc<Object>>,
        origins: Arc<Origins>,
        form: Form,
    ) -> Pin<Box<dyn Future<Output = http::Response<Body>> + Send>> {
        let edge = self.clone();
        Box::pin(async move {
            loop {
                match step {
                    Step::LookUp(look_up) => {
                        let since = edge.0.store.in_force().epoch();
                        held = edge.0.store.get(look_up.key());
                        let now = edge.0.clock.now();
                        step = look_up.found(held.as_deref().map(Object::held), since, now);
                    }
                    Step::Keep { .. } => step = edge.kept(step, held.as_ref(), None),
                    Step::Ask(ask) => {
                        let errand = Errand { ask, held, origins, form };
                        return edge.ask(errand, Empty::new(), Interims::UNHEARD).await;
                    }
                    Step::Answer(mut answer) => {
                        edge.refresh(answer.refresh.take(), held.as_ref(), &origins);
                        return form.answer(answer.response, held.as_deref());
                    }
                }
            }
        })
    }

    /// Brings what was served stale up to date, unless somebody is on the way already (§7.5).
    pub(super) fn refresh(&self, ask: Option<Box<Ask>>, held: Option<&Arc<Object>>, origins: &Arc<Origins>) {
        let Some(ask) = ask else { return };
        let board = |key| self.0.flights.board(key, ask.since(), self.0.store.in_force());
        let Some(Boarding::Leads(lead)) = ask.key().map(board) else { return };
        let form = Form { version: http::Version::HTTP_11, head: false };
        let errand = Errand { ask, held: held.cloned(), origins: Arc::clone(origins), form };
        let edge = self.clone();
        // Nobody waits for what it tells.
        let tell = Teller::to_nobody();
        tokio::spawn(async move { edge.fetch(errand, Empty::<Bytes>::new(), Some(lead), tell).await });
    }

    /// What the origin says; `None` once nobody wants to know. A viewer whose patience ends before gets the stale object
    /// at hand, as do all who wait with him, and the request goes on for those who come.
    async fn fetched<B>(
        &self,
        errand: &Errand,
        body: B,
        lead: Option<&Lead>,
        tell: &mut Teller,
    ) -> Option<Result<OriginResponse, OriginFailure>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        self.0.counters.origin_requests.fetch_add(1, Ordering::Relaxed);
        let Errand { ask, held, origins, form } = errand;
        let hint = tell.hinter();
        let heard = |interim: &Interim| {
            if let Some(headers) = ask.interim(interim.status, &interim.headers) {
                hint(interim.status, headers);
            }
        };
        let call = call(ask.call(), &ask.rules().distribution);
        let mut fetching = pin!(origins.fetch_hearing(call, body, &heard));
        let patience = ask.patience(self.0.clock.now());
        tokio::select! {
            fetched = &mut fetching => return Some(fetched),
            // Nobody else wants it, and its viewer is gone.
            () = tell.closed(), if lead.is_none() => return None,
            () = sleep(patience.unwrap_or_default()), if patience.is_some() => {}
        }
        if let Some(Answer { response, storing, .. }) = ask.unanswered(self.0.clock.now()) {
            let object = self.keep(storing, &response.body, held.clone(), lead);
            let waiting = std::mem::replace(tell, Teller::to_nobody());
            waiting.send(form.answer(response, object.as_deref()));
        }
        lead?;
        Some(fetching.await)
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
                store.remove(&key);
                return held;
            }
            Some(Storing::Head { key, stored }) => {
                let content = held.as_ref().map(|object| object.content.clone())?;
                (key, Object::new(stored, content))
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
        if let Some(lead) = lead.filter(|_| object.head.serves_waiters()) {
            lead.share(Cargo::Whole(Arc::clone(&object)));
        }
        Some(object)
    }

    /// Sends the response as it arrives: to its viewer, to all who wait, and whole into the store.
    async fn fill(
        &self,
        arrival: Arrival,
        keep: Option<(Key, Arc<Stored>)>,
        lead: Option<Lead>,
        (response, form): (Response, Form),
        tell: Teller,
    ) {
        let store = &self.0.store;
        let keep = keep.filter(|_| arrival.length().is_none_or(|length| length <= store.object_bytes_max()));
        let length = arrival.delivered_length();
        let (writer, reader) = fill::begin(if keep.is_some() { Keeping::Whole } else { Keeping::Nothing });
        // Where nothing may be shared the flight is over now, and whoever waits asks for himself.
        let lead = lead.filter(|_| keep.as_ref().is_some_and(|(_, head)| head.serves_waiters()));
        if let (Some((_, head)), Some(follower), Some(lead)) = (&keep, writer.follower(), &lead) {
            lead.share(Cargo::Arriving { head: Arc::clone(head), follower, length });
        }
        tell.send(form.with_body(response, Body::following(reader, length)));
        let Some(pieces) = pump(arrival, writer, store, lead.as_ref()).await else { return };
        if let Some((key, head)) = keep {
            store.put_filled(key, head, pieces);
        }
        // Only now is the flight over: whoever comes in between finds the one or the other.
        drop(lead);
    }
}

/// The origin side's words for the core, and the body that comes with them.
fn outcome_of(fetched: Result<OriginResponse, OriginFailure>) -> (Outcome, Option<OriginBody>) {
    match fetched {
        Ok(response) => {
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
