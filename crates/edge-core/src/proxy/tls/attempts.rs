//! The connection log: one line for each try to connect to a distribution that asks viewers for certificates (§15.2).
//!
//! Where there is no such log, nothing is kept for it but what a handshake knows anyway.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::{Installed, Tls, TlsFacts, failure};
use crate::proxy::journal::{Journal, Line};
use crate::viewer::{Attempt, Outcome};

/// What is known of a handshake so far, however it ends.
#[derive(Default)]
pub(in crate::proxy) struct Greeting {
    /// What the viewer meant: a place among the sites. Nothing before his first message.
    pub(super) site: Option<(Arc<Installed>, usize)>,
    /// The name he asked for, where it goes to the log.
    pub(super) sni: Option<String>,
    /// Of the connection, where anybody asks for it.
    pub(super) id: Option<HeaderValue>,
    /// What was agreed on.
    pub(super) facts: Option<TlsFacts>,
    /// What a connection function has to say.
    pub(super) custom: String,
}

impl Greeting {
    /// What was agreed on, for whoever serves the connection.
    pub(in crate::proxy) fn into_facts(self) -> Option<TlsFacts> {
        self.facts
    }
}

impl Line for Attempt {
    fn weight(&self) -> usize {
        Self::weight(self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_json().as_bytes());
        out.push(b'\n');
    }
}

impl Tls {
    /// Has attempts logged there.
    #[must_use]
    pub fn logging(mut self, journal: Arc<Journal<Attempt>>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Logs how a handshake ended, where there is a log and its distribution asks for certificates.
    pub(in crate::proxy) fn log(
        &self,
        greeting: &Greeting,
        failed: Option<&io::Error>,
        (client, server): (SocketAddr, IpAddr),
        took: Duration,
    ) {
        let Some(journal) = &self.journal else { return };
        let (installed, place) = match &greeting.site {
            Some((installed, place)) => (Arc::clone(installed), *place),
            None => (self.installed.load_full(), 0),
        };
        // Whom a viewer would have named who said nothing is only known where there is one.
        if greeting.site.is_none() && installed.ready.len() != 1 {
            return;
        }
        let asks = |one: &&crate::distribution::Distribution| one.viewer_tls.mtls.is_some();
        let Some(distribution) = installed.sites.distribution(place).filter(asks) else { return };
        let id = greeting.id.clone().unwrap_or_else(|| self.ids.next());
        let facts = greeting.facts.as_ref();
        journal.write(Attempt {
            at: self.clock.now(),
            connection_id: id.to_str().unwrap_or_default().to_owned(),
            outcome: failed.map_or(Outcome::Success, |error| Outcome::Failed(failure::of(error))),
            client,
            server,
            distribution_id: distribution.id.clone(),
            agreed: facts.map(|facts| (facts.version, facts.cipher)),
            took,
            sni: facts.and_then(|facts| facts.sni.clone()).or_else(|| greeting.sni.clone()),
            certificate: facts.and_then(|facts| facts.certificate.clone()),
            custom: greeting.custom.clone(),
        });
    }

    pub(super) fn is_logging(&self) -> bool {
        self.journal.is_some()
    }
}
