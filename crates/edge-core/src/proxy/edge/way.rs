//! The way of a request from one of the core's steps to the next, as far as nobody has to be waited for: what is held is
//! looked up, what failed is noted.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::begun::Begun;
use super::errand::Errand;
use super::form::Form;
use super::tunnel::Offered;
use super::{Edge, Inner};
use crate::cache::Key;
use crate::cache::invalidation::Subject;
use crate::exchange::{Answer, Ask, Invoke, LookUp, Rules, Step};
use crate::proxy::body::Body;
use crate::proxy::fetch::Origins;
use crate::proxy::listen::Interims;
use crate::proxy::store::Object;

/// What nobody but an origin or a Lambda can take further, and the end.
#[expect(clippy::large_enum_variant, reason = "a hit is an answer, and nothing is allocated for it")]
pub(super) enum Settled {
    Ask(Box<Ask>),
    Invoke(Box<Invoke>),
    Answer(Answer),
}

/// A request on its way from one step to its answer.
pub(super) struct Way {
    pub(super) step: Step,
    pub(super) rules: Arc<Rules>,
    pub(super) held: Option<Arc<Object>>,
    pub(super) origins: Arc<Origins>,
    pub(super) form: Form,
    /// The viewer's connection, where he offers it.
    pub(super) upgrade: Option<Offered>,
}

impl Edge {
    /// Goes on from a step, calls the Lambdas on the way, and ends with an answer or an errand.
    pub(super) async fn go<B>(
        &self,
        way: Box<Way>,
        mut body: Begun<B>,
        interims: Interims<'_>,
    ) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send + Unpin,
    {
        let Way { mut step, rules, mut held, origins, form, upgrade } = *way;
        loop {
            step = match self.settled(step, &mut held, &rules, self.0.clock.now()) {
                Settled::Invoke(invoke) => self.invoke(invoke, &origins, &mut body).await,
                Settled::Ask(ask) => {
                    let errand = Errand { ask, held, origins, form, upgrade };
                    return self.ask(errand, body, interims).await;
                }
                Settled::Answer(answer) => {
                    self.report(&answer.trace, &rules);
                    return self.answer(answer, held.as_ref(), &origins, form);
                }
            };
        }
    }

    /// The answer, from what is held or by itself.
    pub(super) fn answer(
        &self,
        mut answer: Answer,
        held: Option<&Arc<Object>>,
        origins: &Arc<Origins>,
        form: Form,
    ) -> http::Response<Body> {
        if answer.refresh.is_some() {
            self.refresh(answer.refresh.take(), held, origins);
        }
        form.answer(answer.response, held.map(|object| &**object))
    }

    /// Goes on until somebody has to be waited for, or all is said. `held` is what was found on the way.
    pub(super) fn settled(
        &self,
        mut step: Step,
        held: &mut Option<Arc<Object>>,
        rules: &Rules,
        now: SystemTime,
    ) -> Settled {
        loop {
            step = match step {
                Step::LookUp(look_up) => self.look_up(look_up, held, now),
                Step::Instead { .. } => self.failed(step, rules, None),
                Step::Ask(ask) => return Settled::Ask(ask),
                Step::Invoke(invoke) => return Settled::Invoke(invoke),
                Step::Answer(answer) => return Settled::Answer(answer),
            };
        }
    }

    /// What the store holds, and what follows from it.
    pub(super) fn look_up(
        &self,
        mut look_up: LookUp,
        found: &mut Option<Arc<Object>>,
        now: SystemTime,
    ) -> Step {
        let Inner { store, standings, .. } = &*self.0;
        // Before the look: what comes in between covers what this request brings.
        let since = store.in_force().epoch();
        *found = self.held(look_up.key(), look_up.asked_for());
        let held = found.as_deref().map(Object::held);
        if let Some(origin) = held.and_then(|held| look_up.waits_for(held)) {
            let standing = standings.of(look_up.rules(), origin);
            look_up = look_up.knowing(standing);
        }
        look_up.found(held, since, now)
    }

    /// What is held under the key and may still be used, whatever the viewer called it.
    pub(super) fn held(&self, key: &Key, asked_for: Option<Subject<'_>>) -> Option<Arc<Object>> {
        let store = &self.0.store;
        let covered = |object: &Object| {
            asked_for.as_ref().is_some_and(|subject| store.in_force().covers(object.head.since, subject))
        };
        store.get(key).filter(|object| !covered(object))
    }
}
