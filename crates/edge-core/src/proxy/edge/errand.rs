//! An errand: one request to an origin, from its head to the last byte of its answer.
//!
//! It runs in a task of its own, so a viewer who leaves does not end a fill that others read or the cache keeps; what
//! nobody else wants ends with its viewer.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::form::Form;
use super::origin::{call, ending, to_core};
use super::pump::{Arrival, pump};
use super::{Edge, Origins};
use crate::cache::{Key, Stored};
use crate::exchange::{Answer, Ask, Outcome, Storing};
use crate::proxy::body::Body;
use crate::proxy::fetch::{OriginFailure, OriginResponse};
use crate::proxy::fill::{self, Arrived, Keeping};
use crate::proxy::flights::{Cargo, Lead};
use crate::proxy::store::Object;
use crate::response::{Response, Source};

/// A request on its way to an origin, with what its answer needs.
pub(super) struct Errand {
    pub(super) ask: Ask,
    pub(super) held: Option<Arc<Object>>,
    pub(super) origins: Arc<Origins>,
    pub(super) form: Form,
}

/// What is larger is sent as it comes, also where something stale is at hand.
const HELD_BACK_BYTES_MAX: u64 = 1024 * 1024;

/// Whoever waits for the answer.
type Teller = oneshot::Sender<http::Response<Body>>;

impl Edge {
    /// Asks the origin in a task of its own and answers with what it tells.
    pub(super) async fn run<B>(&self, errand: Errand, body: B, lead: Option<Lead>) -> http::Response<Body>
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
    async fn fetch<B>(&self, errand: Errand, body: B, lead: Option<Lead>, mut tell: Teller)
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        self.0.counters.origin_requests.fetch_add(1, Ordering::Relaxed);
        let patience = errand.ask.patience(self.0.clock.now()).map(|patience| Instant::now() + patience);
        let fetched = self.fetched(&errand, body, patience, lead.as_ref(), &mut tell).await;
        let Some(fetched) = fetched else { return };
        let Errand { ask, held, form, .. } = errand;
        let rules = Arc::clone(ask.rules());
        let now = self.0.clock.now();
        let instead = patience.and_then(|until| Some((until, ask.unanswered(now)?, held.clone())));
        let (outcome, source) = match fetched {
            Ok(response) => {
                let ending = ending(&response.body);
                let outcome =
                    Outcome::Response { status: response.status, headers: response.headers, ending };
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
                let arrival = Arrival::new(source, compress);
                self.fill(arrival, Some((key, stored)), lead, (response, form), instead, tell).await;
            }
            (storing, Some(source)) if response.body == Source::Origin => {
                debug_assert!(storing.is_none(), "only a whole response is stored with the origin's body");
                drop(lead); // nothing to share: whoever waits is released now
                self.fill(Arrival::new(source, compress), None, None, (response, form), None, tell).await;
            }
            (storing, _) => {
                let object = self.keep(storing, &response, held, lead.as_ref());
                _ = tell.send(form.answer(response, object.as_deref()));
            }
        }
    }

    /// What the origin says; `None` once nobody wants to know. A viewer whose patience ends before gets the stale object
    /// at hand, as do all who wait with him, and the request goes on for those who come.
    async fn fetched<B>(
        &self,
        errand: &Errand,
        body: B,
        patience: Option<Instant>,
        lead: Option<&Lead>,
        tell: &mut Teller,
    ) -> Option<Result<OriginResponse, OriginFailure>>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display,
    {
        let Errand { ask, held, origins, form } = errand;
        let mut fetching = pin!(origins.fetch(call(ask.call(), &ask.rules().distribution), body));
        tokio::select! {
            fetched = &mut fetching => return Some(fetched),
            // Nobody else wants it, and its viewer is gone.
            () = tell.closed(), if lead.is_none() => return None,
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {}
        }
        if let Some(Answer { response, storing, .. }) = ask.unanswered(self.0.clock.now()) {
            let object = self.keep(storing, &response, held.clone(), lead);
            let waiting = std::mem::replace(tell, oneshot::channel().0);
            _ = waiting.send(form.answer(response, object.as_deref()));
        }
        lead?;
        Some(fetching.await)
    }

    /// Stores what needs no body from the origin: a page of our own, or a new head for what is held.
    fn keep(
        &self,
        storing: Option<Storing>,
        response: &Response,
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
                (key, Object { head: stored, content })
            }
            Some(Storing::Whole { key, stored }) => {
                let content = match &response.body {
                    Source::Text(text) => store.text(text),
                    _ => store.text(&Bytes::new()),
                };
                (key, Object { head: stored, content })
            }
        };
        let object = Arc::new(object);
        store.put(key, Arc::clone(&object));
        if let Some(lead) = lead.filter(|_| object.head.serves_waiters()) {
            lead.share(Cargo::Whole(Arc::clone(&object)));
        }
        Some(object)
    }

    /// Sends the response as it arrives: to its viewer, to all who wait, and whole into the store. Where something stale
    /// is at hand, it is not begun before it is whole: a body that breaks off, or is late, has the stale one served
    /// `instead`.
    async fn fill(
        &self,
        arrival: Arrival,
        keep: Option<(Key, Arc<Stored>)>,
        lead: Option<Lead>,
        (response, form): (Response, Form),
        instead: Option<(Instant, Answer, Option<Arc<Object>>)>,
        tell: Teller,
    ) {
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
            Some((until, stale, held)) => {
                let arrived = tokio::select! {
                    biased;
                    arrived = reader.arrived(HELD_BACK_BYTES_MAX) => arrived,
                    () = async { pumped = Some(pump.as_mut().await); std::future::pending().await } => Arrived::Broken,
                    () = sleep_until(until), if !tell.is_closed() => Arrived::Broken,
                };
                (arrived == Arrived::Broken).then_some((stale, held))
            }
        };
        if let Some((Answer { response, storing, .. }, held)) = stale {
            drop((cargo, reader));
            let object = self.keep(storing, &response, held, lead.as_ref());
            _ = tell.send(form.answer(response, object.as_deref()));
        } else {
            if let (Some(cargo), Some(lead)) = (cargo, &lead) {
                lead.share(cargo);
            }
            _ = tell.send(form.with_body(response, Body::following(reader, length)));
        }
        let pieces = match pumped {
            Some(pieces) => pieces,
            None => pump.await,
        };
        let Some(pieces) = pieces else { return };
        if let Some((key, head)) = keep {
            store.put(key, Arc::new(Object { head, content: store.content(pieces) }));
        }
        // The flight is over when `lead` goes, here: whoever comes in between finds the one or the other.
    }
}
