//! Which origins and headers the CORS part of a response headers policy lets in (§8.4).
//!
//! It compares texts of a policy with texts of a request, and refuses to know what follows from that: the headers are
//! `response`'s.

use super::alias::is_host_name;
use super::check;
use super::response_headers::Cors;
use crate::header::glob::Glob;

/// An entry of `AccessControlAllowOrigins`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `*`: everybody.
    Any,
    /// `null`, as sandboxed documents call themselves.
    Null,
    /// `[scheme://]name[:port]`.
    Like {
        /// Compared only where the entry names one.
        scheme: Option<String>,
        /// `www.example.org`, or `.example.org` where labels stand in front of it.
        host: AllowedHost,
        /// Digits, or a pattern of them. An entry without a port is for origins without one *(unsure)*.
        port: Option<Glob>,
    },
}

/// The host of an [`AllowedOrigin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHost {
    /// Exactly this name.
    Name(String),
    /// `*.example.org`, kept as `.example.org`: one or more labels in front of it.
    Below(String),
}

impl AllowedOrigin {
    /// Reads an entry of a document.
    pub fn parse(entry: &str) -> Result<Self, &'static str> {
        check::cors_origin(entry)?;
        Ok(match entry {
            "*" => Self::Any,
            "null" => Self::Null,
            _ => {
                let (scheme, rest) = split_scheme(entry);
                let (host, port) = split_port(rest);
                let host = match host.strip_prefix('*') {
                    Some(suffix) => AllowedHost::Below(suffix.to_owned()),
                    None => AllowedHost::Name(host.to_owned()),
                };
                Self::Like { scheme: scheme.map(str::to_owned), host, port: port.map(Glob::new) }
            }
        })
    }

    /// Whether the value of a request's `Origin` is meant.
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Null => origin == "null",
            Self::Like { scheme, host, port } => {
                let (Some(given_scheme), rest) = split_scheme(origin) else { return false };
                let (given_host, given_port) = split_port(rest);
                scheme.as_ref().is_none_or(|scheme| scheme.eq_ignore_ascii_case(given_scheme))
                    && is_host_name(given_host)
                    && host.matches(given_host)
                    && match (port, given_port) {
                        (None, None) => true,
                        (Some(port), Some(given)) => is_port(given) && port.matches(given.as_bytes()),
                        (None, Some(_)) | (Some(_), None) => false,
                    }
            }
        }
    }
}

impl AllowedHost {
    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => host.eq_ignore_ascii_case(name),
            Self::Below(suffix) => {
                let at = host.len().checked_sub(suffix.len()).filter(|&at| at > 0);
                at.and_then(|at| host.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
            }
        }
    }
}

impl Cors {
    /// Whether everybody is let in, and told so with `*`.
    pub fn allows_any_origin(&self) -> bool {
        self.allow_origins.contains(&AllowedOrigin::Any)
    }

    /// Whether an entry is this `Origin`.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.allow_origins.iter().any(|entry| entry.matches(origin))
    }

    /// The value of `Access-Control-Allow-Headers` for one preflight: the names of the policy as they stand there, `*`
    /// among them, and those of the request that one of its patterns covers *(unsure)*; `None` where there are none.
    pub fn headers_allowed<'a>(&'a self, requested: impl Iterator<Item = &'a str>) -> Option<String> {
        let is_pattern = |name: &&String| name.as_str() != "*" && name.contains('*');
        let patterns = self.allow_headers.iter().filter(is_pattern);
        let patterns: Vec<Glob> = patterns.map(|name| Glob::new(name.to_ascii_lowercase())).collect();
        let plain = self.allow_headers.iter().filter(|name| !is_pattern(name)).map(String::as_str);
        let mut names: Vec<&str> = plain.collect();
        for name in requested {
            let is_token = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            let lower = name.to_ascii_lowercase();
            let covered = || patterns.iter().any(|pattern| pattern.matches(lower.as_bytes()));
            let known = names.iter().any(|known| known.eq_ignore_ascii_case(name));
            if is_token && !known && covered() {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join(","))
    }
}

fn split_scheme(text: &str) -> (Option<&str>, &str) {
    text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest))
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's table (§8.4), with our reading of its unsure cells.
    #[test]
    fn entries_match_what_the_guide_says() {
        for (entry, matching, others) in [
            (
                "http://*.example.org",
                &["http://www.example.org", "http://test.example.org"][..],
                &["https://test.example.org", "http://test.example.org:123", "http://example.org"][..],
            ),
            (
                "*.example.org",
                &["http://test.example.org", "https://test.example.org", "https://test.test.example.org"],
                &["https://test.example.org:123", "https://.example.org", "https://example.org"],
            ),
            (
                "example.org",
                &["http://example.org", "https://example.org", "https://EXAMPLE.org"],
                &["https://example.org:123", "https://www.example.org", "example.org", "null"],
            ),
            (
                "http://example.org",
                &["http://example.org"],
                &["https://example.org", "http://example.org:123"],
            ),
            (
                "http://example.org:*",
                &["http://example.org:123"],
                &["http://example.org", "http://example.org:", "http://example.org:1/2"],
            ),
            (
                "http://example.org:1*3",
                &["http://example.org:123", "http://example.org:1893", "http://example.org:13"],
                &["http://example.org:12", "http://example.org:3"],
            ),
            ("*.example.org:1*", &["http://test.example.org:123"], &["http://test.example.org"]),
            ("null", &["null"], &["http://null"]),
            ("*", &["null", "https://a.example"], &[]),
        ] {
            let allowed = AllowedOrigin::parse(entry).unwrap();
            matching.iter().for_each(|origin| assert!(allowed.matches(origin), "{entry}: {origin}"));
            others.iter().for_each(|origin| assert!(!allowed.matches(origin), "{entry}: {origin}"));
        }
    }

    /// What no browser sends, and what would let in somebody else.
    #[test]
    fn what_is_no_origin_matches_nothing() {
        let allowed = AllowedOrigin::parse("*.example.org").unwrap();
        for origin in [
            "",
            "https://",
            "https://evil.test/.example.org",
            "https://evil.test?.example.org",
            "https://a@b.example.org",
            "https://a.example.org.evil.test",
            "https://ä.example.org",
        ] {
            assert!(!allowed.matches(origin), "{origin}");
        }
    }
}
