//! The JavaScript of a rule in an engine nobody here built: Node.js returns for 10,000 events what ours does.
//!
//! That ours and the rule itself are one is `edge-core`'s `rule_javascript`; rules and requests are the same here.
//! `tools/python-tools` brings Node.js where it is not there yet.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "../../edge-core/tests/rule_javascript/chance.rs"]
mod chance;
#[path = "../../edge-core/tests/rule_javascript/setup.rs"]
#[expect(dead_code, reason = "the native form is the other test's")]
mod setup;
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use chance::Chance;
use edge_core::exchange::{Step, begin};
use http::HeaderValue;
use serde_json::{Value, json};
use setup::{Form, read, rules};

const RULES: u64 = 500;
const REQUESTS_EACH: u64 = 20;

#[test]
fn node_returns_what_our_engine_does() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (mut groups, mut ours) = (Vec::new(), Vec::new());
    for seed in 0..RULES {
        let mut chance = Chance::new(seed);
        let rule = chance::rule(&mut chance);
        let script = rules(&rule, Form::JavaScript);
        let (mut events, mut returned) = (Vec::new(), Vec::new());
        for _ in 0..REQUESTS_EACH {
            let raw = chance::request(&mut chance);
            let request = read(&raw);
            let query = request.target.query().map(str::to_owned);
            let ran = match begin(&script, request, HeaderValue::from_static(chance::ID), now) {
                Step::LookUp(look_up) => look_up.trace().ran_at_request.clone(),
                Step::Ask(ask) => ask.trace().ran_at_request.clone(),
                _ => None,
            };
            let ran = ran.unwrap();
            let event = json!({ "context": { "requestId": chance::ID }, "request": ran.before() });
            events.push(json!({ "event": event, "query": query }));
            returned.push((raw, ran.after().unwrap().0));
        }
        groups.push(json!({ "code": rule.javascript(), "events": events }));
        ours.push(returned);
    }
    let theirs = in_node(&json!(groups));
    for (seed, returned) in ours.iter().enumerate() {
        for (index, (raw, value)) in returned.iter().enumerate() {
            assert_eq!(&theirs[seed][index], value, "seed {seed}\n{raw}\n{}", groups[seed]["code"]);
        }
    }
}

fn in_node(groups: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rule_in_node/run.mjs");
    let node = support::installed("python-tools").join("node");
    let mut child =
        Command::new(node).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = groups.to_string();
    let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "Node.js failed");
    serde_json::from_slice(&output.stdout).unwrap()
}
