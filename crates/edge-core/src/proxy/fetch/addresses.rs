//! In which order the addresses of one name are tried: from a different one each time, and last those that could not be
//! connected to lately.
//!
//! A load balancer's name has an address in each of its zones. Each should get its part, and one that swallows packets
//! should cost its share of a connection timeout once in a while, not for every connection.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an address that failed is tried last.
const TRIED_LAST_FOR: Duration = Duration::from_secs(10);

/// So many failed addresses are remembered.
const REMEMBERED_MAX: usize = 256;

/// What is remembered of addresses.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    failed_at: Mutex<HashMap<SocketAddr, Instant>>,
    turn: AtomicUsize,
    seed: RandomState,
}

impl Addresses {
    /// A place to begin at. Drawn, because names with several addresses may be asked for in a rhythm.
    pub(super) fn draw(&self) -> usize {
        let drawn = self.seed.hash_one(self.turn.fetch_add(1, Ordering::Relaxed));
        usize::try_from(drawn % 1_024).unwrap_or_default()
    }

    /// All of them, beginning at `start`; those that failed lately come last.
    pub(super) fn in_turn(&self, ips: Vec<IpAddr>, port: u16, start: usize, now: Instant) -> Vec<SocketAddr> {
        let all = ips.into_iter().map(|ip| SocketAddr::new(ip, port));
        let failed_at = self.failed_at();
        let is_bad = |address: &SocketAddr| failed_at.get(address).is_some_and(|at| is_recent(*at, now));
        let (mut bad, mut good): (Vec<_>, Vec<_>) = all.partition(is_bad);
        for part in [&mut good, &mut bad] {
            let start = start % part.len().max(1);
            part.rotate_left(start);
        }
        good.append(&mut bad);
        good
    }

    pub(super) fn failed(&self, address: SocketAddr, now: Instant) {
        let mut failed_at = self.failed_at();
        if failed_at.len() >= REMEMBERED_MAX {
            failed_at.retain(|_, at| is_recent(*at, now));
        }
        if failed_at.len() < REMEMBERED_MAX {
            failed_at.insert(address, now);
        }
    }

    pub(super) fn connected(&self, address: SocketAddr) {
        self.failed_at().remove(&address);
    }

    fn failed_at(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.failed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < TRIED_LAST_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn order(addresses: &Addresses, start: usize, now: Instant) -> Vec<u8> {
        let ordered = addresses.in_turn(vec![ip(1), ip(2), ip(3)], 80, start, now);
        ordered.iter().map(|address| address.to_string().as_bytes()[8] - b'0').collect()
    }

    #[test]
    fn each_address_has_its_turn_and_one_that_failed_is_last_for_a_while() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        assert_eq!(order(&addresses, 0, now), [1, 2, 3]);
        assert_eq!(order(&addresses, 4, now), [2, 3, 1]);
        addresses.failed(SocketAddr::new(ip(2), 80), now);
        for (start, expected) in [(0, [1, 3, 2]), (1, [3, 1, 2]), (2, [1, 3, 2])] {
            assert_eq!(order(&addresses, start, now + TRIED_LAST_FOR / 2), expected);
        }
        assert_eq!(order(&addresses, 1, now + TRIED_LAST_FOR), [2, 3, 1]);
        addresses.failed(SocketAddr::new(ip(2), 80), now);
        addresses.connected(SocketAddr::new(ip(2), 80));
        assert_eq!(order(&addresses, 1, now), [2, 3, 1]);
        assert_eq!(addresses.in_turn(Vec::new(), 80, 7, now), []);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        for port in 1..2_000 {
            addresses.failed(SocketAddr::new(ip(1), port), now);
        }
        assert_eq!(addresses.failed_at().len(), REMEMBERED_MAX);
        addresses.failed(SocketAddr::new(ip(1), 2_000), now + TRIED_LAST_FOR);
        assert_eq!(addresses.failed_at().len(), 1, "the old ones made room");
    }

    #[test]
    fn beginnings_are_spread() {
        let addresses = Addresses::default();
        // Every second one, as for one of two names that are asked for in turn.
        let odd = (0..200).map(|_| addresses.draw()).step_by(2).filter(|start| start % 2 == 1).count();
        assert!((20..80).contains(&odd), "{odd} of 100");
    }
}
