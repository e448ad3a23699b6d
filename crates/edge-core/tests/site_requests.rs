//! What each preset makes of requests (`fixtures/site/*.requests`): the behavior, and who shares the copy, in both
//! styles.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "site_journey/mod.rs"]
mod site_journey;

use std::sync::Arc;

use edge_core::cache::key::Key;
use edge_core::exchange::Rules;
use edge_core::site::Style;
use edge_core::site::preset::PRESETS;
use edge_core::viewer::gate::BehaviorId;
use http::Method;
use site_journey::{journey, request, rules};

fn read(preset: &str) -> String {
    let path = format!("{}/../../fixtures/site/{preset}.requests", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A line of the corpus.
struct Line<'a> {
    method: Method,
    target: &'a str,
    headers: Vec<(String, String)>,
    behavior: &'a str,
    verdict: &'a str,
}

fn parse(line: &str) -> Line<'_> {
    let (request, expected) = line.split_once(" -> ").unwrap();
    let (behavior, verdict) = expected.split_once(" : ").unwrap();
    let mut parts = request.split(" | ");
    let (method, target) = parts.next().unwrap().split_once(' ').unwrap();
    let header = |part: &str| {
        let (name, value) = part.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    Line { method: method.parse().unwrap(), target, headers: parts.map(header).collect(), behavior, verdict }
}

const HOST: &str = "www.example.com";

fn key(rules: &Arc<Rules>, id: &'static str, line: &Line<'_>) -> Option<Key> {
    journey(rules, id, request(line.method.clone(), HOST, line.target, &line.headers)).0
}

/// The key of a plain view of the target.
fn plain(rules: &Arc<Rules>, target: &str) -> Option<Key> {
    journey(rules, "3", request(Method::GET, HOST, target, &[])).0
}

/// What is true of a line, in the words of the corpus.
fn verdict(rules: &Arc<Rules>, style: Style, line: &Line<'_>) -> &'static str {
    let (one, two) = (key(rules, "1", line), key(rules, "2", line));
    let wanted = line.verdict.split_once("shared as ").map_or(line.target, |(_, target)| target);
    match one {
        None => "never",
        Some(_) if one == plain(rules, wanted) && one == two => "shared",
        Some(_) if one != two => "alone",
        // Without a function the cookies are in the key: others' are other keys.
        Some(_) if style == Style::Policy && line.headers.iter().any(|(name, _)| name == "Cookie") => "alone",
        Some(_) => "own",
    }
}

#[test]
fn presets_do_with_requests_what_their_corpus_says() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for preset in PRESETS {
        let text = read(preset.name);
        let added: String =
            text.lines().filter_map(|line| line.strip_prefix("+ ")).collect::<Vec<_>>().join("\n");
        for (word, style) in Style::WORDS {
            let rules = rules(&format!(
                "preset = '{}'\nstyle = '{word}'\ndomains = ['{HOST}']\norigin.name = 'origin.example.com'\n{added}",
                preset.name
            ));
            for written in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '+'])) {
                let line = parse(written);
                count += 1;
                let path = line.target.split('?').next().unwrap();
                let id = rules.distribution.behavior_for(path);
                let behavior = match id {
                    BehaviorId::Default => "*",
                    id => rules.distribution.behavior(id).path_pattern.as_str(),
                };
                let found = verdict(&rules, style, &line);
                let expected = match line.verdict.split_once(", ") {
                    Some((verdict, only)) if only == word => verdict,
                    Some(_) => "shared",
                    None if line.verdict.starts_with("shared") => "shared",
                    None => line.verdict,
                };
                if behavior != line.behavior || found != expected {
                    wrong.push(format!("{} ({word}): {written}\n  it is {behavior} : {found}", preset.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count > 200, "{count} lines only");
}
