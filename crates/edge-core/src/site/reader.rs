//! Reads a parsed `edge.toml` field by field, remembering lines, unknown fields and wrong types.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::problem::{Fault, Problems, nearest};

/// A section of the file and the fields it may have.
pub(super) struct Section {
    /// Empty for the top of the file.
    pub(super) name: &'static str,
    pub(super) fields: &'static [&'static str],
}

/// A value with its line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<T> {
    pub(super) line: Option<usize>,
    pub(super) value: T,
}

/// For a number that does not fit.
pub(super) const PRESETS_OWN: &str = "left out, it is the preset's";

/// Lines, and what is wrong so far.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    /// All there are, for hints.
    pub(super) sections: &'static [Section],
    pub(super) problems: Problems,
}

impl Reader<'_> {
    pub(super) fn line_of(&self, offset: usize) -> Option<usize> {
        Some(1 + self.text.get(..offset)?.bytes().filter(|byte| *byte == b'\n').count())
    }

    fn line<T>(&self, spanned: &Spanned<T>) -> Option<usize> {
        self.line_of(spanned.span().start)
    }

    /// Every field of `table` that `section` does not have.
    pub(super) fn refuse_unknown(&mut self, section: &Section, table: &DeTable<'_>) {
        for (key, _) in table.iter().filter(|(key, _)| !section.fields.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let here =
                if section.name.is_empty() { String::new() } else { format!(" in [{}]", section.name) };
            let mut fault = Fault::new(format!("unknown field \"{name}\"{here}"));
            let home = self.sections.iter().find(|other| other.fields.contains(&name));
            fault = match (nearest(name, section.fields.iter().copied()), home) {
                (_, Some(Section { name: "", .. })) => fault.hint("it belongs to the top of the file"),
                (_, Some(home)) => fault.hint(format!("it belongs to [{}]", home.name)),
                (Some(near), None) => fault.hint(format!("did you mean \"{near}\"?")),
                (None, None) => fault.hint(format!("there are {}", section.fields.join(", "))),
            };
            let line = self.line(key);
            self.problems.add(line, "", fault);
        }
    }

    /// `[name]`, its unknown fields refused.
    pub(super) fn section<'t, 'i>(
        &mut self,
        top: &'t DeTable<'i>,
        name: &'static str,
    ) -> Option<Found<&'t DeTable<'i>>> {
        let value = top.get(name)?;
        let line = self.line(value);
        let DeValue::Table(table) = value.get_ref() else {
            let fault = Fault::new(format!("a section is wanted, not {}", kind(value.get_ref())));
            self.problems.add(line, name, fault.hint(format!("[{name}]")));
            return None;
        };
        if let Some(section) = self.sections.iter().find(|section| section.name == name) {
            self.refuse_unknown(section, table);
        }
        Some(Found { line, value: table })
    }

    /// A text, made into something by `parse`.
    pub(super) fn text<T>(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<Found<T>> {
        let value = table.get(field)?;
        let line = self.line(value);
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse(text),
            DeValue::Integer(number) => {
                Err(wrong("a text", value.get_ref()).hint(format!("\"{number}\", in quotes")))
            }
            other => Err(wrong("a text", other).hint("in quotes")),
        };
        self.settle(line, place(section, field), parsed)
    }

    /// A list of texts, each made into something by `parse`.
    pub(super) fn texts<T>(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
        mut parse: impl FnMut(&str) -> Result<T, Fault>,
    ) -> Option<Vec<Found<T>>> {
        let value = table.get(field)?;
        let items = match value.get_ref() {
            DeValue::Array(items) => items,
            other => {
                let fault = match other {
                    DeValue::String(text) => wrong("a list", other).hint(format!("[\"{text}\"]")),
                    _ => wrong("a list", other).hint("[\"…\"], in brackets"),
                };
                let line = self.line(value);
                self.problems.add(line, place(section, field), fault);
                return None;
            }
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items.iter() {
            let parsed = match item.get_ref() {
                DeValue::String(text) => parse(text),
                other => Err(wrong("a text", other).hint("in quotes")),
            };
            let line = self.line(item);
            found.extend(self.settle(line, place(section, field), parsed));
        }
        Some(found)
    }

    /// A list of whole numbers, each looked at by `check`.
    pub(super) fn numbers(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
        check: impl Fn(u16) -> Result<u16, Fault>,
    ) -> Option<Vec<Found<u16>>> {
        let value = table.get(field)?;
        let DeValue::Array(items) = value.get_ref() else {
            let line = self.line(value);
            self.problems.add(
                line,
                place(section, field),
                wrong("a list of numbers", value.get_ref()).hint("[403, 404], in brackets"),
            );
            return None;
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items.iter() {
            let parsed = match item.get_ref() {
                DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix())
                    .map_err(|_| Fault::new(format!("{number} is no status")).hint("as in 404"))
                    .and_then(&check),
                other => Err(wrong("a number", other).hint("without quotes")),
            };
            let line = self.line(item);
            found.extend(self.settle(line, place(section, field), parsed));
        }
        Some(found)
    }

    /// The texts of a table, in the order of their names, each made into something by `parse`.
    pub(super) fn pairs(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
        parse: impl Fn(&str, &str) -> Result<String, Fault>,
    ) -> Vec<(String, String)> {
        let Some(value) = table.get(field) else { return Vec::new() };
        let place = place(section, field);
        let DeValue::Table(pairs) = value.get_ref() else {
            let line = self.line(value);
            let fault = wrong("names with texts", value.get_ref());
            self.problems.add(line, place, fault.hint(format!("{field} = {{ Name = \"value\" }}")));
            return Vec::new();
        };
        let mut found: Vec<(String, String)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs.iter() {
            let name = key.get_ref().as_ref();
            let parsed = match value.get_ref() {
                DeValue::String(_) if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) => {
                    Err(Fault::new(format!("\"{name}\" is there twice"))
                        .hint("names of headers have no case"))
                }
                DeValue::String(text) => parse(name, text),
                other => Err(wrong("a text", other).hint("in quotes")),
            };
            let line = self.line(key);
            found.extend(self.settle(line, place.clone(), parsed).map(|text| (name.to_owned(), text.value)));
        }
        found
    }

    /// Where the field called `place` stands in `table` (`query.keep`, `behavior.path`), or the entry of it that reads
    /// `entry`.
    pub(super) fn line_of_field(
        &self,
        table: &DeTable<'_>,
        place: &str,
        entry: Option<&str>,
    ) -> Option<usize> {
        let (first, rest) = place.split_once('.').map_or((place, None), |(first, rest)| (first, Some(rest)));
        let value = table.get(first)?;
        let is_entry = |value: &DeValue<'_>| entry.is_some_and(|entry| reads_as(value, entry));
        match (value.get_ref(), rest) {
            (DeValue::Table(inner), Some(rest)) => {
                self.line_of_field(inner, rest, entry).or_else(|| self.line(value))
            }
            (DeValue::Array(tables), Some(rest)) => {
                let inner = tables.iter().filter_map(|table| table.get_ref().as_table()?.get(rest));
                let mut found = inner.filter(|value| is_entry(value.get_ref())).map(|value| self.line(value));
                found.next_back().unwrap_or_else(|| self.line(value))
            }
            (DeValue::Array(items), None) => {
                let found = items.iter().find(|item| is_entry(item.get_ref()));
                found.map_or_else(|| self.line(value), |item| self.line(item))
            }
            _ => self.line(value),
        }
    }

    /// A whole number from `from` to `to`.
    pub(super) fn number(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
        (from, to): (u16, u16),
    ) -> Option<Found<u16>> {
        let value = table.get(field)?;
        let line = self.line(value);
        let parsed = match value.get_ref() {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| (from..=to).contains(number))
                .ok_or_else(|| Fault::new(format!("{number} is not from {from} to {to}")).hint(PRESETS_OWN)),
            other => Err(wrong("a number", other).hint("without quotes")),
        };
        self.settle(line, place(section, field), parsed)
    }

    /// Yes or no.
    pub(super) fn flag(
        &mut self,
        (section, table): (&str, &DeTable<'_>),
        field: &str,
    ) -> Option<Found<bool>> {
        let value = table.get(field)?;
        let line = self.line(value);
        let parsed = value
            .get_ref()
            .as_bool()
            .ok_or_else(|| wrong("true or false", value.get_ref()).hint("without quotes"));
        self.settle(line, place(section, field), parsed)
    }

    /// The tables of `[[name]]`, their unknown fields refused.
    pub(super) fn tables<'t, 'i>(
        &mut self,
        top: &'t DeTable<'i>,
        name: &'static str,
    ) -> Vec<Found<&'t DeTable<'i>>> {
        let Some(value) = top.get(name) else { return Vec::new() };
        let line = self.line(value);
        let mut tables = Vec::new();
        let items = value.get_ref().as_array().map_or(&[][..], |items| items);
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => tables.push(Found { line: self.line(item), value: table }),
                other => self.problems.add(line, name, wrong("a section", other).hint(format!("[[{name}]]"))),
            }
        }
        if !value.get_ref().is_array() {
            let fault = wrong("a list of sections", value.get_ref());
            self.problems.add(line, name, fault.hint(format!("[[{name}]], in double brackets")));
        }
        if let Some(section) = self.sections.iter().find(|section| section.name == name) {
            for table in &tables {
                self.refuse_unknown(section, table.value);
            }
        }
        tables
    }

    fn settle<T>(
        &mut self,
        line: Option<usize>,
        place: String,
        parsed: Result<T, Fault>,
    ) -> Option<Found<T>> {
        match parsed {
            Ok(value) => Some(Found { line, value }),
            Err(fault) => {
                self.problems.add(line, place, fault);
                None
            }
        }
    }
}

/// Names of hosts are read without regard to case, so they are found so.
fn reads_as(value: &DeValue<'_>, entry: &str) -> bool {
    matches!(value, DeValue::String(text) if text.eq_ignore_ascii_case(entry))
}

pub(super) fn place(section: &str, field: &str) -> String {
    if section.is_empty() { field.to_owned() } else { format!("{section}.{field}") }
}

fn wrong(wanted: &str, value: &DeValue<'_>) -> Fault {
    Fault::new(format!("{wanted} is wanted, not {}", kind(value)))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
