//! How an origin did lately, and what that is to those who have something stale at hand.
//!
//! The driver keeps one of these for each origin and tells it what became of each request; what follows from it is
//! decided here and in [`super::found`]. It refuses to know which request it was: a page that always fails while others
//! are answered is no outage.

use std::fmt;
use std::time::SystemTime;

use http::StatusCode;

/// So many failures in a row, and nothing in between, are an outage; an answer after them is its end.
const OUTAGE_FAILURES: u32 = 3;

/// How an origin did the last time it was asked, for whatever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// It answered, or nobody asked yet.
    #[default]
    Fine,
    /// It failed, or somebody's patience with it ended.
    Troubled,
}

/// What an origin did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It answered it.
    Answered,
    /// It said that it cannot: a 5xx.
    Erred,
    /// It said nothing of use.
    Failed,
    /// It may answer yet, but somebody's patience ended.
    Dallied,
}

impl Did {
    /// It answered with this status.
    pub fn answer(status: StatusCode) -> Self {
        if status.is_server_error() { Self::Erred } else { Self::Answered }
    }
}

/// What is remembered of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    mood: Mood,
    failures: u32,
    back_since: Option<SystemTime>,
}

impl Standing {
    /// After one request more, whose end came `now`.
    pub fn after(self, did: Did, now: SystemTime) -> Self {
        let mood = match did {
            Did::Answered | Did::Erred => Mood::Fine,
            Did::Failed | Did::Dallied => Mood::Troubled,
        };
        match did {
            Did::Dallied => Self { mood, ..self },
            Did::Erred | Did::Failed => Self { mood, failures: self.failures.saturating_add(1), ..self },
            Did::Answered => {
                let back_since = if self.failures >= OUTAGE_FAILURES { Some(now) } else { self.back_since };
                Self { mood, failures: 0, back_since }
            }
        }
    }

    /// How it did the last time.
    pub fn mood(self) -> Mood {
        self.mood
    }

    /// When its last outage was over.
    pub fn back_since(self) -> Option<SystemTime> {
        self.back_since
    }
}

/// Why a stale object was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoodIn {
    /// The origin failed just now.
    ForFailure,
    /// It failed a moment ago and is not asked again yet (§7.4).
    WithoutAsking,
}

impl fmt::Display for StoodIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForFailure => "a stale object stands in for the origin's failure (§7.4)",
            Self::WithoutAsking => "a stale object answers: the origin failed a moment ago (§7.4)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(did: &[Did]) -> Standing {
        let at = |second: usize| SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64);
        did.iter()
            .enumerate()
            .fold(Standing::default(), |standing, (second, did)| standing.after(*did, at(second)))
    }

    fn back_since(did: &[Did]) -> Option<u64> {
        let since = after(did).back_since()?;
        Some(since.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn an_answer_after_failures_in_a_row_is_a_return() {
        use Did::{Answered, Dallied, Erred, Failed};
        assert_eq!(back_since(&[Answered, Erred, Failed, Erred, Answered]), Some(4));
        assert_eq!(back_since(&[Erred, Erred, Erred, Dallied, Answered, Answered]), Some(4));
        assert_eq!(back_since(&[Erred, Erred, Erred]), None);
        // One page that always fails among others that do not.
        assert_eq!(back_since(&[Erred, Erred, Answered, Erred, Erred, Answered]), None);
        assert_eq!(back_since(&[Failed, Dallied, Dallied, Failed, Answered]), None);
    }

    #[test]
    fn an_error_is_an_answer_too() {
        assert_eq!(after(&[Did::Failed, Did::Erred]).mood(), Mood::Fine);
        assert_eq!(after(&[Did::Answered, Did::Failed]).mood(), Mood::Troubled);
        assert_eq!(after(&[Did::Answered, Did::Dallied]).mood(), Mood::Troubled);
    }
}
