//! Which rules are in force, and since when.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::rule::Rule;
use super::{Epoch, Subject, Tags, tags};

/// How many rules are remembered. Those forgotten first cover everything older than them from then on.
pub const RULES_MAX: usize = 100_000;
/// How many bytes their texts may have together.
pub const RULES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Every invalidation of a distribution so far: which rule came last at which place of the sequence.
///
/// A look costs a hash of the path, a few steps through the ordered prefixes, however many there are, and a hash of
/// each tag.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    epoch: Epoch,
    /// Whatever is older counts as invalidated.
    floor: Epoch,
    newest_tag: Epoch,
    exact: HashMap<Arc<[u8]>, Epoch>,
    prefixes: BTreeMap<Arc<[u8]>, Epoch>,
    tags: HashMap<Arc<[u8]>, Epoch>,
    /// Oldest first.
    order: VecDeque<(Epoch, Rule)>,
    rules_max: usize,
    bytes: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::bounded(RULES_MAX)
    }
}

impl Ledger {
    /// Remembers this many rules at most.
    pub(super) fn bounded(rules_max: usize) -> Self {
        Self {
            epoch: Epoch::default(),
            floor: Epoch::default(),
            newest_tag: Epoch::default(),
            exact: HashMap::new(),
            prefixes: BTreeMap::new(),
            tags: HashMap::new(),
            order: VecDeque::new(),
            rules_max,
            bytes: 0,
        }
    }

    /// One more invalidation, at its place in the sequence: from now on these rules hold too.
    pub(super) fn add_at(&mut self, epoch: Epoch, rules: impl IntoIterator<Item = Rule>) {
        self.epoch = epoch;
        for rule in rules {
            if matches!(&rule, Rule::Prefix(text) if **text == *b"/") {
                self.cover_all();
            } else if self.newest(&rule) != Some(self.epoch) {
                self.remember(rule);
            }
        }
        while self.order.len() > self.rules_max || self.bytes > RULES_BYTES_MAX {
            self.forget_oldest();
        }
    }

    /// Whether a rule that came after `since` matches.
    pub(super) fn covers(&self, since: Epoch, subject: &Subject<'_>) -> bool {
        if since >= self.epoch {
            return false;
        }
        if since < self.floor {
            return true;
        }
        let is_newer = |epoch: Option<&Epoch>| epoch.is_some_and(|epoch| *epoch > since);
        let text = subject.text();
        is_newer(self.exact.get(&*text))
            || self.covers_beginning(since, &text)
            || self.newest_tag > since
                && match subject.tags {
                    Tags::None => false,
                    Tags::Unknown => true,
                    Tags::In(headers, name) => {
                        tags(headers, name).any(|tag| is_newer(self.tags.get(tag.as_slice())))
                    }
                }
    }

    /// Goes through the prefixes of `text` from the longest to the shortest. Between a prefix of `text` and `text` there
    /// are only texts that begin with that prefix: so what the greatest entry up to `text` has not in common with it, no
    /// entry that is a prefix has either.
    fn covers_beginning(&self, since: Epoch, text: &[u8]) -> bool {
        let mut rest = text;
        loop {
            let up_to_rest = (Bound::Unbounded, Bound::Included(rest));
            let Some((entry, epoch)) = self.prefixes.range::<[u8], _>(up_to_rest).next_back() else {
                return false;
            };
            let common = entry.iter().zip(rest).take_while(|(one, other)| one == other).count();
            let is_prefix = common == entry.len();
            if is_prefix && *epoch > since {
                return true;
            }
            // An entry is never empty: a prefix begins with a slash.
            rest = &rest[..if is_prefix { common.saturating_sub(1) } else { common }];
            if rest.is_empty() {
                return false;
            }
        }
    }

    /// `/*`: what came before is of no interest any more.
    fn cover_all(&mut self) {
        let (epoch, rules_max) = (self.epoch, self.rules_max);
        *self = Self { epoch, floor: epoch, ..Self::bounded(rules_max) };
    }

    fn remember(&mut self, rule: Rule) {
        let (text, epoch) = (Arc::clone(rule.text()), self.epoch);
        self.bytes += text.len();
        match &rule {
            Rule::Exact(_) => self.exact.insert(text, epoch),
            Rule::Prefix(_) => self.prefixes.insert(text, epoch),
            Rule::Tag(_) => {
                self.newest_tag = epoch;
                self.tags.insert(text, epoch)
            }
        };
        self.order.push_back((epoch, rule));
    }

    /// On the safe side: what is older than a rule nobody remembers may have been covered by it. A rule that was given
    /// again since is not lost: the newer one covers more.
    fn forget_oldest(&mut self) {
        let Some((epoch, rule)) = self.order.pop_front() else { return };
        self.bytes -= rule.text().len();
        if self.newest(&rule) != Some(epoch) {
            return;
        }
        self.floor = epoch;
        match &rule {
            Rule::Exact(text) => self.exact.remove(text),
            Rule::Prefix(text) => self.prefixes.remove(text),
            Rule::Tag(text) => self.tags.remove(text),
        };
    }

