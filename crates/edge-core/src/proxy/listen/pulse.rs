//! Who waits for whom on a connection, and since when.
//!
//! The wire, the services and the bodies leave marks here as they go (plain stores: on HTTP/1.1 they all run in one task);
//! the connection's driver reads them when nothing moves any more, and keeps one timer for all of it.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::interim::Queue;
use super::{Counters, Limits, Refusal};

#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Heads that hyper was given (HTTP/1.1).
    pub(super) heads: AtomicU64,
    /// Calls of the service.
    pub(super) calls: AtomicU64,
    /// Bytes to and from the viewer.
    pub(super) written: AtomicU64,
    pub(super) received: AtomicU64,
    /// Hyper waits for a head / a part of one has come.
    pub(super) head_wanted: AtomicBool,
    pub(super) head_begun: AtomicBool,
    /// Hyper waits for a part of a request's body.
    pub(super) body_wanted: AtomicBool,
    /// The viewer does not take what we write.
    pub(super) write_blocked: AtomicBool,
    /// What goes out before the answer (HTTP/1.1).
    pub(super) interims: Queue,
    /// All is written; what the viewer still sends is thrown away.
    pub(super) lingering: AtomicBool,
    /// The head that is to be answered with a refusal, by its place among the heads.
    pub(super) refused: OnceLock<(u64, Refusal)>,
    /// The wire keeps what comes behind a request to upgrade until there is a verdict.
    pub(super) undecided: AtomicBool,
    verdict: AtomicU64,
    /// HTTP/2: streams being answered, parts of bodies waiting for the viewer's window, calls finished and called off.
    pub(super) streams: AtomicU64,
    pub(super) owed: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) cancelled: AtomicU64,
    /// The listener's, here so that a stream has to hold on to one thing only.
    pub(super) counters: Arc<Counters>,
}

/// What became of a request to upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    Declined,
    Upgraded,
}

impl Pulse {
    /// Of a connection from which nothing has come yet.
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { counters, head_wanted: AtomicBool::new(true), ..Self::default() }
    }

    /// Notes that hyper has a head and calls the service (HTTP/1.1: one after the other). Says which head it is.
    pub(super) fn begin_call(&self) -> u64 {
        let index = self.calls.load(Relaxed);
        self.calls.store(index + 1, Relaxed);
        self.head_wanted.store(false, Relaxed);
        index
    }

    pub(super) fn refusal_of(&self, head: u64) -> Option<Refusal> {
        self.refused.get().filter(|(refused, _)| *refused == head).map(|(_, refusal)| *refusal)
    }

    /// Says what became of the request whose head was this one.
    pub(super) fn decide(&self, head: u64, verdict: Verdict) {
        self.verdict.store(head << 2 | verdict as u64, Relaxed);
    }

    /// What became of it so far.
    pub(super) fn verdict_on(&self, head: u64) -> Verdict {
        let verdict = self.verdict.load(Relaxed);
        match (verdict >> 2 == head, verdict & 3) {
            (true, 1) => Verdict::Declined,
            (true, 2) => Verdict::Upgraded,
            _ => Verdict::Open,
        }
    }
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For us.
    Busy,
    /// For the rest of a head, or the first one.
    Head,
    /// For a next request.
    Idle,
    /// For the viewer to take an answer.
    Sending,
    /// For the viewer to go on with a body.
    Receiving,
    /// For the viewer to close its side.
    Lingering,
}

/// How the marks of a connection are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// The bytes of an HTTP/2 client's preface.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Pulse {
    pub(super) fn phase(&self, speaks: Speaks) -> Phase {
        if self.lingering.load(Relaxed) {
            Phase::Lingering
        } else if self.write_blocked.load(Relaxed) {
            Phase::Sending
        } else {
            match speaks {
                Speaks::Http1 => self.phase_of_http1(),
                Speaks::Http2 => self.phase_of_http2(),
            }
        }
    }

    fn phase_of_http1(&self) -> Phase {
        if self.head_wanted.load(Relaxed) {
            let under_way = self.head_begun.load(Relaxed) || self.heads.load(Relaxed) == 0;
            if under_way { Phase::Head } else { Phase::Idle }
        } else if self.body_wanted.load(Relaxed) {
            Phase::Receiving
        } else {
            Phase::Busy
        }
    }

    fn phase_of_http2(&self) -> Phase {
        if self.owed.load(Relaxed) > 0 {
            Phase::Sending
        } else if self.streams.load(Relaxed) > 0 {
            Phase::Busy
        } else if self.received.load(Relaxed) < PREFACE.len() as u64 {
            Phase::Head
        } else {
            Phase::Idle
        }
    }
}

/// Since when a connection waits for the same thing.
pub(super) struct Watch {
    speaks: Speaks,
    pub(super) phase: Phase,
    since: Instant,
    calls: u64,
    bytes: u64,
}

