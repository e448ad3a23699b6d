//! Why two requests do not share a copy: the first part of the key that differs, and all the others.

use std::fmt;

use crate::cache::key::{Key, Kind};

/// A part of a key, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// The header's name, or nothing.
    pub name: String,
    /// Its value; `None` is a header that is absent.
    pub value: Option<String>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("(absent)");
        match self.kind {
            Kind::Unguarded => f.write_str("without the guard"),
            Kind::Distribution => write!(f, "distribution {value}"),
            Kind::Method => write!(f, "method {value}"),
            Kind::Path => write!(f, "path {value}"),
            Kind::AcceptEncoding => write!(f, "accept-encoding {value}"),
            Kind::HeaderName | Kind::HeaderValue => write!(f, "header {}: {value}", self.name),
            Kind::Cookies => write!(f, "cookies {value}"),
            Kind::Query => write!(f, "query {value}"),
        }
    }
}

/// The parts of a key, a header's name and value as one.
pub(super) fn parts(key: &Key) -> impl Iterator<Item = Part> {
    let mut parts = key.parts().peekable();
    std::iter::from_fn(move || {
        let (kind, bytes) = parts.next()?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        if kind != Kind::HeaderName {
            return Some(Part { kind, name: String::new(), value: Some(text) });
        }
        let value = parts.next_if(|(kind, _)| *kind == Kind::HeaderValue);
        let value = value.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        Some(Part { kind, name: text, value })
    })
}

/// What keeps two requests apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyMiss {
    /// Nothing: they have one key.
    SameKey,
    /// Nothing is ever looked up for one of them, or both.
    NotLookedUp(Which),
    /// These parts, the first one first: in the one, and in the other.
    Differ(Vec<(Option<Part>, Option<Part>)>),
}

/// Of two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one.
    First,
    /// The other.
    Second,
    /// Each.
    Both,
}

/// Compares the keys of two requests; `None` is a request that is not looked up.
pub fn why_miss(first: Option<&Key>, second: Option<&Key>) -> WhyMiss {
    let (one, other) = match (first, second) {
        (Some(one), Some(other)) => (one, other),
        (None, Some(_)) => return WhyMiss::NotLookedUp(Which::First),
        (Some(_), None) => return WhyMiss::NotLookedUp(Which::Second),
        (None, None) => return WhyMiss::NotLookedUp(Which::Both),
    };
    if one == other {
        return WhyMiss::SameKey;
    }
    let (ones, mut others): (Vec<Part>, Vec<Part>) = (parts(one).collect(), parts(other).collect());
    let mut differ = Vec::new();
    for part in ones {
        let twin = others.iter().position(|other| other.kind == part.kind && other.name == part.name);
        match twin.map(|at| others.remove(at)) {
            Some(twin) if twin == part => {}
            twin => differ.push((Some(part), twin)),
        }
    }
    differ.extend(others.into_iter().map(|part| (None, Some(part))));
    WhyMiss::Differ(differ)
}
