//! Every case file under `fixtures/cases`, run through the pure core.
//!
//! One file is one case and cites its authority. All failures of all files are collected before anything is said.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

#[path = "cases/compile.rs"]
mod compile;
#[path = "cases/divergences.rs"]
mod divergences;
#[path = "cases/files.rs"]
mod files;
#[path = "cases/format.rs"]
mod format;
#[path = "cases/rules.rs"]
mod rules;
#[path = "cases/signed.rs"]
mod signed;
#[path = "cases/simulate.rs"]
mod simulate;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use files::cases;
use format::{Case, Mode};

#[test]
fn every_case_holds() {
    let mut report = String::new();
    let (mut passed, mut failed, mut without_engine) = (0, 0, 0);
    for (name, case) in cases() {
        if case.pending.is_some() {
            continue;
        }
        if case.runs_script() && !edge_core::script::CAN_RUN {
            without_engine += 1;
            continue;
        }
        let failures = failures(&case);
        if failures.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            tell(&mut report, &name, &case, &failures);
        }
    }
    println!("{passed} cases hold; {without_engine} need the feature `functions`");
    assert!(failed == 0, "{failed} cases do not hold, {passed} do\n{report}");
}

/// A case that waits for something, and passes, waits no longer: its line `pending` goes.
#[test]
fn pending_cases_are_listed_and_do_not_pass() {
    let mut unexpected = String::new();
    for (name, case) in cases() {
        let Some(pending) = &case.pending else { continue };
        println!("pending: {name}: {}: {pending}", case.title);
        let runs = !case.steps.is_empty() || case.refused.is_some();
        if runs && failures(&case).is_empty() {
            _ = writeln!(unexpected, "{name} passes: remove `pending`");
        }
    }
    assert!(unexpected.is_empty(), "{unexpected}");
}

/// Each of the fifty vectors of §18 is a case.
#[test]
fn every_vector_is_a_case() {
    let mut vectors: BTreeMap<u32, bool> = BTreeMap::new();
    for (_, case) in cases() {
        if let Some(vector) = case.vector {
            *vectors.entry(vector).or_default() |= case.pending.is_none();
        }
    }
    let missing: Vec<u32> = (1..=50).filter(|vector| !vectors.contains_key(vector)).collect();
    let held = vectors.values().filter(|held| **held).count();
    println!("vectors: {held} held, {} pending", vectors.len() - held);
    assert!(missing.is_empty(), "no case for vector {missing:?}");
    assert!(vectors.keys().all(|vector| (1..=50).contains(vector)), "{vectors:?}");
}

/// A case that cites what nobody knows is not read.
#[test]
fn only_known_rules_are_cited() {
    let known = files::citable();
    for (rule, is_known) in [
        ("§7.1/s-maxage", true),
        ("§16.3", true),
        ("guard", true),
        ("RFC 9111 §4.2", true),
        ("§7.1", false),
        ("§7.1/no-such-rule", false),
        ("§7.99", false),
    ] {
        let text = format!("rule = \"{rule}\"\ntitle = \"x\"\npending = \"x\"");
        let case = format::read(&text).unwrap();
        assert_eq!(files::unknown(&case, &known).is_empty(), is_known, "{rule}");
    }
}

/// An expectation that nothing can fail says nothing: here every one of them is wrong.
#[test]
fn every_expectation_can_fail() {
    let case = format::read(include_str!("cases/all_wrong.toml")).unwrap();
    let failures = failures(&case);
    let all = [
        "the origin",
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
        "connection closed",
        "the log's sc-status",
        "logged",
        "refused",
        "behavior",
        "key",
        "ttl",
        "stored",
        "not stored",
        "guard",
        "visitor",
        "console",
        "function failed",
    ];
    format::assert_said(&failures, &all);
}

/// A document that is refused for another reason, or not so often, is not what the case says.
#[test]
fn refusals_are_counted() {
    let case = |refused: &str, times: usize| {
        let text = format!(
            "rule = \"guard\"\ntitle = \"x\"\nrefused = \"{refused}\"\nrefused_times = {times}\n\
             [origin]\nheaders = {{ Host = \"1\", Cookie = \"1\" }}"
        );
        failures(&format::read(&text).unwrap()).len()
    };
    assert_eq!(case("InvalidArgument", 2), 0);
    assert_eq!([case("InvalidArgument", 1), case("InvalidArgument", 3), case("InvalidOrigin", 2)], [2, 2, 2]);
}

/// No two cases have the same title.
#[test]
fn titles_are_unique() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, case) in cases() {
        if let Some(other) = seen.insert(case.title.clone(), name.clone()) {
            panic!("{name} and {other} are both called {:?}", case.title);
        }
    }
}

/// The modes of the edge, by the words reports use.
const MODES: [(Mode, &str); 2] = [(Mode::Exact, "exact"), (Mode::Guard, "guard")];

fn failures(case: &Case) -> Vec<String> {
    MODES.into_iter().flat_map(|mode| failures_in(case, mode)).collect()
}

/// Nothing where the case does not belong to this mode.
fn failures_in(case: &Case, (mode, word): (Mode, &str)) -> Vec<String> {
    let cannot_run = case.runs_script() && !edge_core::script::CAN_RUN;
    if !case.mode.include(mode) || cannot_run {
        return Vec::new();
    }
    let failures = simulate::run(case, mode, &mut |_, _| {});
    failures.into_iter().map(|failure| format!("[{word}] {failure}")).collect()
}

fn tell(report: &mut String, name: &str, case: &Case, failures: &[String]) {
    let rules: Vec<&str> = case.rule.iter().collect();
    _ = writeln!(report, "\n{name}: {} ({})", case.title, rules.join(", "));
    for failure in failures {
        _ = writeln!(report, "    {failure}");
    }
}