impl Watch {
    pub(super) fn new(speaks: Speaks, now: Instant) -> Self {
        Self { speaks, phase: Phase::Head, since: now, calls: 0, bytes: 0 }
    }

    /// When the viewer's time is up, if it is the viewer's turn. Reads the clock only when the wait began just now.
    pub(super) fn deadline(
        &mut self,
        pulse: &Pulse,
        limits: &Limits,
        now: impl Fn() -> Instant,
    ) -> Option<Instant> {
        let phase = pulse.phase(self.speaks);
        let calls = pulse.calls.load(Relaxed);
        let bytes = match phase {
            Phase::Busy => {
                self.phase = phase;
                return None;
            }
            Phase::Head | Phase::Lingering => 0,
            Phase::Receiving => pulse.received.load(Relaxed),
            Phase::Idle | Phase::Sending => pulse.written.load(Relaxed),
        };
        let moved = bytes.wrapping_sub(self.bytes) >= limits.stall_bytes_min.max(1);
        if phase != self.phase || calls != self.calls || moved {
            *self = Self { speaks: self.speaks, phase, since: now(), calls, bytes };
        }
        Some(self.since + timeout(phase, limits))
    }
}

fn timeout(phase: Phase, limits: &Limits) -> Duration {
    match phase {
        Phase::Busy => Duration::MAX,
        Phase::Head => limits.head_timeout,
        Phase::Idle => limits.idle_timeout,
        Phase::Sending | Phase::Receiving => limits.stall_timeout,
        Phase::Lingering => limits.linger_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A connection that was accepted at some time, and a way to ask for its deadline after so many seconds.
    fn watched(speaks: Speaks) -> (Pulse, impl FnMut(&Pulse, u64) -> Option<Duration>) {
        let start = Instant::now();
        let mut watch = Watch::new(speaks, start);
        let deadline_at = move |pulse: &Pulse, at: u64| {
            let deadline = watch.deadline(pulse, &Limits::default(), || start + seconds(at));
            deadline.map(|deadline| deadline - start)
        };
        (Pulse::default(), deadline_at)
    }

    #[test]
    fn bytes_of_a_head_do_not_buy_time() {
        let (pulse, mut deadline_at) = watched(Speaks::Http1);
        pulse.head_wanted.store(true, Relaxed);
        assert_eq!(deadline_at(&pulse, 1), Some(seconds(30)));
        pulse.head_begun.store(true, Relaxed);
        pulse.received.store(30_000, Relaxed);
        assert_eq!(deadline_at(&pulse, 29), Some(seconds(30)));
    }

    #[test]
    fn our_own_time_is_not_the_viewers() {
        let (pulse, mut deadline_at) = watched(Speaks::Http1);
        pulse.heads.store(1, Relaxed);
        assert_eq!(deadline_at(&pulse, 1), None);
        pulse.head_wanted.store(true, Relaxed);
        assert_eq!(deadline_at(&pulse, 500), Some(seconds(560)));
        pulse.head_begun.store(true, Relaxed);
        assert_eq!(deadline_at(&pulse, 510), Some(seconds(540)));
    }

    #[test]
    fn a_reader_must_take_its_minimum() {
        let (pulse, mut deadline_at) = watched(Speaks::Http1);
        pulse.write_blocked.store(true, Relaxed);
        assert_eq!(deadline_at(&pulse, 0), Some(seconds(60)));
        pulse.written.store(15_359, Relaxed);
        assert_eq!(deadline_at(&pulse, 50), Some(seconds(60)));
        pulse.written.store(15_360, Relaxed);
        assert_eq!(deadline_at(&pulse, 59), Some(seconds(119)));
    }

    #[test]
    fn a_body_must_come_at_its_minimum() {
        let (pulse, mut deadline_at) = watched(Speaks::Http1);
        pulse.body_wanted.store(true, Relaxed);
        assert_eq!(deadline_at(&pulse, 5), Some(seconds(65)));
        pulse.received.store(12, Relaxed);
        assert_eq!(deadline_at(&pulse, 60), Some(seconds(65)));
    }

    #[test]
    fn http2_is_idle_only_without_streams() {
        let (pulse, mut deadline_at) = watched(Speaks::Http2);
        assert_eq!(deadline_at(&pulse, 0), Some(seconds(30)));
        pulse.received.store(100, Relaxed);
        assert_eq!(deadline_at(&pulse, 1), Some(seconds(61)));
        pulse.streams.store(1, Relaxed);
        assert_eq!(deadline_at(&pulse, 2), None);
        pulse.owed.store(1, Relaxed);
        assert_eq!(deadline_at(&pulse, 3), Some(seconds(63)));
    }
}
