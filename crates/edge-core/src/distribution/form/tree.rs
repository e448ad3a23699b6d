//! A value that remembers where its owner wrote it.
//!
//! Every form becomes such a tree, is reshaped as a tree, and only then becomes JSON: so a problem found at the API's
//! place can be told at the owner's. A place is a chain of steps, spelled out only when somebody reads it: a long key
//! above many values costs its length once. This module knows no form and no field.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

/// Where something stands in the text of the owner.
#[derive(Clone)]
pub(super) struct Place(Arc<Step>);

struct Step {
    above: Option<Place>,
    name: Name,
    /// Counted from 1, where the form has lines.
    line: Option<usize>,
}

enum Name {
    Key(String),
    Index(usize),
}

/// Longer keys are cut where a place is spelled out.
const KEY_CHARS_MAX: usize = 255;

impl Place {
    /// The top of a document, or a resource by its address.
    pub(super) fn top(name: &str) -> Self {
        Self(Arc::new(Step { above: None, name: Name::Key(name.to_owned()), line: None }))
    }

    /// A field of what is here.
    pub(super) fn field(&self, key: &str, line: Option<usize>) -> Self {
        Self(Arc::new(Step { above: Some(self.clone()), name: Name::Key(key.to_owned()), line }))
    }

    /// A member of the list that is here.
    pub(super) fn member(&self, index: usize, line: Option<usize>) -> Self {
        Self(Arc::new(Step { above: Some(self.clone()), name: Name::Index(index), line }))
    }

    /// `Resources.Site.Properties.Aliases[0]`.
    pub(super) fn path(&self) -> String {
        let mut steps = vec![self];
        while let Some(above) = steps.last().and_then(|place| place.0.above.as_ref()) {
            steps.push(above);
        }
        let mut path = String::new();
        for step in steps.iter().rev() {
            match &step.0.name {
                Name::Index(index) => _ = write!(path, "[{index}]"),
                Name::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.extend(key.chars().take(KEY_CHARS_MAX));
                }
            }
        }
        path
    }

    /// The path and `rest` below it, with the line where there are lines.
    pub(super) fn text(&self, rest: &str) -> String {
        let mut text = self.path() + rest;
        if let Some(line) = self.line() {
            _ = write!(text, " (line {line})");
        }
        text
    }

    fn line(&self) -> Option<usize> {
        let mut step = &self.0;
        loop {
            match (&step.line, &step.above) {
                (Some(line), _) => return Some(*line),
                (None, Some(above)) => step = &above.0,
                (None, None) => return None,
            }
        }
    }
}

/// A value, and where it was written.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

/// What JSON knows.
#[derive(Clone)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    /// In the order they were written.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(super) fn of(value: Value, place: Place) -> Self {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(truth) => Kind::Boolean(truth),
            Value::Number(number) => Kind::Number(number),
            Value::String(text) => Kind::Text(text),
            Value::Array(items) => Kind::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(at, item)| Self::of(item, place.member(at, None)))
                    .collect(),
            ),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| {
                    let place = place.field(&key, None);
                    (key, Self::of(value, place))
                });
                Kind::Object(fields.collect())
            }
        };
        Self { kind, place }
    }

    /// A value of ours at the place it comes from.
    pub(super) fn here(&self, kind: Kind) -> Self {
        Self { kind, place: self.place.clone() }
    }

    pub(super) fn text_here(&self, text: impl Into<String>) -> Self {
        self.here(Kind::Text(text.into()))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The text of a text, a number or a truth value: what templates take for one another.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Number(number) => Some(number.to_string()),
            Kind::Boolean(truth) => Some(truth.to_string()),
            Kind::Null | Kind::List(_) | Kind::Object(_) => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    pub(super) fn items(&self) -> &[Tree] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }

    pub(super) fn fields(&self) -> &[(String, Tree)] {
        if let Kind::Object(fields) = &self.kind { fields } else { &[] }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Tree> {
        self.fields().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        let Kind::Object(fields) = &mut self.kind else { return None };
        fields.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The field, no longer in the object.
    pub(super) fn take(&mut self, key: &str) -> Option<Tree> {
        let Kind::Object(fields) = &mut self.kind else { return None };
        let at = fields.iter().position(|(name, _)| name == key)?;
        Some(fields.remove(at).1)
    }

    /// Sets a field at the end of the object, or where it is.
    pub(super) fn set(&mut self, key: &str, value: Tree) {
        let Kind::Object(fields) = &mut self.kind else { return };
        match fields.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => fields.push((key.to_owned(), value)),
        }
    }

    /// Sets a field of ours unless the owner did.
    pub(super) fn set_default(&mut self, key: &str, kind: Kind) {
        if matches!(self.kind, Kind::Object(_)) && self.get(key).is_none_or(Tree::is_null) {
            let value = self.here(kind);
            self.set(key, value);
        }
    }

    /// Calls the field `to`, unless there is one of that name.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let taken = self.get(to).is_some();
        let Kind::Object(fields) = &mut self.kind else { return };
        if let Some((name, _)) = fields.iter_mut().find(|(name, _)| name == from).filter(|_| !taken) {
            to.clone_into(name);
        }
    }

    /// `change`s each member of the list that is the field `key`, or the field itself where it is none.
    pub(super) fn each(&mut self, key: &str, mut change: impl FnMut(&mut Tree)) {
        match self.get_mut(key) {
            Some(Tree { kind: Kind::List(items), .. }) => items.iter_mut().for_each(change),
            Some(other) => change(other),
            None => {}
        }
    }

    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Boolean(truth) => Value::Bool(*truth),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Tree::value).collect()),
            Kind::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.clone(), value.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Where the owner wrote what stands at `path` of [`Tree::value`]; what lies below the last known step is kept.
    pub(super) fn find<'a>(&self, path: &'a str) -> (Place, &'a str) {
        let (mut here, mut rest) = (self, path);
        while let Some((next, below)) = here.step(rest) {
            (here, rest) = (next, below);
        }
        (here.place.clone(), rest)
    }

    fn step<'a>(&self, path: &'a str) -> Option<(&Tree, &'a str)> {
        if let Some(inside) = path.strip_prefix('[') {
            let (index, below) = inside.split_once(']')?;
            return Some((self.items().get(index.parse::<usize>().ok()?)?, below));
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        let fits = |key: &str| {
            path.strip_prefix(key).filter(|below| below.is_empty() || below.starts_with(['.', '[']))
        };
        let found = self.fields().iter().filter_map(|(key, value)| Some((value, fits(key)?)));
        found.min_by_key(|(_, below)| below.len())
    }
}
