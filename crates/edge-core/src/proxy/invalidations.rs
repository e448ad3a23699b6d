//! Invalidations of a running edge (§13.2): what is in force, which ones there were, and the sweep that frees memory.
//!
//! A rule is in force when [`Invalidations::add`] returns: from then on the store gives out nothing it covers. The sweep
//! only removes what nobody can reach any more; when it went past everything, the invalidation is Completed. What a
//! rule covers is the core's to say.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::SystemTime;

use tokio::sync::watch;

use super::store::Store;
use crate::cache::Epoch;
use crate::cache::invalidation::{InvalidRule, Ledgers, Rule, Subject};

/// The rules in force. Where nothing happened since somebody looked last, a look is one load.
#[derive(Debug, Default)]
pub struct InForce {
    epoch: AtomicU64,
    ledgers: RwLock<Ledgers>,
}

impl InForce {
    /// The place in the sequence: what is asked for from now on is covered by nothing that came before.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Whether something asked for at that place was invalidated since.
    pub fn covers(&self, since: Epoch, subject: &Subject<'_>) -> bool {
        since < self.epoch()
            && self.ledgers.read().unwrap_or_else(PoisonError::into_inner).covers(since, subject)
    }

    fn add(&self, distribution: &str, rules: Vec<Rule>) -> Epoch {
        let mut ledgers = self.ledgers.write().unwrap_or_else(PoisonError::into_inner);
        let epoch = ledgers.add(distribution, rules);
        self.epoch.store(epoch.0, Ordering::Release);
        epoch
    }
}

/// One invalidation, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// `I` and thirteen capital letters or digits.
    pub id: String,
    /// The distribution it is about, by its own domain name.
    pub distribution: String,
    /// What makes a repeated call the same invalidation.
    pub caller_reference: String,
    /// Paths and tags, in their order.
    pub items: Vec<String>,
    /// When.
    pub created: SystemTime,
    /// Its place in the sequence.
    pub epoch: Epoch,
}

/// How far an invalidation is. It is in force either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// What it covers may still take room in the cache.
    InProgress,
    /// It does not.
    Completed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
        })
    }
}

/// Why something is no invalidation; nothing of it is in force then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotInvalidated {
    /// It names nothing.
    NoItems,
    /// Its caller reference is empty, or longer than [`REFERENCE_CHARS_MAX`].
    Reference,
    /// One of its items is none.
    Item(String, InvalidRule),
    /// More than [`ITEMS_MAX`] of them.
    TooManyItems(usize),
    /// More than [`WILDCARDS_MAX`] of them.
    TooManyWildcards(usize),
    /// The caller reference is that of an invalidation of other items.
    ReferenceTaken(String),
}

/// Paths and tags of one invalidation (§1.3). CloudFront counts those of all that are in progress; here that is over
/// in an instant, so each counts for itself.
pub const ITEMS_MAX: usize = 3_000;
/// Wildcards of one invalidation (§1.3).
pub const WILDCARDS_MAX: usize = 15;
/// The longest caller reference, in characters.
pub const REFERENCE_CHARS_MAX: usize = 2_048;
/// How many invalidations are remembered, for listing and for repeated calls; the oldest are forgotten first. What they
/// invalidated stays invalidated.
pub const BATCHES_MAX: usize = 3_000;
/// How many bytes they may take together.
pub const BATCHES_BYTES_MAX: usize = 32 * 1024 * 1024;

impl fmt::Display for NotInvalidated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoItems => f.write_str("an invalidation names at least one path or tag"),
            Self::Reference => {
                write!(f, "a caller reference has between 1 and {REFERENCE_CHARS_MAX} characters")
            }
            Self::Item(item, why) => {
                let shown: String = item.chars().take(80).collect();
                write!(f, "the invalidation path {shown:?} is invalid: {why}")
            }
            Self::TooManyItems(count) => {
                write!(f, "{count} paths in one invalidation, at most {ITEMS_MAX}")
            }
            Self::TooManyWildcards(count) => {
                write!(f, "{count} paths with a wildcard in one invalidation, at most {WILDCARDS_MAX}")
            }
            Self::ReferenceTaken(reference) => {
                write!(f, "the caller reference {reference:?} belongs to an invalidation of other paths")
            }
        }
    }
}

impl std::error::Error for NotInvalidated {}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub batches: Vec<Arc<Batch>>,
    /// Whether there are older ones.
    pub is_truncated: bool,
}

/// Those of an edge, newest last.
#[derive(Debug)]
pub struct Invalidations {
    state: Mutex<State>,
    /// How far the sweep is.
    swept: watch::Sender<Epoch>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    sweeping: bool,
}

impl Default for Invalidations {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            swept: watch::channel(Epoch::default()).0,
            hasher: RandomState::new(),
        }
    }
}

