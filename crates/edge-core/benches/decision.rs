//! What the decision for a hit costs, in time and in allocations: behavior, rule, device, key, freshness, and the head of
//! the answer. The promise is a microsecond for all but the head, which is a copy.
#![allow(missing_docs, reason = "criterion's macro writes an undocumented function")]

use std::alloc::System;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[allow(dead_code, reason = "the bench and the test use a part each")]
mod support;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Few enough that inputs and answers stay in the cache, as they do in a server.
const BATCH: BatchSize = BatchSize::NumIterations(32);

fn decision(criterion: &mut Criterion) {
    for hit in support::hits() {
        criterion.bench_function(&format!("{}: to the key", hit.name), |bench| {
            bench.iter_batched(|| hit.request(), |request| hit.look_up(black_box(request)), BATCH);
        });
        criterion.bench_function(&format!("{}: from the object to the answer", hit.name), |bench| {
            let looked_up = || hit.look_up(hit.request());
            bench.iter_batched(looked_up, |look_up| hit.answer(black_box(look_up)), BATCH);
        });
        let request = hit.request();
        let region = Region::new(ALLOCATOR);
        let look_up = hit.look_up(request);
        let to_the_key = region.change();
        let answer = hit.answer(look_up);
        let whole = region.change();
        drop(answer);
        println!(
            "{}: {} allocations to the key of {} bytes, {} for the answer",
            hit.name,
            to_the_key.allocations + to_the_key.reallocations,
            hit.key().size(),
            whole.allocations + whole.reallocations - to_the_key.allocations - to_the_key.reallocations,
        );
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
