//! Mistakes in site policies (`fixtures/site/mistakes.toml`): each is one clear message with its line, its field and a
//! way out, and none compiles.

use edge_core::site;
use serde::Deserialize;

const MISTAKES: &str = include_str!("../../../fixtures/site/mistakes.toml");

/// The least a file must say.
const MINIMAL: &str = "preset = 'wordpress'\norigin.name = 'alb.example.com'\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistake {
    file: Option<String>,
    lines: Option<String>,
    line: usize,
    field: String,
    says: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mistakes {
    mistake: Vec<Mistake>,
}

#[test]
fn each_is_one_message_with_its_line_its_field_and_a_way_out() {
    let mistakes = toml::from_str::<Mistakes>(MISTAKES).unwrap().mistake;
    assert!(mistakes.len() >= 60, "{}", mistakes.len());
    let mut wrong = Vec::new();
    for Mistake { file, lines, line, field, says } in mistakes {
        let text = file.unwrap_or_else(|| format!("{MINIMAL}{}", lines.unwrap_or_default()));
        let Err(problems) = site::toml::read(&text) else {
            wrong.push(format!("{text}\n  it compiles"));
            continue;
        };
        let said = problems.to_string();
        let is_one = problems.iter().count() == 1 && said.lines().count() == 1;
        let as_wanted = problems.iter().all(|problem| {
            problem.line == Some(line)
                && (problem.place == field
                    || problem.message.contains(&format!("{field:?}"))
                    || field.is_empty())
                && problem.message.contains(&says)
                && problem.hint.is_some()
        });
        if !is_one || !as_wanted {
            wrong.push(format!("{text}\n  said   {said}\n  wanted line {line}: {field}: …{says}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// The base of them is none.
#[test]
fn the_least_compiles() {
    assert!(site::toml::read(MINIMAL).is_ok());
}
