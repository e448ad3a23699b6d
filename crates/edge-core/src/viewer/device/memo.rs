//! Devices of the User-Agents seen of late, so that a known agent costs one hash.
//!
//! The agents themselves are not kept: a slot is one word of 64 bits, 58 of a keyed hash and 6 for the
//! device. So the memo never grows, however many agents are sent and however long they are; it needs no lock;
//! and a full set only forgets. The price is that two agents may be taken for one another with a probability
//! below 2⁻⁵⁴ a look-up, and since the key is drawn at random for each memo, nobody can search for such a
//! pair.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Class, Device, Os, considered};

/// The agents a memo holds at most, whatever it is asked for: 8 MiB.
const CAPACITY_MAX: usize = 1 << 20;

/// Slots that fit a cache line, and so cost one miss to look through.
const SLOTS: usize = 8;

/// The bits of a slot that hold the device. They are never all zero, so that an empty slot is no device.
const CODE: u64 = 0b11_1111;

/// Remembers the devices of User-Agents. Any number of threads may share one.
#[derive(Debug)]
pub struct Memo {
    hasher: RandomState,
    /// A power of two of them.
    sets: Box<[Set]>,
    /// Where the next agent goes in a set that is full.
    hand: AtomicUsize,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; SLOTS]);

impl Memo {
    /// A memo for about `capacity` agents: rounded up, to 8 times a power of two, and never more than a
    /// million.
    pub fn new(capacity: usize) -> Memo {
        // Detection builds its automaton when first used, in about 5 ms: now, and not in some request.
        Device::of(b"-");
        let sets = capacity.min(CAPACITY_MAX).div_ceil(SLOTS).next_power_of_two();
        Memo {
            hasher: RandomState::new(),
            sets: (0..sets).map(|_| Set::default()).collect(),
            hand: AtomicUsize::new(0),
        }
    }

    /// [`Device::of`], remembered.
    pub fn device(&self, user_agent: &[u8]) -> Device {
        let hash = self.hasher.hash_one(considered(user_agent));
        let Set(slots) = &self.sets[hash as usize & (self.sets.len() - 1)];
        for slot in slots {
            let held = slot.load(Ordering::Relaxed);
            if (held ^ hash) & !CODE == 0
                && let Some(device) = decoded(held & CODE)
            {
                return device;
            }
        }
        let device = Device::of(user_agent);
        let empty = slots.iter().find(|slot| slot.load(Ordering::Relaxed) == 0);
        let slot = empty.unwrap_or_else(|| &slots[self.hand.fetch_add(1, Ordering::Relaxed) % SLOTS]);
        slot.store(hash & !CODE | encoded(device), Ordering::Relaxed);
        device
    }
}

const CLASSES: [Class; 4] = [Class::Mobile, Class::Tablet, Class::Desktop, Class::SmartTv];
const SYSTEMS: [Os; 7] = [Os::Ios, Os::Android, Os::Windows, Os::MacOs, Os::ChromeOs, Os::Linux, Os::Other];

/// Class and system in 6 bits, never zero.
fn encoded(device: Device) -> u64 {
    1 + (device.class as u64) * 8 + device.os as u64
}

fn decoded(code: u64) -> Option<Device> {
    let code = code.checked_sub(1)? as usize;
    Some(Device { class: *CLASSES.get(code / 8)?, os: *SYSTEMS.get(code % 8)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_are_reversible() {
        assert_eq!(decoded(0), None);
        for class in CLASSES {
            for os in SYSTEMS {
                let device = Device { class, os };
                assert_eq!(decoded(encoded(device)), Some(device));
                assert_eq!(encoded(device) & !CODE, 0);
            }
        }
    }

    #[test]
    fn never_grows() {
        for (capacity, slots) in [(0, 8), (1, 8), (9, 16), (4096, 4096), (usize::MAX, CAPACITY_MAX)] {
            assert_eq!(Memo::new(capacity).sets.len() * SLOTS, slots);
        }
        assert_eq!(size_of::<Set>(), 64);
    }

    #[test]
    fn a_full_memo_still_remembers_the_last() {
        let memo = Memo::new(8);
        for number in 0..1000 {
            let user_agent = format!("Mozilla/5.0 (iPad; CPU OS {number})");
            for _ in 0..2 {
                assert_eq!(memo.device(user_agent.as_bytes()).to_string(), "tablet ios");
            }
        }
        assert_eq!(memo.hand.into_inner(), 1000 - 8, "each agent was stored once");
    }

    #[test]
    fn threads_share_one() {
        let agents = [
            "(iPad; CPU OS 9_1)",
            "(iPhone; CPU)",
            "(Windows NT 10.0)",
            "(Linux; Android 9) Mobile",
            "Roku/DVP-9",
            "curl",
        ];
        let memo = Memo::new(0);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for agent in agents.iter().cycle().take(1000) {
                        assert_eq!(memo.device(agent.as_bytes()), Device::of(agent.as_bytes()));
                    }
                });
            }
        });
    }

    proptest! {
        #[test]
        fn equals_direct(agents in prop::collection::vec("(iPad|Android|Mobile|[ -~]){0,8}", 1..40)) {
            let memo = Memo::new(16);
            for agent in agents.iter().chain(&agents) {
                prop_assert_eq!(memo.device(agent.as_bytes()), Device::of(agent.as_bytes()));
            }
        }
    }
}
