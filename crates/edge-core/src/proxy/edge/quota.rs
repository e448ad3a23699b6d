//! How many requests a distribution answers in a second: CloudFront's quota, for those who want to see what is beyond it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// So many in each second of the edge's clock *(unsure: CloudFront documents the figure, not how it counts)*.
#[derive(Debug)]
pub(super) struct Quota {
    per_second: NonZeroU32,
    /// The second in the upper half, how many came in it in the lower.
    counted: AtomicU64,
}

impl Quota {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, counted: AtomicU64::new(0) }
    }

    /// Counts a request that comes now; whether it is one too many.
    pub(super) fn is_exceeded(&self, now: SystemTime) -> bool {
        // Seconds wrap after 136 years; a clock that went back begins a second anew.
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        let count = |counted: u64| {
            let before = if (counted >> 32) as u32 == second { counted as u32 } else { 0 };
            before.saturating_add(1)
        };
        let counted = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counted| {
            Some(u64::from(second) << 32 | u64::from(count(counted)))
        });
        let (Ok(before) | Err(before)) = counted;
        count(before) > self.per_second.get()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_second_has_its_own_count() {
        let quota = Quota::new(NonZeroU32::new(2).unwrap());
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let moments = [1_000, 1_500, 1_999, 2_000, 2_000, 2_001, 1_500, 3_000];
        let exceeded = moments.map(|moment| quota.is_exceeded(at(moment)));
        assert_eq!(exceeded, [false, false, true, false, false, true, false, false]);
    }
}
