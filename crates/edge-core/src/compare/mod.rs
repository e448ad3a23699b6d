//! What two configurations differ in, by meaning: a live distribution against the template somebody wants.
//!
//! Each is brought into a [normal form](normal): policies, functions and keys stand where they are used and not under
//! ids, lists that AWS does not order are sorted, what AWS fills in is filled in or left out on both sides. Then two
//! trees are compared, and a place is a path of the API's names. It refuses to know forms and files.

mod normal;
mod policies;

use std::fmt::Write as _;

use serde_json::{Map, Value};

pub use normal::normal;

use crate::distribution::Loaded;

/// One place where they are not the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// `CacheBehaviors["wp-admin/*"].Compress`: lists are told apart by what their members are known by.
    pub place: String,
    /// What the first says; none: nothing, which is what AWS takes it for.
    pub first: Option<Value>,
    /// What the second says.
    pub second: Option<Value>,
}

/// All differences, in the order of the API's fields.
pub fn differences(first: &Loaded, second: &Loaded) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(&normal(first)), Some(&normal(second)), &mut found);
    found
}

fn compare(place: &str, first: Option<&Value>, second: Option<&Value>, found: &mut Vec<Difference>) {
    if first == second {
        return;
    }
    if let (Some(Value::Object(first)), Some(Value::Object(second))) = (first, second) {
        let (mut first, mut second) = (first.clone(), second.clone());
        if place.ends_with(FUNCTION) && !only_named(&first, &second) {
            // Both say what it does: then it does not matter what it is called.
            first.remove("Name");
            second.remove("Name");
        }
        let only_second = second.keys().filter(|key| !first.contains_key(*key));
        let keys: Vec<&String> = first.keys().chain(only_second).collect();
        let by_name = place.ends_with(FUNCTION) && only_named(&first, &second);
        for key in keys.into_iter().filter(|key| !by_name || *key == "Name") {
            compare(&below(place, key), first.get(key), second.get(key), found);
        }
        return;
    }
    found.push(Difference { place: place.to_owned(), first: first.cloned(), second: second.cloned() });
}

/// Where functions stand in the normal form.
const FUNCTION: &str = ".FunctionARN";

/// Whether one of the functions is known by its name alone.
fn only_named(first: &Map<String, Value>, second: &Map<String, Value>) -> bool {
    [first, second].iter().any(|function| function.len() == 1 && function.contains_key("Name"))
}

/// `.Name`, or `["wp-admin/*"]` where it is no name of the API's.
fn below(place: &str, key: &str) -> String {
    let mut text = place.to_owned();
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && key.starts_with(|c: char| c.is_ascii_uppercase())
    {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(key);
    } else {
        _ = write!(text, "[{key:?}]");
    }
    text
}
