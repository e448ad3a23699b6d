//! YAML templates into trees, event by event.
//!
//! CloudFormation reads YAML 1.1 without aliases, merges and exotic tags; so do we, which is why nothing here can
//! grow. A short form (`!Ref x`) becomes the long one (`{"Ref": x}`), and is no different afterwards.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Number;

use super::super::problem::codes::MALFORMED_DOCUMENT;
use super::super::problem::{Problem, Severity};
use super::tree::{Kind, Place, Tree};

/// Deeper than any template that means something; CloudFormation's own limit is not documented.
const DEPTH_MAX: usize = 100;

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Tree, Problem> {
    let mut reader = Reader { open: Vec::new(), done: None };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => reader.event(event, span)?,
            Err(error) => {
                let marker = error.marker();
                return Err(refusal(
                    marker.line(),
                    marker.col(),
                    format!("this is not YAML: {}", error.info()),
                ));
            }
        }
    }
    reader.done.ok_or_else(|| refusal(1, 0, "there is nothing in it"))
}

fn refusal(line: usize, column: usize, message: impl Into<String>) -> Problem {
    Problem {
        severity: Severity::Error,
        place: format!("line {line}, column {}", column + 1),
        code: MALFORMED_DOCUMENT,
        message: message.into(),
        hint: None,
    }
}

/// A list or mapping that has not ended yet.
struct Open {
    place: Place,
    line: usize,
    /// The function around it, where it has a short form.
    function: Option<String>,
    inside: Inside,
}

enum Inside {
    List(Vec<Tree>),
    Mapping {
        fields: Vec<(String, Tree)>,
        seen: HashSet<String>,
        /// Read, and waiting for its value.
        key: Option<String>,
    },
}

struct Reader {
    open: Vec<Open>,
    done: Option<Tree>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let (line, column) = (span.start.line(), span.start.col());
        let refuse = |message: &str| Err(refusal(line, column, message));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.done.is_some() => refuse("a second document: a template is one"),
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => {
                let mut problem = refusal(line, column, "CloudFormation does not read aliases (*name)");
                problem.hint = Some("write out what the anchor stands for".to_owned());
                Err(problem)
            }
            Event::Scalar(text, style, _, tag) => self.scalar(&text, style, tag.as_deref(), span),
            Event::SequenceStart(_, tag) => self.begin(Inside::List(Vec::new()), tag.as_deref(), span),
            Event::MappingStart(_, tag) => self.begin(
                Inside::Mapping { fields: Vec::new(), seen: HashSet::new(), key: None },
                tag.as_deref(),
                span,
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let kind = match open.inside {
                    Inside::List(items) => Kind::List(items),
                    Inside::Mapping { fields, .. } => Kind::Object(fields),
                };
                self.add(called(open.function, Tree { kind, place: open.place }), open.line, column)
            }
        }
    }

    /// The place of the value that comes next.
    fn place(&self, line: usize) -> Place {
        match self.open.last() {
            None => Place::top(""),
            Some(Open { place, inside: Inside::List(items), .. }) => place.member(items.len(), Some(line)),
            Some(Open { place, inside: Inside::Mapping { key, .. }, .. }) => {
                place.field(key.as_deref().unwrap_or_default(), Some(line))
            }
        }
    }

    fn begin(&mut self, inside: Inside, tag: Option<&Tag>, span: Span) -> Result<(), Problem> {
        let (line, column) = (span.start.line(), span.start.col());
        if self.open.len() >= DEPTH_MAX {
            return Err(refusal(
                line,
                column,
                format!("more than {DEPTH_MAX} lists and mappings in each other"),
            ));
        }
        if let Some(Open { inside: Inside::Mapping { key: None, .. }, .. }) = self.open.last() {
            return Err(refusal(line, column, "a key is a text"));
        }
        let place = self.place(line);
        let function = tag.map(|tag| function(tag, line, column)).transpose()?.flatten();
        self.open.push(Open { place, line, function, inside });
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Problem> {
        let (line, column) = (span.start.line(), span.start.col());
        if let Some(Open { inside: Inside::Mapping { seen, key: key @ None, .. }, .. }) = self.open.last_mut()
        {
            if !seen.insert(text.to_owned()) {
                return Err(refusal(line, column, format!("the key {text:?} is there twice")));
            }
            if text == "<<" {
                return Err(refusal(line, column, "CloudFormation does not read merges (<<)"));
            }
            *key = Some(text.to_owned());
            return Ok(());
        }
        let is_text = tag
            .is_some_and(|tag| (tag.is_yaml_core_schema() && tag.suffix == "str") || tag.handle.is_empty());
        let function = tag.map(|tag| function(tag, line, column)).transpose()?.flatten();
        let kind = if style == ScalarStyle::Plain && !is_text && function.is_none() {
            plain(text)
        } else {
            Kind::Text(text.to_owned())
        };
        let place = self.place(line);
        self.add(called(function, Tree { kind, place }), line, column)
    }

    fn add(&mut self, tree: Tree, line: usize, column: usize) -> Result<(), Problem> {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.done = Some(tree),
            Some(Inside::List(items)) => items.push(tree),
            Some(Inside::Mapping { fields, key, .. }) => match key.take() {
                Some(key) => fields.push((key, tree)),
                None => return Err(refusal(line, column, "a key is a text")),
            },
        }
        Ok(())
    }
}

