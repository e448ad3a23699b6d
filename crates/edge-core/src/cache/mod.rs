//! What is kept, under which key, for how long, whether it may be shared, and what ends it.
//!
//! Everything here is a function of values; the bytes of bodies and the map from key to object are the proxy's.

pub mod freshness;
pub mod invalidation;
pub mod key;
pub mod parts;
pub mod reuse;
pub mod storing;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, StatusCode};

pub use freshness::{Reuse, Stale};
pub use invalidation::Epoch;
pub use key::Key;
pub use parts::Parts;

/// The head of a stored object: what the decisions read of it. The body is the store's.
#[derive(Debug, Clone)]
pub struct Stored {
    /// As the origin sent it; 200 where it is held in parts.
    pub status: StatusCode,
    /// Ready for a viewer: hop-by-hop fields gone, `Vary` filtered, CloudFront's own fields in place, with
    /// placeholders for those that change per response, so that a hit clones once and grows nothing.
    pub headers: HeaderMap,
    /// When the response arrived, or was last confirmed by a 304.
    pub stored_at: SystemTime,
    /// How old it was by then (RFC 9111 §4.2.3).
    pub initial_age: Duration,
    /// How long after `stored_at` it stays fresh; what its age had used up by then is taken off already.
    pub ttl: Duration,
    /// Whether being fresh is enough.
    pub reuse: Reuse,
    /// What it is good for once it expired (§7.4, §7.5).
    pub stale: Stale,
    /// The origin failed: for a while the stale object answers without asking again (§7.4). Boxed, for few are.
    pub held_over: Option<Box<HeldOver>>,
    /// How much of the body is there.
    pub holds: Holds,
    /// Where in the sequence of invalidations the request that brought it, or a 304 for it, went to the origin: those
    /// that came later cover it.
    pub since: Epoch,
    /// The header whose lines name its tags, if tags were configured by then (§13.3).
    pub tagged_by: Option<HeaderName>,
}

/// How long the origin is left alone, after it failed while something stale was held (§7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOver {
    /// When the request that failed began.
    pub since: SystemTime,
    /// When it is asked again.
    pub until: SystemTime,
}

/// How much of a response is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// All of it.
    Whole,
    /// Its head alone: it answers HEAD (§3), or stands for an error that has a page of its own (§10.1). Never a GET
    /// that wants the body (threats S2).
    Head,
    /// Parts of its body, as ranges brought them (§7.12).
    Parts(Parts),
}

/// What a store has under a key: the head, and how many bytes the body has.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The head.
    pub head: &'a Arc<Stored>,
    /// Of the whole body, in bytes; `None` while it is still arriving: nothing can be cut from it yet.
    pub length: Option<u64>,
}

impl Stored {
    /// `current_age` of RFC 9111 §4.2.3. A clock that went back makes nothing older than it was.
    pub fn age(&self, now: SystemTime) -> Duration {
        self.initial_age + now.duration_since(self.stored_at).unwrap_or_default()
    }

    /// Whether those who waited for it may have it too. What must be confirmed for each is for the one who asked: the
    /// others are released and ask for themselves (§7.11).
    pub fn serves_waiters(&self) -> bool {
        self.reuse == Reuse::WhileFresh && !self.ttl.is_zero()
    }

    /// How long ago it stopped being fresh; `None` while it is fresh.
    pub fn expired_for(&self, now: SystemTime) -> Option<Duration> {
        let since = now.duration_since(self.stored_at).unwrap_or_default();
        if since < self.ttl { None } else { Some(since - self.ttl) }
    }
}
