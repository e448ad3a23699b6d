//! Alternate domain names (§17.2): which hosts a distribution answers for.
//!
//! Neither the address nor the SNI name takes part (§0.1), so this module knows of neither, nor of certificates.

use super::Distribution;

/// RFC 1035 §2.3.4, without the trailing dot.
const NAME_CHARS_MAX: usize = 253;

/// An alternate domain name (§17.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alias {
    /// Exactly this name, lower case.
    Name(String),
    /// `*.example.com`, kept as `.example.com`: one or more labels in front, never the apex itself.
    Below(String),
}

/// How a distribution came to answer for a host. Greater is more specific: among several distributions the
/// greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostMatch {
    /// A name that never leaves the machine: how one reaches a local edge without DNS.
    Loopback,
    /// Its own `d….cloudfront.net`.
    OwnDomain,
    /// A wildcard, with the length of what follows the `*`.
    Wildcard(usize),
    /// Exactly an alias.
    Alias,
}

impl Distribution {
    /// Whether the value of a `Host` header, port or not, is one of the distribution's names.
    ///
    /// A disabled distribution still has names; refusing its viewers is the gate's work.
    pub fn answers_for(&self, host: &str) -> bool {
        self.match_host(host).is_some()
    }

    /// The most specific of the distribution's names that `host` is.
    pub fn match_host(&self, host: &str) -> Option<HostMatch> {
        let host = without_port(host);
        let own = host.eq_ignore_ascii_case(&self.domain_name).then_some(HostMatch::OwnDomain);
        let loopback = is_loopback(host).then_some(HostMatch::Loopback);
        self.aliases.iter().filter_map(|alias| alias.match_host(host)).chain(own).chain(loopback).max()
    }
}

/// Which of several distributions a host is for: the one with the most specific name for it, the first of equals (as for
/// loopback names, which all have); `None` where it is nobody's.
pub fn most_specific<'a>(distributions: impl Iterator<Item = &'a Distribution>, host: &str) -> Option<usize> {
    let matches = distributions.map(|distribution| distribution.match_host(host)).enumerate();
    let mut best: Option<(usize, HostMatch)> = None;
    for (index, found) in matches {
        if let Some(found) = found
            && best.is_none_or(|(_, before)| found > before)
        {
            best = Some((index, found));
        }
    }
    best.map(|(index, _)| index)
}

/// Why two distributions cannot stand side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clash {
    /// Both have this alias. A wildcard and a name it covers are two aliases.
    Alias {
        /// Which.
        alias: Alias,
        /// The ids of the distributions.
        distributions: [String; 2],
    },
    /// Both have this domain name of their own, with which every key begins: it is one distribution, twice.
    DomainName(String),
}

impl Clash {
    /// The first there is among several distributions.
    pub fn among<'a>(distributions: impl Iterator<Item = &'a Distribution>) -> Option<Self> {
        let mut before: Vec<&Distribution> = Vec::new();
        for this in distributions {
            for other in &before {
                if this.domain_name == other.domain_name {
                    return Some(Self::DomainName(this.domain_name.clone()));
                }
                if let Some(alias) = this.aliases.iter().find(|alias| other.aliases.contains(alias)) {
                    let distributions = [other.id.clone(), this.id.clone()];
                    return Some(Self::Alias { alias: alias.clone(), distributions });
                }
            }
            before.push(this);
        }
        None
    }
}

impl std::fmt::Display for Clash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Alias { alias, distributions: [one, other] } => {
                write!(f, "CNAMEAlreadyExists: {alias} is an alias of {one} and of {other}")
            }
            Self::DomainName(name) => write!(
                f,
                "DistributionAlreadyExists: {name} is there twice\n  hint: each needs a CallerReference of its own"
            ),
        }
    }
}

/// The names RFC 6761 keeps for the machine itself and for tests, and the loopback addresses.
fn is_loopback(host: &str) -> bool {
    let below = |suffix: &str| {
        host.len() > suffix.len()
            && host.as_bytes()[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix.as_bytes())
    };
    host.eq_ignore_ascii_case("localhost")
        || matches!(host, "127.0.0.1" | "[::1]")
        || below(".localhost")
        || below(".test")
}

