//! The little XML that AWS's clients and this edge say to each other: elements with texts in them, and nothing else.
//!
//! No document type, no entities of one's own, no more depth than the API has: what could grow on reading is refused.

use std::fmt::Write as _;

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;
use quick_xml::{Reader, events::BytesRef};

/// The namespace of the API.
pub(crate) const NAMESPACE: &str = "http://cloudfront.amazonaws.com/doc/2020-05-31/";

/// Elements in elements; the API needs four.
/// Each leaf tells its place by the names around it, so long ones would be repeated for each.
const NAME_BYTES_MAX: usize = 64;
const DEPTH_MAX: usize = 16;

/// The elements that hold no others, in their order: where they stand (`A/B/C`), and their text.
pub(crate) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut reader = Reader::from_str(text);
    let (mut leaves, mut path) = (Vec::new(), Vec::<Element>::new());
    let mut roots = 0;
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| format!("at byte {at}: {error}"))?;
        match event {
            Event::Start(start) => {
                roots += usize::from(path.is_empty());
                open(&mut path, start.local_name().as_ref())?;
            }
            Event::Empty(start) => {
                roots += usize::from(path.is_empty());
                open(&mut path, start.local_name().as_ref())?;
                close(&mut path, &mut leaves);
            }
            Event::End(_) => close(&mut path, &mut leaves),
            Event::Text(text) => write(&mut path, &text.decode().map_err(|error| error.to_string())?)?,
            Event::CData(text) => write(&mut path, &text.decode().map_err(|error| error.to_string())?)?,
            Event::GeneralRef(reference) => write(&mut path, &resolved(&reference)?)?,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err("a document type is not read".to_owned()),
            Event::Eof => break,
        }
    }
    match path.last() {
        Some(open) => Err(format!("<{}> does not end", open.name)),
        None if roots != 1 => Err(format!("{roots} elements at the top, one is expected")),
        None => Ok(leaves),
    }
}

struct Element {
    name: String,
    text: String,
    has_elements: bool,
}

fn open(path: &mut Vec<Element>, name: &[u8]) -> Result<(), String> {
    if path.len() >= DEPTH_MAX {
        return Err(format!("more than {DEPTH_MAX} elements in each other"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("an element's name has more than {NAME_BYTES_MAX} bytes"));
    }
    if let Some(outer) = path.last_mut() {
        outer.has_elements = true;
    }
    let name = String::from_utf8_lossy(name).into_owned();
    path.push(Element { name, text: String::new(), has_elements: false });
    Ok(())
}

fn close(path: &mut Vec<Element>, leaves: &mut Vec<(String, String)>) {
    let place = path.iter().map(|element| element.name.as_str()).collect::<Vec<_>>().join("/");
    // The reader has checked that an end has a start.
    if let Some(Element { text, has_elements: false, .. }) = path.pop() {
        leaves.push((place, text));
    }
}

fn write(path: &mut [Element], text: &str) -> Result<(), String> {
    match path.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("text outside of all elements".to_owned()),
    }
    Ok(())
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(char) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(char.to_string());
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    resolve_predefined_entity(&name)
        .map(str::to_owned)
        .ok_or_else(|| format!("&{name}; is not one of the five entities of XML"))
}

/// Writes a document, element by element.
pub(crate) struct Writer(String);

impl Writer {
    /// A document around `content`.
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut out = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        _ = write!(out.0, "<{root} xmlns=\"{NAMESPACE}\">");
        content(&mut out);
        _ = writeln!(out.0, "</{root}>");
        out.0
    }

    /// An element with others in it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        _ = write!(self.0, "<{name}>");
        content(self);
        _ = write!(self.0, "</{name}>");
    }

    /// An element with a text.
    pub(crate) fn text(&mut self, name: &str, text: impl std::fmt::Display) {
        let text = text.to_string();
        _ = write!(self.0, "<{name}>{}</{name}>", escape(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str) -> Result<Vec<(String, String)>, String> {
        read(text)
    }

    #[test]
    fn what_is_written_is_read() {
        let text = Writer::document("A", |out| {
            out.element("B", |out| {
                out.text("C", "a & b < c > \"d\" 'e'");
                out.text("C", "");
            });
            out.text("D", 7);
        });
        let leaf = |place: &str, text: &str| (place.to_owned(), text.to_owned());
        let expected = [leaf("A/B/C", "a & b < c > \"d\" 'e'"), leaf("A/B/C", ""), leaf("A/D", "7")];
        assert_eq!(leaves(&text).unwrap(), expected);
    }

    #[test]
    fn other_ways_to_write_the_same() {
        let text =
            "\u{feff}<!-- c --><x:A xmlns:x='y'>\n <x:B>1&#x26;&#50;<![CDATA[<3>]]></x:B><C/> </x:A>\n";
        let text = text.trim_start_matches('\u{feff}');
        assert_eq!(
            leaves(text).unwrap(),
            [("A/B".to_owned(), "1&2<3>".to_owned()), ("A/C".to_owned(), String::new())]
        );
    }

    /// Whatever comes is read or refused: a good document with every byte replaced in turn, and cut off everywhere.
    #[test]
    fn nothing_breaks_it() {
        let good = "<?xml version='1.0'?><!-- c --><a b='c'>&#x41;&amp;<d/><![CDATA[x]]></a>";
        for at in 0..good.len() {
            _ = read(&good[..at]);
            for byte in " <>&;#/!?[]-'\"=\0x".chars() {
                let mut text = good.to_owned();
                text.replace_range(at..=at, &byte.to_string());
                _ = read(&text);
            }
        }
    }

    #[test]
    fn what_is_refused() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(&deep(DEPTH_MAX)).is_ok());
        for (text, error) in [
            ("", "0 elements"),
            ("<a>", "does not end"),
            ("<a></b>", "at byte"),
            ("<a/><b/>", "2 elements"),
            ("<a/>text", "outside"),
            ("text", "outside"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
            ("<a>&b;</a>", "five entities"),
            ("<a>&#xD800;</a>", ""),
            (deep(DEPTH_MAX + 1).as_str(), "in each other"),
        ] {
            let got = read(text).expect_err(text);
            assert!(got.contains(error), "{text}: {got}");
        }
    }
}
