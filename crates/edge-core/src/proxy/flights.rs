//! Requests under way, by key: the first one flies, the others wait for what it brings (§7.11).
//!
//! Whether a request may join or be joined is the core's question; here is only who came first. Waiters are released
//! together: with something to share, or with nothing, and then each asks for himself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fill::Follower;
use super::store::Object;
use crate::cache::{Key, Stored};

/// What a flight brings to those who wait.
#[derive(Debug, Clone)]
pub enum Cargo {
    /// A whole object.
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

#[derive(Debug, Clone)]
enum State {
    InTheAir,
    Landed(Cargo),
    Released,
}

type Shard = Mutex<HashMap<Key, watch::Receiver<State>>>;

/// All flights of an edge.
#[derive(Debug)]
pub struct Flights {
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

/// A lock each, so that misses for different keys seldom meet.
const SHARDS: usize = 16;

impl Default for Flights {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), hasher: RandomState::new() }
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
    /// Joins the flight for the key, or starts one.
    pub fn board(self: &Arc<Self>, key: &Key) -> Boarding {
        match self.shard(key).entry(key.clone()) {
            Entry::Occupied(flight) => Boarding::Waits(Waiter(flight.get().clone())),
            Entry::Vacant(place) => {
                let (state, receiver) = watch::channel(State::InTheAir);
                place.insert(receiver);
                Boarding::Leads(Lead { flights: Arc::clone(self), key: key.clone(), state })
            }
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, watch::Receiver<State>>> {
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
        self.flights.shard(&self.key).remove(&self.key);
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
