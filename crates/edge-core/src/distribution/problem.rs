//! What is wrong or remarkable in a document, each with its place.
//!
//! A reader of a document gets every problem at once, so a problem is a value that is collected, never an early
//! return. This module refuses to know what the problems are about.

use std::fmt;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// CloudFront would refuse the document, and so do we.
    Error,
    /// It loads, but something is not what the owner may think it is.
    Warning,
    /// It loads, and the remark changes nothing.
    Info,
}

/// One finding in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// `DistributionConfig.CacheBehaviors.Items[2].PathPattern`; `line 3, column 7` where it is no JSON at all.
    pub place: String,
    /// The API's exception name where it has one (§1.4), else one of [`codes`].
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Codes of ours, for what the API has no exception for.
pub mod codes {
    /// Not JSON, or not a document about a distribution.
    pub const MALFORMED_DOCUMENT: &str = "MalformedDocument";
    /// A template or plan that does not come to a document.
    pub const INVALID_TEMPLATE: &str = "InvalidTemplate";
    /// What is known only once it is deployed: a made-up name stands in.
    pub const STANDS_IN: &str = "StandsIn";
    /// A field no shape of the API has.
    pub const UNKNOWN_FIELD: &str = "UnknownField";
    /// Loaded and kept, but the edge does not act on it.
    pub const NOT_IN_FORCE: &str = "NotInForce";
    /// In force once the user brings credentials.
    pub const NEEDS_CREDENTIALS: &str = "NeedsCredentials";
    /// In force once the user says where it can be called.
    pub const NEEDS_ENDPOINT: &str = "NeedsEndpoint";
    /// Means something at AWS only (§17.7).
    pub const NO_LOCAL_EFFECT: &str = "NoLocalEffect";
    /// The API's answer to a value outside its set, of the wrong type, or missing.
    pub const INVALID_ARGUMENT: &str = "InvalidArgument";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{} ({})", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything found in a document that does not load: at least one error, and whatever else was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The ones that keep the document from loading.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter().filter(|problem| problem.severity == Severity::Error)
    }
}

/// Errors alone, one after the other: warnings of a document that does not load would hide them.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.errors().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
