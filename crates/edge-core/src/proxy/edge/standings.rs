//! How each origin did lately: whoever comes next with something stale at hand does not wait for one that was silent as
//! long as the first one did (threats U1), nor leaves one alone that answers again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::exchange::{Did, Rules, Standing};

/// By the distribution and the origin's index in it, so it holds no more than there are origins.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<HashMap<Which, Standing>>);

type Which = (u64, usize);

impl Standings {
    pub(super) fn of(&self, rules: &Rules, origin: usize) -> Standing {
        self.standings().get(&which(rules, origin)).copied().unwrap_or_default()
    }

    /// What it did with one more request.
    pub(super) fn note(&self, rules: &Rules, origin: usize, did: Did, now: SystemTime) {
        let mut standings = self.standings();
        let standing = standings.entry(which(rules, origin)).or_default();
        *standing = standing.after(did, now);
    }

    /// Other origins have the numbers now.
    pub(super) fn forget(&self) {
        self.standings().clear();
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<Which, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn which(rules: &Rules, origin: usize) -> Which {
    let mut hasher = DefaultHasher::new();
    rules.distribution.domain_name.hash(&mut hasher);
    (hasher.finish(), origin)
}