/// The long name of a short form: `!Sub` is `Fn::Sub`. Tags of YAML itself are none.
fn function(tag: &Tag, line: usize, column: usize) -> Result<Option<String>, Problem> {
    if tag.is_yaml_core_schema() {
        return match tag.suffix.as_str() {
            "str" | "int" | "float" | "bool" | "null" | "seq" | "map" => Ok(None),
            other => Err(refusal(line, column, format!("CloudFormation does not read !!{other}"))),
        };
    }
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("", "!") => Ok(None), // `! x` only says that x is a text.
        ("!", "Ref" | "Condition") => Ok(Some(tag.suffix.clone())),
        ("!", name) => Ok(Some(format!("Fn::{name}"))),
        _ => Err(refusal(line, column, format!("CloudFormation does not read the tag {tag}"))),
    }
}

fn called(function: Option<String>, argument: Tree) -> Tree {
    match function {
        None => argument,
        Some(function) => {
            let place = argument.place.clone();
            Tree { kind: Kind::Object(vec![(function, argument)]), place }
        }
    }
}

/// What a scalar without quotes is in YAML 1.1, as far as templates need it: `012` is a text (an account's id).
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Kind::Boolean(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Kind::Boolean(false);
        }
        _ => {}
    }
    // A number is written one way only, so that what is written is what is read back.
    match text.parse::<Number>() {
        Ok(number) if number.to_string() == text => Kind::Number(number),
        _ => Kind::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        read(text).map_or_else(|problem| problem.to_string(), |tree| tree.value().to_string())
    }

    #[test]
    fn short_forms_are_the_long_ones() {
        for (yaml, expected) in [
            ("a: !Ref B", r#"{"a":{"Ref":"B"}}"#),
            ("a: !GetAtt B.Arn", r#"{"a":{"Fn::GetAtt":"B.Arn"}}"#),
            ("a: !Sub '${B}-1'", r#"{"a":{"Fn::Sub":"${B}-1"}}"#),
            ("a: !If [C, !Ref D, 1]", r#"{"a":{"Fn::If":["C",{"Ref":"D"},1]}}"#),
            ("a: !Not [!Condition C]", r#"{"a":{"Fn::Not":[{"Condition":"C"}]}}"#),
            ("a: !FindInMap\n  - M\n  - x", r#"{"a":{"Fn::FindInMap":["M","x"]}}"#),
            ("a: !Transform {Name: x}", r#"{"a":{"Fn::Transform":{"Name":"x"}}}"#),
            ("a: ! 12\nb: !!str 12", r#"{"a":"12","b":"12"}"#),
        ] {
            assert_eq!(json(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn scalars() {
        let text = "[1, -2, 0.5, 012, 1e3, 0x1f, true, Yes, off, ~, '1', \"yes\", 2010-09-09, 1.10, a b]";
        let expected =
            r#"[1,-2,0.5,"012","1e3","0x1f",true,true,false,null,"1","yes","2010-09-09","1.10","a b"]"#;
        assert_eq!(json(text), expected);
    }

    #[test]
    fn places_have_lines() {
        let tree = read("Resources:\n  Site:\n    Aliases:\n      - a\n      - b\n").unwrap();
        let (place, rest) = tree.find("Resources.Site.Aliases[1].x");
        assert_eq!(place.text(rest), "Resources.Site.Aliases[1].x (line 5)");
    }

    #[test]
    fn what_is_refused() {
        for (text, expected) in [
            ("a: &x 1\nb: *x", "line 2, column 4: CloudFormation does not read aliases"),
            ("a: 1\na: 2", "line 2, column 1: the key \"a\" is there twice"),
            ("<<: {a: 1}", "merges"),
            ("a: [1, 2", "not YAML"),
            ("a: !!binary x", "!!binary"),
            ("? [1]\n: 2", "a key is a text"),
            ("a: 1\n---\nb: 2", "a second document"),
            ("", "there is nothing in it"),
            (&"[".repeat(DEPTH_MAX + 1), "in each other"),
            (&"- ".repeat(10_000), "in each other"),
        ] {
            let got = json(text);
            assert!(got.contains(expected), "{}: {got}", &text[..text.len().min(40)]);
        }
    }
}
