//! From an errand to the viewer who sent it: the answer, and what comes before it.

use http::HeaderMap;
use http::StatusCode;
use tokio::sync::{mpsc, oneshot};

use super::form::Form;
use crate::proxy::body::Body;
use crate::proxy::listen::Interims;

/// Interim responses on their way to the viewer, at most; his connection has a bound of its own.
const INTERIM_MAX: usize = 8;

/// Status and fields of an interim response, boxed: the channel has room for many.
type Hint = Box<(StatusCode, HeaderMap)>;

/// Tells whoever waits for the answer.
pub(super) struct Teller {
    answer: oneshot::Sender<http::Response<Body>>,
    hints: Option<mpsc::Sender<Hint>>,
}

/// What is told.
pub(super) struct Told {
    answer: oneshot::Receiver<http::Response<Body>>,
    hints: Option<mpsc::Receiver<Hint>>,
}

/// A teller, and what it tells to a viewer who hears interim responses or does not.
pub(super) fn to(interims: Interims<'_>) -> (Teller, Told) {
    let (answer, told) = oneshot::channel();
    let (hints, hinted) = interims.are_heard().then(|| mpsc::channel(INTERIM_MAX)).unzip();
    (Teller { answer, hints }, Told { answer: told, hints: hinted })
}

impl Teller {
    /// Nobody waits.
    pub(super) fn to_nobody() -> Self {
        Self { answer: oneshot::channel().0, hints: None }
    }

    /// Tells the answer, if anybody still waits.
    pub(super) fn send(self, answer: http::Response<Body>) {
        _ = self.answer.send(answer);
    }

    /// Tells interim responses. What the viewer is too slow for is lost, as is what comes after the answer.
    pub(super) fn hinter(&self) -> impl Fn(StatusCode, HeaderMap) + Send + Sync + use<> {
        let hints = self.hints.clone();
        move |status, headers| {
            if let Some(hints) = &hints {
                _ = hints.try_send(Box::new((status, headers)));
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.answer.is_closed()
    }

    /// Waits until nobody waits.
    pub(super) async fn closed(&mut self) {
        self.answer.closed().await;
    }
}

impl Told {
    /// The answer; what comes before it goes to `interims`.
    pub(super) async fn wait(mut self, interims: Interims<'_>, form: Form) -> http::Response<Body> {
        let answer = match &mut self.hints {
            None => self.answer.await,
            Some(hints) => loop {
                let hint = tokio::select! {
                    biased;
                    Some(hint) = hints.recv() => hint,
                    answer = &mut self.answer => {
                        // Told before it, seen after it.
                        while let Ok(hint) = hints.try_recv() {
                            interims.send(hint.0, &hint.1);
                        }
                        break answer;
                    }
                };
                interims.send(hint.0, &hint.1);
            },
        };
        answer.unwrap_or_else(|_| form.broken())
    }
}
