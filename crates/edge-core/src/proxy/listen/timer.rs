//! One timer per connection, moved as seldom as possible.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is armed when the first deadline comes and left alone while deadlines move on: when it fires too early it
/// is armed again. Deadlines that move with every request then cost a comparison each.
#[derive(Default)]
pub(super) struct LazyTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl LazyTimer {
    /// Ready when `deadline` has passed; else the task is woken then, or before.
    pub(super) fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if let (Some(armed), Some(sleep)) = (self.armed, &self.sleep)
            && armed <= deadline
        {
            if !sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.armed = None;
            if armed == deadline {
                return Poll::Ready(());
            }
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        let passed = sleep.as_mut().poll(cx);
        self.armed = passed.is_pending().then_some(deadline);
        passed
    }
}
