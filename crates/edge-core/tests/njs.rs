//! The language, against the test vectors of njs, the engine CloudFront's runtimes are like: those V8 agrees on.
//!
//! A value is the same text; of an error the name is the same. What differs stands in `fixtures/njs/different.tsv` with
//! its reason, and a line there that is not needed fails.

#![cfg(feature = "functions")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use edge_core::script;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    code: String,
    expect: String,
    same_in_v8: bool,
}

const VECTORS: &str = include_str!("../../../fixtures/njs/vectors.jsonl");
const DIFFERENT: &str = include_str!("../../../fixtures/njs/different.tsv");

/// The names errors have.
const ERRORS: [&str; 7] =
    ["Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

#[test]
fn values_and_errors_are_those_of_njs_and_v8() {
    let mut different: BTreeMap<usize, &str> = DIFFERENT
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(line, reason)| (line.parse().unwrap(), reason))
        .collect();
    let (mut same, mut named, mut report) = (0, 0, String::new());
    for (index, line) in VECTORS.lines().enumerate() {
        let vector: Vector = serde_json::from_str(line).unwrap();
        if !vector.same_in_v8 {
            continue;
        }
        let got = script::evaluate(&vector.code);
        let agrees = match (&got, error_name(&vector.expect)) {
            (Ok(value), _) => *value == vector.expect,
            (Err(thrown), Some(name)) => error_name(thrown) == Some(name),
            _ => false,
        };
        match (agrees, different.remove(&(index + 1))) {
            (true, None) => same += 1,
            (false, Some(_)) => named += 1,
            (true, Some(_)) => {
                _ = writeln!(report, "line {} agrees: remove it from different.tsv", index + 1);
            }
            (false, None) => {
                _ = writeln!(
                    report,
                    "line {}: {}: expected {:?}, got {got:?}",
                    index + 1,
                    vector.code,
                    vector.expect
                );
            }
        }
    }
    for (line, reason) in different {
        _ = writeln!(report, "line {line} is none that V8 agrees on: {reason}");
    }
    println!("{same} vectors agree, {named} differ for a reason");
    assert!(report.is_empty(), "{report}");
}

/// `TypeError` of `TypeError: not a function`.
fn error_name(text: &str) -> Option<&str> {
    let name = text.split(':').next().unwrap_or_default();
    ERRORS.contains(&name).then_some(name)
}
