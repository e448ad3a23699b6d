//! Connection functions in documents: where they stand, and what is said where they are not (§11.6). What they do to
//! connections is in `listen/connection_functions.rs`.
#![cfg(feature = "functions")]
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::SystemTime;

use edge_core::cache::storing::Guard;
use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::{Distribution, Problem, load_value};
use edge_core::exchange::Rules;
use edge_core::explain;
use edge_core::response::Place;
use edge_core::script::Entry;
use edge_core::viewer::device::Memo;
use edge_core::viewer::gate::{Refused, admit};
use edge_core::viewer::{Request, Scheme, Stream, Tls};
use http::HeaderValue;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:cloudfront::123456789012:key-value-store/revoked";
const CODE: &str = "import cf from 'cloudfront';\nasync function connectionHandler(connection) {\n\
                    \x20 const leaf = connection.clientCertificate?.certificates.leaf ?? { serialNumber: '' };\n\
                    \x20 return await cf.kvs().exists(leaf.serialNumber) ? connection.deny() : connection.allow();\n}\n";

fn bundle() -> Value {
    json!({
        "DistributionConfig": {
            "CallerReference": "r", "Comment": "", "Enabled": true,
            "Origins": { "Quantity": 1, "Items": [{ "Id": "a", "DomainName": "a.example.com", "CustomOriginConfig": {
                "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
            "DefaultCacheBehavior": { "TargetOriginId": "a", "ViewerProtocolPolicy": "https-only",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" },
            "ViewerMtlsConfig": { "Mode": "required", "TrustStoreConfig": { "TrustStoreId": "ts" } },
            "ConnectionFunctionAssociation": { "Id": "cf_1" },
        },
        "ConnectionFunctions": [{
            "ConnectionFunctionSummary": {
                "Id": "cf_1", "Name": "guard", "Stage": "LIVE", "Status": "DEPLOYED",
                "ConnectionFunctionArn": "arn:aws:cloudfront::123456789012:connection-function/cf_1",
                "ConnectionFunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0",
                    "KeyValueStoreAssociations": { "Quantity": 1, "Items": [{ "KeyValueStoreARN": ARN }] } },
            },
            "Code": CODE,
        }],
        "KeyValueStores": [{ "ARN": ARN, "Items": [{ "Key": "0a", "Value": "" }] }],
    })
}

fn heard(problems: &[Problem]) -> Vec<String> {
    let about = problems.iter().filter(|problem| problem.place.contains("onnectionFunction"));
    about.map(|problem| format!("{}: {}: {problem}", problem.place, problem.code)).collect()
}

#[test]
fn a_bundle_carries_the_function() {
    let loaded = load_value(bundle()).unwrap();
    assert_eq!(heard(&loaded.warnings), [""; 0]);
    let function = loaded.distribution.viewer_tls.function.unwrap();
    assert_eq!((function.name.as_str(), function.entry), ("guard", Entry::Connections));
    assert!(function.store.as_ref().unwrap().items.contains_key("0a"));
}

#[test]
fn a_template_carries_the_function() {
    let template = json!({ "Resources": {
        "Site": { "Type": "AWS::CloudFront::Distribution", "Properties": { "DistributionConfig": {
            "Enabled": true, "HttpVersion": "http2",
            "Origins": [{ "Id": "a", "DomainName": "a.example.com", "CustomOriginConfig": { "OriginProtocolPolicy": "http-only" } }],
            "DefaultCacheBehavior": { "TargetOriginId": "a", "ViewerProtocolPolicy": "https-only",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" },
            "ViewerMtlsConfig": { "Mode": "required", "TrustStoreConfig": { "TrustStoreId": "ts" } },
            "ConnectionFunctionAssociation": { "Id": { "Fn::GetAtt": ["Guard", "Id"] } },
        } } },
        "Guard": { "Type": "AWS::CloudFront::ConnectionFunction", "Properties": {
            "Name": "guard", "AutoPublish": true, "ConnectionFunctionCode": CODE,
            "ConnectionFunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0",
                "KeyValueStoreAssociations": [{ "KeyValueStoreARN": { "Fn::GetAtt": ["Revoked", "Arn"] } }] },
        } },
        "Revoked": { "Type": "AWS::CloudFront::KeyValueStore", "Properties": { "Name": "revoked" } },
    } });
    let loaded = form::load(&template.to_string(), &Choices::default()).unwrap();
    assert_eq!(heard(&loaded.warnings), [""; 0]);
    let function = loaded.distribution.viewer_tls.function.unwrap();
    assert_eq!((function.name.as_str(), function.entry), ("guard", Entry::Connections));
    assert!(function.store.is_some());
}

#[test]
fn a_plan_carries_the_function() {
    let resource = |kind: &str, name: &str, values: Value| json!({ "address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name, "values": values });
    let plan = json!({ "format_version": "1.0", "terraform_version": "1.9.0", "values": { "root_module": { "resources": [
        resource("aws_cloudfront_distribution", "site", json!({
            "enabled": true, "http_version": "http2", "id": "E1", "domain_name": "d1.cloudfront.net",
            "origin": [{ "origin_id": "a", "domain_name": "a.example.com", "custom_origin_config": [{
                "http_port": 80, "https_port": 443, "origin_protocol_policy": "http-only", "origin_ssl_protocols": ["TLSv1.2"] }] }],
            "default_cache_behavior": [{ "target_origin_id": "a", "viewer_protocol_policy": "https-only",
                "allowed_methods": ["GET", "HEAD"], "cached_methods": ["GET", "HEAD"],
                "cache_policy_id": "658327ea-f89d-4fab-a63d-7e88639e58f6" }],
            "restrictions": [{ "geo_restriction": [{ "restriction_type": "none", "locations": [] }] }],
            "viewer_certificate": [{ "cloudfront_default_certificate": true }],
            "viewer_mtls_config": [{ "mode": "optional", "trust_store_config": [{
                "trust_store_id": "ts", "advertise_trust_store_ca_names": true, "ignore_certificate_expiry": false }] }],
            "connection_function_association": [{ "id": "cf_1" }],
        })),
        resource("aws_cloudfront_connection_function", "guard", json!({
            "id": "cf_1", "name": "guard", "publish": true, "connection_function_code": CODE, "tags": null, "tags_all": {},
            "connection_function_arn": "arn:aws:cloudfront::123456789012:connection-function/cf_1", "etag": "E", "status": "DEPLOYED",
            "connection_function_config": [{ "comment": "", "runtime": "cloudfront-js-2.0",
                "key_value_store_association": [{ "key_value_store_arn": ARN }] }],
        })),
        resource("aws_cloudfront_key_value_store", "revoked", json!({ "id": "kvs", "name": "revoked", "arn": ARN })),
    ] } } });
    let loaded =
        form::load(&plan.to_string(), &Choices::default()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(heard(&loaded.warnings), [""; 0]);
    let function = loaded.distribution.viewer_tls.function.unwrap();
    assert_eq!((function.name.as_str(), function.entry), ("guard", Entry::Connections));
    assert!(function.store.is_some());
    let unknown: Vec<_> = loaded.warnings.iter().filter(|problem| problem.code == "UnknownField").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// What is changed in the bundle, and what is said: place, code, and part of the message or the hint.
type Row = (fn(&mut Value), &'static str, &'static str, &'static str);

#[test]
fn what_is_wrong_has_its_place() {
    let rows: &[Row] = &[
        (
            |all| all["ConnectionFunctions"] = json!([]),
            "DistributionConfig.ConnectionFunctionAssociation.Id",
            "NotInForce",
            "put what `aws cloudfront describe-connection-function --identifier cf_1` prints",
        ),
        (
            |all| drop(all["ConnectionFunctions"][0].as_object_mut().unwrap().remove("Code")),
            "DistributionConfig.ConnectionFunctionAssociation.Id",
            "NotInForce",
            "its Code is not in the document",
        ),
        (
            |all| drop(all["DistributionConfig"].as_object_mut().unwrap().remove("ViewerMtlsConfig")),
            "DistributionConfig.ConnectionFunctionAssociation",
            "NotInForce",
            "never runs",
        ),
        (
            |all| all["DistributionConfig"]["ConnectionFunctionAssociation"] = json!({}),
            "DistributionConfig.ConnectionFunctionAssociation.Id",
            "InvalidArgument",
            "",
        ),
        (
            |all| {
                all["ConnectionFunctions"][0]["Code"] =
                    json!("function connectionHandler(c) {\n  c.allow(;\n}");
            },
            "ConnectionFunctions[0].Code",
            "InvalidArgument",
            "line 2, column 11",
        ),
        (
            |all| all["ConnectionFunctions"][0]["Code"] = json!("function handler(c) { c.allow() }"),
            "ConnectionFunctions[0].Code",
            "InvalidArgument",
            "connectionHandler",
        ),
        (
            |all| {
                let summary = &mut all["ConnectionFunctions"][0]["ConnectionFunctionSummary"];
                summary["ConnectionFunctionConfig"]["Runtime"] = json!("cloudfront-js-1.0");
            },
            "ConnectionFunctions[0].ConnectionFunctionSummary.ConnectionFunctionConfig.Runtime",
            "InvalidArgument",
            "use cloudfront-js-2.0",
        ),
        (
            |all| {
                let one = all["ConnectionFunctions"][0].clone();
                all["ConnectionFunctions"].as_array_mut().unwrap().push(one);
            },
            "ConnectionFunctions[1].ConnectionFunctionSummary.Id",
            "InvalidArgument",
            "twice",
        ),
    ];
    for (change, place, code, said) in rows {
        let mut changed = bundle();
        change(&mut changed);
        let problems = match load_value(changed) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems.0,
        };
        let found = problems.iter().any(|problem| {
            problem.place == *place && problem.code == *code && problem.to_string().contains(said)
        });
        assert!(found, "{place} {code} {said}: {:#?}", heard(&problems));
    }
}

fn request(distribution: &Distribution, scheme: Scheme, tls: Option<Tls>) -> Request {
    let (parts, ()) =
        http::Request::get("/").header("host", &distribution.domain_name).body(()).unwrap().into_parts();
    let peer = "192.0.2.1:1234".parse().unwrap();
    let mut request = Request::read(parts, scheme, Stream::Ended, peer).unwrap();
    request.tls = tls;
    request
}

/// What becomes of a request on a connection that this distribution's function let in.
fn asked(distribution: &Distribution, scheme: Scheme, allowed_by: Option<&str>) -> Option<Refused> {
    let tls = Tls { allowed_by: allowed_by.map(Into::into), ..Tls::default() };
    let request = request(distribution, scheme, (scheme == Scheme::Https).then_some(tls));
    admit(distribution, request, SystemTime::UNIX_EPOCH).err().map(|(refused, _)| refused)
}

/// What a connection function decides no request shows: the story is that of one who was let in.
#[test]
fn a_story_begins_behind_the_function() {
    let distribution = load_value(bundle()).unwrap().distribution;
    let request = request(&distribution, Scheme::Https, None);
    let place = Place::new(0, None);
    let rules = Arc::new(Rules { distribution, guard: Guard::Off, place, devices: Memo::new(4) });
    let (id, now) = (HeaderValue::from_static("id"), SystemTime::UNIX_EPOCH);
    let told = explain::tell(&rules, request, id, None, &mut |_| None, &mut |_| None, now);
    let told = format!("{told:?}");
    assert!(told.contains("the function guard is asked") && told.contains("to origin"), "{told}");
}

/// Nobody comes past a function by a handshake with another distribution.
#[test]
fn a_connection_is_good_for_the_distribution_that_let_it_in() {
    let with = |mode: &str, behavior: &str| {
        let mut all = bundle();
        all["DomainName"] = json!("d1.cloudfront.net");
        all["DistributionConfig"]["ViewerMtlsConfig"]["Mode"] = json!(mode);
        all["DistributionConfig"]["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!(behavior);
        load_value(all).unwrap().distribution
    };
    let optional = with("optional", "allow-all");
    assert_eq!(asked(&optional, Scheme::Https, Some("d1.cloudfront.net")), None);
    for other in [None, Some("d2.cloudfront.net")] {
        assert_eq!(asked(&optional, Scheme::Https, other), Some(Refused::Misdirected));
    }
    // Without TLS there is no handshake to decide about: that is the behavior's to allow, and what requires a certificate
    // does not.
    assert_eq!(asked(&optional, Scheme::Http, None), None);
    assert_eq!(asked(&with("required", "allow-all"), Scheme::Http, None), Some(Refused::NoCertificate));

    // Viewers of a staging distribution shake hands with its primary.
    let mut staging = with("optional", "allow-all");
    staging.domain_name = "d3.cloudfront.net".to_owned();
    staging.viewer_tls.function = None;
    let staging = staging.standing_in_for(&optional);
    assert_eq!(asked(&staging, Scheme::Https, Some("d1.cloudfront.net")), None);
    assert_eq!(asked(&staging, Scheme::Https, Some("d3.cloudfront.net")), None);
    assert_eq!(asked(&staging, Scheme::Https, None), Some(Refused::Misdirected));
}
