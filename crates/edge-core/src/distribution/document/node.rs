//! A cursor over a JSON value that knows its place, and the report it writes into.
//!
//! Reading never stops: a missing or mistyped field is reported and a harmless value stands in, because the document
//! is refused at the end anyway. Every key that is asked for is remembered, so what nobody asked for can be named
//! as unknown. Nothing here knows any field of CloudFront's but the list shape, `{Quantity, Items}`.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::super::LambdaEvent;
use super::super::check::Quota;
use super::super::problem::codes::{
    INVALID_ARGUMENT, NEEDS_CREDENTIALS, NEEDS_ENDPOINT, NO_LOCAL_EFFECT, NOT_IN_FORCE, UNKNOWN_FIELD,
};
use super::super::problem::{Problem, Severity};

/// What reading found out.
#[derive(Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    /// Keys asked for, by the place of their object. A place that is not here was never looked into.
    asked: RefCell<HashMap<String, BTreeSet<&'static str>>>,
    /// Places already reported to be no object.
    no_objects: RefCell<HashSet<String>>,
}

impl Report {
    /// Warns about every field of `root` nobody asked for.
    pub(super) fn name_unknown_fields(&self, root: &Node<'_>) {
        let mut unknown = Vec::new();
        if let Some(value) = root.value {
            collect_unknown(&self.asked.borrow(), value, &root.place, &mut unknown);
        }
        self.problems.borrow_mut().extend(unknown);
    }

    /// Everything reported, once: errors first, otherwise as found.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        let mut seen = HashSet::new(); // A field may be read twice, once to check it and once to use it.
        problems
            .retain(|problem| seen.insert((problem.place.clone(), problem.code, problem.message.clone())));
        problems.sort_by_key(|problem| problem.severity);
        problems
    }
}

