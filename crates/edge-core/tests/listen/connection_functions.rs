//! Viewers whom a connection function lets in, or not (§11.6).

use edge_core::distribution::{Distribution, load_value};
use serde_json::{Value, json};

use crate::mtls::{Authority, NOW, Shows, World, store};
use crate::support::{ask, in_time};
use crate::tls::connect;

/// `a.example.com` with this connection function, and a store that has a serial number.
pub(crate) fn deciding(mode: &str, code: &str, revoked: &str) -> Distribution {
    let mut mtls: Value = if mode == "passthrough" {
        json!({})
    } else {
        serde_json::from_str(&format!("{{{}}}", store(""))).unwrap()
    };
    mtls["Mode"] = mode.into();
    let arn = "arn:aws:cloudfront::123456789012:key-value-store/revoked";
    load_value(json!({
        "Id": "E1",
        "DistributionConfig": {
            "CallerReference": "a", "Comment": "", "Enabled": true,
            "Aliases": { "Quantity": 1, "Items": ["a.example.com"] },
            "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "origin.test", "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
            "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" },
            "ViewerMtlsConfig": mtls,
            "ConnectionFunctionAssociation": { "Id": "cf_1" },
        },
        "ConnectionFunctions": [{
            "Id": "cf_1", "Name": "guard", "Code": code,
            "ConnectionFunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0",
                "KeyValueStoreAssociations": { "Quantity": 1, "Items": [{ "KeyValueStoreARN": arn }] } },
        }],
        "KeyValueStores": [{ "ARN": arn, "Items": [{ "Key": revoked, "Value": "" }] }],
    }))
    .unwrap()
    .distribution
}

fn serial_number(shows: &Shows) -> String {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(&shows.chain[0]).unwrap();
    certificate.raw_serial_as_string()
}

/// AWS's own example of what such functions are for.
const REVOKED: &str = "import cf from 'cloudfront';
    async function connectionHandler(connection) {
        const { serialNumber, subject } = connection.clientCertificate.certificates.leaf;
        const isRevoked = await cf.kvs().exists(serialNumber);
        console.log(`${subject} is ${isRevoked ? 'revoked' : 'fine'}`);
        return isRevoked ? connection.deny() : connection.allow();
    }";

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let one = Authority::new("one");
    let (good, revoked) = (one.viewer("good", NOW), one.viewer("revoked", NOW));
    for mode in ["required", "passthrough"] {
        let decides = deciding(mode, REVOKED, &serial_number(&revoked));
        let world = World::new(&format!("revoked-{mode}"), &[&one], vec![decides]);
        assert!(world.lets_in(Some(&good)).await);
        assert!(!world.lets_in(Some(&revoked)).await);
        assert!(world.lets_in(Some(&good)).await, "the next is asked anew");
    }
}

/// It is asked only about those whom the trust store vouches for, and, where that is optional, about those who show nothing.
#[tokio::test]
async fn it_is_asked_after_the_certificate_was_verified() {
    let (one, stranger) = (Authority::new("one"), Authority::new("stranger"));
    let all = "function connectionHandler(connection) { connection.allow() }";
    let certified = "function connectionHandler(c) { return c.clientCertificate ? c.allow() : c.deny() }";
    let at_home =
        "function connectionHandler(c) { return c.clientIp === '127.0.0.1' ? c.allow() : c.deny() }";
    for (mode, code, expected) in [
        ("required", all, [false, true, false]),
        ("optional", all, [true, true, false]),
        ("optional", certified, [false, true, false]),
        ("optional", at_home, [true, true, false]),
        ("passthrough", certified, [false, true, true]),
    ] {
        let world = World::new("after", &[&one], vec![deciding(mode, code, "00")]);
        let shown = [None, Some(one.viewer("a", NOW)), Some(stranger.viewer("a", NOW))];
        for (shows, expected) in shown.iter().zip(expected) {
            assert_eq!(world.lets_in(shows.as_ref()).await, expected, "{mode} {code} {}", shows.is_some());
        }
    }
}

/// Whatever it does, nobody comes in but by `allow`, and others are served meanwhile.
#[tokio::test]
async fn a_function_that_fails_lets_nobody_in() {
    let one = Authority::new("one");
    let viewer = one.viewer("a", NOW);
    for body in [
        "",
        "throw new Error('no')",
        "for (;;) {}",
        "return new Promise(() => {})",
        "connection.allow(); nobody.knows()",
        "connection.deny(); connection.allow()",
        "const a = []; for (;;) a.push('x' + a.length)",
    ] {
        let code = format!("function connectionHandler(connection) {{ {body} }}");
        let other = crate::policies::distribution_with("b.example.com", "");
        let world = World::new("fails", &[&one], vec![deciding("required", &code, "00"), other]);
        let shows = world.viewer(Some(&viewer));
        let several = in_time(async {
            tokio::join!(
                world.seen(&shows, "a.example.com"),
                world.seen(&shows, "a.example.com"),
                world.seen(&shows, "b.example.com"),
            )
        });
        let (first, second, other) = several.await;
        assert_eq!((first, second), (None, None), "{body}");
        assert!(other.is_some(), "{body}");
    }
}

/// A reload changes who is asked from the next handshake on; who was let in stays.
#[tokio::test]
async fn another_function_is_asked_after_a_reload() {
    let one = Authority::new("one");
    let shows = one.viewer("a", NOW);
    let decides = |what: &str| {
        deciding(
            "required",
            &format!("function connectionHandler(connection) {{ connection.{what}() }}"),
            "00",
        )
    };
    let mut world = World::new("reload-1", &[&one], vec![decides("allow")]);
    let viewer = world.viewer(Some(&shows));
    let mut stands = connect(&world.running, &viewer.config, "a.example.com").await.unwrap();
    assert!(ask(&mut stands, "/peer").await.contains("allowed_by: Some"));
    world.replace("reload-2", &[&one], vec![decides("deny")]);
    assert!(!world.lets_in(Some(&shows)).await);
    assert!(ask(&mut stands, "/peer").await.contains("allowed_by: Some"));
    world.replace("reload-3", &[&one], vec![decides("allow")]);
    assert!(world.lets_in(Some(&shows)).await);
}

/// A connection tells whose function let its viewer in; where there is none, nobody's.
#[tokio::test]
async fn a_connection_says_who_let_it_in() {
    let one = Authority::new("one");
    let all = "function connectionHandler(connection) { connection.allow() }";
    let other = crate::policies::distribution_with("b.example.com", "");
    let world = World::new("who", &[&one], vec![deciding("optional", all, "00"), other]);
    let viewer = world.viewer(None);
    let seen = world.seen(&viewer, "a.example.com").await.unwrap();
    assert!(seen.contains(r#"allowed_by: Some("dlocal"#), "{seen}");
    let seen = world.seen(&viewer, "b.example.com").await.unwrap();
    assert!(seen.contains("allowed_by: None"), "{seen}");
}
