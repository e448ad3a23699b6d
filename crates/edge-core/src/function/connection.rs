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

#[cfg(all(test, feature = "functions"))]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::script::{Entry, Version};

    fn shown() -> Certificate {
        Certificate {
            shown_to: "d1.cloudfront.net".to_owned(),
            serial_number: Some("9e:2a".to_owned()),
            issuer: Some("CN=one".to_owned()),
            subject: Some("CN=a,O=x".to_owned()),
            sha256: Some("ab".repeat(32)),
            validity: Some("NotBefore=2025-09-10T23:43:10Z;NotAfter=2055-09-11T00:43:02Z".to_owned()),
            pem: None,
        }
    }

    fn asked(code: &str, certificate: Option<&Certificate>) -> Decided {
        let (name, version) = ("f".to_owned(), Version::Two);
        let script = Script { name, version, entry: Entry::Connections, code: code.to_owned(), store: None };
        let connection = Connection {
            certificate,
            client: "2001:db8::1".parse().unwrap(),
            endpoint: "d1.cloudfront.net",
            distribution_id: "E1",
            connection_id: "id==",
        };
        decide(&Arc::new(script), &connection, UNIX_EPOCH)
    }

    fn verdict(body: &str) -> Verdict {
        asked(&format!("function connectionHandler(connection) {{ {body} }}"), None).verdict
    }

    #[test]
    fn what_a_function_is_told() {
        let code = "async function connectionHandler(c) { await null; console.log(c); c.allow() }";
        let decided = asked(code, Some(&shown()));
        assert_eq!(decided.verdict, Verdict::Allowed);
        let told: Json = serde_json::from_str(&decided.log[0]).unwrap();
        assert_eq!(
            told,
            json!({
                "clientIp": "2001:db8::1", "endpoint": "d1.cloudfront.net", "distributionId": "E1", "connectionId": "id==",
                "clientCertificate": { "certificates": { "leaf": {
                    "serialNumber": "00:9e:2a", "issuer": "CN=one", "subject": "CN=a,O=x", "sha256Fingerprint": "ab".repeat(32),
                    "validity": { "notBefore": "2025-09-10T23:43:10Z", "notAfter": "2055-09-11T00:43:02Z" },
                } } },
            })
        );
        let code = "function connectionHandler(c) { console.log(c.clientCertificate?.certificates ?? 'none'); c.deny() }";
        let decided = asked(code, None);
        assert_eq!((decided.verdict, &decided.log[..]), (Verdict::Denied, &["none".to_owned()][..]));
    }

    /// Nothing but `allow` lets anybody in.
    #[test]
    fn whoever_is_not_allowed_is_refused() {
        for (body, expected) in [
            ("connection.allow()", Verdict::Allowed),
            ("return connection.allow()", Verdict::Allowed),
            ("connection.deny()", Verdict::Denied),
            ("", Verdict::Denied),
            ("return true", Verdict::Denied),
            ("return { decision: 'allow' }", Verdict::Denied),
            ("connection.decision = 'allow'", Verdict::Denied),
            ("connection.deny(); connection.allow()", Verdict::Denied),
            ("connection.allow(); connection.deny()", Verdict::Denied),
            ("connection.allow(); for (;;) {}", Verdict::Failed(Fault::TooLong)),
        ] {
            assert_eq!(verdict(body), expected, "{body}");
        }
        for body in [
            "connection.allow(); throw new Error('no')",
            "connection.allow(); return new Promise(() => {})",
            "connection.allow(); return Promise.reject(1)",
            "nobody.knows()",
            "connection.clientCertificate.certificates",
        ] {
            assert!(matches!(verdict(body), Verdict::Failed(Fault::Threw(_))), "{body}: {:?}", verdict(body));
        }
        let nameless = asked("function handler(connection) { connection.allow() }", None).verdict;
        assert!(matches!(nameless, Verdict::Failed(Fault::Threw(_))), "{nameless:?}");
    }

    /// One run knows nothing of the one before it, whatever it decided.
    #[test]
    fn decisions_are_not_kept() {
        for body in ["connection.allow(); connection.logCustomData('a')", "throw connection.allow()"] {
            let _ = verdict(body);
            assert_eq!(verdict(""), Verdict::Denied, "after {body}");
            assert_eq!(asked("function connectionHandler(c) { c.allow() }", None).custom, "", "after {body}");
        }
    }

    #[test]
    fn what_the_log_is_to_say_is_cut_between_characters() {
        let custom = |body: &str| asked(&format!("function connectionHandler(c) {{ {body} }}"), None).custom;
        assert_eq!(custom("c.logCustomData('a'); c.logCustomData('b'); c.allow()"), "b");
        assert_eq!(custom("c.logCustomData(5); c.deny()"), "5");
        assert_eq!(custom("c.logCustomData('x' + 'ü'.repeat(500))"), format!("x{}", "ü".repeat(399)));
        assert_eq!(custom("c.logCustomData('a\\ud800b')"), "a\u{fffd}b");
    }
}