    fn newest(&self, rule: &Rule) -> Option<Epoch> {
        match rule {
            Rule::Exact(text) => self.exact.get(text),
            Rule::Prefix(text) => self.prefixes.get(text),
            Rule::Tag(text) => self.tags.get(text),
        }
        .copied()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::super::InvalidRule;
    use super::*;

    static TAG: HeaderName = HeaderName::from_static("cache-tag");

    fn rule(item: &str) -> Rule {
        item.parse().unwrap()
    }

    impl Ledger {
        fn add(&mut self, rules: impl IntoIterator<Item = Rule>) -> Epoch {
            self.add_at(self.epoch.next(), rules);
            self.epoch
        }

        fn epoch(&self) -> Epoch {
            self.epoch
        }

        fn len(&self) -> usize {
            self.order.len()
        }
    }

    fn subject<'a>(url: &'a str, headers: &'a HeaderMap) -> Subject<'a> {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query.as_bytes())),
            None => (url, None),
        };
        Subject { distribution: b"", path: path.as_bytes(), query, tags: Tags::In(headers, &TAG) }
    }

    fn tagged(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(TAG.clone(), HeaderValue::from_str(line).unwrap())])
    }

    /// Whether the item, given now, covers what was there before.
    fn covers(item: &str, url: &str, tags: &str) -> bool {
        let mut ledger = Ledger::default();
        let before = ledger.epoch();
        ledger.add([rule(item)]);
        ledger.covers(before, &subject(url, &tagged(tags)))
    }

    #[test]
    fn what_a_rule_covers() {
        for (item, url, covered) in [
            ("/a", "/a", true),
            ("/a", "/A", false),
            ("/a", "/a/", false),
            ("/a/", "/a", false),
            ("/a", "/a?x=1", false),
            ("/a?x=1", "/a?x=1", true),
            ("/a?x=1", "/a", false),
            ("/a?x=1", "/a?x=1&y=2", false),
            ("/a*", "/a", true),
            ("/a*", "/abc/d?e=f", true),
            ("/a?x=*", "/a?x=12", true),
            ("/a/*", "/a", false),
            ("/a*b", "/aXb", false),
            ("/a*b", "/a*b", true),
            ("/a**", "/a*b", true),
            ("/a**", "/ab", false),
            ("/*", "/", true),
            ("/*", "/a/b?c", true),
            ("/%c3%a4", "/%C3%A4", false),
            ("#red", "/a", true),
            ("#RED", "/a", true),
            ("#blue", "/a", true),
            ("#product:1", "/a", true),
            ("#re", "/a", false),
            ("#red*", "/a", false),
            ("#red, Blue", "/a", false),
        ] {
            match item.parse::<Rule>() {
                Ok(_) => assert_eq!(covers(item, url, "red, Blue ,product:1"), covered, "{item} {url}"),
                Err(_) => assert!(!covered, "{item}"),
            }
        }
    }

    #[test]
    fn what_is_no_rule() {
        let long = |char: &str, length| char.repeat(length);
        let path = format!("/{}", long("a", 3_999));
        assert!(path.parse::<Rule>().is_ok());
        assert_eq!(format!("{path}*").parse::<Rule>(), Err(InvalidRule::TooLong { chars: 4_001 }));
        for (item, error) in [
            ("", InvalidRule::NoSlash),
            ("a", InvalidRule::NoSlash),
            ("*", InvalidRule::NoSlash),
            ("/~me", InvalidRule::Tilde),
            ("/%7Eme", InvalidRule::Tilde),
            ("/%7eme", InvalidRule::Tilde),
            ("/a b", InvalidRule::Unencoded(' ')),
            ("/ä", InvalidRule::Unencoded('ä')),
            ("/a\n", InvalidRule::Unencoded('\n')),
            ("#", InvalidRule::EmptyTag),
            ("#a,b", InvalidRule::NotInTags(',')),
            ("#a b", InvalidRule::NotInTags(' ')),
            ("#ä", InvalidRule::NotInTags('ä')),
        ] {
            assert_eq!(item.parse::<Rule>(), Err(error), "{item}");
        }
        assert!(format!("#{}", long("a", 256)).parse::<Rule>().is_ok());
        let long = format!("#{}", long("a", 257));
        assert_eq!(long.parse::<Rule>(), Err(InvalidRule::TagTooLong { chars: 257 }));
    }

    #[test]
    fn only_what_was_asked_for_before_is_covered() {
        let none = HeaderMap::new();
        let mut ledger = Ledger::default();
        let before = ledger.epoch();
        let at = ledger.add([rule("/a"), rule("/b")]);
        assert!(ledger.covers(before, &subject("/a", &none)));
        assert!(!ledger.covers(at, &subject("/a", &none)));
        ledger.add([rule("/c")]);
        assert!(!ledger.covers(at, &subject("/a", &none)));
        assert!(ledger.covers(at, &subject("/c", &none)));
    }

    #[test]
    fn fifty_tags_count_and_those_that_are_none_do_not() {
        let many: Vec<String> = (1..=51).map(|number| format!("t{number}")).collect();
        assert!(covers("#t50", "/", &many.join(",")));
        assert!(!covers("#t51", "/", &many.join(",")));
        let odd = format!("a b, {}, , t2", "x".repeat(257));
        assert!(covers("#t2", "/", &odd));
    }

    #[test]
    fn what_is_on_its_way_may_have_any_tag() {
        let mut ledger = Ledger::default();
        let awaited = Subject { distribution: b"", path: b"/", query: None, tags: Tags::Unknown };
        let before = ledger.epoch();
        let at = ledger.add([rule("#a")]);
        assert!(ledger.covers(before, &awaited));
        assert!(!ledger.covers(at, &awaited));
        ledger.add([rule("/b")]);
        assert!(!ledger.covers(at, &awaited));
    }

    #[test]
    fn what_is_forgotten_covers_all_that_is_older() {
        let none = HeaderMap::new();
        let mut ledger = Ledger::bounded(2);
        let before = ledger.epoch();
        let first = ledger.add([rule("/1")]);
        ledger.add([rule("/2")]);
        assert!(!ledger.covers(before, &subject("/x", &none)));
        ledger.add([rule("/3")]);
        assert_eq!(ledger.len(), 2);
        assert!(ledger.covers(before, &subject("/x", &none)));
        assert!(!ledger.covers(first, &subject("/x", &none)));
        assert!(ledger.covers(first, &subject("/2", &none)));
        // The same rule again and again needs no more room than its newest.
        let mut ledger = Ledger::bounded(2);
        let before = ledger.epoch();
        for _ in 0..9 {
            ledger.add([rule("/1")]);
        }
        assert!(!ledger.covers(before, &subject("/x", &none)));
        assert!(ledger.covers(Epoch(8), &subject("/1", &none)));
    }

    #[test]
    fn their_bytes_are_bounded() {
        let mut ledger = Ledger::default();
        for number in 0..10_000 {
            ledger.add([rule(&format!("/{number}/{}", "a".repeat(3_900)))]);
        }
        assert!(ledger.bytes <= RULES_BYTES_MAX);
        assert!(ledger.len() > 8_000);
    }

    #[test]
    fn everything_takes_no_room() {
        let mut ledger = Ledger::default();
        let before = ledger.epoch();
        ledger.add([rule("/1")]);
        let at = ledger.add([rule("/2"), rule("/*"), rule("/3")]);
        assert_eq!(ledger.len(), 1);
        let none = HeaderMap::new();
        assert!(ledger.covers(before, &subject("/x", &none)));
        assert!(!ledger.covers(at, &subject("/3", &none)));
    }

    /// What the ledger does quickly: every rule in a list, each looked at.
    fn naive(rules: &[(Epoch, Rule)], since: Epoch, url: &str, given: &[String]) -> bool {
        rules.iter().filter(|(epoch, _)| *epoch > since).any(|(_, rule)| match rule {
            Rule::Exact(text) => **text == *url.as_bytes(),
            Rule::Prefix(text) => url.as_bytes().starts_with(text),
            Rule::Tag(text) => given.iter().any(|tag| tag.to_ascii_lowercase().as_bytes() == &**text),
        })
    }

    proptest! {
        #[test]
        fn it_is_a_list_of_rules(
            batches in prop::collection::vec(prop::collection::vec("(/[ab?]{0,5}\\*?)|(#[abA]{1,2})", 1..4), 0..12),
            urls in prop::collection::vec("/[ab]{0,4}(\\?[ab]{1,2})?", 1..8),
            given in prop::collection::vec("[abAB]{1,2}", 0..3),
            since in 0_u64..14,
        ) {
            let (mut ledger, mut rules) = (Ledger::default(), Vec::new());
            for batch in batches {
                let batch: Vec<Rule> = batch.iter().map(|item| rule(item)).collect();
                let at = ledger.add(batch.clone());
                rules.extend(batch.into_iter().map(|rule| (at, rule)));
            }
            let headers = tagged(&given.join(" , "));
            for url in urls {
                let got = ledger.covers(Epoch(since), &subject(&url, &headers));
                prop_assert_eq!(got, naive(&rules, Epoch(since), &url, &given), "{}", url);
            }
        }
    }
}
