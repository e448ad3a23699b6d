//! The ledgers of several distributions in one sequence: what is asked of one is no business of the others.

use std::collections::HashMap;
use std::sync::Arc;

use super::rule::Rule;
use super::{Epoch, Ledger, Subject};

/// A ledger for each distribution that had an invalidation, by its own domain name.
#[derive(Debug, Clone, Default)]
pub struct Ledgers {
    epoch: Epoch,
    by_distribution: HashMap<Arc<[u8]>, Ledger>,
}

impl Ledgers {
    /// After the last invalidation: what is asked for now is covered by none of those so far.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// One more invalidation: from now on these rules hold for the distribution too. Returns its place in the sequence.
    pub fn add(&mut self, distribution: &str, rules: impl IntoIterator<Item = Rule>) -> Epoch {
        self.epoch = self.epoch.next();
        self.by_distribution.entry(distribution.as_bytes().into()).or_default().add_at(self.epoch, rules);
        self.epoch
    }

    /// Whether a rule of its distribution that came after `since` matches.
    pub fn covers(&self, since: Epoch, subject: &Subject<'_>) -> bool {
        since < self.epoch
            && self
                .by_distribution
                .get(subject.distribution)
                .is_some_and(|ledger| ledger.covers(since, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tags;
    use super::*;

    #[test]
    fn each_distribution_has_its_own() {
        let subject = |distribution: &'static str| Subject {
            distribution: distribution.as_bytes(),
            path: b"/a",
            query: None,
            tags: Tags::None,
        };
        let mut ledgers = Ledgers::default();
        let before = ledgers.epoch();
        let first = ledgers.add("one", ["/*".parse().unwrap()]);
        assert!(ledgers.covers(before, &subject("one")) && !ledgers.covers(before, &subject("other")));
        let second = ledgers.add("other", ["/a".parse().unwrap()]);
        assert!(ledgers.covers(first, &subject("other")) && !ledgers.covers(first, &subject("one")));
        assert!(second > first && !ledgers.covers(second, &subject("other")));
    }
}
