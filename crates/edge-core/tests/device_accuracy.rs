//! How often device detection agrees with seven projects that label User-Agents.
//!
//! The full corpora are not in this repository; with them at hand, in `EDGE_UA_CORPORA` or beside the
//! repository, every bar below is asserted. Without them the test says so and only the sample in
//! `fixtures/user-agents` is scored.
//!
//! Only agents labelled with one of the four classes are scored. A bot and an `other:` kind (a watch, a car,
//! a printer) have no class that is right: CloudFront knows four. What becomes of them is printed, not
//! judged.

#![expect(clippy::unwrap_used, reason = "without its data the test has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use edge_core::viewer::device::Device;
use serde::Deserialize;

/// The classes in the words of the labels, which are those of `Display` too.
const CLASSES: [&str; 4] = ["mobile", "tablet", "desktop", "tv"];

/// What must be reached on a whole corpus, in percent of its weight.
const BARS: [(&str, f64); 5] =
    [("browscap", 95.0), ("whichbrowser", 92.5), ("yauaa", 95.5), ("mobile-detect", 95.0), ("intoli", 99.9)];

/// What must be found of a class in every corpus that has it, in percent of its agents.
const RECALL_BARS: [(&str, f64); 2] = [("tablet", 86.0), ("tv", 60.0)];

/// What must be reached on the sample, where rare devices weigh as much as common ones.
const SAMPLE_BAR: f64 = 95.0;

#[derive(Deserialize)]
struct Record {
    ua: String,
    label: String,
    /// The share of traffic, 1 where the source does not know it.
    w: f64,
    corpus: String,
}

#[test]
fn agrees_with_the_labels() {
    let Some(folder) = corpora() else {
        println!("SKIPPED: the full corpora are not here (EDGE_UA_CORPORA); only the sample is scored");
        return;
    };
    let scores = scores(&folder);
    report(&scores);
    let accuracies = BARS.map(|(corpus, bar)| (corpus.to_owned(), scores[corpus].accuracy(), bar));
    let recalls = scores.iter().flat_map(|(corpus, score)| {
        let measured = RECALL_BARS.map(|(class, bar)| score.recall(class).map(|recall| (class, recall, bar)));
        measured
            .into_iter()
            .flatten()
            .map(move |(class, recall, bar)| (format!("{corpus}: {class}"), recall, bar))
    });
    let missed: Vec<_> =
        accuracies.into_iter().chain(recalls).filter(|(_, reached, bar)| reached < bar).collect();
    assert!(missed.is_empty(), "missed, with what was reached and the bar: {missed:#?}");
}

#[test]
fn agrees_with_the_labels_of_the_sample() {
    let scores = scores(&repository().join("fixtures/user-agents"));
    report(&scores);
    let right: usize = scores.values().map(Score::agents_right).sum();
    let all: usize = scores.values().map(Score::agents).sum();
    let accuracy = percent(right as f64, all as f64);
    println!("\nthe whole sample: {accuracy:.2} %");
    assert!(accuracy >= SAMPLE_BAR, "{accuracy:.2} % is below {SAMPLE_BAR} %");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[expect(clippy::disallowed_methods, reason = "a test has no main that could pass the environment down")]
fn corpora() -> Option<PathBuf> {
    let named = std::env::var("EDGE_UA_CORPORA").ok().map(PathBuf::from);
    let folder = named.unwrap_or_else(|| repository().join("../shared/data/ua"));
    folder.is_dir().then_some(folder)
}

/// Judges every record of the `.jsonl` files in `folder`, by corpus.
fn scores(folder: &Path) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let record: Record = serde_json::from_str(line).unwrap();
                scores.entry(record.corpus.clone()).or_default().judge(&record);
            }
        }
    }
    scores
}

/// How the agents of one corpus were judged.
#[derive(Default)]
struct Score {
    /// Agents by label and by the class found.
    confusion: BTreeMap<String, BTreeMap<String, usize>>,
    weight_right: f64,
    weight: f64,
}

impl Score {
    fn judge(&mut self, record: &Record) {
        let found = Device::of(record.ua.as_bytes()).class.to_string();
        if CLASSES.contains(&record.label.as_str()) {
            self.weight += record.w;
            self.weight_right += if found == record.label { record.w } else { 0.0 };
        }
        let label = if record.label.starts_with("other:") { "other" } else { &record.label };
        *self.confusion.entry(label.to_owned()).or_default().entry(found).or_default() += 1;
    }

    fn accuracy(&self) -> f64 {
        percent(self.weight_right, self.weight)
    }

    /// `None` where no agent has the label.
    fn recall(&self, class: &str) -> Option<f64> {
        let all: usize = self.confusion.get(class)?.values().sum();
        Some(percent(self.count(class, class) as f64, all as f64))
    }

    fn count(&self, label: &str, found: &str) -> usize {
        self.confusion.get(label).and_then(|row| row.get(found)).copied().unwrap_or(0)
    }

    fn agents_right(&self) -> usize {
        CLASSES.iter().map(|class| self.count(class, class)).sum()
    }

    /// The agents that are scored.
    fn agents(&self) -> usize {
        CLASSES.iter().flat_map(|label| CLASSES.map(|found| self.count(label, found))).sum()
    }
}

fn percent(part: f64, whole: f64) -> f64 {
    100.0 * part / whole
}

fn report(scores: &BTreeMap<String, Score>) {
    for (corpus, score) in scores {
        match score.agents() {
            0 => println!("\n{corpus}: nothing to score"),
            agents => println!("\n{corpus}: {:.2} % of {agents} agents", score.accuracy()),
        }
        let [mobile, tablet, desktop, tv] = CLASSES;
        println!("  {:>8} {mobile:>8} {tablet:>8} {desktop:>8} {tv:>8}   recall", "label");
        for label in score.confusion.keys() {
            let [mobile, tablet, desktop, tv] = CLASSES.map(|found| score.count(label, found));
            let scored = score.recall(label).filter(|_| CLASSES.contains(&label.as_str()));
            let recall = scored.map_or("not scored".to_owned(), |recall| format!("{recall:.2} %"));
            println!("  {label:>8} {mobile:>8} {tablet:>8} {desktop:>8} {tv:>8}   {recall}");
        }
    }
}
