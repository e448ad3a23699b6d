//! Requests under way, by key: the first one flies, the others wait for what it brings (§7.11).
//!
//! Whether a request may join or be joined is the core's question; here is only who came first. Waiters are released
//! together: with something to share, or with nothing, and then each asks for himself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fill::Follower;
use super::invalidations::InForce;
use super::store::Object;
use crate::cache::invalidation::Subject;
use crate::cache::{Epoch, Held, Key, Stored};

/// What a flight brings to those who wait.
#[derive(Debug, Clone)]
pub enum Cargo {
    /// An object, as much of it as is held.
    Whole(Arc<Object>),
    /// A response that is still arriving.
    Arriving {
        /// Its head.
        head: Arc<Stored>,
        /// Its body, from the first byte.
        follower: Follower,
        /// How long it will be, if that is known.
        length: Option<u64>,
    },
}

impl Cargo {
    /// As the core sees it.
    pub fn held(&self) -> Held<'_> {
        match self {
            Self::Whole(object) => object.held(),
            // It is followed from its first byte to its last: nothing can be cut from it yet.
            Self::Arriving { head, .. } => Held { head, length: None },
        }
    }
}

#[derive(Debug, Clone)]
enum State {
    InTheAir,
    Landed(Cargo),
    Released,
}

/// A flight as others see it.
#[derive(Debug)]
struct Flight {
    /// Tells it from another for the same key.
    number: u64,
    since: Epoch,
    state: watch::Receiver<State>,
}

type Shard = HashMap<Key, Flight>;

/// All flights of an edge.
#[derive(Debug)]
pub struct Flights {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    number: AtomicU64,
}

/// A lock each, so that misses for different keys seldom meet.
const SHARDS: usize = 16;

impl Default for Flights {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            number: AtomicU64::default(),
        }
    }
}

/// Whether one flies or waits.
#[derive(Debug)]
pub enum Boarding {
    /// First: ask the origin, for all.
    Leads(Lead),
    /// Somebody is on the way.
    Waits(Waiter),
}

impl Flights {
    /// Joins the flight for the key, or starts one. `since` is the place in the sequence of invalidations of the one who
    /// asks, `asked_for` what he calls it, if not as the key does. Whoever comes after an invalidation does not join a flight
    /// that began before it, if it covers either: a new one begins, and the old one goes on for those who are on it.
    pub fn board(
        self: &Arc<Self>,
        (key, asked_for): (&Key, Option<Subject<'_>>),
        since: Epoch,
        in_force: &InForce,
    ) -> Boarding {
        match self.shard(key).entry(key.clone()) {
            Entry::Occupied(mut place) => {
                let began = place.get().since;
                let covers = |subject: &Subject<'_>| in_force.covers(began, subject);
                if !covers(&Subject::awaited(key)) && !asked_for.as_ref().is_some_and(covers) {
                    return Boarding::Waits(Waiter(place.get().state.clone()));
                }
                let (lead, flight) = self.begin(key, since);
                place.insert(flight);
                Boarding::Leads(lead)
            }
            Entry::Vacant(place) => {
                let (lead, flight) = self.begin(key, since);
                place.insert(flight);
                Boarding::Leads(lead)
            }
        }
    }

    fn begin(self: &Arc<Self>, key: &Key, since: Epoch) -> (Lead, Flight) {
        let (sender, state) = watch::channel(State::InTheAir);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let lead = Lead { flights: Arc::clone(self), key: key.clone(), number, state: sender };
        (lead, Flight { number, since, state })
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        // Nothing under this lock can panic half way through a change.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who flies. When it is dropped the flight is over; whoever still waits is released, all at once, and asks for
/// himself.
#[derive(Debug)]
pub struct Lead {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
    state: watch::Sender<State>,
}

impl Lead {
    /// Shares what arrived, or is arriving, with all who wait and all who come until the flight is over. What was
    /// retracted stays so.
    pub fn share(&self, cargo: Cargo) {
        self.state.send_if_modified(|state| {
            let may = !matches!(state, State::Released);
            if may {
                *state = State::Landed(cargo);
            }
            may
        });
    }

    /// What was shared may not be joined any more.
    pub fn retract(&self) {
        self.state.send_replace(State::Released);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(&self.key);
        if shard.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            shard.remove(&self.key);
        }
        drop(shard);
        self.state.send_if_modified(|state| {
            let waits = matches!(state, State::InTheAir);
            if waits {
                *state = State::Released;
            }
            waits
        });
    }
}

/// One who waits.
#[derive(Debug)]
pub struct Waiter(watch::Receiver<State>);

impl Waiter {
    /// What the flight brought; `None`: nothing to share.
    pub async fn wait(mut self) -> Option<Cargo> {
        // An error is a lead that is gone: then the last state counts.
        _ = self.0.wait_for(|state| !matches!(state, State::InTheAir)).await;
        match &*self.0.borrow() {
            State::Landed(cargo) => Some(cargo.clone()),
            State::InTheAir | State::Released => None,
        }
    }
}
