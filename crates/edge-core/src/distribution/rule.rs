//! The viewer-request rule as a document: what a site policy wants of each request, as data.
//!
//! A bundle carries it beside the function it stands for. It refuses to know requests: `function::rule` applies it.

use serde::{Deserialize, Serialize};

/// The rule, as the bundle carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Query arguments that change no page: names, or prefixes with a final `*`.
    pub drop_query: Vec<NameOrPrefix>,
    /// Exceptions from `drop_query`.
    pub keep_query: Vec<NameOrPrefix>,
    /// Sort the arguments that stay, so that their order splits no copy.
    pub sort_query: bool,
    /// Cookies that mark a session: names, or prefixes with a final `*`. Where neither these nor the next two are
    /// given nobody is examined: cookies and headers are left alone.
    pub session_cookies: Vec<NameOrPrefix>,
    /// Query arguments whose answer is for one viewer alone, cookie or not: previews, "add to cart".
    pub session_query: Vec<NameOrPrefix>,
    /// What stays of an anonymous viewer's headers, beside what HTTP itself needs. Absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_headers: Option<Vec<String>>,
    /// Which device classes have copies of their own.
    pub device: DeviceClasses,
}

impl Rule {
    /// Whether all its names are ASCII.
    pub(crate) fn is_ascii(&self) -> bool {
        let lists = [&self.drop_query, &self.keep_query, &self.session_cookies, &self.session_query];
        let ascii = |entry: &NameOrPrefix| match entry {
            NameOrPrefix::Name(text) | NameOrPrefix::Prefix(text) => text.is_ascii(),
        };
        lists.into_iter().flatten().all(ascii)
            && self.shared_headers.iter().flatten().all(|name| name.is_ascii())
    }
}

/// How many copies of a page the device class makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceClasses {
    /// One for all.
    #[default]
    None,
    /// Mobile (with tablets) and desktop.
    Two,
    /// Mobile, tablet, desktop.
    Three,
    /// Mobile, tablet, desktop, tv.
    Four,
}

/// `name`, or `prefix*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NameOrPrefix {
    /// Exactly this.
    Name(String),
    /// Whatever begins so.
    Prefix(String),
}

impl From<String> for NameOrPrefix {
    fn from(text: String) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Name(text),
        }
    }
}

impl From<NameOrPrefix> for String {
    fn from(name: NameOrPrefix) -> Self {
        match name {
            NameOrPrefix::Name(name) => name,
            NameOrPrefix::Prefix(prefix) => prefix + "*",
        }
    }
}

impl NameOrPrefix {
    /// Whether it names `name`: byte by byte, case and encoding as sent (§4.2, §4.3).
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            // Most names differ from most entries in the first byte: no call is made for them.
            Self::Name(text) => text.as_bytes().first() == name.first() && text.as_bytes() == name,
            Self::Prefix(prefix) => {
                (prefix.is_empty() || prefix.as_bytes().first() == name.first())
                    && name.starts_with(prefix.as_bytes())
            }
        }
    }
}
