//! YAML as people write templates: block style, comments, `!Ref` and `!GetAtt`, code as it is.
//!
//! It knows no field. A text is plain only where no reader could take it for anything else.

use std::fmt::Write as _;

use super::part::{Field, Part};

/// A document: an object at the margin.
pub(super) fn write(document: &Part) -> String {
    let mut out = String::new();
    object(document.fields(), 0, Start::Line, &mut out);
    out
}

/// Where the first field of an object is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// On a line of its own.
    Line,
    /// Behind the `- ` of a list.
    Dash,
}

fn object(fields: &[Field], depth: usize, start: Start, out: &mut String) {
    for (at, field) in fields.iter().enumerate() {
        if start == Start::Line || at > 0 {
            if let Some(remark) = &field.remark {
                indent(depth, out);
                _ = writeln!(out, "# {remark}");
            }
            indent(depth, out);
        }
        out.push_str(&scalar(&field.name));
        out.push(':');
        value(&field.value, depth, out);
    }
}

/// What stands behind `name:` or `-`, up to the end of the line and below it.
fn value(part: &Part, depth: usize, out: &mut String) {
    match part {
        Part::Object(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Part::List(items) if items.is_empty() => out.push_str(" []\n"),
        Part::Object(fields) => {
            out.push('\n');
            object(fields, depth + 1, Start::Line, out);
        }
        Part::List(items) => {
            out.push('\n');
            for item in items {
                indent(depth + 1, out);
                out.push('-');
                self::item(item, depth + 1, out);
            }
        }
        Part::Call(function, argument) => {
            _ = write!(out, " !{function}");
            value(argument, depth, out);
        }
        Part::Text(text) if is_block(text) => block(text, depth + 1, out),
        other => {
            out.push(' ');
            out.push_str(&inline(other));
            out.push('\n');
        }
    }
}

fn item(item: &Part, depth: usize, out: &mut String) {
    match item {
        Part::Object(fields) if !fields.is_empty() => {
            // A remark on the first field stands before the dash: behind it there is no room.
            out.push(' ');
            if let Some(remark) = fields.first().and_then(|field| field.remark.as_ref()) {
                out.truncate(out.trim_end_matches([' ', '-']).len());
                if !out.ends_with('\n') {
                    out.push('\n');
                }
                indent(depth, out);
                _ = writeln!(out, "# {remark}");
                indent(depth, out);
                out.push_str("- ");
            }
            object(fields, depth + 1, Start::Dash, out);
        }
        other => value(other, depth, out),
    }
}

fn inline(part: &Part) -> String {
    match part {
        Part::Boolean(truth) => truth.to_string(),
        Part::Number(number) => number.to_string(),
        Part::Text(text) => scalar(text),
        Part::Reference(to, attribute) if attribute.is_empty() => format!("!Ref {to}"),
        Part::Reference(to, attribute) => format!("!GetAtt {to}.{attribute}"),
        other => other.json(&|to, _| to.into()).to_string(),
    }
}

/// Several lines, each as it is: a block says so exactly but for these.
fn is_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || (c >= ' ' && c != '\u{7f}' && c != '\u{feff}');
    text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && !text.lines().any(|line| line.ends_with(' '))
        && text.chars().all(printable)
}

fn block(text: &str, depth: usize, out: &mut String) {
    out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in text.lines() {
        if !line.is_empty() {
            indent(depth, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Plain, or in double quotes, where JSON's escapes are YAML's too.
fn scalar(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || "/_-. ()".contains(c);
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = text.starts_with(first)
        && text.chars().all(|c| rest(c) || c == ':')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}
