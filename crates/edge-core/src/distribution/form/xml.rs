//! The REST API's XML into trees (§1.1): elements in elements, with texts in the innermost.
//!
//! Namespaces are not looked at, attributes mean nothing. A document type is refused, so nothing can grow; members of
//! lists have the names of the API, and another name is told.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use super::super::problem::codes::MALFORMED_DOCUMENT;
use super::super::problem::{Problem, Severity};
use super::shape::{self, COUNTED};
use super::tree::{Kind, Place, Tree};

/// The API needs a dozen.
const DEPTH_MAX: usize = 40;

/// The roots that hold a distribution.
const ROOTS: [&str; 3] = ["DistributionConfig", "Distribution", "DistributionConfigWithTags"];

/// Reads a document into what the API's JSON would be.
pub(super) fn read(text: &str) -> Result<Tree, Problem> {
    let (name, tree) = elements(text)?;
    if !ROOTS.contains(&name.as_str()) {
        let hint = Some(format!("the element is one of {}", ROOTS.join(", ")));
        return Err(Problem { hint, ..refusal(1, format!("<{name}> is not a distribution")) });
    }
    let mut root = if name == "DistributionConfigWithTags" {
        tree
    } else {
        let top = Place::top("");
        Tree { kind: Kind::Object(vec![(name, tree)]), place: top }
    };
    shape::fit("", &mut root);
    Ok(root)
}

fn refusal(line: usize, message: impl Into<String>) -> Problem {
    Problem {
        severity: Severity::Error,
        place: format!("line {line}"),
        code: MALFORMED_DOCUMENT,
        message: message.into(),
        hint: None,
    }
}

/// An element that has not ended yet.
struct Open {
    name: String,
    place: Place,
    line: usize,
    text: String,
    children: Vec<(String, Tree)>,
}

struct Elements {
    open: Vec<Open>,
    done: Option<(String, Tree)>,
}

fn elements(text: &str) -> Result<(String, Tree), Problem> {
    let mut reader = Reader::from_str(text);
    let mut elements = Elements { open: Vec::new(), done: None };
    let (mut line, mut counted) = (1, 0);
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.buffer_position()).unwrap_or(text.len()).min(text.len());
        let bytes = text.as_bytes().get(counted..at).unwrap_or_default();
        let begun = line;
        line += bytes.iter().filter(|byte| **byte == b'\n').count();
        counted = at;
        let said = |message: String| refusal(begun, message);
        match event.map_err(|error| said(format!("this is not XML: {error}")))? {
            Event::Start(start) => elements.begin(start.local_name().as_ref(), line)?,
            Event::Empty(start) => {
                elements.begin(start.local_name().as_ref(), line)?;
                elements.end(line)?;
            }
            Event::End(_) => elements.end(line)?,
            Event::Text(text) => elements.text(&text.decode().map_err(|e| said(e.to_string()))?, line)?,
            Event::CData(text) => elements.text(&text.decode().map_err(|e| said(e.to_string()))?, line)?,
            Event::GeneralRef(reference) => elements.text(&resolved(&reference).map_err(said)?, line)?,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err(said("a document type is not read".to_owned())),
            Event::Eof => break,
        }
    }
    match (elements.open.last(), elements.done) {
        (Some(open), _) => Err(refusal(open.line, format!("<{}> does not end", open.name))),
        (None, Some(done)) => Ok(done),
        (None, None) => Err(refusal(line, "there is no element in it")),
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(char) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(char.to_string());
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    let known = resolve_predefined_entity(&name).map(str::to_owned);
    known.ok_or_else(|| format!("&{name}; is not one of the five entities of XML"))
}

