//! HCL as `terraform fmt` leaves it: attributes with their signs in one column, then blocks; comments.
//!
//! Of our own, because the libraries there are write no comments where they write values. An object is a block, a list
//! of objects several; everything else is an attribute. It knows no resource.

use std::fmt::Write as _;

use super::part::{Field, Part};

/// A block at the margin: `resource "kind" "name" { … }`.
pub(super) fn block(head: &str, body: &[Field], out: &mut String) {
    nested(head, body, 0, out);
}

fn nested(head: &str, body: &[Field], depth: usize, out: &mut String) {
    indent(depth, out);
    if body.is_empty() {
        _ = writeln!(out, "{head} {{}}");
        return;
    }
    _ = writeln!(out, "{head} {{");
    let (inner, attributes): (Vec<&Field>, Vec<&Field>) =
        body.iter().partition(|field| blocks(&field.value).is_some());
    let mut rest = &attributes[..];
    while !rest.is_empty() {
        rest = group(rest, depth + 1, out);
    }
    let mut apart = attributes.is_empty();
    for field in inner {
        for (at, fields) in blocks(&field.value).into_iter().flatten().enumerate() {
            if !apart {
                out.push('\n');
            }
            remark(field.remark.as_deref().filter(|_| at == 0), depth + 1, out);
            nested(&field.name, fields, depth + 1, out);
            apart = false;
        }
    }
    indent(depth, out);
    out.push_str("}\n");
}

/// Attributes up to the next comment, with their signs in one column; the rest.
fn group<'a>(fields: &'a [&'a Field], depth: usize, out: &mut String) -> &'a [&'a Field] {
    let count = 1 + fields.iter().skip(1).take_while(|field| field.remark.is_none()).count();
    let (group, rest) = fields.split_at(count.min(fields.len()));
    let width = group.iter().map(|field| field.name.len()).max().unwrap_or_default();
    for field in group {
        remark(field.remark.as_deref(), depth, out);
        indent(depth, out);
        _ = writeln!(out, "{:width$} = {}", field.name, expression(&field.value));
    }
    rest
}

fn remark(text: Option<&str>, depth: usize, out: &mut String) {
    if let Some(text) = text {
        indent(depth, out);
        _ = writeln!(out, "# {text}");
    }
}

/// The bodies of a value that is one block or several; an empty list is an attribute.
fn blocks(value: &Part) -> Option<Vec<&[Field]>> {
    match value {
        Part::Object(fields) => Some(vec![fields]),
        Part::List(items) if matches!(items.first(), Some(Part::Object(_))) => {
            Some(items.iter().map(Part::fields).collect())
        }
        _ => None,
    }
}

fn expression(value: &Part) -> String {
    match value {
        Part::Boolean(truth) => truth.to_string(),
        Part::Number(number) => number.to_string(),
        Part::Text(text) => quoted(text),
        Part::Reference(to, attribute) if attribute.is_empty() => to.clone(),
        Part::Reference(to, attribute) => format!("{to}.{attribute}"),
        Part::List(items) => {
            format!("[{}]", items.iter().map(expression).collect::<Vec<_>>().join(", "))
        }
        // Printers name every link, and objects are blocks; functions are those of templates.
        Part::Link(_) | Part::Object(_) | Part::Call(..) => "null".to_owned(),
    }
}

/// A template of HCL's that says nothing but the text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out.replace("${", "$${").replace("%{", "%%{")
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_nothing_but_themselves() {
        for (text, expected) in [
            ("a", "\"a\""),
            ("a\"\\\n", "\"a\\\"\\\\\\n\""),
            ("${x} $x %{if}", "\"$${x} $x %%{if}\""),
            ("\u{1}", "\"\\u0001\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn blocks_and_attributes() {
        let part = Part::object([
            ("a", true.into()),
            ("long", "x".into()),
            ("list", Part::List(vec!["p".into(), Part::Reference("q.r".to_owned(), "id".to_owned())])),
            ("inner", Part::List(vec![Part::object([("b", "1".into())]), Part::object([("b", "2".into())])])),
            ("c", "3".into()),
        ]);
        let mut out = String::new();
        block("resource \"x\" \"y\"", part.fields(), &mut out);
        let expected = "resource \"x\" \"y\" {\n  a    = true\n  long = \"x\"\n  list = [\"p\", q.r.id]\n  c    = \"3\"\n\n  inner {\n    \
                        b = \"1\"\n  }\n\n  inner {\n    b = \"2\"\n  }\n}\n";
        assert_eq!(out, expected);
    }
}
