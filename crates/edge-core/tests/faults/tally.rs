//! What was seen, from the beginning of the trouble to its end and beyond.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::page::{PAGES, Page, UNCACHED};
use super::viewer::{Failed, Got};

/// Pages are fresh for a second: in its third one a copy is stale.
const STALE_FROM_AGE: u64 = 2;

#[derive(Default)]
pub(crate) struct Tally {
    seen: Mutex<Seen>,
    /// A page of a new generation was seen.
    news: Notify,
}

#[derive(Default)]
struct Seen {
    row: Row,
    counting: bool,
    latencies: Vec<Duration>,
    generations: HashMap<&'static str, u64>,
}

/// What there is to say in the end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    /// Requests for cached pages, the failed among them, and answers that were stale.
    pub(crate) cached: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) stale: usize,
    median: Duration,
    p99: Duration,
    slowest: Duration,
    /// The same for pages that are never cached.
    uncached: usize,
    pub(crate) uncached_failed: usize,
    /// Requests at the origin while it was in trouble.
    origin_requests: usize,
    /// When every page was a new one, counted from the end of the trouble.
    pub(crate) recovered: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) what: String,
    /// The viewer was told by a broken stream that the page is not whole.
    pub(crate) is_cut: bool,
}

pub(crate) const HEADING: &str =
    "requests failed  stale   p50 ms   p99 ms   max ms | uncached failed | origin requests | new pages after";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        write!(f, "{:8} {:6} {:6}", self.cached, self.failures.len(), self.stale)?;
        write!(f, " {:8.1} {:8.1} {:8.1}", ms(self.median), ms(self.p99), ms(self.slowest))?;
        write!(f, " | {:8} {:6} | {:15}", self.uncached, self.uncached_failed, self.origin_requests)?;
        match self.recovered {
            Some(took) => write!(f, " | {:.2} s", took.as_secs_f64()),
            None => write!(f, " | never"),
        }
    }
}

impl Tally {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from now on.
    pub(crate) fn begin(&self) {
        self.seen().counting = true;
    }

    pub(crate) fn count(&self, page: &'static Page, got: Result<Got, Failed>, took: Duration) {
        let (result, age) = match got {
            Ok(got) if !(200..300).contains(&got.status) => (Err((format!("{}", got.status), false)), 0),
            Ok(got) => (page.check(&got.body).map_err(|wrong| (wrong, false)), got.age),
            Err(Failed::TooLate) => (Err(("no answer in time".to_owned(), false)), 0),
            Err(Failed::Cut(error)) => (Err((error, true)), 0),
        };
        let mut seen = self.seen();
        let cached = page.path.starts_with("/p/");
        if seen.counting && cached {
            seen.row.cached += 1;
            seen.row.stale += usize::from(result.is_ok() && age >= STALE_FROM_AGE);
            seen.latencies.push(took);
        } else if seen.counting {
            seen.row.uncached += 1;
            seen.row.uncached_failed += usize::from(result.is_err());
        }
        match result {
            Ok(generation) => {
                if seen.generations.insert(page.path, generation) != Some(generation) {
                    self.news.notify_one();
                }
            }
            // A body that is whole and wrong is wrong on every page.
            Err((what, is_cut)) if seen.counting && (cached || what.contains("bytes that should be")) => {
                seen.row.failures.push(Failure { what: format!("{}: {what}", page.path), is_cut });
            }
            Err(_) => {}
        }
    }

    /// Waits until the last of every page was of this generation, and says how long it took.
    pub(crate) async fn has_all(&self, generation: u64, at_most: Duration) -> Option<Duration> {
        let began = Instant::now();
        let all = async {
            loop {
                let news = self.news.notified();
                let is_new = |page: &Page| self.seen().generations.get(page.path) == Some(&generation);
                if PAGES.iter().chain(UNCACHED).all(is_new) {
                    return;
                }
                news.await;
            }
        };
        timeout(at_most, all).await.ok().map(|()| began.elapsed())
    }

    pub(crate) fn origin_requests(&self, count: usize) {
        self.seen().row.origin_requests = count;
    }

    pub(crate) fn recovered(&self, took: Option<Duration>) {
        self.seen().row.recovered = took;
    }

    pub(crate) fn row(&self) -> Row {
        let mut seen = self.seen();
        seen.latencies.sort_unstable();
        let at =
            |part: usize| seen.latencies.get(seen.latencies.len() * part / 100).copied().unwrap_or_default();
        let slowest = seen.latencies.last().copied().unwrap_or_default();
        Row { median: at(50), p99: at(99), slowest, ..seen.row.clone() }
    }
}
