//! Which origins did not answer the last time they were asked: whoever comes next with something stale at hand does not
//! wait for them as long as the first one did (threats U1).

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::exchange::Mood;

/// By the origin's index in the distribution. Those in trouble are noted, so it holds no more than there are origins.
#[derive(Debug, Default)]
pub(super) struct Moods(Mutex<HashSet<usize>>);

impl Moods {
    /// How it did the last time.
    pub(super) fn of(&self, origin: usize) -> Mood {
        if self.troubled().contains(&origin) { Mood::Troubled } else { Mood::Fine }
    }

    /// It answered, or did not.
    pub(super) fn note(&self, origin: usize, mood: Mood) {
        match mood {
            Mood::Fine => _ = self.troubled().remove(&origin),
            Mood::Troubled => _ = self.troubled().insert(origin),
        }
    }

    /// Other origins have the numbers now.
    pub(super) fn forget(&self) {
        self.troubled().clear();
    }

    fn troubled(&self) -> MutexGuard<'_, HashSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
