//! Names and their certificate.

use serde_json::{Value, json};

use super::super::Service;
use super::super::site::Site;
use super::super::{OriginRecords, Stack};
use super::template::Template;
use super::{get, reference};

/// The hosted zone of all distributions, wherever they are.
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

pub(super) fn add(template: &mut Template, site: &Site, stack: &Stack) {
    template.serve(Service::Certificate);
    let about = format!("The zone of {}", site.origin.trim_start_matches("origin."));
    template.parameter("HostedZoneId", &about, json!({ "Type": "AWS::Route53::HostedZone::Id" }));
    let zone = || reference("HostedZoneId");
    let all: Vec<&str> = site.domains.iter().map(String::as_str).chain([site.origin.as_str()]).collect();
    let validated: Vec<Value> =
        all.iter().map(|name| json!({ "DomainName": name, "HostedZoneId": zone() })).collect();
    template.add(
        "Certificate",
        "AWS::CertificateManager::Certificate",
        json!({
            "DomainName": all[0],
            "#SubjectAlternativeNames": "the balancer's own name too: CloudFront checks it where it does not forward Host",
            "SubjectAlternativeNames": &all[1..],
            "ValidationMethod": "DNS",
            "DomainValidationOptions": validated,
        }),
    );
    template.serve(Service::Names);
    for name in &site.domains {
        for kind in ["A", "AAAA"] {
            template.add(
                &format!("{}{}", logical(name), if kind == "A" { "A" } else { "Aaaa" }),
                "AWS::Route53::RecordSet",
                json!({
                    "HostedZoneId": zone(),
                    "Name": name,
                    "Type": kind,
                    "AliasTarget": { "DNSName": get("Distribution", "DomainName"), "HostedZoneId": CLOUDFRONT_ZONE },
                }),
            );
        }
    }
    let mut record = json!({
        "HostedZoneId": zone(),
        "Name": site.origin,
        "Type": "A",
        "AliasTarget": {
            "DNSName": get("Balancer", "DNSName"),
            "HostedZoneId": get("Balancer", "CanonicalHostedZoneID"),
            "EvaluateTargetHealth": true,
        },
    });
    match stack.origin_records {
        OriginRecords::Simple => {}
        OriginRecords::Latency => {
            record["SetIdentifier"] = reference("AWS::Region");
            record["Region"] = reference("AWS::Region");
        }
        OriginRecords::Geolocation => {
            record["SetIdentifier"] = reference("AWS::Region");
            record["GeoLocation"] = json!({ "CountryCode": "*" });
        }
    }
    template.add("OriginRecord", "AWS::Route53::RecordSet", record);
}

/// `WwwExampleCom`; a wildcard is `Any…`.
fn logical(name: &str) -> String {
    let mut id = String::new();
    for label in name.split(|c: char| !c.is_ascii_alphanumeric() && c != '*') {
        let mut chars = label.chars();
        match chars.next() {
            Some('*') => id.push_str("Any"),
            first => id.extend(first.map(|c| c.to_ascii_uppercase())),
        }
        id.push_str(chars.as_str());
    }
    id
}
