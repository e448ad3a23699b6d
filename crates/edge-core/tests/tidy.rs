//! The structure of the house is a test: sizes, module docs, the direction of imports, who may know what.
//!
//! A rule reads one file and says what is wrong with it. What is allowed all the same stands in [`ALLOWED`] with its
//! reason, and an entry that is no longer needed fails too. Std only; clippy knows what is about types.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::fs;
use std::path::Path;

/// Lines of logic a file may have: neither blank, nor a comment, nor a test.
const LOGIC_LINES_MAX: usize = 400;

/// Imports point down this list only; nothing here knows what stands above it. Modules of one line do not know each
/// other.
const LAYERS: [&[&str]; 10] = [
    &["header", "script"],
    &["distribution"],
    &["viewer", "site", "generate", "lint", "compare"],
    &["function"],
    &["cache"],
    &["origin"],
    &["response"],
    &["exchange"],
    &["log"],
    &["explain", "replay", "proxy"],
];

/// What each of these may see of the others, where that is less than all below it.
const NARROW: [(&str, &[&str]); 4] = [
    ("site", &["distribution", "function"]),
    ("generate", &["distribution", "function"]),
    ("lint", &["distribution"]),
    ("compare", &["distribution"]),
];

/// Crates that only the data path knows.
const DATA_PATH: [&str; 6] = ["tokio", "hyper", "pingora", "rustls", "moka", "hickory"];

/// Exceptions: rule, file, what of it (part of the message), why.
#[rustfmt::skip]
const ALLOWED: &[(&str, &str, &str, &str)] = &[
    ("panic", "edge-core/src/viewer/device/signs.rs", "", "the table is a constant, and a test builds it"),
    ("size", "edge-core/src/lint/table.rs", "", "a list: one row after the other"),
    ("wait", "edge-core/tests/fetch/request.rs", "", "a viewer that is slow is what the test is about"),
];

struct File {
    /// From `crates/` on, or from the root where it is elsewhere.
    path: String,
    text: String,
}

impl File {
    /// `header` and `cookie` of `edge-core/src/header/cookie.rs`; nothing for `lib.rs` and for what is no module.
    fn module(&self) -> Vec<&str> {
        let Some((_, path)) = self.path.split_once("/src/") else { return Vec::new() };
        let names = path.trim_end_matches(".rs").split('/');
        names.filter(|name| !["lib", "main", "mod"].contains(name)).collect()
    }

    /// A module of a library or program, that is not itself a test; fuzz targets are.
    fn is_source(&self) -> bool {
        let is_test = self.path.ends_with("tests.rs") || self.path.starts_with("fuzz/");
        self.path.ends_with(".rs") && self.path.contains("/src/") && !is_test
    }

    /// Numbered lines of code before the tests, without comments.
    fn logic(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let code = self.text[..tests].lines().map(|line| line.split("//").next().unwrap_or_default());
        code.enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().is_empty())
    }
}

/// What is wrong with a file, each with its line.
type Rule = fn(&File) -> Vec<String>;

const RULES: [(&str, Rule); 8] = [
    ("size", size),
    ("docs", docs),
    ("imports", imports),
    ("data path", data_path),
    ("clock", clock),
    ("panic", panic),
    ("wait", wait),
    ("text", text),
];

fn size(file: &File) -> Vec<String> {
    let lines = if file.is_source() { file.logic().count() } else { 0 };
    let over =
        (lines > LOGIC_LINES_MAX).then(|| format!("{lines} lines of logic, at most {LOGIC_LINES_MAX}"));
    over.into_iter().collect()
}

fn docs(file: &File) -> Vec<String> {
    let docs = file.text.lines().map_while(|line| line.strip_prefix("//!")).collect::<String>();
    let says_why = !file.path.ends_with(".rs") || docs.contains(' ') && docs.trim_end().contains('.');
    if says_why { Vec::new() } else { vec!["opens without a sentence (`//!`) on why it exists".to_owned()] }
}

fn imports(file: &File) -> Vec<String> {
    let module = file.module();
    let Some(own) = module.first().filter(|_| file.path.starts_with("edge-core") && file.is_source()) else {
        return Vec::new();
    };
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let narrow = NARROW.iter().find(|(name, _)| name == own).map(|(_, seen)| *seen);
    let mut wrong = Vec::new();
    let Some(own_layer) = layer(own) else { return vec![format!("`{own}` has no place in LAYERS")] };
    for (number, line) in file.logic() {
        if line.contains(&"super::".repeat(module.len())) {
            wrong.push(format!("line {number}: reaches the root through `super`: write `crate::`"));
        }
        for after in line.split("crate::").skip(1) {
            let seen = after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let allowed = seen == *own
                || layer(seen).is_some_and(|seen| seen < own_layer)
                    && narrow.is_none_or(|list| list.contains(&seen))
                || narrow.is_some_and(|list| list.contains(&seen));
            if !allowed {
                wrong.push(format!("line {number}: `{own}` must not know `{seen}`"));
            }
        }
    }
    wrong
}

fn data_path(file: &File) -> Vec<String> {
    let is_pure =
        file.path.starts_with("edge-core") && file.is_source() && file.module().first() != Some(&"proxy");
    let knows = |line: &str| {
        DATA_PATH.iter().any(|name| line.contains(&format!("{name}::")) || line.contains(&format!("{name}_")))
    };
    lines(file, is_pure, knows, "only proxy/ knows the data path's crates")
}

