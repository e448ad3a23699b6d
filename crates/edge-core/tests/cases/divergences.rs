//! `fixtures/divergences.toml`: where AWS documents nothing and somebody had to choose, and where we differ on
//! purpose. Cases and entries name each other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;

use super::{cases, known_rules};

#[test]
fn divergences_and_cases_name_each_other() {
    let list: Divergences = toml::from_str(include_str!("../../../../fixtures/divergences.toml")).unwrap();
    let cases = cases();
    let mut wrong = String::new();
    let mut ids = BTreeSet::new();
    for entry in &list.divergence {
        let shown = cases.iter().any(|(_, case)| case.divergence.as_ref() == Some(&entry.id));
        if !ids.insert(entry.id.as_str()) {
            _ = writeln!(wrong, "{} is there twice", entry.id);
        }
        if shown == entry.no_case.is_some() {
            _ = writeln!(wrong, "{}: a case that shows it or the reason for none, one of them", entry.id);
        }
        if !known_rules().contains(entry.section.as_str()) {
            _ = writeln!(wrong, "{}: nobody knows {}", entry.id, entry.section);
        }
        if [&entry.reference, &entry.ours, &entry.since].into_iter().any(String::is_empty) {
            _ = writeln!(wrong, "{}: something is not said", entry.id);
        }
    }
    for (name, case) in &cases {
        match &case.divergence {
            Some(id) if !ids.contains(id.as_str()) => {
                _ = writeln!(wrong, "{name} shows {id}, which is not in the list");
            }
            None if case.unsure => _ = writeln!(wrong, "{name} is unsure and names no entry of the list"),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Divergences {
    divergence: Vec<Divergence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Divergence {
    id: String,
    section: String,
    /// What the reference suggests or leaves open.
    reference: String,
    ours: String,
    #[expect(dead_code, reason = "read only to check the word")]
    confidence: Confidence,
    since: String,
    /// Why no case shows it.
    no_case: Option<String>,
}

/// How sure we are that CloudFront does the same.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Confidence {
    /// Seen in the field, though not documented.
    Observed,
    /// It follows from something that is documented.
    Likely,
    /// Somebody had to choose.
    Guess,
    /// It is known not to.
    Different,
}
