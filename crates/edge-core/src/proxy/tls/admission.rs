//! Whom a connection function lets in (§11.6): it is asked after the handshake, before a request is read.
//!
//! It runs where the handshake does, on its thread, within the steps a function has: no queue, and no wait for anybody.
//! What it decides is the core's affair; here its words are told to the operator.

use std::fmt;
use std::io;
use std::net::IpAddr;

use super::{Greeting, Tls};
use crate::distribution::Distribution;
use crate::function::connection::{Connection, Verdict, decide};

/// What becomes of a connection that was not let in: it ends.
#[derive(Debug)]
pub(super) struct NotLetIn(pub(super) Verdict);

impl fmt::Display for NotLetIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection function: {}", self.0)
    }
}

impl std::error::Error for NotLetIn {}

impl Tls {
    /// Asks the distribution's connection function, where there is one, about a viewer whose handshake is done.
    pub(super) fn admit(
        &self,
        distribution: &Distribution,
        viewer: IpAddr,
        greeting: &mut Greeting,
    ) -> io::Result<()> {
        let (Some(script), Some(facts)) = (&distribution.viewer_tls.function, &mut greeting.facts) else {
            return Ok(());
        };
        let id = greeting.id.insert(self.ids.next());
        let connection = Connection {
            certificate: facts.certificate.as_deref(),
            client: viewer,
            endpoint: &distribution.domain_name,
            distribution_id: &distribution.id,
            connection_id: id.to_str().unwrap_or_default(),
        };
        let decided = decide(script, &connection, self.clock.now());
        greeting.custom = decided.custom;
        let (function, at) = (script.name.as_str(), "connection-request");
        for line in &decided.log {
            tracing::info!(target: "edge::function", function, at, "{line}");
        }
        match decided.verdict {
            Verdict::Allowed => {
                facts.allowed_by = Some(distribution.domain_name.as_str().into());
                return Ok(());
            }
            Verdict::Denied => {}
            Verdict::Failed(ref fault) => {
                tracing::warn!(target: "edge::function", function, at, "connection refused: {fault}");
            }
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, NotLetIn(decided.verdict)))
    }
}
