//! What device detection costs: for an agent never seen, and for one that a memo knows. A figure is the mean
//! of one agent over all agents of the sample, each after the other.
#![allow(missing_docs, reason = "criterion's macro writes an undocumented function")]
#![expect(clippy::unwrap_used, reason = "the sample is part of the repository")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use edge_core::viewer::device::{Device, Memo};

const SAMPLE: &str = include_str!("../../../fixtures/user-agents/sample.jsonl");

/// More than the sample holds, so that the memo forgets nothing.
const CAPACITY: usize = 16_384;

fn agents() -> Vec<String> {
    let records = SAMPLE.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.map(|record| record["ua"].as_str().unwrap().to_owned()).collect()
}

fn device(criterion: &mut Criterion) {
    let agents = agents();
    let bytes: usize = agents.iter().map(String::len).sum();
    println!("{} agents of {} bytes on average", agents.len(), bytes / agents.len());

    let mut next = agents.iter().cycle();
    criterion.bench_function("device/never seen", |bench| {
        bench.iter(|| Device::of(black_box(next.next().unwrap().as_bytes())));
    });

    let memo = Memo::new(CAPACITY);
    for agent in &agents {
        memo.device(agent.as_bytes());
    }
    let mut next = agents.iter().cycle();
    criterion.bench_function("device/known", |bench| {
        bench.iter(|| memo.device(black_box(next.next().unwrap().as_bytes())));
    });

    // Somebody sends a new agent each time; the memo is full and has no use.
    let memo = Memo::new(1);
    let mut next = agents.iter().cycle();
    criterion.bench_function("device/never known", |bench| {
        bench.iter(|| memo.device(black_box(next.next().unwrap().as_bytes())));
    });

    // The longest that is read: full of finds, and without any, so that woothee reads it too.
    for (name, text) in
        [("30 kB of finds", "(Linux; Andro mobil sm- gt- tv "), ("30 kB of nothing", "Mozila/5.0 ; xyz ")]
    {
        let agent = text.repeat(2000);
        criterion.bench_function(&format!("device/{name}"), |bench| {
            bench.iter(|| Device::of(black_box(agent.as_bytes())));
        });
    }
}

criterion_group!(benches, device);
criterion_main!(benches);
