//! A value on its way into a file: what JSON knows, references between resources, and remarks for people.
//!
//! Printers reshape such values and writers write them down; neither knows the other.

use serde_json::{Map, Number, Value, json};

use super::set::Kind;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Boolean(bool),
    Number(Number),
    Text(String),
    /// What another resource of the set is known by at AWS, once it is there.
    Link(Link),
    /// A reference in the words of a form: a logical id, an address, a variable; and what of it.
    Reference(String, String),
    /// A function of templates and what it is called with: `Sub`, `Select`, `If`.
    Call(String, Box<Part>),
    List(Vec<Part>),
    /// In this order.
    Object(Vec<Field>),
}

/// A member of a set, by its place in it, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) member: usize,
    pub(super) kind: Kind,
    pub(super) attribute: Attribute,
}

/// By what a resource is named elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    Id,
    Arn,
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Part,
    /// Why it is so; a comment, where the form has some.
    pub(super) remark: Option<String>,
}

impl Field {
    pub(super) fn new(name: &str, value: Part) -> Self {
        Self { name: name.to_owned(), value, remark: None }
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Part {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl Part {
    /// An object of these fields.
    pub(super) fn object<const N: usize>(fields: [(&str, Part); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| Field::new(name, value)).collect())
    }

    pub(super) fn fields(&self) -> &[Field] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    pub(super) fn items(&self) -> &[Part] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Part> {
        self.fields().iter().find(|field| field.name == name).map(|field| &field.value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Part> {
        let Self::Object(fields) = self else { return None };
        fields.iter_mut().find(|field| field.name == name).map(|field| &mut field.value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Sets a field where it is, or at the end.
    pub(super) fn set(&mut self, name: &str, value: Part) {
        match (self.get_mut(name), value) {
            (Some(old), value) => *old = value,
            (None, value) => {
                if let Self::Object(fields) = self {
                    fields.push(Field::new(name, value));
                }
            }
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Self::Object(fields) = self {
            fields.retain(|field| field.name != name);
        }
    }

    /// Every link in it as the form names it.
    pub(super) fn linked(self, name: &dyn Fn(Link) -> Part) -> Self {
        match self {
            Self::Link(link) => name(link),
            Self::Call(function, argument) => Self::Call(function, Box::new(argument.linked(name))),
            Self::List(items) => Self::List(items.into_iter().map(|item| item.linked(name)).collect()),
            Self::Object(fields) => {
                let linked = |field: Field| Field { value: field.value.linked(name), ..field };
                Self::Object(fields.into_iter().map(linked).collect())
            }
            other => other,
        }
    }

    /// As JSON, where a reference is what `refer` says.
    pub(super) fn json(&self, refer: &dyn Fn(&str, &str) -> Value) -> Value {
        match self {
            Self::Boolean(truth) => json!(truth),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::Link(link) => json!(link.member), // Printers name every link before they write.
            Self::Reference(to, attribute) => refer(to, attribute),
            Self::Call(function, argument) => {
                let argument = (format!("Fn::{function}"), argument.json(refer));
                Value::Object(Map::from_iter([argument]))
            }
            Self::List(items) => Value::Array(items.iter().map(|item| item.json(refer)).collect()),
            Self::Object(fields) => {
                let fields = fields.iter().map(|field| (field.name.clone(), field.value.json(refer)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}
