//! The engine against a naive model of it: random sequences of requests, moods of the origin, time, invalidations and
//! viewers who leave go through both, and every viewer and the origin must see the same.
//!
//! `PROPTEST_CASES` makes a run longer, `PROPTEST_RNG_SEED` another.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests")]

mod drive;
mod model;
mod sequence;
mod words;

use std::fmt::Write;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use self::drive::Bench;
use self::model::Model;
use self::sequence::{Asked, Meanwhile, Reply, Step, World};

/// How many sequences there are, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 1_500;

/// How often a sequence begins anew because the machine was too slow for it.
const ATTEMPTS: usize = 8;

#[test]
fn the_engine_does_what_the_model_does() {
    let config = ProptestConfig {
        cases: cases(),
        max_shrink_iters: 300,
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
        Err(TestError::Fail(first, (world, mut steps))) => {
            let mut told = format!("it happened only once: {first}");
            if let Err(text) = transcript(&bench, world, &steps) {
                told = text;
            }
            // Scenes are shrunk as wholes; of their steps not all are needed.
            let mut at = 0;
            while at < steps.len() {
                let left_out = steps.remove(at);
                match transcript(&bench, world, &steps) {
                    Err(text) => told = text,
                    Ok(()) => {
                        steps.insert(at, left_out);
                        at += 1;
                    }
                }
            }
            panic!("{told}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a variable of proptest's, which its own default hides")]
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// A step in which nothing happens while a body arrives that its viewer sees only when it is whole.
fn tame(model: &Model, step: &Step) -> Step {
    match step {
        Step::Visit(request, Meanwhile::Leaves | Meanwhile::Overtaken | Meanwhile::InvalidatedInBody(_))
            if model.is_held_back(request) =>
        {
            Step::Visit(request.clone(), Meanwhile::Nothing)
        }
        step => step.clone(),
    }
}

/// Runs a sequence. `Err`: all of it in words, up to where engine and model part.
fn transcript(bench: &Bench, world: World, steps: &[Step]) -> Result<(), String> {
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        let (mut engine, mut model) = (bench.engine(world), Model::new(world));
        let mut text = format!("engine and model part:\n\n     {world:?}\n");
        result = steps.iter().enumerate().try_for_each(|(number, step)| {
            let step = &tame(&model, step);
            engine.is_held_back = matches!(step, Step::Visit(request, _) if model.is_held_back(request));
            let (expected, seen) = (model.step(step), engine.step(step));
            tell(&mut text, number, step, &expected, &seen);
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
    let alike = |(expected, seen): (&Reply, &Reply)| {
        // How much came before it broke is the network's affair.
        let broke =
            expected.cut && seen.cut && expected.body.starts_with(&seen.body) && expected.body != seen.body;
        if left || broke {
            *expected == Reply { body: expected.body.clone(), cut: expected.cut, ..seen.clone() }
        } else {
            expected == seen && !seen.cut
        }
    };
    expected.1 == seen.1 && expected.0.len() == seen.0.len() && expected.0.iter().zip(&seen.0).all(alike)
}

/// A step, and what came of it.
fn tell(text: &mut String, number: usize, step: &Step, expected: &Seen, seen: &Seen) {
    _ = writeln!(text, "{:>3}. {step}", number + 1);
    if agree(step, expected, seen) {
        told(text, "both", seen);
    } else {
        told(text, "MODEL", expected);
        told(text, "ENGINE", seen);
    }
}

fn told(text: &mut String, who: &str, (replies, asked): &Seen) {
    replies.iter().for_each(|reply| _ = writeln!(text, "       {who}: {reply}"));
    asked.iter().for_each(|asked| _ = writeln!(text, "       {who}: the origin is asked {asked}"));
}
