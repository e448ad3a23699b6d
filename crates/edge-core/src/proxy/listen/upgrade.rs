//! A connection that may be something else than HTTP after a request.
//!
//! hyper gives it away when the answer is a 101. From then on nobody here watches it: whoever has it bounds its silence,
//! and lets go of it when a stopping listener has waited long enough.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::sleep;

use super::{Limits, Peer, Stop};

/// The right to a connection, should its request be answered with a 101.
#[derive(Debug)]
pub struct Upgrade {
    granted: OnUpgrade,
    bounds: Bounds,
}

/// What bounds a connection that is no longer HTTP.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    pub(super) stop: Stop,
    pub(super) limits: Arc<Limits>,
}

/// A viewer's connection, no longer HTTP.
pub(crate) type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

impl Upgrade {
    /// The right to the connection a request came on, if its viewer offers it.
    pub(crate) fn of<B>(request: &mut http::Request<B>, peer: &Peer) -> Option<Self> {
        let granted = request.extensions_mut().remove::<OnUpgrade>()?;
        Some(Self { granted, bounds: peer.bounds.clone() })
    }

    /// Waits until the 101 is written; `None` if the connection ended before.
    pub(crate) async fn granted(self) -> Option<(Upgraded, Bounds)> {
        Some((TokioIo::new(self.granted.await.ok()?), self.bounds))
    }
}

impl Bounds {
    /// How long the other side may say nothing.
    pub(crate) fn silence_max(&self) -> Duration {
        self.limits.tunnel_idle_timeout
    }

    /// Waits until the listener stops and the time it gives to what is under way is over.
    pub(crate) async fn over(&self) {
        self.stop.asked().await;
        sleep(self.limits.drain_timeout).await;
    }
}
