//! `edge-bin diff`: what two configurations differ in, whatever they are written in.
//!
//! edge-core compares; here is the form for people, and what the exit code says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_core::compare::{Difference, differences};
use edge_core::distribution::Loaded;
use serde_json::{Value, json};

use crate::BAD_CONFIGURATION;
use crate::configuration::{BadConfiguration, ConfigArgs, Read, in_file};

/// Say what two configurations differ in, by meaning: what is deployed against what should be.
///
/// Each may be anything `edge-bin serve` takes: JSON of the API, a bundle, XML, a template, a
/// plan, an edge.toml. Ids and names of policies, functions, keys and origins do not matter,
/// what they stand for does; nor does the order of what AWS does not order, or a default that
/// one of them spells out.
///
///   deploy/deploy.sh live > live.json     # the script of gen-cloudfront-policy --format cli
///   edge-bin diff live.json edge.toml
///
/// What `aws cloudfront get-distribution-config` prints will do where all policies are managed
/// ones; policies of your own have to be beside it, as in a bundle's "CachePolicies". Of a
/// function that is only named, its name is compared. Ends with 0 where they mean the same, 1
/// where not, 2 where one does not load.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Diff {
    /// What is, say.
    first: PathBuf,
    /// What should be.
    second: PathBuf,
    /// The value of a template's parameter, for both that have it; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    parameter: Vec<String>,
    /// One JSON document: a list of places with both values.
    #[arg(long)]
    json: bool,
}

/// They differ.
const DIFFERENT: u8 = 1;

/// Prints.
pub(crate) fn run(args: &Diff) -> anyhow::Result<ExitCode> {
    let (first, second) = match (load(args, &args.first), load(args, &args.second)) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => {
            for error in [first.err(), second.err()].into_iter().flatten() {
                eprintln!("error: {error}");
            }
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let found = differences(&first, &second);
    if args.json {
        let list = found.iter().map(|difference| {
            json!({ "place": difference.place, "first": difference.first, "second": difference.second })
        });
        println!("{:#}", Value::Array(list.collect()));
    } else {
        print!("{}", told(args, &found));
    }
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

fn load(args: &Diff, path: &Path) -> Result<Loaded, BadConfiguration> {
    let config = ConfigArgs {
        config: Some(path.to_owned()),
        parameter: args.parameter.clone(),
        ..ConfigArgs::default()
    };
    let Read { name, loaded, .. } = config.read()?;
    loaded.map_err(|problems| BadConfiguration::new(in_file(&name, &problems.0)))
}

fn told(args: &Diff, found: &[Difference]) -> String {
    if found.is_empty() {
        return "They mean the same.\n".to_owned();
    }
    let mut text = format!("--- {}\n+++ {}\n", args.first.display(), args.second.display());
    for Difference { place, first, second } in found {
        _ = writeln!(text, "{place}");
        let (first, second) = beside(first.as_ref(), second.as_ref());
        for (sign, lines) in [('-', first), ('+', second)] {
            for line in lines {
                _ = writeln!(text, "  {sign} {line}");
            }
        }
    }
    let places = if found.len() == 1 { "place" } else { "places" };
    _ = writeln!(text, "{} {places} differ.", found.len());
    text
}

/// The lines of both sides: of lists what the other has not, of code the first lines that are not the same.
fn beside(first: Option<&Value>, second: Option<&Value>) -> (Vec<String>, Vec<String>) {
    match (first, second) {
        (Some(Value::Array(a)), Some(Value::Array(b))) if !same_members(a, b) => {
            let only = |own: &[Value], other: &[Value]| {
                own.iter().filter(|item| !other.contains(item)).map(shown).collect::<Vec<_>>()
            };
            (only(a, b), only(b, a))
        }
        (Some(Value::String(a)), Some(Value::String(b))) if a.contains('\n') || b.contains('\n') => {
            let mut lines = a.lines().zip(b.lines());
            let same = lines.by_ref().take_while(|(a, b)| a == b).count();
            let from = |text: &str| {
                let line = text.lines().nth(same).unwrap_or("(ends)");
                vec![format!("line {}: {line}", same + 1)]
            };
            (from(a), from(b))
        }
        (first, second) => {
            let line = |value: Option<&Value>| vec![value.map_or("(not set)".to_owned(), shown)];
            (line(first), line(second))
        }
    }
}

/// Whether the lists are one another's in another order: then the order is what differs.
fn same_members(first: &[Value], second: &[Value]) -> bool {
    first.len() == second.len() && first.iter().all(|item| second.contains(item))
}

const SHOWN_CHARS_MAX: usize = 400;

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