/// The port is ignored *(unsure)*, and so is the dot of a fully qualified name.
fn without_port(host: &str) -> &str {
    let name = match host.bytes().rposition(|byte| !byte.is_ascii_digit()) {
        Some(at) if host.as_bytes()[at] == b':' => &host[..at],
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

impl Alias {
    /// Reads an alias of a document.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err("a wildcard may only be the whole left-most label, as in *.example.com");
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("alternate domain names are written in lower case");
        }
        if !is_host_name(name) {
            return Err("this is not a domain name");
        }
        Ok(if wildcard { Self::Below(format!(".{name}")) } else { Self::Name(name.to_owned()) })
    }

    /// Whether `host`, without a port, in any case, is meant.
    fn match_host(&self, host: &str) -> Option<HostMatch> {
        match self {
            Self::Name(name) => host.eq_ignore_ascii_case(name).then_some(HostMatch::Alias),
            Self::Below(suffix) => {
                let at = host.len().checked_sub(suffix.len()).filter(|&at| at > 0)?;
                let tail = host.get(at..)?;
                tail.eq_ignore_ascii_case(suffix).then_some(HostMatch::Wildcard(suffix.len()))
            }
        }
    }
}

impl std::fmt::Display for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Labels of letters, digits, `-` and `_`, none empty.
pub(crate) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= NAME_CHARS_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_checked() {
        for good in ["example.com", "a.b.example.com", "*.example.com", "_dmarc.example.com", "localhost"] {
            assert_eq!(Alias::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            ".",
            "*",
            "*.",
            "*domain.example.com",
            "sub.*.example.com",
            "Example.com",
            "a..b",
            "a b",
            "a/b",
            "example.com:80",
            "https://example.com",
            "*.*.example.com",
        ] {
            assert!(Alias::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_cover_several_levels_but_not_the_apex() {
        let wildcard = Alias::parse("*.example.com").unwrap();
        for (host, expected) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("A.EXAMPLE.com", true),
            ("example.com", false),
            (".example.com", false),
            ("aexample.com", false),
            ("ä.example.com", true),
            ("éxample.com", false),
        ] {
            assert_eq!(wildcard.match_host(host).is_some(), expected, "{host}");
        }
    }

    #[test]
    fn ports_and_final_dots_do_not_count() {
        assert_eq!(without_port("example.com:8443"), "example.com");
        assert_eq!(without_port("example.com."), "example.com");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("example.com:"), "example.com");
    }

    fn distributions(names: &[(&str, &[&str])]) -> Vec<Distribution> {
        let make = |(id, aliases): &(&str, &[&str])| {
            let document = serde_json::json!({
                "CallerReference": id, "Comment": "", "Enabled": true,
                "Aliases": { "Quantity": aliases.len(), "Items": aliases },
                "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "o.example.com",
                    "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
                "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" },
            });
            let loaded = crate::distribution::load_value(document).unwrap();
            Distribution { domain_name: format!("{id}.cloudfront.net"), ..loaded.distribution }
        };
        names.iter().map(make).collect()
    }

    #[test]
    fn of_several_distributions_the_most_specific_name_wins() {
        let all = distributions(&[
            ("d1", &["*.example.com"]),
            ("d2", &["*.b.example.com", "www.example.net"]),
            ("d3", &["www.example.com"]),
        ]);
        for (host, expected) in [
            ("a.example.com", Some(0)),
            ("a.b.example.com", Some(1)),
            ("b.example.com", Some(0)),
            ("WWW.example.com:8443", Some(2)),
            ("www.example.net", Some(1)),
            ("d3.cloudfront.net", Some(2)),
            ("localhost", Some(0)),
            ("example.com", None),
        ] {
            assert_eq!(most_specific(all.iter(), host), expected, "{host}");
        }
    }

    #[test]
    fn no_alias_belongs_to_two() {
        let clash = |names: &[(&str, &[&str])]| Clash::among(distributions(names).iter());
        assert_eq!(clash(&[("d1", &["*.example.com"]), ("d2", &["www.example.com"])]), None);
        let same = clash(&[("d1", &["a.example.com"]), ("d2", &[]), ("d3", &["b.test", "a.example.com"])]);
        assert!(same.unwrap().to_string().starts_with("CNAMEAlreadyExists: a.example.com"));
        assert!(clash(&[("d1", &["*.example.com"]), ("d2", &["*.example.com"])]).is_some());
        assert_eq!(clash(&[("d1", &[]), ("d1", &[])]), Some(Clash::DomainName("d1.cloudfront.net".into())));
    }

    #[test]
    fn the_more_specific_is_greater() {
        assert!(HostMatch::Alias > HostMatch::Wildcard(100));
        assert!(HostMatch::Wildcard(12) > HostMatch::Wildcard(4));
        assert!(HostMatch::Wildcard(4) > HostMatch::OwnDomain);
    }
}
