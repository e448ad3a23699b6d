//! Every case file under `fixtures/cases`, replayed over loopback through the real data path, so that it and the
//! simulator (`cases.rs`) cannot drift apart: the same steps and the same comparison with what the case expects. What
//! the case does not mention is compared with the simulator: every header and body, on both sides of the edge.
//!
//! What a wire cannot show (`ttl`, `not_stored`, `guard`, `stored`, `key`, `behavior`, `visitor`) is not looked at.
//! All failures of all files are collected before anything is said.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests")]

#[path = "cases/compile.rs"]
mod compile;
#[path = "replay/edges.rs"]
mod edges;
#[path = "cases/files.rs"]
mod files;
#[path = "cases/format.rs"]
#[expect(dead_code, reason = "some of it is about the files alone")]
mod format;
#[path = "replay/lambdas.rs"]
mod lambdas;
#[path = "replay/origin.rs"]
mod origin;
#[path = "replay/run.rs"]
mod run;
#[path = "replay/same.rs"]
mod same;
#[path = "cases/signed.rs"]
mod signed;
#[path = "cases/simulate.rs"]
mod simulate;
#[path = "replay/viewer.rs"]
mod viewer;
#[path = "replay/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use edge_core::distribution::{Distribution, document};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use edges::Shared;
use files::cases;
use format::{Case, Mode};

/// Cases the wire shows otherwise than the simulator, and why that is right. One that agrees fails.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "origin-request/s3-scheme.toml",
        "the ports of S3 cannot be chosen, so its stand-in is there over TLS alone",
    ),
    (
        "ranges/encoded.toml",
        "the simulator compresses nothing, and a part of what is compressed cannot be undone",
    ),
];

/// Cases under way at once, in each mode.
const AT_ONCE: usize = 8;

/// A wire has the addresses it has, and shows no certificates; ids, from which chance is drawn, are new each time; and nobody can tell for which of
/// several requests a Lambda is called.
fn can_be_replayed(case: &Case) -> bool {
    let is_elsewhere = case.steps.iter().any(is_about_its_viewer);
    let calls_meanwhile = case.steps.iter().any(|step| step.meanwhile && !step.lambda.is_empty());
    let draws = case.deployment.as_ref().is_some_and(|deployment| deployment.weight.is_some());
    !is_elsewhere && !calls_meanwhile && !draws
}

struct Replayed {
    name: String,
    case: Case,
    distribution: Distribution,
    staging: Option<Distribution>,
}

/// By the name of its file, what a case did not fulfil.
type Failures = BTreeMap<String, Vec<String>>;

/// A wire has the addresses it has, and a viewer of these tests shows no certificate.
fn is_about_its_viewer(step: &format::Step) -> bool {
    let is_http3 = step.http.as_deref() == Some("3");
    is_http3 || step.peer.is_some() || step.certificate.is_some() || step.fingerprint.is_some()
}

#[test]
fn the_data_path_does_what_the_simulator_does() {
    let (mut pending, mut refused, mut all) = (0, 0, Vec::new());
    for (name, case) in cases() {
        if case.pending.is_some() {
            pending += 1;
        } else if case.refused.is_some() {
            refused += 1;
        } else if case.runs_script() && !edge_core::script::CAN_RUN {
            println!("{name} needs the feature `functions`");
        } else if can_be_replayed(&case) {
            all.push(Replayed::new(name, case));
        }
    }
    let runs = all.iter().flat_map(|one| [one.steps(Mode::Exact), one.steps(Mode::Guard)]);
    let (times, steps) = runs.filter(|steps| *steps > 0).fold((0, 0), |(n, sum), steps| (n + 1, sum + steps));
    println!(
        "{} cases replayed, {times} times, {steps} steps; {pending} are pending, {refused} do not load",
        all.len()
    );
    let inside: usize = all.iter().flat_map(|one| &one.case.steps).map(run::inside).sum();
    println!("{inside} expectations were skipped that no wire can show");
    let mut failures = replay_in_both_modes(all);
    let mut report = String::new();
    for (name, reason) in DIFFERENT {
        println!("different: {name}: {reason}");
        if failures.remove(*name).is_none() {
            _ = writeln!(report, "\n{name} agrees: remove it from DIFFERENT");
        }
    }
    for (name, failures) in &failures {
        _ = writeln!(report, "\n{name}");
        for failure in failures {
            _ = writeln!(report, "    {failure}");
        }
    }
    assert!(report.is_empty(), "{} cases differ on the wire\n{report}", failures.len());
}

