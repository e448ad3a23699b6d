//! What the values of a template come to, once every function in them is resolved.
//!
//! Everything is resolved from the template, its parameters' values, and made-up names for what exists only once it
//! is deployed. What cannot be known is told with its place, and how to say it (`--parameter`). Functions can make
//! much of little (a text twice a text twice a text), so what they make is counted; and depth is.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::super::super::problem::codes::{INVALID_TEMPLATE, STANDS_IN};
use super::super::super::problem::{Problem, Severity};
use super::super::stand_in::Surroundings;
use super::super::tree::{Kind, Tree};
use super::functions::single_function;
use super::template::Template;

/// Functions in each other, conditions named by conditions included.
const DEPTH_MAX: usize = 150;
/// Bytes a template may come to.
pub(super) const BYTES_MAX: usize = 8 << 20;

/// Resolves values of one template.
pub(in super::super) struct Resolver<'a> {
    pub(super) template: &'a Template<'a>,
    pub(super) around: Surroundings,
    pub(super) given: &'a BTreeMap<String, String>,
    pub(super) used: RefCell<BTreeSet<String>>,
    problems: RefCell<Vec<Problem>>,
    depth: Cell<usize>,
    pub(super) bytes: Cell<usize>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Template<'a>, given: &'a BTreeMap<String, String>) -> Self {
        let pseudo = |name: &str, default: &str| given.get(name).map_or(default, String::as_str).to_owned();
        Self {
            template,
            around: Surroundings {
                region: pseudo("AWS::Region", "us-east-1"),
                account: pseudo("AWS::AccountId", "123456789012"),
                partition: pseudo("AWS::Partition", "aws"),
                suffix: pseudo("AWS::URLSuffix", "amazonaws.com"),
            },
            given,
            used: RefCell::default(),
            problems: RefCell::default(),
            depth: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// What was found out, and which of the given names were of use.
    pub(super) fn finish(self) -> (Vec<Problem>, BTreeSet<String>) {
        (self.problems.into_inner(), self.used.into_inner())
    }

    /// `tree` with every function in it resolved; `None` where it comes to `AWS::NoValue`.
    pub(super) fn value(&self, tree: &Tree) -> Option<Tree> {
        self.deeper(tree, || match &tree.kind {
            Kind::Object(fields) => match single_function(tree) {
                Some((function, argument)) => self.call(function, argument, tree),
                None => {
                    let fields = fields.iter().filter_map(|(key, value)| {
                        self.count(tree, key.len());
                        Some((key.clone(), self.value(value)?))
                    });
                    Some(tree.here(Kind::Object(fields.collect())))
                }
            },
            Kind::List(items) => {
                Some(tree.here(Kind::List(items.iter().filter_map(|item| self.value(item)).collect())))
            }
            Kind::Text(text) => {
                self.count(tree, text.len());
                if text.contains("{{resolve:") {
                    self.stands_in(
                        tree,
                        "a dynamic reference is resolved at deployment only: it stays as it is",
                        None,
                    );
                }
                Some(tree.clone())
            }
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) => {
                self.count(tree, 0);
                Some(tree.clone())
            }
        })
    }

    /// The same as a text: what functions take.
    pub(super) fn text(&self, tree: &Tree) -> Option<String> {
        let value = self.value(tree)?;
        let text = value.scalar();
        if text.is_none() {
            self.error(tree, "a text is expected here");
        }
        text
    }

    pub(super) fn deeper<T>(&self, tree: &Tree, inside: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.bytes.get() > BYTES_MAX {
            return None; // That has been said.
        }
        if self.depth.get() >= DEPTH_MAX {
            self.error(tree, "functions are in each other too deep, or go round in a circle");
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let result = inside();
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// Notes that something was made; says so once when it is too much.
    pub(super) fn count(&self, tree: &Tree, bytes: usize) {
        let before = self.bytes.get();
        self.bytes.set(before.saturating_add(bytes).saturating_add(32));
        if before <= BYTES_MAX && self.bytes.get() > BYTES_MAX {
            self.error(tree, "the template comes to more than 8 MiB");
        }
    }

    pub(super) fn made(&self, tree: &Tree, text: String) -> Option<Tree> {
        self.count(tree, text.len());
        Some(tree.text_here(text))
    }

    pub(super) fn error(&self, tree: &Tree, message: impl Into<String>) {
        self.push(tree, Severity::Error, INVALID_TEMPLATE, message.into(), None);
    }

    pub(super) fn error_with(&self, tree: &Tree, message: impl Into<String>, hint: impl Into<String>) {
        self.push(tree, Severity::Error, INVALID_TEMPLATE, message.into(), Some(hint.into()));
    }

    pub(super) fn stands_in(&self, tree: &Tree, message: &str, hint: Option<String>) {
        self.push(tree, Severity::Warning, STANDS_IN, message.to_owned(), hint);
    }

    fn push(
        &self,
        tree: &Tree,
        severity: Severity,
        code: &'static str,
        message: String,
        hint: Option<String>,
    ) {
        let mut problems = self.problems.borrow_mut();
        // The same name may be asked for in a thousand places; it is missing once.
        let is_new = problems.iter().all(|problem| problem.message != message);
        if is_new && problems.len() < PROBLEMS_MAX {
            problems.push(Problem { severity, place: tree.place.text(""), code, message, hint });
        }
    }
}

/// Nobody reads more.
const PROBLEMS_MAX: usize = 200;
