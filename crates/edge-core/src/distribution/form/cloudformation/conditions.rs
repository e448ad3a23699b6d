//! The conditions of a template: named ones, and what they are made of.

use super::super::tree::{Kind, Tree};
use super::functions::single_function;
use super::resolve::Resolver;
use super::template::Completeness;

/// Whether the condition called `name` holds; `None` where that cannot be known, which has been said.
pub(super) fn named(resolver: &Resolver<'_>, name: &str, at: &Tree) -> Option<bool> {
    match resolver.template.condition(name) {
        Some(condition) => value(resolver, condition),
        None if resolver.template.completeness == Completeness::Excerpt => {
            let given = resolver.given(name).map(|text| text == "true");
            if given.is_none() {
                let message = format!("the condition {name} is not in this template: it does not hold");
                resolver.stands_in(at, &message, Some(format!("--parameter {name}=true")));
            }
            Some(given.unwrap_or_default())
        }
        None => {
            resolver.error(at, format!("the template has no condition called {name}"));
            None
        }
    }
}

/// Whether the condition that is written here holds.
pub(super) fn value(resolver: &Resolver<'_>, tree: &Tree) -> Option<bool> {
    resolver.deeper(tree, || {
        let Some((function, argument)) = single_function(tree) else {
            return truth(resolver, tree);
        };
        match function {
            "Fn::Equals" => {
                let [one, other] = resolver.arguments(argument)?;
                let (one, other) = (resolver.value(one)?, resolver.value(other)?);
                Some(one.scalar() == other.scalar() && one.scalar().is_some())
            }
            "Fn::Not" => {
                let [inner] = resolver.arguments(argument)?;
                value(resolver, inner).map(|holds| !holds)
            }
            "Fn::And" => all(resolver, argument).map(|each| each.iter().all(|holds| *holds)),
            "Fn::Or" => all(resolver, argument).map(|each| each.contains(&true)),
            "Condition" => named(resolver, &resolver.text(argument)?, argument),
            _ => truth(resolver, tree),
        }
    })
}

fn all(resolver: &Resolver<'_>, argument: &Tree) -> Option<Vec<bool>> {
    if argument.items().is_empty() {
        resolver.error(argument, "a list of conditions is expected here");
        return None;
    }
    argument.items().iter().map(|item| value(resolver, item)).collect()
}

/// A value that says so itself.
fn truth(resolver: &Resolver<'_>, tree: &Tree) -> Option<bool> {
    let value = resolver.value(tree)?;
    let truth = match &value.kind {
        Kind::Boolean(truth) => Some(*truth),
        _ => value.scalar().and_then(|text| text.to_ascii_lowercase().parse().ok()),
    };
    if truth.is_none() {
        resolver.error(tree, "a condition is expected here");
    }
    truth
}
