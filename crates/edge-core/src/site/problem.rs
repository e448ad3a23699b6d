//! What is wrong with a site policy: every problem, each with its line and a way out.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In `edge.toml`, from 1; flags have none.
    pub line: Option<usize>,
    /// The field: `origin.servers`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All of them, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Each.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, line: Option<usize>, place: impl Into<String>, fault: Fault) {
        self.0.push(Problem { line, place: place.into(), message: fault.message, hint: fault.hint });
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|problem| problem.line);
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A mistake that does not know its place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// "did you mean", if something is near.
    pub(super) fn near<'a>(self, text: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(text, known) {
            Some(near) => self.hint(format!("did you mean \"{near}\"?")),
            None => self,
        }
    }
}

/// The known word a text was meant to be: at most a third of it mistyped, or its beginning.
pub(crate) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let score = |word: &str| match text.len() {
        3.. if word.starts_with(&text) || text.starts_with(word) => 1,
        _ => distance(&text, word),
    };
    known
        .into_iter()
        .map(|word| (score(word), word))
        .filter(|(score, word)| *score <= 1 + word.len() / 4 && *score < word.len())
        .min_by_key(|(score, _)| *score)
        .map(|(_, word)| word)
}

/// Insertions, deletions, replacements and swaps of neighbours from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["servers", "protocol", "name", "https-only"];
        for (text, near) in [
            ("sevrers", Some("servers")),
            ("server", Some("servers")),
            ("https", Some("https-only")),
            ("nmae", Some("name")),
            ("Name", Some("name")),
            ("", None),
            ("x", None),
            ("cookies", None),
        ] {
            assert_eq!(nearest(text, words), near, "{text}");
        }
    }
}
