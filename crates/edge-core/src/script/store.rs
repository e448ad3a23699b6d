//! What `cf.kvs()` reads: a key value store as it was when the document was loaded (§14.5).

use std::collections::BTreeMap;

/// A key value store. A run sees one state of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyValueStore {
    /// Its ARN, or what the document calls it by.
    pub arn: String,
    /// `creationDateTime`, as the document has it.
    pub created: String,
    /// `lastUpdatedDateTime`, as the document has it.
    pub modified: String,
    /// The pairs.
    pub items: BTreeMap<String, String>,
}