impl Invalidations {
    /// Puts an invalidation of a distribution (by its own domain name) in force, and starts the sweep. The same call again
    /// is the same invalidation.
    pub fn add(
        self: &Arc<Self>,
        store: &Store,
        distribution: &str,
        caller_reference: &str,
        items: Vec<String>,
        now: SystemTime,
    ) -> Result<Arc<Batch>, NotInvalidated> {
        if !(1..=REFERENCE_CHARS_MAX).contains(&caller_reference.chars().count()) {
            return Err(NotInvalidated::Reference);
        }
        let rules = rules(&items)?;
        let mut state = self.lock();
        let is_the_call = |batch: &&Arc<Batch>| {
            batch.distribution == distribution && batch.caller_reference == caller_reference
        };
        if let Some(known) = state.batches.iter().find(is_the_call) {
            return if known.items == items {
                Ok(Arc::clone(known))
            } else {
                Err(NotInvalidated::ReferenceTaken(caller_reference.to_owned()))
            };
        }
        // Under the lock, so that the list is in the order of the sequence.
        let epoch = store.in_force().add(distribution, rules);
        let batch = Arc::new(Batch {
            id: self.id(epoch),
            distribution: distribution.to_owned(),
            caller_reference: caller_reference.to_owned(),
            items,
            created: now,
            epoch,
        });
        state.remember(Arc::clone(&batch));
        let is_swept = std::mem::replace(&mut state.sweeping, true);
        drop(state);
        if !is_swept {
            self.start_sweep(store);
        }
        Ok(batch)
    }

    /// The one of the distribution with this id, while it is remembered.
    pub fn get(&self, distribution: &str, id: &str) -> Option<Arc<Batch>> {
        let is_it = |batch: &&Arc<Batch>| batch.distribution == distribution && batch.id == id;
        self.lock().batches.iter().find(is_it).cloned()
    }

    /// How far it is.
    pub fn status(&self, batch: &Batch) -> Status {
        if *self.swept.borrow() >= batch.epoch { Status::Completed } else { Status::InProgress }
    }

    /// At most `count` of the distribution's from the newest on, or after the one called `marker`. `None`: no such one.
    pub fn list(&self, distribution: &str, marker: Option<&str>, count: usize) -> Option<Page> {
        let state = self.lock();
        let mut newest_first = state.batches.iter().rev().filter(|batch| batch.distribution == distribution);
        if let Some(marker) = marker {
            newest_first.find(|batch| batch.id == marker)?;
        }
        let batches = newest_first.by_ref().take(count).cloned().collect();
        Some(Page { batches, is_truncated: newest_first.next().is_some() })
    }

    /// Waits until it is Completed.
    pub async fn completed(&self, batch: &Batch) {
        // The sender is ours: it cannot be gone.
        _ = self.swept.subscribe().wait_for(|swept| *swept >= batch.epoch).await;
    }

    /// In a thread of its own: it may go through millions of objects.
    fn start_sweep(self: &Arc<Self>, store: &Store) {
        let (own, swept) = (Arc::clone(self), store.clone());
        let thread = thread::Builder::new().name("edge-sweep".to_owned());
        if let Err(error) = thread.spawn(move || own.sweep(&swept)) {
            tracing::warn!(target: "edge::invalidation", %error, "no thread to sweep in: requests wait for it");
            self.sweep(store);
        }
    }

    /// Until nothing came in the meantime: however many invalidations there are, one sweep at a time.
    fn sweep(&self, store: &Store) {
        loop {
            let epoch = store.in_force().epoch();
            store.sweep();
            self.swept.send_replace(epoch);
            let mut state = self.lock();
            if store.in_force().epoch() == epoch {
                state.sweeping = false;
                return;
            }
        }
    }

