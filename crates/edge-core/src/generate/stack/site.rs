//! The distribution of the stack: the site's own, whose origin is the balancer, with the bucket for media beside it.
//!
//! It is made as a document of the API, so that it is checked and printed like any other. What only exists once the
//! stack does stands in it as a name nobody else has, which a writer replaces.

use serde_json::{Value, json};

use super::super::refused;
use super::{Balancer, Stack};
use crate::distribution::Problems;
use crate::distribution::document;
use crate::distribution::form::spelling::exact;

/// Stands for the bucket's name in its region.
pub(super) const BUCKET: &str = "edge-stack-media.s3.us-east-1.amazonaws.com";
/// Stands for the secret that CloudFront sends to the balancer.
pub(super) const SECRET: &str = "edge-stack-origin-secret";
/// Stands for the VPC origin.
pub(super) const VPC_ORIGIN: &str = "vo_edgestack";

/// The header of the secret.
pub(super) const SECRET_HEADER: &str = "X-Origin-Secret";

/// Where WordPress keeps media, and the behavior they are a part of.
const UPLOADS: &str = "wp-content/uploads/*";
const CONTENT: &str = "wp-content/*";

/// The managed CachingOptimized (§16.3): nothing of the viewer in the key. The `Host` of the site must not reach a
/// bucket, which knows its own name only.
const CACHING_OPTIMIZED: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

/// With the longest ending and what AWS adds: prefixes of buckets have 37 characters, of roles 38.
const SLUG_CHARS_MAX: usize = 24;

/// Names on one certificate, before ACM is asked for more.
const CERTIFICATE_NAMES_MAX: usize = 10;

/// A site, ready for a writer.
#[derive(Debug)]
pub(super) struct Site {
    /// All names of it, the main one first.
    pub(super) domains: Vec<String>,
    /// The balancer's name.
    pub(super) origin: String,
    /// The certificate the policy names.
    pub(super) certificate: Option<String>,
    /// The document of the API.
    pub(super) document: Value,
}

impl Site {
    /// The main name with letters, digits and dashes, for names of resources.
    pub(super) fn slug(&self) -> String {
        let name = self.domains.first().map_or("", String::as_str);
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let slug: String = name.chars().map(word).skip_while(|c| *c == '-').take(SLUG_CHARS_MAX).collect();
        let slug = slug.trim_end_matches('-');
        // Databases and stacks begin with a letter.
        if slug.starts_with(|c: char| c.is_ascii_digit()) { format!("w{slug}") } else { slug.to_owned() }
    }

    /// The main name that is one host: what calls from outside use.
    pub(super) fn host(&self) -> &str {
        self.domains.iter().find(|name| !name.starts_with('*')).map_or("", String::as_str)
    }

