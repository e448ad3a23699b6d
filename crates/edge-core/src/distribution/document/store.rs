//! Key value stores of a bundle (§14.5): what functions read with `cf.kvs()`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::script::KeyValueStore;

use super::super::check::quotas;
use super::super::problem::codes::INVALID_ARGUMENT;
use super::library::unwrapped;
use super::node::Node;

/// Reads `KeyValueStores` of a bundle: what `describe-key-value-store` prints, and beside it the `Items` of `list-keys`.
pub(super) fn stores(root: &Node<'_>) -> HashMap<String, Arc<KeyValueStore>> {
    let mut stores = HashMap::new();
    for item in root.at("KeyValueStores").elements() {
        let node = unwrapped(&item, "KeyValueStore");
        node.ignore(&["Name", "Id", "Comment", "Status"]);
        let arn = node.required_text("ARN");
        let modified = node.text("LastModifiedTime").unwrap_or("1970-01-01T00:00:00Z");
        let mut items = BTreeMap::new();
        for pair in item.at("Items").elements() {
            let (key, value) = (pair.required("Key"), pair.required("Value"));
            let (key_text, value_text) =
                (key.as_text().unwrap_or_default(), value.as_text().unwrap_or_default());
            key.within(&quotas::STORE_KEY, key_text.len());
            value.within(&quotas::STORE_VALUE, value_text.len());
            if items.insert(key_text.to_owned(), value_text.to_owned()).is_some() {
                key.error(INVALID_ARGUMENT, format!("the key {key_text:?} is there twice"));
            }
        }
        let store = KeyValueStore {
            arn: arn.to_owned(),
            created: modified.to_owned(),
            modified: modified.to_owned(),
            items,
        };
        if stores.insert(arn.to_owned(), Arc::new(store)).is_some() {
            node.at("ARN").error(INVALID_ARGUMENT, format!("{arn:?} is there twice"));
        }
    }
    stores
}
