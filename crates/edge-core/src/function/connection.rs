//! A connection function: who may connect, beyond what his certificate proves (§11.6).
//!
//! It is asked once for each handshake, of which it is told what the listener knows. Whoever it does not allow is refused:
//! who was denied, for whom it decided nothing, and whoever it failed for. It refuses to know how a connection is closed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::run::seed;
use crate::script::{Fault, Input, Parts, Script};
use crate::viewer::Certificate;

/// What of `logCustomData` is kept, in bytes.
const CUSTOM_BYTES_MAX: usize = 800;

/// What a function is told of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// What the viewer showed, and the listener let pass. `None` where he need not.
    pub certificate: Option<&'a Certificate>,
    /// The viewer's address.
    pub client: IpAddr,
    /// The domain name of the distribution.
    pub endpoint: &'a str,
    /// Its id.
    pub distribution_id: &'a str,
    /// No two have the same.
    pub connection_id: &'a str,
}

/// What becomes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Allowed,
    /// It is closed: the function said so, or nothing.
    Denied,
    /// It is closed: the function came to nothing.
    Failed(Fault),
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of the connection.
    pub verdict: Verdict,
    /// What it has the connection log say: the last that it said *(unsure)*, cut to 800 bytes.
    pub custom: String,
    /// What it wrote to the console.
    pub log: Vec<String>,
    /// Of the steps it may take, in hundredths.
    pub utilisation: u8,
}

/// No part of the event is left for later.
struct Whole;

impl Parts for Whole {
    fn part(&self, _name: &str) -> String {
        "null".to_owned()
    }
}

/// Asks the function. `now` is what `Date` says to it.
pub fn decide(script: &Arc<Script>, connection: &Connection<'_>, now: SystemTime) -> Decided {
    let output = script.run(&Input {
        event: &event(connection).to_string(),
        parts: Arc::new(Whole),
        query: None,
        now,
        seed: seed(connection.connection_id),
    });
    let (verdict, custom) = match output.result {
        Ok(said) => read(&said),
        Err(fault) => (Verdict::Failed(fault), String::new()),
    };
    Decided { verdict, custom, log: output.log, utilisation: output.utilisation }
}

fn read(said: &str) -> (Verdict, String) {
    let said: Json = serde_json::from_str(said).unwrap_or_default();
    let verdict = if said["decision"] == "allow" { Verdict::Allowed } else { Verdict::Denied };
    let mut custom = said["custom"].as_str().unwrap_or_default().to_owned();
    custom.truncate(custom.floor_char_boundary(CUSTOM_BYTES_MAX));
    (verdict, custom)
}

/// The event. AWS describes its texts in several ways; these are those of the headers about certificates *(unsure)*.
fn event(connection: &Connection<'_>) -> Json {
    let mut event = json!({
        "clientIp": connection.client.to_string(),
        "endpoint": connection.endpoint,
        "distributionId": connection.distribution_id,
        "connectionId": connection.connection_id,
    });
    if let Some(certificate) = connection.certificate {
        event["clientCertificate"] = json!({ "certificates": { "leaf": leaf(certificate) } });
    }
    event
}

fn leaf(certificate: &Certificate) -> Json {
    let mut leaf = json!({});
    let date = |name: &str| {
        let dates = certificate.validity.as_deref()?;
        dates.split(';').find_map(|date| date.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    for (name, value) in [
        ("serialNumber", certificate.signed_serial_number()),
        ("issuer", certificate.issuer.clone()),
        ("subject", certificate.subject.clone()),
        ("sha256Fingerprint", certificate.sha256.clone()),
    ] {
        if let Some(value) = value {
            leaf[name] = value.into();
        }
    }
    if let (Some(from), Some(to)) = (date("NotBefore"), date("NotAfter")) {
        leaf["validity"] = json!({ "notBefore": from, "notAfter": to });
    }
    leaf
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied => f.write_str("denied"),
            Self::Failed(fault) => write!(f, "refused: {fault}"),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "functions")]
mod tests;
