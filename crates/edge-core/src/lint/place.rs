//! A value of the document and the place it stands at, in the notation of the loader's problems.
//!
//! The document has loaded, so nothing is checked or reported here: what is missing is nothing, and a list of the API
//! is its items.

use serde_json::Value;

/// A value, or its absence, at a place.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> Place<'a> {
    /// The `DistributionConfig` of a document, whatever stands around it.
    pub(super) fn config(document: &'a Value) -> Self {
        let root = |value, path: &str| Self { value: Some(value), path: path.to_owned() };
        if let Some(config) = document.pointer("/Distribution/DistributionConfig") {
            return root(config, "Distribution.DistributionConfig");
        }
        root(document.get("DistributionConfig").unwrap_or(document), "DistributionConfig")
    }

    /// The field `key`; `null` is absent.
    pub(super) fn at(&self, key: &str) -> Self {
        let value = self.value.and_then(|value| value.get(key)).filter(|value| !value.is_null());
        Self { value, path: format!("{}.{key}", self.path) }
    }

    /// The members of this list of the API.
    pub(super) fn items(&self) -> Vec<Self> {
        let list = self.at("Items");
        let items = list.value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let member = |(at, value)| Self { value: Some(value), path: format!("{}[{at}]", list.path) };
        items.iter().enumerate().map(member).collect()
    }

    /// Whether there is anything.
    pub(super) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// The text there, unless it is empty: the API writes "nothing" so.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value?.as_str().filter(|text| !text.is_empty())
    }

    /// The truth there; XML has it as text.
    pub(super) fn is_true(&self) -> bool {
        self.value.is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"))
    }

    /// Whether it is a number, or the text of one, and more than 0.
    pub(super) fn is_number_above_zero(&self) -> bool {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        self.value.and_then(number).is_some_and(|number| number > 0)
    }

    /// Whether it is a list with anything in it.
    pub(super) fn is_list(&self) -> bool {
        self.value.and_then(Value::as_array).is_some_and(|items| !items.is_empty())
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}