fn clock(file: &File) -> Vec<String> {
    let is_clock = file.path.ends_with("proxy/clock.rs");
    let in_data_path = file.path.starts_with("edge-bin") || file.module().first() == Some(&"proxy");
    let reads =
        |line: &str| line.contains("SystemTime::now") || !in_data_path && line.contains("Instant::now");
    lines(file, file.is_source() && !is_clock, reads, "time is an argument; the one clock is proxy/clock.rs")
}

fn panic(file: &File) -> Vec<String> {
    let panics =
        |line: &str| [".unwrap()", ".expect(\"", "panic!(", "todo!("].iter().any(|call| line.contains(call));
    lines(file, file.is_source(), panics, "what comes from the wire or a file must not panic")
}

fn wait(file: &File) -> Vec<String> {
    let is_test = file.path.contains("/tests/") && !file.path.ends_with("/tidy.rs");
    lines(file, is_test, |line| line.contains("sleep("), "a test waits for an event, not for a while")
}

/// Of every text file: nothing at the end of a line, nothing of the machine it was written on.
fn text(file: &File) -> Vec<String> {
    let machine = ["/work/", "/root/", "/home/"];
    let numbered = file.text.lines().enumerate();
    let wrong = numbered.filter_map(|(index, line)| {
        let place = machine.iter().find(|place| line.contains(**place) && !file.path.ends_with("/tidy.rs"));
        let trailing = line.ends_with([' ', '\t', '\r']).then(|| "white space at its end".to_owned());
        trailing
            .or(place.map(|place| format!("a path of some machine ({place})")))
            .map(|what| format!("line {}: {what}", index + 1))
    });
    let ends = !file.text.is_empty() && !file.text.ends_with('\n');
    wrong.chain(ends.then(|| "no line end at its end".to_owned())).collect()
}

fn lines(file: &File, concerned: bool, wrong: impl Fn(&str) -> bool, why: &str) -> Vec<String> {
    let found = file.logic().filter(|(_, line)| concerned && wrong(line));
    found.map(|(number, _)| format!("line {number}: {why}")).collect()
}

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    read(&root, "", &mut files);
    assert!(files.iter().any(|file| file.path == "edge-core/src/lib.rs"), "the walk found too little");
    let mut used = vec![false; ALLOWED.len()];
    let mut wrong = Vec::new();
    for file in &files {
        for (rule, check) in RULES {
            for problem in check(file) {
                let exception = ALLOWED.iter().position(|(name, path, part, _)| {
                    *name == rule && *path == file.path && problem.contains(part)
                });
                match exception {
                    Some(index) => used[index] = true,
                    None => wrong.push(format!("{}: {problem} [{rule}]", file.path)),
                }
            }
        }
    }
    let unused = ALLOWED.iter().zip(used).filter(|(_, used)| !used);
    wrong
        .extend(unused.map(|((rule, path, ..), _)| format!("{path}: no exception needed any more [{rule}]")));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Text files under `directory`, but for what is made or fetched.
fn read(directory: &Path, path: &str, files: &mut Vec<File>) {
    const NOT_OURS: [&str; 7] =
        [".git", "target", "node_modules", "corpus", "artifacts", "__pycache__", "LICENSE"];
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().unwrap();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            read(&entry.path(), inner.trim_start_matches("crates/"), files);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(File { path: inner, text });
        }
    }
}

/// Each rule can fail, and an innocent file passes them all.
#[test]
fn each_rule_can_fail() {
    let long = format!("//! A long file.\n{}", "let x = 1;\n".repeat(LOGIC_LINES_MAX + 1));
    for (rule, path, text) in [
        ("size", "edge-core/src/origin.rs", long.as_str()),
        ("docs", "edge-core/src/origin.rs", "//! Origin\n"),
        ("docs", "edge-core/src/origin.rs", "use std::fmt;\n"),
        ("imports", "edge-core/src/cache/key.rs", "use super::super::exchange;\n"),
        ("imports", "edge-core/src/site/mod.rs", "use crate::header::date;\n"),
        ("imports", "edge-core/src/unheard.rs", "use std::fmt;\n"),
        ("data path", "edge-core/src/origin.rs", "use tokio::time;\n"),
        ("data path", "edge-core/src/origin.rs", "use hyper_util::rt;\n"),
        ("clock", "edge-core/src/exchange.rs", "let now = Instant::now();\n"),
        ("clock", "edge-bin/src/serve.rs", "let now = SystemTime::now();\n"),
        ("panic", "edge-bin/src/serve.rs", "x.unwrap();\n"),
        ("wait", "edge-core/tests/listen/main.rs", "tokio::time::sleep(SHORT).await;\n"),
        ("text", "README.md", "cd /home/somebody\n"),
        ("text", "README.md", "end \n"),
        ("text", "README.md", "end"),
    ] {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let (_, check) = RULES.iter().find(|(name, _)| *name == rule).unwrap();
        assert!(!check(&file).is_empty(), "{rule} has nothing against {path}: {text}");
    }
    let innocent = "//! A file that does its work. https://example.com\nuse crate::header::date;\n\n#[cfg(test)]\nmod tests {\n    x.unwrap();\n}\n";
    let file = File { path: "edge-core/src/origin.rs".to_owned(), text: innocent.to_owned() };
    assert!(RULES.iter().all(|(_, check)| check(&file).is_empty()));
}
