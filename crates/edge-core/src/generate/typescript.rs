//! TypeScript object literals, as people and formatters write them: two spaces, single quotes, comments.
//!
//! It knows no property. Names are written as jsii derives them from CloudFormation's.

use std::fmt::Write as _;

use super::part::{Field, Part};

/// A value at a depth of indentation; `refer` writes what stands for a reference.
pub(super) fn write(part: &Part, depth: usize, refer: &dyn Fn(&str, &str) -> String, out: &mut String) {
    match part {
        Part::Boolean(truth) => _ = write!(out, "{truth}"),
        Part::Number(number) => _ = write!(out, "{number}"),
        Part::Text(text) => out.push_str(&quoted(text)),
        Part::Reference(to, attribute) => out.push_str(&refer(to, attribute)),
        // Printers name every link; functions are those of templates.
        Part::Link(_) | Part::Call(..) => out.push_str("undefined"),
        Part::List(items) if items.iter().all(|item| !matches!(item, Part::Object(_) | Part::List(_))) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, depth, refer, out);
            }
            out.push(']');
        }
        Part::List(items) => {
            out.push_str("[\n");
            for item in items {
                indent(depth + 1, out);
                write(item, depth + 1, refer, out);
                out.push_str(",\n");
            }
            indent(depth, out);
            out.push(']');
        }
        Part::Object(fields) => {
            out.push_str("{\n");
            for Field { name, value, remark } in fields {
                if let Some(remark) = remark {
                    indent(depth + 1, out);
                    _ = writeln!(out, "// {remark}");
                }
                indent(depth + 1, out);
                _ = write!(out, "{}: ", camel(name));
                write(value, depth + 1, refer, out);
                out.push_str(",\n");
            }
            indent(depth, out);
            out.push('}');
        }
    }
}

/// `minTtl` of `MinTTL`: a word ends before a capital that follows a small letter or a digit, and before the last of
/// several capitals that a small letter follows.
pub(super) fn camel(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len());
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let starts = before.is_some_and(|before| {
            let next_is_small = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
            !before.is_ascii_uppercase() || next_is_small
        });
        if c.is_ascii_uppercase() && starts {
            out.push(c);
        } else {
            out.push(c.to_ascii_lowercase());
        }
    }
    out
}

pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_library() {
        for (name, expected) in [
            ("MinTTL", "minTtl"),
            ("HTTPSPort", "httpsPort"),
            ("IPV6Enabled", "ipv6Enabled"),
            ("S3OriginConfig", "s3OriginConfig"),
            ("WebACLId", "webAclId"),
            ("OriginSSLProtocols", "originSslProtocols"),
            ("FunctionARN", "functionArn"),
            ("CNAMEs", "cnamEs"),
            ("Id", "id"),
        ] {
            assert_eq!(camel(name), expected);
        }
        assert_eq!(quoted("it's\\\n${x}"), "'it\\'s\\\\\\n${x}'");
    }
}
