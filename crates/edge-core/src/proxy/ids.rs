//! `X-Amz-Cf-Id`: 56 characters no two exchanges share (§5.1). Unlike one another, not unguessable: nothing trusts
//! an id that a viewer brings.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use http::HeaderValue;

/// Makes ids.
#[derive(Debug)]
pub(super) struct RequestIds {
    hasher: RandomState,
}

thread_local! {
    /// SplitMix64's state: each thread starts elsewhere. Zero is "not started".
    static STATE: Cell<u64> = const { Cell::new(0) };
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LENGTH: usize = 56;

impl RequestIds {
    /// A source with a start of its own.
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new() }
    }

    /// The next id.
    pub(super) fn next(&self) -> HeaderValue {
        let mut id = [b'='; LENGTH];
        let (tens, rest) = id[..LENGTH - 2].as_chunks_mut::<10>();
        tens.iter_mut().for_each(|chunk| fill(chunk, self.draw()));
        fill(rest, self.draw());
        HeaderValue::from_bytes(&id).unwrap_or(const { HeaderValue::from_static("") })
    }

    fn draw(&self) -> u64 {
        STATE.with(|state| {
            let mut at = state.get();
            if at == 0 {
                at = self.hasher.hash_one(std::thread::current().id()) | 1;
            }
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(at);
            let mut mixed = at;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }
}

/// Up to ten characters, of six bits each.
#[inline]
fn fill(places: &mut [u8], mut bits: u64) {
    for place in places {
        *place = ALPHABET[(bits & 63) as usize];
        bits >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_56_characters_and_no_two_are_the_same() {
        let ids = RequestIds::new();
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let id = ids.next().to_str().unwrap().to_owned();
            let digits = id.strip_suffix("==").unwrap();
            assert_eq!(id.len(), LENGTH, "{id}");
            assert!(digits.bytes().all(|digit| ALPHABET.contains(&digit)), "{id}");
            assert!(seen.insert(id.clone()), "{id} twice");
        }
    }
}
