//! `fixtures/rules.toml`: every rule of the sections that are covered in full, and `docs/rules.md`, which shows the cases
//! that hold it. What holds is what was run here, in both modes, and not what nobody marked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::files::{RULES, cases, sections};
use super::format::{Case, Mode, Modes};
use super::{MODES, failures_in};

/// A rule has a case, or the reason for none.
#[test]
fn every_rule_has_a_case() {
    let book = Book::new();
    let mut wrong = String::new();
    for rule in &book.rules {
        if let Err(why) = book.status(rule) {
            _ = writeln!(wrong, "{}: {why}", rule.id);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn rules_are_well_formed() {
    let mut wrong = String::new();
    let mut ids = BTreeSet::new();
    let divergences = include_str!("../../../../fixtures/divergences.toml");
    for rule in rules() {
        let mut say = |what: &str| _ = writeln!(wrong, "{}: {what}", rule.id);
        let reasons = [&rule.not_here, &rule.later, &rule.test, &rule.differs];
        let reasons =
            reasons.into_iter().filter(|reason| reason.is_some()).count() + usize::from(rule.unsure);
        if reasons > 1 {
            say("more than one reason for having no case");
        }
        if !rule.says.ends_with('.') {
            say("its sentence does not end");
        }
        if !sections().any(|(section, _)| section == rule.section()) {
            say("nobody knows its section");
        }
        if rule.differs.as_ref().is_some_and(|id| !divergences.contains(&format!("id = \"{id}\"\n"))) {
            say("the list of divergences does not have that");
        }
        if rule.test.as_ref().is_some_and(|test| !exists(test)) {
            say("there is no such test");
        }
        if !ids.insert(rule.id.clone()) {
            say("is there twice");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The page for people is made of the rules and of running the cases; `cargo test --test cases -- --ignored` writes it
/// anew.
#[test]
fn the_page_of_rules_shows_what_holds() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == Book::new().page(&page), "docs/rules.md is not what the rules and the cases say");
}

#[test]
#[ignore = "rewrites docs/rules.md"]
fn rewrite_the_page_of_rules() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    std::fs::write(PAGE, Book::new().page(&page)).unwrap();
}

/// What holds comes from running: a case that fails, or was never run, holds nothing.
#[test]
fn only_what_was_run_holds() {
    let read = |text: &str| super::format::read(text).unwrap();
    let step = |status: u16| {
        format!(
            "[[step]]\nrequest = \"GET /\"\norigin = \"HTTP/1.1 200 OK\"\nexpect = {{ status = {status} }}"
        )
    };
    let both = read(&format!("rule = \"guard\"\ntitle = \"x\"\n{}", step(200)));
    let wrong = read(&format!("rule = \"guard\"\ntitle = \"x\"\n{}", step(404)));
    let exact = read(&format!("rule = \"guard\"\ntitle = \"x\"\nmode = \"exact\"\n{}", step(200)));
    let pending = read(&format!("rule = \"guard\"\ntitle = \"x\"\npending = \"y\"\n{}", step(200)));
    assert_eq!(Verdict::of(&both), Verdict::Run { holds: true, exact: true, guard: true });
    assert_eq!(Verdict::of(&wrong), Verdict::Run { holds: false, exact: true, guard: true });
    assert_eq!(Verdict::of(&exact), Verdict::Run { holds: true, exact: true, guard: false });
    assert_eq!(Verdict::of(&pending), Verdict::Pending("y".to_owned()));
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Section and a word of ours: `§7.1/s-maxage`.
    id: String,
    says: String,
    /// AWS documents nothing.
    #[serde(default)]
    unsure: bool,
    /// Why there is nothing to test.
    not_here: Option<String>,
    /// The work it belongs to.
    later: Option<String>,
    /// A test that is no case: `path#function`.
    test: Option<String>,
    /// The divergence that is chosen in its place.
    differs: Option<String>,
}

impl Rule {
    fn section(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

fn rules() -> Vec<Rule> {
    toml::from_str::<File>(RULES).unwrap().rule
}

/// Whether the file has the function, as a test.
fn exists(test: &str) -> bool {
    let Some((path, function)) = test.split_once('#') else { return false };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Ok(text) = std::fs::read_to_string(root.join(path)) else { return false };
    let Some(at) = text.find(&format!("fn {function}()")) else { return false };
    text[..at].trim_end_matches(|c| c != '\n').trim_end().ends_with("test]")
        || text[..at].rsplit("\n\n").next().is_some_and(|before| before.contains("test]"))
}

/// What came of a case.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pending(String),
    /// It was run in these modes.
    Run {
        holds: bool,
        exact: bool,
        guard: bool,
    },
}

impl Verdict {
    fn of(case: &Case) -> Self {
        match &case.pending {
            Some(topic) => Self::Pending(topic.clone()),
            None => Self::Run {
                holds: MODES.into_iter().all(|mode| failures_in(case, mode).is_empty()),
                exact: case.mode.include(Mode::Exact),
                // Where some steps are for one mode only, the guard differs.
                guard: case.steps.iter().all(|step| step.mode == Modes::Both)
                    && case.mode.include(Mode::Guard),
            },
        }
    }
}

/// Where a rule stands.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Holds { exact: bool, guard: bool },
    Tested(String),
    Unsure { held: bool },
    Differs(String),
    Pending(Vec<String>),
    Later(String),
    NotHere(String),
}

/// The rules, and the cases that name them.
struct Book {
    rules: Vec<Rule>,
    /// By id: names of files and what came of them.
    cases: BTreeMap<String, Vec<(String, usize)>>,
    verdicts: Vec<Verdict>,
    count: usize,
}

impl Book {
    fn new() -> Self {
        let all = cases();
        let mut by_rule: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
        let mut verdicts = Vec::new();
        for (at, (name, case)) in all.iter().enumerate() {
            verdicts.push(Verdict::of(case));
            for rule in case.rule.iter() {
                by_rule.entry(rule.to_owned()).or_default().push((name.clone(), at));
            }
        }
        Self { rules: rules(), cases: by_rule, verdicts, count: all.len() }
    }

    fn cases_of(&self, rule: &Rule) -> &[(String, usize)] {
        self.cases.get(&rule.id).map_or(&[], Vec::as_slice)
    }

    fn status(&self, rule: &Rule) -> Result<Status, &'static str> {
        let (mut held, mut in_exact, mut in_guard, mut topics) = (false, false, false, Vec::new());
        for (_, at) in self.cases_of(rule) {
            match &self.verdicts[*at] {
                Verdict::Run { holds: true, exact, guard } => {
                    (held, in_exact, in_guard) = (true, in_exact | exact, in_guard | guard);
                }
                Verdict::Run { holds: false, .. } => topics.push("fails".to_owned()),
                Verdict::Pending(topic) if !topics.contains(topic) => topics.push(topic.clone()),
                Verdict::Pending(_) => {}
            }
        }
        if let Some(topic) = &rule.later {
            return if held {
                Err("a case holds: it is not for later")
            } else {
                Ok(Status::Later(topic.clone()))
            };
        }
        if let Some(why) = &rule.not_here {
            let cases = !self.cases_of(rule).is_empty();
            return if cases { Err("a case names it: it is here") } else { Ok(Status::NotHere(why.clone())) };
        }
        if let Some(id) = &rule.differs {
            return Ok(Status::Differs(id.clone()));
        }
        match (rule.unsure, held, &rule.test) {
            (true, ..) => Ok(Status::Unsure { held }),
            (false, true, _) => Ok(Status::Holds { exact: in_exact, guard: in_guard }),
            (false, false, Some(test)) => Ok(Status::Tested(test.clone())),
            (false, false, None) if topics.is_empty() => Err("no case, and no reason for none"),
            (false, false, None) => Ok(Status::Pending(topics)),
        }
    }

    /// The page with everything after its last line of text made anew.
    fn page(&self, page: &str) -> String {
        let marker = "<!-- made from fixtures/rules.toml and from running fixtures/cases -->\n";
        let (text, _) = page.split_once(marker).unwrap();
        let mut out = format!("{text}{marker}\n");
        let statuses: Vec<Status> = self.rules.iter().map(|rule| self.status(rule).unwrap()).collect();
        self.counts(&mut out, &statuses);
        self.open(&mut out, &statuses);
        let titles: BTreeMap<&str, &str> = sections().collect();
        let mut section = "";
        for (rule, status) in self.rules.iter().zip(&statuses) {
            if rule.section() != section {
                section = rule.section();
                let title = titles.get(section).copied().unwrap_or_default();
                _ = write!(out, "\n## {section} {title}\n\n");
                out.push_str("| rule | what it says | cases | |\n| --- | --- | --- | --- |\n");
            }
            let slug = rule.id.split_once('/').map_or("", |(_, slug)| slug);
            let (cases, word) = (self.links(rule), status.word());
            _ = writeln!(out, "| {slug} | {} | {cases} | {word} |", cell(&rule.says));
        }
        out
    }

    fn counts(&self, out: &mut String, statuses: &[Status]) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for status in statuses {
            *counts.entry(status.kind()).or_default() += 1;
        }
        let pending = self.verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Pending(_))).count();
        let held = self
            .verdicts
            .iter()
            .filter(|verdict| matches!(verdict, Verdict::Run { holds: true, .. }))
            .count();
        let (rules, cases) = (statuses.len(), self.count);
        _ = writeln!(
            out,
            "{rules} rules. {cases} cases, here and elsewhere: {held} hold, {pending} are pending.\n"
        );
        out.push_str("| rules | how many |\n| --- | --- |\n");
        for (kind, count) in counts {
            _ = writeln!(out, "| {kind} | {count} |");
        }
    }

    fn open(&self, out: &mut String, statuses: &[Status]) {
        let mut by_topic: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (rule, status) in self.rules.iter().zip(statuses) {
            if let Status::Pending(topics) = status {
                by_topic.entry(&topics[0]).or_default().push(&rule.id);
            }
        }
        if by_topic.is_empty() {
            return; // each holds, differs on purpose, or belongs to later work
        }
        out.push_str("\n## Open\n\nRules that nothing holds yet, and what they wait for.\n\n");
        for (topic, rules) in by_topic {
            _ = writeln!(out, "- {}: {}", cell(topic), rules.join(", "));
        }
    }

    /// The case files and the test that show the rule.
    fn links(&self, rule: &Rule) -> String {
        let mut links: Vec<String> = Vec::new();
        for (name, _) in self.cases_of(rule) {
            let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
            links.push(format!("[{stem}](../fixtures/cases/{name})"));
        }
        if let Some((path, function)) = rule.test.as_ref().and_then(|test| test.split_once('#')) {
            links.push(format!("[`{function}`](../{path})"));
        }
        links.join(", ")
    }
}

