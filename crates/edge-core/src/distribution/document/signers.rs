//! Who may sign URLs and cookies: the public keys and key groups of a bundle, and what a behavior makes of them (§12.2).
//!
//! A behavior that wants signatures is closed to whoever has none, whether its keys are known or not: a key that is
//! not in the document signs nothing here, and that is said.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::check::quotas;
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{PublicKey, Trusted};
use super::library::by_id;
use super::node::Node;

/// Keys and groups by id. `None` where the document does not carry the list at all.
#[derive(Default)]
pub(super) struct Signers {
    /// A key that could not be read is reported, and stays as nothing.
    keys: Option<HashMap<String, Option<PublicKey>>>,
    /// The ids of a group's keys.
    groups: Option<HashMap<String, Vec<String>>>,
    /// The ids of the key pairs of accounts that are trusted signers: CloudFront finds them out by itself.
    accounts: HashMap<String, Vec<String>>,
}

impl Signers {
    /// Reads `PublicKeys`, `KeyGroups` and `ActiveTrustedSigners`.
    pub(super) fn read(root: &Node<'_>) -> Self {
        let listed = |list: &'static str| root.at(list).is_present();
        let keys = listed("PublicKeys")
            .then(|| by_id(root, "PublicKeys", "PublicKey", "PublicKeyConfig", public_key));
        let group = |config: &Node<'_>| key_group(config, keys.as_ref());
        let groups =
            listed("KeyGroups").then(|| by_id(root, "KeyGroups", "KeyGroup", "KeyGroupConfig", group));
        let mut accounts = active_signers(&root.at("ActiveTrustedSigners"));
        accounts.extend(active_signers(&root.at("Distribution").at("ActiveTrustedSigners")));
        Self { keys, groups, accounts }
    }

    /// The keys that may sign for a behavior whose pattern this is; `None` where nothing needs to be signed.
    pub(super) fn trusted_by(&self, behavior: &Node<'_>, pattern: &str) -> Option<Arc<Trusted>> {
        let mut found = Found { signers: self, keys: Vec::new() };
        let groups = behavior.at("TrustedKeyGroups");
        groups.within(&quotas::KEY_GROUPS, groups.at("Items").elements().len());
        let by_group = found.add(&groups, pattern, HINT_GROUPS, |item| self.group(item));
        let accounts = behavior.at("TrustedSigners");
        let by_account = found.add(&accounts, pattern, HINT_ACCOUNTS, |item| {
            item.as_text().and_then(|account| self.accounts.get(account)).cloned()
        });
        (by_group || by_account).then(|| Arc::new(Trusted::new(found.keys)))
    }

    /// The ids of a group's keys; a group that does not exist is reported where the document carries groups.
    fn group(&self, item: &Node<'_>) -> Option<Vec<String>> {
        let (groups, id) = (self.groups.as_ref()?, item.as_text()?);
        let found = groups.get(id);
        if found.is_none() {
            item.error("TrustedKeyGroupDoesNotExist", format!("the document has no key group {id:?}"));
        }
        found.cloned()
    }
}

const HINT_GROUPS: &str = "put what `aws cloudfront get-key-group` and `get-public-key` print into the bundle's \"KeyGroups\" and \"PublicKeys\"";
const HINT_ACCOUNTS: &str = "put the keys of their key pairs into the bundle's \"PublicKeys\", with what `aws cloudfront get-distribution` prints as ActiveTrustedSigners; or trust a key group";

/// What is gathered for one behavior.
struct Found<'a> {
    signers: &'a Signers,
    keys: Vec<(String, PublicKey)>,
}

impl Found<'_> {
    /// Adds the keys of all that `list` names; whether they are asked for at all.
    fn add(
        &mut self,
        list: &Node<'_>,
        pattern: &str,
        hint: &'static str,
        ids_of: impl Fn(&Node<'_>) -> Option<Vec<String>>,
    ) -> bool {
        if !list.is_present() {
            return false;
        }
        let (is_enabled, items) = (list.required_boolean("Enabled"), list.items());
        let ids: Vec<Option<Vec<String>>> = items.iter().map(ids_of).collect();
        if !is_enabled {
            return false;
        }
        let mut is_complete = true;
        let mut known = 0;
        for ids in ids {
            is_complete &= ids.is_some();
            for id in ids.into_iter().flatten() {
                match self.signers.keys.as_ref().and_then(|keys| keys.get(&id)) {
                    Some(Some(key)) => {
                        known += 1;
                        if !self.keys.iter().any(|(there, _)| *there == id) {
                            self.keys.push((id, key.clone()));
                        }
                    }
                    Some(None) => {} // reported already
                    None => is_complete = false,
                }
            }
        }
        if known == 0 {
            let message = format!(
                "no key of theirs is in this document: every request to the behavior {pattern} is refused with 403"
            );
            list.not_in_force_with(message, hint);
        } else if !is_complete {
            let message = format!(
                "some of their keys are not in this document: what those sign is refused at the behavior {pattern}"
            );
            list.not_in_force_with(message, hint);
        }
        true
    }
}

fn public_key(config: &Node<'_>) -> Option<PublicKey> {
    config.ignore(&["CallerReference", "Name", "Comment"]);
    let encoded = config.required("EncodedKey");
    let text = encoded.as_text()?;
    match PublicKey::from_pem(text) {
        Ok(key) => Some(key),
        Err(why) => {
            let hint = "EncodedKey is PEM: `openssl rsa -in private.pem -pubout` prints it";
            encoded.error_with(INVALID_ARGUMENT, why, hint);
            None
        }
    }
}

/// The ids of its keys; one that does not exist is reported where the document carries keys.
fn key_group(config: &Node<'_>, keys: Option<&HashMap<String, Option<PublicKey>>>) -> Vec<String> {
    config.ignore(&["Name", "Comment"]);
    let list = config.required("Items");
    let items = list.elements();
    list.within(&quotas::KEYS_OF_A_GROUP, items.len());
    for item in &items {
        if let (Some(keys), Some(id)) = (keys, item.as_text())
            && !keys.contains_key(id)
        {
            item.error(INVALID_ARGUMENT, format!("the document has no public key {id:?}"));
        }
    }
    items.iter().filter_map(Node::as_text).map(str::to_owned).collect()
}

/// The ids of key pairs by account.
fn active_signers(active: &Node<'_>) -> HashMap<String, Vec<String>> {
    if !active.is_present() {
        return HashMap::new();
    }
    active.ignore(&["Enabled"]);
    let pairs = |item: &Node<'_>| {
        let ids = item.list("KeyPairIds");
        let ids = ids.iter().filter_map(Node::as_text).map(str::to_owned).collect();
        (item.required_text("AwsAccountNumber").to_owned(), ids)
    };
    active.items().iter().map(pairs).collect()
}
