//! The case files of `fixtures/cases`, for every runner, and what they may cite.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::format::{self, Case};

/// Sections and promises a case may cite as such, each with its title.
pub(crate) const SECTIONS: &str = include_str!("../../../../fixtures/cases/sections.txt");

/// The rules of sections whose every rule has an id of its own.
pub(crate) const RULES: &str = include_str!("../../../../fixtures/rules.toml");

/// Every file that reads, by its name under `fixtures/cases`; one that does not, or that cites what nobody knows, stops
/// the test at once, with all others that do not.
pub(crate) fn cases() -> Vec<(String, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases");
    let known = citable();
    let (mut cases, mut unread) = (Vec::new(), String::new());
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        match format::read(&std::fs::read_to_string(&path).unwrap()) {
            Ok(case) => {
                for rule in unknown(&case, &known) {
                    _ = writeln!(unread, "{name}: nobody knows the rule {rule}");
                }
                cases.push((name, case));
            }
            Err(error) => _ = writeln!(unread, "{name}: {error}"),
        }
    }
    assert!(unread.is_empty(), "cases that cannot be read:\n{unread}");
    cases
}

/// What a case cites that is not `known`.
pub(crate) fn unknown<'a>(case: &'a Case, known: &BTreeSet<&str>) -> Vec<&'a str> {
    case.rule.iter().filter(|rule| !rule.starts_with("RFC ") && !known.contains(rule)).collect()
}

/// What a case may cite: the id of a rule, and a section or promise that has no such ids.
pub(crate) fn citable() -> BTreeSet<&'static str> {
    let ids: BTreeSet<&str> = rule_ids().collect();
    let with_ids: BTreeSet<&str> = ids.iter().filter_map(|id| Some(id.split_once('/')?.0)).collect();
    let plain = sections().filter(|(section, _)| !with_ids.contains(section));
    plain.map(|(section, _)| section).chain(ids.iter().copied()).collect()
}

/// Each section, guard or promise with its title.
pub(crate) fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECTIONS.lines().filter_map(|line| line.split_once('\t'))
}

/// The ids alone: the file itself is read by whoever wants more.
fn rule_ids() -> impl Iterator<Item = &'static str> {
    RULES.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    found
}
