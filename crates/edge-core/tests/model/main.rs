//! The engine against a naive model of it: random sequences of requests, moods of the origin, time, invalidations and
//! viewers who leave go through both, and every viewer and the origin must see the same.
//!
//! `PROPTEST_CASES` makes a run longer, `PROPTEST_RNG_SEED` another.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests")]

mod drive;
mod model;
mod sequence;

use std::fmt::Write;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use self::drive::Bench;
use self::model::{Body, Model, Reply};
use self::sequence::{Asked, Meanwhile, Step, World};

/// How many sequences there are, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 1_500;

/// How often a sequence begins anew because the machine was too slow for it.
const ATTEMPTS: usize = 8;

#[test]
fn the_engine_does_what_the_model_does() {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the variable proptest knows")]
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let bench = Bench::new();
    let agree = |(world, steps): (World, Vec<Step>)| match transcript(&bench, world, &steps) {
        Ok(()) => Ok(()),
        Err(text) => Err(TestCaseError::fail(text)),
    };
    match TestRunner::new(config).run(&(sequence::world(), sequence::steps()), agree) {
        Ok(()) => {}
        Err(TestError::Fail(_, (world, steps))) => {
            let text = transcript(&bench, world, &steps).err();
            panic!("{}", text.unwrap_or_else(|| format!("only once: {world:?} {steps:#?}")));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a sequence. `Err`: all of it in words, up to where engine and model part.
fn transcript(bench: &Bench, world: World, steps: &[Step]) -> Result<(), String> {
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        let (mut engine, mut model) = (bench.engine(world), Model::new(world));
        let mut text = format!("\n{world:?}\n");
        result = steps.iter().try_for_each(|step| {
            let (expected, seen) = (model.step(step), engine.step(step));
            tell(&mut text, step, &expected, &seen);
            if agree(step, &expected, &seen) { Ok(()) } else { Err(std::mem::take(&mut text)) }
        });
        if result.is_ok() || !engine.was_slow {
            break;
        }
    }
    result
}

/// What viewers got, and what the origin was asked.
type Seen = (Vec<Reply>, Vec<Asked>);

fn agree(step: &Step, expected: &Seen, seen: &Seen) -> bool {
    let left = matches!(step, Step::Visit(_, Meanwhile::Leaves));
    let alike = |(expected, seen): (&Reply, &Reply)| match (&expected.body, &seen.body) {
        _ if left => *expected == Reply { body: expected.body.clone(), ..seen.clone() },
        (Body::CutOf(all), Body::CutOf(part)) => {
            part.len() < all.len()
                && all.starts_with(part)
                && *expected == Reply { body: expected.body.clone(), ..seen.clone() }
        }
        _ => expected == seen,
    };
    expected.1 == seen.1 && expected.0.len() == seen.0.len() && expected.0.iter().zip(&seen.0).all(alike)
}

fn tell(text: &mut String, step: &Step, expected: &Seen, seen: &Seen) {
    _ = writeln!(text, "{step:?}");
    if expected != seen {
        _ = writeln!(text, "    model:  {expected:?}\n    engine: {seen:?}");
    } else if matches!(step, Step::Visit(..)) {
        _ = writeln!(text, "    both:   {seen:?}");
    }
}
