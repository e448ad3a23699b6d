//! `fixtures/divergences.toml`: where AWS documents nothing and somebody had to choose, and where we differ on
//! purpose. Cases and entries name each other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;

use super::cases;
use super::files::sections;

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
        if !sections().any(|(section, _)| section == entry.section) {
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

/// The page for people is made of the list; `cargo test --test cases -- --ignored` writes it anew.
#[test]
fn the_fidelity_page_shows_the_list() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == with_table(&page), "docs/fidelity.md is not what fixtures/divergences.toml says");
}

#[test]
#[ignore = "rewrites docs/fidelity.md"]
fn rewrite_the_fidelity_page() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    std::fs::write(PAGE, with_table(&page)).unwrap();
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fidelity.md");

/// The page with its tables made anew: all after the last line of text.
fn with_table(page: &str) -> String {
    let marker = "<!-- made from fixtures/divergences.toml -->\n";
    let (text, _) = page.split_once(marker).unwrap();
    let mut out = format!("{text}{marker}");
    let list: Divergences = toml::from_str(include_str!("../../../../fixtures/divergences.toml")).unwrap();
    for confidence in [Confidence::Different, Confidence::Guess, Confidence::Likely, Confidence::Observed] {
        _ = write!(out, "\n## {}\n\n", confidence.title());
        out.push_str(
            "| § | what the reference says | what the edge does | id |\n| --- | --- | --- | --- |\n",
        );
        let mut entries: Vec<_> =
            list.divergence.iter().filter(|entry| entry.confidence == confidence).collect();
        entries.sort_by_key(|entry| entry.section.clone());
        for entry in entries {
            let cell = |text: &str| text.replace('|', "\\|");
            _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                entry.section,
                cell(&entry.reference),
                cell(&entry.ours),
                entry.id
            );
        }
    }
    out
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
    confidence: Confidence,
    since: String,
    /// Why no case shows it.
    no_case: Option<String>,
}

/// How sure we are that CloudFront does the same.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
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

impl Confidence {
    fn title(self) -> &'static str {
        match self {
            Self::Observed => "Seen in the field, not documented",
            Self::Likely => "Follows from something documented",
            Self::Guess => "Somebody had to choose",
            Self::Different => "Known to differ",
        }
    }
}
