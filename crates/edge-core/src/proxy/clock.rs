//! The one clock. Everything else in the crate is told what time it is.
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{DATE, EXPIRES};
use http::{HeaderMap, HeaderValue};

use crate::header::date;

/// Wall-clock time: the system's, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    /// Nanoseconds since the epoch.
    Manual(Arc<AtomicU64>, Origins),
}

/// Whose time is in what origins send.
#[derive(Clone, Copy, Debug)]
enum Origins {
    /// This clock's.
    Ours,
    /// The machine's: they are real servers.
    TheMachines,
}

/// What moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hand(Arc<AtomicU64>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until its hand moves it. All clones show the same time, and origins are taken to
    /// go by it too.
    pub fn manual(start: SystemTime) -> (Self, Hand) {
        Self::by_hand(start, Origins::Ours)
    }

    /// The same in front of real origins: what they send is dated by the machine's clock.
    pub fn before_real_origins(start: SystemTime) -> (Self, Hand) {
        Self::by_hand(start, Origins::TheMachines)
    }

    fn by_hand(start: SystemTime, origins: Origins) -> (Self, Hand) {
        let nanos = Arc::new(AtomicU64::new(nanos_of(start)));
        (Self(Source::Manual(Arc::clone(&nanos), origins)), Hand(nanos))
    }

    /// Dates what an origin sent by this clock, where the origin goes by another: or all it sends after the clock was
    /// moved would seem to be as old as it was moved.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn date(&self, headers: &mut HeaderMap) {
        let Source::Manual(_, Origins::TheMachines) = self.0 else { return };
        let (here, there) = (self.now(), SystemTime::now());
        for name in [DATE, EXPIRES] {
            let Some(said) = headers.get(&name).and_then(|value| date::parse(value.as_bytes())) else {
                continue;
            };
            let moved = match said.duration_since(there) {
                Ok(ahead) => here.checked_add(ahead),
                Err(behind) => here.checked_sub(behind.duration()),
            };
            if let Some(moved) = moved {
                headers.insert(name, date::format(moved));
            }
        }
    }

    /// What time it is.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Manual(nanos, _) => UNIX_EPOCH + Duration::from_nanos(nanos.load(Ordering::Acquire)),
        }
    }
}

impl Hand {
    /// Moves the clock to a time, forwards or backwards.
    pub fn set(&self, now: SystemTime) {
        self.0.store(nanos_of(now), Ordering::Release);
    }

    /// Moves the clock forwards.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::AcqRel);
    }
}

/// Times before 1970 and after 2554 are held at those ends.
fn nanos_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A `Date` value, formatted once a second and thread.
pub fn http_date(now: SystemTime) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LAST.with_borrow_mut(|last| match last {
        Some((at, value)) if *at == second => value.clone(),
        _ => {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            let value = HeaderValue::try_from(text)
                .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
            *last = Some((second, value.clone()));
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_its_hand() {
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (clock, hand) = Clock::manual(start);
        let twin = clock.clone();
        assert_eq!(clock.now(), start);
        hand.advance(Duration::from_secs(3));
        assert_eq!(twin.now(), start + Duration::from_secs(3));
        hand.set(start);
        assert_eq!(clock.now(), start);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the machine's clock is what this is about")]
    fn real_origins_are_dated_by_the_clock_in_front_of_them() {
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let sent = || {
            let now = SystemTime::now();
            let lines = [(DATE, date::format(now)), (EXPIRES, date::format(now + Duration::from_secs(60)))];
            HeaderMap::from_iter(lines)
        };
        let (before, (clock, _)) = (sent(), Clock::before_real_origins(start));
        let mut after = before.clone();
        clock.date(&mut after);
        let seconds = |headers: &HeaderMap, name| {
            let read = date::parse(headers[&name].as_bytes()).unwrap();
            read.duration_since(UNIX_EPOCH).unwrap().as_secs()
        };
        assert!((999_990..=1_000_000).contains(&seconds(&after, DATE)), "{after:?}");
        assert_eq!(seconds(&after, EXPIRES) - seconds(&after, DATE), 60);
        for (clock, _) in [Clock::manual(start), (Clock::system(), Clock::manual(start).1)] {
            let mut after = before.clone();
            clock.date(&mut after);
            assert_eq!(after, before);
        }
    }

    #[test]
    fn dates_change_with_the_second() {
        let day = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(day), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(day + Duration::from_millis(999)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(day + Duration::from_secs(1)), "Sun, 06 Nov 1994 08:49:38 GMT");
    }
}
