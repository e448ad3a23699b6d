//! The case files of `fixtures/cases`, for every runner.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::format::{self, Case};

/// Every file that reads, by its name under `fixtures/cases`; one that does not stops the test at once, with all
/// others that do not.
pub(crate) fn cases() -> Vec<(String, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases");
    let (mut cases, mut unread) = (Vec::new(), String::new());
    for path in files(&root) {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        match format::read(&std::fs::read_to_string(&path).unwrap()) {
            Ok(case) => cases.push((name, case)),
            Err(error) => _ = writeln!(unread, "{name}: {error}"),
        }
    }
    assert!(unread.is_empty(), "cases that cannot be read:\n{unread}");
    cases
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