fn collect_unknown(
    asked: &HashMap<String, BTreeSet<&'static str>>,
    value: &Value,
    place: &str,
    unknown: &mut Vec<Problem>,
) {
    match value {
        Value::Object(fields) => {
            let Some(known) = asked.get(place) else { return };
            for (key, child) in fields {
                let child_place = join(place, key);
                if known.contains(key.as_str()) {
                    collect_unknown(asked, child, &child_place, unknown);
                } else {
                    unknown.push(Problem {
                        severity: Severity::Warning,
                        place: child_place,
                        code: UNKNOWN_FIELD,
                        message: "no such field: it is kept, and has no effect".to_owned(),
                        hint: closest(key, known).map(|name| format!("did you mean {name}?")),
                    });
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect_unknown(asked, item, &format!("{place}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// The known name that is spelled nearly so.
fn closest(key: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    let lower = key.to_ascii_lowercase();
    let distance = |name: &&'static str| edit_distance(&lower, &name.to_ascii_lowercase());
    let near = (key.len() / 3).min(2);
    known.iter().copied().filter(|name| distance(name) <= near).min_by_key(distance)
}

/// Levenshtein's. Long keys are not compared: no field of the API has more than 60 letters.
fn edit_distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// A value, or its absence, at a place.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    place: String,
    report: &'a Report,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, place: &str, report: &'a Report) -> Self {
        Self { value: Some(value), place: place.to_owned(), report }
    }

    /// The field `key`. `null` is absent.
    pub(super) fn at(&self, key: &'static str) -> Node<'a> {
        let value = match self.value {
            None => None,
            Some(Value::Object(fields)) => {
                self.report.asked.borrow_mut().entry(self.place.clone()).or_default().insert(key);
                fields.get(key).filter(|value| !value.is_null())
            }
            Some(other) => {
                if self.report.no_objects.borrow_mut().insert(self.place.clone()) {
                    self.error(INVALID_ARGUMENT, format!("expected an object, found {}", kind(other)));
                }
                None
            }
        };
        Node { value, place: join(&self.place, key), report: self.report }
    }

    /// Fields that mean nothing here and are no mistake: echoes of the API, identifiers, dates.
    pub(super) fn ignore(&self, keys: &[&'static str]) {
        for key in keys {
            self.at(key);
        }
    }

    pub(super) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    // Scalars.

    /// The text of the field, if it is there.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.at(key).as_text()
    }

    /// The same; the API writes "nothing" as `""` in many places.
    pub(super) fn filled(&self, key: &'static str) -> Option<&'a str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// The text of the field; `""` stands in where it is missing.
    pub(super) fn required_text(&self, key: &'static str) -> &'a str {
        self.required(key).as_text().unwrap_or_default()
    }

    /// The field as a truth value.
    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.at(key).as_boolean()
    }

    /// The same; `false` stands in where it is missing.
    pub(super) fn required_boolean(&self, key: &'static str) -> bool {
        self.required(key).as_boolean().unwrap_or_default()
    }

    /// The field as a whole number, not negative.
    pub(super) fn integer(&self, key: &'static str) -> Option<u64> {
        self.at(key).as_integer()
    }

    /// The field as one of the words of `table`.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, table: &[(&str, T)]) -> Option<T> {
        self.at(key).as_choice(table)
    }

    /// The same for a field that must be there.
    pub(super) fn required_choice<T: Copy>(&self, key: &'static str, table: &[(&str, T)]) -> Option<T> {
        self.required(key).as_choice(table)
    }

    /// The field `key`, reported when it is missing.
    pub(super) fn required(&self, key: &'static str) -> Node<'a> {
        let node = self.at(key);
        if !node.is_present() && matches!(self.value, Some(Value::Object(_))) {
            node.error(INVALID_ARGUMENT, "this field is required");
        }
        node
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        let text = self.value?.as_str();
        if text.is_none() {
            self.wrong_type("a string");
        }
        text
    }

    fn as_boolean(&self) -> Option<bool> {
        let truth = match self.value? {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => text.parse().ok(), // As XML has it.
            _ => None,
        };
        if truth.is_none() {
            self.wrong_type("true or false");
        }
        truth
    }

    pub(super) fn as_integer(&self) -> Option<u64> {
        let number = match self.value? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(), // As XML has it.
            _ => None,
        };
        if number.is_none() {
            self.wrong_type("a whole number, not negative");
        }
        number
    }

    pub(super) fn as_decimal(&self) -> Option<f64> {
        let number = match self.value? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        };
        if number.is_none() {
            self.wrong_type("a number");
        }
        number
    }

    pub(super) fn as_choice<T: Copy>(&self, table: &[(&str, T)]) -> Option<T> {
        let text = self.as_text()?;
        let found = table.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
            self.error_with(
                INVALID_ARGUMENT,
                format!("{:?} is not one of the values of this field", shortened(text)),
                format!("use one of {}", words.join(", ")),
            );
        }
        found
    }

    fn wrong_type(&self, expected: &str) {
        if let Some(value) = self.value {
            self.error(INVALID_ARGUMENT, format!("expected {expected}, found {}", kind(value)));
        }
    }

    // Lists.

    /// The members of `key`, a list of the API: `{"Quantity": n, "Items": […]}`.
    pub(super) fn list(&self, key: &'static str) -> Vec<Node<'a>> {
        self.at(key).items()
    }

    /// The members of this list of the API.
    pub(super) fn items(&self) -> Vec<Node<'a>> {
        match self.value {
            Some(Value::Array(_)) => {
                self.error_with(
                    INVALID_ARGUMENT,
                    "expected {\"Quantity\": n, \"Items\": […]}, found a plain array",
                    "plain arrays are CloudFormation's form; the API counts its items",
                );
                self.elements()
            }
            Some(_) => {
                let items = self.at("Items").elements();
                if let Some(quantity) = self.required("Quantity").as_integer()
                    && usize::try_from(quantity) != Ok(items.len())
                {
                    let message = format!("Quantity is {quantity}, but there are {} Items", items.len());
                    self.error("InconsistentQuantities", message);
                }
                items
            }
            None => Vec::new(),
        }
    }

    /// The members of this plain array.
    pub(super) fn elements(&self) -> Vec<Node<'a>> {
        match self.value {
            Some(Value::Array(items)) => {
                let node = |(at, item)| Node {
                    value: Some(item),
                    place: format!("{}[{at}]", self.place),
                    report: self.report,
                };
                items.iter().enumerate().map(node).collect()
            }
            Some(_) => {
                self.wrong_type("an array");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    // Reporting.

    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) {
        self.push(Severity::Error, code, message.into(), None);
    }

    pub(super) fn error_with(&self, code: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, code, message.into(), Some(hint.into()));
    }

    pub(super) fn warn(&self, code: &'static str, message: impl Into<String>) {
        self.push(Severity::Warning, code, message.into(), None);
    }

    /// The field is set, and the edge does not act on it.
    pub(super) fn not_in_force(&self, message: impl Into<String>) {
        self.push(Severity::Warning, NOT_IN_FORCE, message.into(), None);
    }

    /// The same, with what to do about it.
    pub(super) fn not_in_force_with(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, NOT_IN_FORCE, message.into(), Some(hint.into()));
    }

    /// The field is in force once the user brings credentials, which no document carries.
    pub(super) fn needs_credentials(&self, message: impl Into<String>) {
        let hint =
            "start with --sign-origins and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
        self.push(Severity::Warning, NEEDS_CREDENTIALS, message.into(), Some(hint.to_owned()));
    }

    /// The Lambda is called once the user says where that can be done, which no document carries.
    pub(super) fn needs_endpoint(&self, event: LambdaEvent, arn: &str) {
        let message =
            format!("the Lambda@Edge function at {event} is skipped: what it changes or refuses, is NOT");
        let hint =
            format!("say where it can be called, at any endpoint of the invoke API: --lambda {arn}=URL");
        self.push(Severity::Warning, NEEDS_ENDPOINT, message, Some(hint));
    }

    /// The field is set, and there is nothing it could do here.
    pub(super) fn no_local_effect(&self, message: impl Into<String>) {
        self.push(Severity::Info, NO_LOCAL_EFFECT, message.into(), None);
    }

    /// Reports more than `quota` allows.
    pub(super) fn within(&self, quota: &Quota, count: usize) {
        if count > quota.max {
            let message = format!("{count} {}, at most {} are allowed", quota.of, quota.max);
            self.error(quota.code, message);
        }
    }

    /// Reports what a check says about this value.
    pub(super) fn checked<T>(&self, code: &'static str, result: Result<T, impl Into<String>>) -> Option<T> {
        result.map_err(|message| self.error(code, message)).ok()
    }

    fn push(&self, severity: Severity, code: &'static str, message: String, hint: Option<String>) {
        let problem = Problem { severity, place: self.place.clone(), code, message, hint };
        self.report.problems.borrow_mut().push(problem);
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the string {:?}", shortened(text)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