impl Status {
    /// The line it is counted in.
    fn kind(&self) -> &'static str {
        match self {
            Self::Holds { guard: true, .. } => "1. hold, shown by a case",
            Self::Holds { .. } => "2. hold with `--exact`, where the guard differs on purpose",
            Self::Tested(_) => "3. hold, shown by a test that is no case",
            Self::Unsure { held: true } => "4. undocumented by AWS, what we chose shown by a case",
            Self::Unsure { held: false } => "5. undocumented by AWS, no case holds",
            Self::Differs(_) => "6. differ on purpose in both modes",
            Self::Pending(_) => "7. pending: a case waits",
            Self::Later(_) => "8. belong to later work",
            Self::NotHere(_) => "9. nothing to test here",
        }
    }

    fn word(&self) -> String {
        match self {
            Self::Holds { exact: true, guard: true } => "holds".to_owned(),
            Self::Holds { exact: true, guard: false } => "holds with `--exact`".to_owned(),
            Self::Holds { .. } => "holds with the guard".to_owned(),
            Self::Tested(_) => "tested".to_owned(),
            Self::Unsure { held: true } => "unsure, holds".to_owned(),
            Self::Unsure { held: false } => "unsure".to_owned(),
            Self::Differs(id) => format!("differs: [{id}](fidelity.md)"),
            Self::Pending(topics) => format!("pending: {}", cell(&topics.join("; "))),
            Self::Later(topic) => format!("later: {}", cell(topic)),
            Self::NotHere(why) => format!("not here: {}", cell(why)),
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
