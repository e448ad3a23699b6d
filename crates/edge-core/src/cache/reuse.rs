//! What a stored object is good for now: RFC 9111 §4 as CloudFront applies it (§7.4, §7.8).

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Holds, Reuse, Stored};
use crate::header::conditional::Validators;

/// The verdict on a look-up, with its reason; `explain` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is stored under the key.
    Absent,
    /// Served as it is.
    Fresh {
        /// Its age.
        age: Duration,
        /// How long it stays fresh from now.
        left: Duration,
    },
    /// Stale, but the origin failed a moment ago and is left alone until then (§7.4).
    HeldOver {
        /// When it is asked again.
        until: SystemTime,
    },
    /// Stale, but served at once while it is asked for again behind the viewer's back (§7.5).
    Refreshing {
        /// How long ago it expired.
        expired_for: Duration,
        /// What the origin is asked to compare.
        conditions: Option<Validators>,
    },
    /// What is held under the key is not what this request wants: a head for a body, other parts of it.
    Lacking,
    /// Asked again, with its validators if it has any and they may be used.
    Stale {
        /// How long ago it expired; zero for an object that is confirmed each time.
        expired_for: Duration,
        /// What the origin is asked to compare.
        conditions: Option<Validators>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing is stored under the key"),
            Self::Fresh { age, left } => {
                write!(f, "fresh: {} s old, for {} s more", age.as_secs(), left.as_secs())
            }
            Self::HeldOver { .. } => {
                f.write_str("stale, but the origin failed a moment ago and is left alone (§7.4)")
            }
            Self::Refreshing { expired_for, .. } => write!(
                f,
                "stale for {} s: served at once, and refreshed in the background (stale-while-revalidate, §7.5)",
                expired_for.as_secs()
            ),
            Self::Lacking => {
                f.write_str("what is stored under the key is a head alone, or other parts (§3, §7.12)")
            }
            Self::Stale { expired_for, conditions } => {
                let how = if conditions.is_some() {
                    "the origin is asked whether it changed"
                } else {
                    "asked for in full"
                };
                write!(f, "stale for {} s: {how} (§7.8)", expired_for.as_secs())
            }
        }
    }
}

/// Whether a behavior lets the edge revalidate: CloudFront does not where cookies are forwarded (§7.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revalidation {
    /// Validators are sent.
    Allowed,
    /// A full response is asked for.
    Off,
}

/// Judges what is held. An origin is left alone no longer than until its outage is over, where anybody knows when; what
/// would have been served without asking is served all the same then, and brought up to date behind the viewer's back.
pub fn judge(
    stored: &Stored,
    revalidation: Revalidation,
    origin_back_since: Option<SystemTime>,
    now: SystemTime,
) -> Verdict {
    let expired_for = match (stored.expired_for(now), &stored.reuse) {
        (None, Reuse::WhileFresh) => {
            let since = now.duration_since(stored.stored_at).unwrap_or_default();
            return Verdict::Fresh { age: stored.age(now), left: stored.ttl.saturating_sub(since) };
        }
        (expired, _) => expired.unwrap_or_default(),
    };
    let held_over =
        stored.held_over.as_ref().filter(|held_over| now < held_over.until && stands_in(stored, now));
    let is_back = |since| origin_back_since.is_some_and(|back| back > since);
    if let Some(held_over) = held_over.filter(|held_over| !is_back(held_over.since)) {
        return Verdict::HeldOver { until: held_over.until };
    }
    let in_parts = matches!(stored.holds, Holds::Parts(_));
    let validators = Validators::of(&stored.headers);
    // A stored error is asked for anew: a 304 to it would make an error last.
    let usable = revalidation == Revalidation::Allowed
        && stored.status.as_u16() < 400
        && !in_parts // a 304 would speak of the whole
        && (validators.etag.is_some() || validators.last_modified.is_some());
    let conditions = usable.then_some(validators);
    // What is held in parts is not fetched whole behind a viewer's back.
    let refreshable = stored.reuse == Reuse::WhileFresh && !in_parts && stored.status.as_u16() < 400;
    if refreshable && (held_over.is_some() || expired_for < stored.stale.while_revalidate) {
        return Verdict::Refreshing { expired_for, conditions };
    }
    Verdict::Stale { expired_for, conditions }
}

/// Whether a stale object may answer in place of a failing origin (§7.4).
pub fn stands_in(stored: &Stored, now: SystemTime) -> bool {
    let stored_for = now.duration_since(stored.stored_at).unwrap_or_default();
    let expired_for = stored.expired_for(now).unwrap_or_default();
    stored.status.as_u16() < 400 && stored.stale.on_error.allows(stored_for, expired_for)
}
