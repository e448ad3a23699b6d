//! What is likely wrong with a distribution that loads: leaks, keys that split too much, behaviors that never match,
//! origins that answer something else.
//!
//! A loader says what CloudFront would refuse. This says what CloudFront would do, and its owner would not want. The
//! rules are one list, [`RULES`]: a row for people, and a small function from the checked distribution and the document
//! to findings. A rule speaks only where the document itself shows the fault; what only the origin knows is a note, or
//! nothing. It refuses to know requests, answers, files and terminals; [`report`] writes the forms machines read.

mod facts;
pub mod lines;
mod origins;
mod paths;
mod place;
pub mod report;
mod responses;
mod sharing;
mod table;
mod viewers;

use serde_json::Value;

use crate::distribution::{Distribution, Loaded, Problem, Problems, Severity};
use facts::{OriginView, Subject, View};

pub use table::RULES;

/// A row of [`RULES`].
#[derive(Debug)]
pub struct Rule {
    /// `EDGE101`; never given to another rule.
    pub code: &'static str,
    /// The same for people: `min-ttl-over-private`.
    pub name: &'static str,
    /// How much a finding matters, unless the finding itself says less.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What comes of it.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// When it speaks, and why that is no false alarm.
    pub sure: &'static str,
    /// Who says so: a page of AWS or an RFC.
    pub link: &'static str,
    check: Check,
}

/// What a rule looks at.
#[derive(Debug)]
enum Check {
    /// A problem the loader found: the first rule of the list that claims it has it.
    Loader(fn(&Problem) -> bool),
    /// The distribution as a whole.
    Distribution(fn(&Subject<'_>) -> Vec<Found>),
    /// Each behavior, the default one last.
    Behavior(fn(&View<'_>, &Subject<'_>) -> Option<Found>),
    /// Each origin.
    Origin(fn(&OriginView<'_>, &Subject<'_>) -> Option<Found>),
}

/// What a rule found, before it knows which rule it is of.
#[derive(Debug)]
struct Found {
    place: String,
    pattern: Option<String>,
    value: String,
    message: String,
    is_note: bool,
}

impl Found {
    /// `value` is what stands at `place`, for people.
    fn new(place: &place::Place<'_>, value: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.path().to_owned(),
            pattern: None,
            value: value.into(),
            message: message.into(),
            is_note: false,
        }
    }

    /// The pattern of the behavior it is about.
    fn of(mut self, view: &View<'_>) -> Self {
        self.pattern = Some(view.behavior.path_pattern.as_str().to_owned());
        self
    }

    /// Only a note where `doubtful`: something outside the document may have mended it.
    fn note_where(mut self, doubtful: Doubt) -> Self {
        if let Doubt::Because(reason) = doubtful {
            self.is_note = true;
            self.message = format!("{}; {reason}", self.message);
        }
        self
    }
}

/// Whether a finding may be mended by what the document does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Nothing of the kind.
    None,
    /// This may.
    Because(&'static str),
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which rule it is of.
    pub rule: &'static Rule,
    /// How much it matters.
    pub severity: Severity,
    /// `DistributionConfig.DefaultCacheBehavior.CachePolicyId`, as the loader's problems have it: of a template it is the
    /// template's, with its line.
    pub place: String,
    /// The pattern of the behavior it is about; `*` is the default one.
    pub pattern: Option<String>,
    /// What stands there.
    pub value: String,
    /// What is wrong here.
    pub message: String,
}

/// Every finding about what [`document::load`](crate::distribution::document::load) said: errors first, otherwise in
/// the order of the rules. Of a document that does not load only what keeps it from loading.
pub fn lint(loaded: &Result<Loaded, Problems>) -> Vec<Finding> {
    let mut findings = match loaded {
        Ok(loaded) => {
            let mut findings = of_loader(&loaded.warnings);
            let of_distribution = of_distribution(&loaded.distribution, loaded.document.value());
            findings.extend(of_distribution.into_iter().map(|mut finding| {
                finding.place = loaded.owners.place(&finding.place);
                finding
            }));
            findings
        }
        Err(problems) => of_loader(&problems.0),
    };
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn of_loader(problems: &[Problem]) -> Vec<Finding> {
    let claims =
        |problem: &Problem, rule: &&Rule| matches!(rule.check, Check::Loader(takes) if takes(problem));
    let finding = |problem: &Problem| {
        let rule = RULES.iter().find(|rule| claims(problem, rule))?;
        let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(Finding {
            rule,
            severity: rule.severity,
            place: problem.place.clone(),
            pattern: None,
            value: problem.code.to_owned(),
            message: format!("{}{hint}", problem.message),
        })
    };
    problems.iter().filter_map(finding).collect()
}

fn of_distribution(distribution: &Distribution, document: &Value) -> Vec<Finding> {
    let subject = Subject::of(distribution, document);
    let mut findings = Vec::new();
    for rule in RULES {
        let found: Vec<Found> = match rule.check {
            Check::Loader(_) => Vec::new(),
            Check::Distribution(check) => check(&subject),
            Check::Behavior(check) => subject
                .behaviors
                .iter()
                .filter_map(|view| check(view, &subject).map(|found| found.of(view)))
                .collect(),
            Check::Origin(check) => subject.origins.iter().filter_map(|view| check(view, &subject)).collect(),
        };
        findings.extend(found.into_iter().map(|found| Finding {
            rule,
            severity: if found.is_note { Severity::Info } else { rule.severity },
            place: found.place,
            pattern: found.pattern,
            value: found.value,
            message: found.message,
        }));
    }
    findings
}

/// The rule called `name`: its code in any case, or its name.
pub fn rule_called(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(name) || rule.name == name)
}