impl Elements {
    fn begin(&mut self, name: &[u8], line: usize) -> Result<(), Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(refusal(line, format!("more than {DEPTH_MAX} elements in each other")));
        }
        if self.open.is_empty() && self.done.is_some() {
            return Err(refusal(line, "a second element at the top"));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let place = match self.open.last() {
            None => Place::top(&name),
            Some(list) if list.name == "Items" => list.place.member(list.children.len(), Some(line)),
            Some(outer) => outer.place.field(&name, Some(line)),
        };
        self.open.push(Open { name, place, line, text: String::new(), children: Vec::new() });
        Ok(())
    }

    fn text(&mut self, text: &str, line: usize) -> Result<(), Problem> {
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(refusal(line, "text outside of all elements")),
        }
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), Problem> {
        // The reader has checked that an end has a start.
        let Some(open) = self.open.pop() else { return Ok(()) };
        let kind = if open.name == "Items" {
            let list = self.open.last().map_or("", |outer| outer.name.as_str());
            check_members(list, &open)?;
            Kind::List(open.children.into_iter().map(|(_, member)| member).collect())
        } else if open.children.is_empty() {
            Kind::Text(open.text)
        } else if open.text.trim().is_empty() {
            Kind::Object(open.children)
        } else {
            return Err(refusal(open.line, format!("<{}> has both elements and text", open.name)));
        };
        let tree = Tree { kind, place: open.place };
        match self.open.last_mut() {
            None => self.done = Some((open.name, tree)),
            Some(outer) => {
                if outer.name != "Items" && outer.children.iter().any(|(name, _)| *name == open.name) {
                    return Err(refusal(line, format!("<{}> is there twice", open.name)));
                }
                outer.children.push((open.name, tree));
            }
        }
        Ok(())
    }
}

/// Each list has one name for its members.
fn check_members(list: &str, open: &Open) -> Result<(), Problem> {
    let Some((_, expected)) = COUNTED.iter().find(|(name, _)| *name == list) else { return Ok(()) };
    match open.children.iter().find(|(name, _)| name != expected) {
        None => Ok(()),
        Some((name, member)) => {
            let mut problem = refusal(0, format!("<{name}> is no member of {list}"));
            problem.place = member.place.text("");
            problem.hint = Some(format!("a member is <{expected}>"));
            Err(problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        read(text).map_or_else(|problem| problem.to_string(), |tree| tree.value().to_string())
    }

    #[test]
    fn elements_are_fields_and_members() {
        let text = "<?xml version='1.0'?>\n<x:DistributionConfig xmlns:x='http://cloudfront.amazonaws.com/doc/2020-05-31/'>
            <x:Comment>a &amp; b&#33;</x:Comment><x:Enabled>true</x:Enabled><x:PriceClass/>
            <x:Aliases><x:Quantity>1</x:Quantity><x:Items><x:CNAME>a.example.com</x:CNAME></x:Items></x:Aliases>
            <x:CacheBehaviors><x:Quantity>0</x:Quantity><x:Items/></x:CacheBehaviors></x:DistributionConfig>";
        let expected = r#"{"DistributionConfig":{"Comment":"a & b!","Enabled":true,"PriceClass":"","#
            .to_owned()
            + r#""Aliases":{"Quantity":1,"Items":["a.example.com"]},"CacheBehaviors":{"Quantity":0,"Items":[]}}}"#;
        assert_eq!(json(text), expected);
    }

    #[test]
    fn what_is_refused() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        for (text, expected) in [
            (
                "<DistributionConfig>\n<Aliases><Items><Name>a</Name></Items></Aliases></DistributionConfig>",
                "DistributionConfig.Aliases.Items[0] (line 2): <Name> is no member of Aliases",
            ),
            ("<Invalidation/>", "is not a distribution"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
            ("<a>&b;</a>", "five entities"),
            ("<a>\n\n<b>x</c></a>", "line 3: this is not XML"),
            ("<a>\n<b>", "line 2: <b> does not end"),
            ("<a/><a/>", "a second element"),
            ("<a>text<b/></a>", "both elements and text"),
            ("<a><b/><b/></a>", "twice"),
            ("", "no element"),
            (&deep(DEPTH_MAX + 1), "in each other"),
            (&"<a>".repeat(100_000), "in each other"),
        ] {
            let got = json(text);
            assert!(got.contains(expected), "{}: {got}", &text[..text.len().min(60)]);
        }
    }
}
