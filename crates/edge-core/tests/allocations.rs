//! A decision for a hit allocates its key and nothing else: promised, and the same on every machine.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[allow(dead_code, reason = "the bench and the test use a part each")]
#[path = "../benches/support/mod.rs"]
mod support;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test only: another in this program would be counted too.
#[test]
fn a_hit_allocates_its_key() {
    for (hit, rewritten) in support::hits().iter().zip([0, 2, 0]) {
        let request = hit.request();
        let region = Region::new(ALLOCATOR);
        let look_up = hit.look_up(request);
        let key = region.change();
        let answer = hit.answer(look_up);
        let all = region.change();
        drop(answer);
        let count = key.allocations + key.reallocations;
        // A query that the rule rewrites is a list of what stays, and a text.
        assert_eq!(count, 1 + rewritten, "{}: to the key", hit.name);
        // The answer's fields are a copy of the stored ones (two tables), and its `Age` is a text.
        assert!(all.allocations + all.reallocations - count <= 4, "{}: {all:?}", hit.name);
    }
}
