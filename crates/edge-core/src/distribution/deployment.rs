//! Continuous deployment (§17.1): which requests to a primary distribution a staging distribution answers.
//!
//! This is the policy as it was configured. It refuses to know requests: `viewer::deployment` chooses.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Alias, Distribution};

/// Whether viewers can reach a distribution by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    /// They do.
    #[default]
    Live,
    /// `Staging`: only what a policy sends comes to it.
    Staging,
}

/// A continuous deployment policy that is enabled.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The name of the staging distribution, lower case.
    pub staging: String,
    /// Who is sent there.
    pub traffic: Traffic,
}

/// `TrafficConfig`.
#[derive(Debug, Clone, PartialEq)]
pub enum Traffic {
    /// Requests that carry this.
    Header {
        /// It begins with `aws-cf-cd-`.
        name: HeaderName,
        /// Exactly so.
        value: HeaderValue,
    },
    /// A share of all requests, or of all sessions.
    Weight {
        /// From 0 to 0.15.
        share: f64,
        /// Whether a session stays where it began.
        sessions: Option<Sessions>,
    },
}

/// `SessionStickinessConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// A session ends after so long without a request; 300 to 3,600 s.
    pub idle: Duration,
    /// And after so long in any case.
    pub maximum: Duration,
}

impl Deployment {
    /// Which of several distributions is the staging one: it has the name of the policy. A document without a name of its
    /// own is it too, if it is the only staging distribution there is.
    pub fn staging_among<'a>(&self, others: impl Iterator<Item = &'a Distribution>) -> Option<usize> {
        let staging: Vec<(usize, &Distribution)> =
            others.enumerate().filter(|(_, other)| other.stage == Stage::Staging).collect();
        let named = staging.iter().find(|(_, other)| other.domain_name == self.staging);
        let nameless = || match &staging[..] {
            [only] if only.1.domain_name.starts_with(LOCAL_DOMAIN) => Some(only),
            _ => None,
        };
        named.or_else(nameless).map(|(index, _)| *index)
    }
}

/// The distribution that a staging distribution stands in for, by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Primary {
    /// `E…`.
    pub id: String,
    /// `d….cloudfront.net`.
    pub domain_name: String,
}

impl Distribution {
    /// This staging distribution as viewers of `primary` find it: under the names of that, and none of its own.
    #[must_use]
    pub fn standing_in_for(mut self, primary: &Distribution) -> Self {
        self.aliases.clone_from(&primary.aliases);
        self.aliases.push(Alias::Name(primary.domain_name.clone()));
        // Their handshakes were with that.
        self.viewer_tls.clone_from(&primary.viewer_tls);
        self.primary = Some(Primary { id: primary.id.clone(), domain_name: primary.domain_name.clone() });
        self
    }
}

/// How the domain names begin that are made here, for documents without one.
pub(crate) const LOCAL_DOMAIN: &str = "dlocal";
