//! `edge-bin lint`: what is likely wrong with a distribution, though it loads.
//!
//! The rules and the forms for machines are edge-core's; here is the form for people, and what the exit code says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;

use edge_core::distribution::Severity;
use edge_core::lint::lines::{Lines, apart};
use edge_core::lint::report::{self, count};
use edge_core::lint::{Finding, RULES, Rule, lint, rule_called};

use crate::BAD_CONFIGURATION;
use crate::configuration::ConfigArgs;

/// Says what is likely wrong with a distribution that loads: leaks, keys that split too much, behaviors that never
/// match, origins that answer something else. docs/lint.md lists the rules.
///
/// Ends with 0 where nothing is found, 1 where something is, 2 where the document does not load.
#[derive(clap::Args, Debug)]
pub(crate) struct Lint {
    #[command(flatten)]
    config: ConfigArgs,
    /// The least that is shown and makes the command fail.
    #[arg(long, value_enum, default_value_t = Level::Warning)]
    level: Level,
    /// Say nothing of this rule: its code (EDGE102) or its name. As often as needed.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    allow: Vec<&'static Rule>,
    /// One JSON document, with the findings of every level.
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// SARIF 2.1.0, with the findings of every level.
    #[arg(long)]
    sarif: bool,
    /// All that is known of a rule, by its code or name.
    #[arg(long, value_name = "RULE", value_parser = rule)]
    explain: Option<&'static Rule>,
    /// The rules, one a line.
    #[arg(long)]
    list: bool,
}

/// A severity, as the command line has it.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
        }
    }
}

fn rule(name: &str) -> Result<&'static Rule, String> {
    rule_called(name).ok_or_else(|| "no rule is called so: `edge-bin lint --list` names them all".to_owned())
}

/// Prints.
pub(crate) fn run(args: &Lint) -> anyhow::Result<ExitCode> {
    if let Some(rule) = args.explain {
        print!("{}", explained(rule));
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        print!("{}", listed());
        return Ok(ExitCode::SUCCESS);
    }
    let read = match args.config.read() {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("error: {problems}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let mut findings = lint(&read.loaded);
    findings.retain(|finding| !args.allow.iter().any(|rule| rule.code == finding.rule.code));
    let level = args.level.severity();
    let lines = Lines::of(&read.text);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report::json(&findings, &read.name, &lines))?);
    } else if args.sarif {
        println!("{}", serde_json::to_string_pretty(&report::sarif(&findings, &read.name, &lines))?);
    } else {
        let paint = if std::io::stdout().is_terminal() { Paint::Terminal } else { Paint::None };
        let place = |finding: &Finding| match lines.line(&finding.place) {
            Some(line) => format!("{}:{line}: {}", read.name, apart(&finding.place).0),
            None => finding.place.clone(),
        };
        print!("{}", text(&findings, level, paint, place));
    }
    if read.loaded.is_err() {
        return Ok(ExitCode::from(BAD_CONFIGURATION));
    }
    let found = findings.iter().any(|finding| finding.severity <= level);
    Ok(if found { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether colours mean anything where it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    None,
    Terminal,
}

impl Paint {
    fn severity(self, severity: Severity) -> String {
        let colour = match severity {
            Severity::Error => 31,
            Severity::Warning => 33,
            Severity::Info => 36,
        };
        self.with(&format!("1;{colour}"), report::word(severity))
    }

    fn quiet(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Terminal => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// By severity, then by rule: what a rule says of itself is said once. `place` is how a finding's is written.
fn text(findings: &[Finding], level: Severity, paint: Paint, place: impl Fn(&Finding) -> String) -> String {
    let mut groups: BTreeMap<(Severity, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity <= level) {
        groups.entry((finding.severity, finding.rule.code)).or_default().push(finding);
    }
    let mut text = String::new();
    for ((severity, _), group) in &groups {
        let Some(rule) = group.first().map(|finding| finding.rule) else { continue };
        let Rule { code, name, title, why, fix, link, .. } = rule;
        _ = writeln!(text, "{} {code} {name}: {title}", paint.severity(*severity));
        for finding in group {
            let Finding { pattern, value, message, .. } = finding;
            let behavior =
                pattern.as_ref().map(|pattern| format!(" (behavior {pattern})")).unwrap_or_default();
            _ = writeln!(text, "  at   {}{behavior}\n       {message} [{value}]", place(finding));
        }
        for (label, line) in [("why", why), ("fix", fix), ("see", link)] {
            _ = writeln!(text, "  {}  {line}", paint.quiet(label));
        }
        text.push('\n');
    }
    let [errors, warnings, infos] =
        [Severity::Error, Severity::Warning, Severity::Info].map(|severity| count(findings, severity));
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    _ = write!(
        text,
        "{}, {}, {}",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(infos, "info")
    );
    let hidden = findings.iter().filter(|finding| finding.severity > level).count();
    if hidden > 0 {
        _ = write!(text, "; {hidden} not shown: --level info shows all");
    }
    text.push('\n');
    text
}

fn explained(rule: &Rule) -> String {
    let Rule { code, name, severity, title, why, fix, sure, link, .. } = rule;
    format!(
        "{code} {name} ({})\n{title}\n\nWhy it matters: {why}\nWhat to do: {fix}\nWhen it speaks: {sure}\nSource: {link}\n",
        report::word(*severity)
    )
}

fn listed() -> String {
    let mut text = String::new();
    for Rule { code, name, severity, title, .. } in RULES {
        _ = writeln!(text, "{code} {:7} {name:30} {title}", report::word(*severity));
    }
    text
}