    /// Takes a document that loads.
    pub(super) fn of(document: &Value, stack: &Stack) -> Result<Self, Problems> {
        document::load_value(document.clone())?;
        let inside = ["/Distribution/DistributionConfig", "/DistributionConfig"];
        let inside = inside.into_iter().find_map(|place| document.pointer(place));
        let mut config = exact(inside.unwrap_or(document));
        // A bare configuration has nothing beside it.
        let mut document = if inside.is_some() { document.clone() } else { json!({}) };
        let domains: Vec<String> =
            items(&config["Aliases"]).iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        let mut problems = Vec::new();
        let zone = zone(&domains);
        if domains.iter().all(|name| name.starts_with('*')) {
            let message = "a stack needs the site's name, for its records and its certificate".to_owned();
            problems.push(refused("Aliases", message, "--domain www.example.com"));
        } else if zone.is_none() {
            let message = format!("{} are not in one hosted zone", domains.join(", "));
            problems.push(refused("Aliases", message, "a stack for each"));
        }
        if domains.len() >= CERTIFICATE_NAMES_MAX {
            let message = format!(
                "{} names and the balancer's: a certificate has {CERTIFICATE_NAMES_MAX}",
                domains.len()
            );
            problems.push(refused(
                "Aliases",
                message,
                "`*.example.com` stands for all names of one label below it",
            ));
        }
        let origins = items(&config["Origins"]);
        if origins.len() != 1 || origins.iter().any(|origin| origin.get("CustomOriginConfig").is_none()) {
            let message = "the stack's balancer takes the place of one origin that is no bucket".to_owned();
            problems.push(refused("Origins", message, "one web server, however many instances it has"));
        }
        if !items(&config["CacheBehaviors"]).iter().any(|behavior| behavior["PathPattern"] == CONTENT) {
            let message = format!("there is no behavior for {CONTENT}: the stack is one of a WordPress site");
            problems.push(refused("CacheBehaviors", message, "--preset wordpress"));
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let origin = format!("origin.{}", zone.unwrap_or_default());
        let certificate = config["ViewerCertificate"]["ACMCertificateArn"].as_str().map(str::to_owned);
        reach(&mut config, &origin, stack);
        let access = store(&mut config);
        document["DistributionConfig"] = config;
        if let Value::Object(fields) = &mut document {
            fields.remove("Distribution");
        }
        push(&mut document["OriginAccessControls"], access);
        // It was checked as it came; what was added is checked here, quotas too.
        document::load_value(document.clone())?;
        Ok(Self { domains, origin, certificate, document })
    }
}

/// The balancer in place of the origin, by its own name and with the secret.
fn reach(config: &mut Value, name: &str, stack: &Stack) {
    let origin = &mut config["Origins"]["Items"][0];
    origin["DomainName"] = json!(name);
    let mut headers = items(&origin["CustomHeaders"]).to_vec();
    headers.push(json!({ "HeaderName": SECRET_HEADER, "HeaderValue": SECRET }));
    origin["CustomHeaders"] = list(headers);
    let custom = &mut origin["CustomOriginConfig"];
    custom["OriginProtocolPolicy"] = json!("https-only");
    custom["HTTPPort"] = json!(80);
    custom["HTTPSPort"] = json!(443);
    if stack.balancer == Balancer::VpcOrigin {
        let timeouts = [custom["OriginReadTimeout"].clone(), custom["OriginKeepaliveTimeout"].clone()];
        let [read, keepalive] = timeouts;
        origin["VpcOriginConfig"] = json!({
            "VpcOriginId": VPC_ORIGIN,
            "OriginReadTimeout": read,
            "OriginKeepaliveTimeout": keepalive,
        });
        if let Value::Object(fields) = origin {
            fields.remove("CustomOriginConfig");
        }
    }
}

/// The bucket, the group that asks the balancer for what it lacks, and the behavior of uploads. The access control is
/// what comes back.
fn store(config: &mut Value) -> Value {
    let site = config["Origins"]["Items"][0]["Id"].clone();
    let name = format!("{}-media", config["CallerReference"].as_str().unwrap_or("edge"));
    let bucket = json!({
        "Id": "media",
        "DomainName": BUCKET,
        "OriginPath": "",
        "CustomHeaders": { "Quantity": 0 },
        "S3OriginConfig": { "OriginAccessIdentity": "" },
        "ConnectionAttempts": 2,
        "ConnectionTimeout": 3,
        "OriginShield": { "Enabled": false },
        "OriginAccessControlId": name,
    });
    let mut origins = items(&config["Origins"]).to_vec();
    origins.push(bucket);
    config["Origins"] = list(origins);
    let mut groups = items(&config["OriginGroups"]).to_vec();
    groups.push(json!({
        "Id": "media-then-site",
        // Who may not list a bucket is told 403 of what is not there; the others are a bucket's that is away.
        "FailoverCriteria": { "StatusCodes": list([403, 404, 500, 502, 503, 504].map(|code| json!(code)).to_vec()) },
        "Members": { "Quantity": 2, "Items": [{ "OriginId": "media" }, { "OriginId": site }] },
    }));
    config["OriginGroups"] = list(groups);
    let mut behaviors = items(&config["CacheBehaviors"]).to_vec();
    if let Some(at) = behaviors.iter().position(|behavior| behavior["PathPattern"] == CONTENT) {
        let mut uploads = json!({
            "PathPattern": UPLOADS,
            "TargetOriginId": "media-then-site",
            "ViewerProtocolPolicy": behaviors[at]["ViewerProtocolPolicy"],
            "AllowedMethods": {
                "Quantity": 2,
                "Items": ["HEAD", "GET"],
                "CachedMethods": { "Quantity": 2, "Items": ["HEAD", "GET"] },
            },
            "Compress": true,
            "CachePolicyId": CACHING_OPTIMIZED,
        });
        if let Some(policy) = behaviors[at].get("ResponseHeadersPolicyId") {
            uploads["ResponseHeadersPolicyId"] = policy.clone();
        }
        behaviors.insert(at, uploads);
        config["CacheBehaviors"] = list(behaviors);
    }
    json!({
        "Id": name,
        "OriginAccessControlConfig": {
            "Name": name,
            "Description": "CloudFront alone reads the media",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        },
    })
}

/// What all names end in: two labels at least.
fn zone(domains: &[String]) -> Option<String> {
    let labels = |name: &str| -> Vec<String> {
        let name = name.strip_prefix("*.").unwrap_or(name);
        name.strip_prefix("www.").unwrap_or(name).split('.').rev().map(str::to_owned).collect()
    };
    let mut names = domains.iter().map(|name| labels(name));
    let mut common = names.next()?;
    for name in names {
        let same = common.iter().zip(&name).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    common.reverse();
    (common.len() >= 2).then(|| common.join("."))
}

fn items(counted: &Value) -> &[Value] {
    counted.get("Items").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn list(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

fn push(to: &mut Value, item: Value) {
    match to {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for (name, expected) in [
            ("www.example.com", "www-example-com"),
            ("*.example.com", "example-com"),
            ("1st.example.com", "w1st-example-com"),
            ("a-very-long-name-indeed.example.com", "a-very-long-name-indeed"),
        ] {
            let site = Site {
                domains: vec![name.to_owned()],
                origin: String::new(),
                certificate: None,
                document: Value::Null,
            };
            assert_eq!(site.slug(), expected);
        }
    }

    #[test]
    fn zones() {
        for (domains, expected) in [
            (&["www.example.com"][..], Some("example.com")),
            (&["example.com", "www.example.com"], Some("example.com")),
            (&["blog.example.com", "www.example.com"], Some("example.com")),
            (&["*.example.com", "example.com"], Some("example.com")),
            (&["blog.example.com"], Some("blog.example.com")),
            (&["example.com", "example.org"], None),
            (&[], None),
        ] {
            let domains: Vec<String> = domains.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(zone(&domains).as_deref(), expected, "{domains:?}");
        }
    }
}