    fn id(&self, epoch: Epoch) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let [high, low] = [0_u8, 1].map(|half| u128::from(self.hasher.hash_one((epoch, half))));
        let mut bits = high << 64 | low;
        let mut id = String::with_capacity(14);
        id.push('I');
        for _ in 0..13 {
            id.push(char::from(ALPHABET[(bits % 36) as usize]));
            bits /= 36;
        }
        id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, batch: Arc<Batch>) {
        self.bytes += batch.bytes();
        self.batches.push_back(batch);
        while self.batches.len() > BATCHES_MAX || self.bytes > BATCHES_BYTES_MAX && self.batches.len() > 1 {
            let Some(oldest) = self.batches.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

impl Batch {
    /// What it takes, roughly.
    fn bytes(&self) -> usize {
        let text = |text: &String| text.len() + size_of::<String>();
        size_of::<Self>()
            + text(&self.distribution)
            + text(&self.caller_reference)
            + self.items.iter().map(text).sum::<usize>()
    }
}

fn rules(items: &[String]) -> Result<Vec<Rule>, NotInvalidated> {
    if items.is_empty() {
        return Err(NotInvalidated::NoItems);
    }
    if items.len() > ITEMS_MAX {
        return Err(NotInvalidated::TooManyItems(items.len()));
    }
    let rule = |item: &String| item.parse().map_err(|why| NotInvalidated::Item(item.clone(), why));
    let rules: Vec<Rule> = items.iter().map(rule).collect::<Result<_, _>>()?;
    let wildcards = rules.iter().filter(|rule| rule.is_wildcard()).count();
    if wildcards > WILDCARDS_MAX {
        return Err(NotInvalidated::TooManyWildcards(wildcards));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::UNIX_EPOCH;

    use super::*;

    fn add(all: &Arc<Invalidations>, reference: &str, items: &[&str]) -> Result<Arc<Batch>, NotInvalidated> {
        let items = items.iter().map(ToString::to_string).collect();
        all.add(&Store::new(1 << 20), "d", reference, items, UNIX_EPOCH)
    }

    #[test]
    fn the_same_call_is_the_same_invalidation() {
        let (all, store) = (Arc::<Invalidations>::default(), Store::new(1 << 20));
        let add = |reference, items: &[&str]| {
            all.add(&store, "d", reference, items.iter().map(ToString::to_string).collect(), UNIX_EPOCH)
        };
        let first = add("1", &["/a", "/b*"]).unwrap();
        assert_eq!(add("1", &["/a", "/b*"]).unwrap(), first);
        assert_eq!(store.in_force().epoch(), Epoch(1));
        assert_eq!(add("1", &["/a"]), Err(NotInvalidated::ReferenceTaken("1".to_owned())));
        assert_ne!(add("2", &["/a", "/b*"]).unwrap().id, first.id);
        assert_eq!(store.in_force().epoch(), Epoch(2));
        // Of another distribution it is another one, and in force there alone.
        let other = all.add(&store, "other", "1", vec!["/a".to_owned()], UNIX_EPOCH).unwrap();
        assert_eq!(all.list("other", None, 9).unwrap().batches, [Arc::clone(&other)]);
        assert_eq!((all.get("other", &first.id), all.get("d", &first.id)), (None, Some(first)));
        assert_eq!(all.get("d", &other.id), None);
    }

    #[test]
    fn what_is_no_invalidation() {
        let all = Arc::default();
        let many = vec!["/a"; ITEMS_MAX + 1];
        let stars = vec!["/a*"; WILDCARDS_MAX + 1];
        assert_eq!(add(&all, "1", &[]), Err(NotInvalidated::NoItems));
        assert_eq!(add(&all, "", &["/"]), Err(NotInvalidated::Reference));
        assert_eq!(add(&all, &"x".repeat(2_049), &["/"]), Err(NotInvalidated::Reference));
        let item = NotInvalidated::Item("a".to_owned(), InvalidRule::NoSlash);
        assert_eq!(add(&all, "1", &["/", "a"]), Err(item));
        assert_eq!(add(&all, "1", &many), Err(NotInvalidated::TooManyItems(ITEMS_MAX + 1)));
        assert_eq!(add(&all, "1", &stars), Err(NotInvalidated::TooManyWildcards(WILDCARDS_MAX + 1)));
        assert!(all.list("d", None, 9).unwrap().batches.is_empty());
        assert!(add(&all, "1", &many[1..]).is_ok() && add(&all, "2", &stars[1..]).is_ok());
    }

    #[test]
    fn the_list_begins_with_the_newest_and_is_read_in_pages() {
        let (all, store) = (Arc::<Invalidations>::default(), Store::new(1 << 20));
        let add = |number: usize| all.add(&store, "d", &number.to_string(), vec!["/".to_owned()], UNIX_EPOCH);
        let ids: Vec<String> = (0..5).map(|number| add(number).unwrap().id.clone()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 5);
        for id in &ids {
            assert!(id.len() == 14 && id.starts_with('I'), "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
        }
        let page = |marker: Option<&str>, count| {
            let page = all.list("d", marker, count).unwrap();
            (page.batches.iter().map(|batch| batch.id.clone()).collect::<Vec<_>>(), page.is_truncated)
        };
        assert_eq!(page(None, 2), (vec![ids[4].clone(), ids[3].clone()], true));
        assert_eq!(page(Some(&ids[3]), 2), (vec![ids[2].clone(), ids[1].clone()], true));
        assert_eq!(page(Some(&ids[1]), 2), (vec![ids[0].clone()], false));
        assert_eq!(page(Some(&ids[0]), 2), (Vec::new(), false));
        assert_eq!(all.list("d", Some("I"), 2), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut state = State::default();
        let batch = |number: usize, bytes: usize| {
            Arc::new(Batch {
                id: number.to_string(),
                distribution: String::new(),
                caller_reference: String::new(),
                items: vec!["x".repeat(bytes)],
                created: UNIX_EPOCH,
                epoch: Epoch(0),
            })
        };
        (0..BATCHES_MAX + 5).for_each(|number| state.remember(batch(number, 1)));
        assert_eq!((state.batches.len(), state.batches[0].id.as_str()), (BATCHES_MAX, "5"));
        (0..100).for_each(|number| state.remember(batch(number, 1 << 20)));
        assert!(state.bytes <= BATCHES_BYTES_MAX && state.batches.len() >= 31);
    }
}
