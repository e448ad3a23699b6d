//! What a connection function is told, and what becomes of it.

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
