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

/// Whatever stands in place of a value of the example is taken, or refused at its line with a way out.
#[test]
fn any_other_value_is_refused_at_its_line_or_right() {
    let example = include_str!("../../../fixtures/site/wordpress.toml");
    let lines: Vec<&str> = example.lines().collect();
    let (mut refused, mut wrong) = (0, Vec::new());
    for (index, line) in lines.iter().enumerate() {
        let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        for other in [
            "7",
            "-1",
            "99999999999999999999",
            "1.5",
            "true",
            "\"\"",
            "\"x\"",
            "\"*\"",
            "\"\\u0000\"",
            "[]",
            "[\"\"]",
            "[1]",
            "[[]]",
            "{}",
            "{ x = 1 }",
            "1979-05-27",
            "x",
        ] {
            let mutated: String = lines
                .iter()
                .enumerate()
                .map(
                    |(at, line)| {
                        if at == index { format!("{name} = {other}\n") } else { format!("{line}\n") }
                    },
                )
                .collect();
            let Err(problems) = site::toml::read(&mutated) else { continue };
            if (name, other) == ("domains", "[]") {
                continue; // it is the certificate that is too much then
            }
            refused += 1;
            let at_line = problems.iter().any(|problem| problem.line == Some(index + 1));
            let told = problems.iter().all(|problem| problem.line.is_some() && problem.hint.is_some());
            if !at_line || !told {
                wrong.push(format!("line {}: {name} = {other}\n{problems}", index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    assert!(refused > 200, "{refused}");
}

/// The base of them is none.
#[test]
fn the_least_compiles() {
    assert!(site::toml::read(MINIMAL).is_ok());
}