/// What the wire shows is looked at: where every expectation is wrong, each is found so.
#[test]
fn every_expectation_can_fail() {
    let case = format::read(include_str!("cases/all_wrong.toml")).unwrap();
    let all = vec![Replayed::new("all wrong".to_owned(), case)];
    let failures: Vec<String> = replay_in_both_modes(all).into_values().flatten().collect();
    let all = [
        "the origin's request line",
        "the origin's scheme",
        "the origin's HTTP",
        "the origin's Host",
        "the origin's Via",
        "requests to the origin",
        "calls of Lambdas",
        "the Lambda's event",
        "what the Lambda is told",
        "the Lambda's request.method",
        "status",
        "X-Cache",
        "body",
        "the viewer's Server",
        "the viewer's Date",
        "the trailers' X",
        "connection closed",
        "the log's sc-status",
        "logged",
        "refused",
    ];
    format::assert_said(&failures, &all);
}

impl Replayed {
    fn new(name: String, case: Case) -> Self {
        let text = compile::document(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        let loaded = document::load(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let staging = compile::staging(&case).unwrap_or_else(|error| panic!("{name}: {error}"));
        let staging = staging.map(|text| document::load(&text).unwrap().distribution);
        Self { name, case, distribution: loaded.distribution, staging }
    }

    /// How many steps it has in this mode.
    fn steps(&self, mode: Mode) -> usize {
        let steps = self.case.steps.iter().filter(|step| step.mode.include(mode)).count();
        if self.case.mode.include(mode) { steps } else { 0 }
    }
}

fn replay_in_both_modes(all: Vec<Replayed>) -> Failures {
    let names: BTreeSet<&str> = all.iter().flat_map(|one| run::origin_names(&one.distribution)).collect();
    let shared = Arc::new(Shared::new(&names.into_iter().collect::<Vec<_>>()));
    let all = Arc::new(all);
    // A runtime of one thread each.
    let threads = [Mode::Exact, Mode::Guard].map(|mode| {
        let (all, shared) = (Arc::clone(&all), Arc::clone(&shared));
        std::thread::spawn(move || replay(&all, &shared, mode))
    });
    let mut failures = Failures::new();
    for thread in threads {
        for (name, mut found) in thread.join().unwrap() {
            failures.entry(name).or_default().append(&mut found);
        }
    }
    failures
}

/// Every case of a mode, some at a time; only those that failed are told.
fn replay(all: &Arc<Vec<Replayed>>, shared: &Arc<Shared>, mode: Mode) -> Failures {
    let word = match mode {
        Mode::Exact => "exact",
        Mode::Guard => "guard",
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let places = Rc::new(Semaphore::new(AT_ONCE));
        let mut running = Vec::new();
        for at in (0..all.len()).filter(|&at| all[at].case.mode.include(mode)) {
            let (all, shared, places) = (Arc::clone(all), Arc::clone(shared), Rc::clone(&places));
            running.push(tokio::task::spawn_local(async move {
                let _place = places.acquire().await.unwrap();
                let one = &all[at];
                (
                    at,
                    run::run(&shared, (one.distribution.clone(), one.staging.clone()), &one.case, mode).await,
                )
            }));
        }
        let mut failures = Failures::new();
        for run in running {
            let (at, found) = run.await.unwrap();
            if !found.is_empty() {
                let found = found.into_iter().map(|failure| format!("[{word}] {failure}")).collect();
                failures.insert(all[at].name.clone(), found);
            }
        }
        failures
    })
}
