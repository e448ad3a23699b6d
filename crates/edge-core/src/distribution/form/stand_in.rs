//! Names for what exists only once it is deployed: buckets, load balancers, functions, and whatever else a template
//! or plan refers to.
//!
//! A made-up name has the shape of AWS's and is the same each time, so that it can be written behind `--map`. It is
//! made of the name the owner gave, the attribute that is asked for and, where it is known, the type.

/// Where the stack would be.
pub(super) struct Surroundings {
    pub(super) region: String,
    pub(super) account: String,
    pub(super) partition: String,
    pub(super) suffix: String,
}

/// What is asked for: `attribute` is CloudFormation's spelling, empty for the thing itself (`Ref`).
pub(super) struct Asked<'a> {
    /// As the owner calls it in the template.
    pub(super) id: &'a str,
    /// `AWS::S3::Bucket`; empty where it is not known.
    pub(super) kind: &'a str,
    pub(super) attribute: &'a str,
    /// The name given to the thing itself, where one was.
    pub(super) name: Option<&'a str>,
}

/// The value that stands in.
pub(super) fn stand_in(asked: &Asked<'_>, around: &Surroundings) -> String {
    let service = asked.kind.split("::").nth(1).unwrap_or_default();
    match (service, asked.attribute) {
        ("CloudFront", _) => cloudfront(asked, around),
        (_, "") => itself(asked, around),
        (_, attribute) => self::attribute(asked, attribute, service, around),
    }
}

fn cloudfront(asked: &Asked<'_>, around: &Surroundings) -> String {
    let arn = |rest: String| format!("arn:{}:cloudfront::{}:{rest}", around.partition, around.account);
    let name = asked.name.unwrap_or(asked.id);
    match (asked.kind.rsplit("::").next().unwrap_or_default(), asked.attribute) {
        ("Function", "" | "Arn" | "FunctionARN" | "FunctionMetadata.FunctionARN") => {
            arn(format!("function/{name}"))
        }
        ("KeyValueStore", "") => name.to_owned(),
        ("KeyValueStore", "Arn") => arn(format!("key-value-store/{}", asked.id)),
        ("Distribution", "DomainName") => format!("d{}.cloudfront.net", label(asked.id)),
        (kind, attribute) if attribute.eq_ignore_ascii_case("arn") => {
            arn(format!("{}/{}", kind.to_ascii_lowercase(), asked.id))
        }
        _ => asked.id.to_owned(),
    }
}

/// What `Ref` gives.
fn itself(asked: &Asked<'_>, around: &Surroundings) -> String {
    let name = named(asked);
    match asked.kind {
        "AWS::CertificateManager::Certificate" => {
            format!("arn:{}:acm:us-east-1:{}:certificate/{name}", around.partition, around.account)
        }
        "AWS::Lambda::Version" => {
            format!("arn:{}:lambda:us-east-1:{}:function:{name}:1", around.partition, around.account)
        }
        "" => guess(asked.id, &name, around),
        _ => name,
    }
}

/// Of something that is not known but by its name.
fn guess(id: &str, name: &str, around: &Surroundings) -> String {
    let lower = id.to_ascii_lowercase();
    if lower.contains("certificate") {
        format!("arn:{}:acm:us-east-1:{}:certificate/{name}", around.partition, around.account)
    } else if lower.ends_with("arn") {
        format!("arn:{}:lambda:us-east-1:{}:function:{name}:1", around.partition, around.account)
    } else if ["domain", "domainname", "zonename", "hostname", "endpoint", "dnsname"]
        .iter()
        .any(|end| lower.ends_with(end))
    {
        format!("{name}.example.com")
    } else {
        name.to_owned()
    }
}

fn attribute(asked: &Asked<'_>, attribute: &str, service: &str, around: &Surroundings) -> String {
    let Surroundings { region, account, partition, suffix } = around;
    let name = named(asked);
    match (service, attribute) {
        ("S3" | "", "DomainName") => format!("{name}.s3.{suffix}"),
        (_, "RegionalDomainName") => format!("{name}.s3.{region}.{suffix}"),
        (_, "DualStackDomainName") => format!("{name}.s3.dualstack.{region}.{suffix}"),
        (_, "WebsiteURL") => format!("http://{name}.s3-website-{region}.{suffix}"),
        ("S3", "Arn") => format!("arn:{partition}:s3:::{name}"),
        (_, "DNSName") => format!("{name}-1234567890.{region}.elb.{suffix}"),
        (_, "FunctionUrl") => format!("https://{name}.lambda-url.{region}.on.aws/"),
        (_, "ApiEndpoint") => format!("https://{name}.execute-api.{region}.{suffix}"),
        ("", "FunctionARN") => format!("arn:{partition}:cloudfront::{account}:function/{}", asked.id),
        ("", "Id") => asked.id.to_owned(),
        ("WAFv2", "Arn") => format!("arn:{partition}:wafv2:us-east-1:{account}:global/webacl/{name}/1"),
        (_, "Arn") => {
            let service = if service.is_empty() { "service" } else { service }.to_ascii_lowercase();
            format!("arn:{partition}:{service}:{region}:{account}:{name}")
        }
        (_, other) if ["DomainName", "Endpoint", "EndpointURL"].iter().any(|end| other.ends_with(end)) => {
            format!("{name}.{region}.{suffix}")
        }
        (_, other) => label(&format!("{name}-{other}")),
    }
}

fn named(asked: &Asked<'_>) -> String {
    asked.name.map_or_else(|| label(asked.id), str::to_owned)
}

/// A label of a domain name: lower case, letters, digits and hyphens, at most 60 of them.
fn label(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = text.chars().map(fit).take(60).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "unnamed".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_shape_of_aws() {
        let around = Surroundings {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            suffix: "amazonaws.com".to_owned(),
        };
        for (kind, id, attribute, name, expected) in [
            ("AWS::S3::Bucket", "Media", "RegionalDomainName", None, "media.s3.eu-west-1.amazonaws.com"),
            ("AWS::S3::Bucket", "Media", "DomainName", Some("b"), "b.s3.amazonaws.com"),
            (
                "AWS::S3::Bucket",
                "Media",
                "WebsiteURL",
                None,
                "http://media.s3-website-eu-west-1.amazonaws.com",
            ),
            ("AWS::S3::Bucket", "Media", "", None, "media"),
            ("AWS::CloudFront::CachePolicy", "Pages", "", Some("x"), "Pages"),
            ("AWS::CloudFront::CachePolicy", "Pages", "Id", None, "Pages"),
            (
                "AWS::CloudFront::Function",
                "F",
                "FunctionARN",
                Some("visitors"),
                "arn:aws:cloudfront::123456789012:function/visitors",
            ),
            (
                "AWS::CloudFront::KeyValueStore",
                "K",
                "Arn",
                None,
                "arn:aws:cloudfront::123456789012:key-value-store/K",
            ),
            (
                "AWS::ElasticLoadBalancingV2::LoadBalancer",
                "Front",
                "DNSName",
                None,
                "front-1234567890.eu-west-1.elb.amazonaws.com",
            ),
            ("AWS::Lambda::Version", "V", "", None, "arn:aws:lambda:us-east-1:123456789012:function:v:1"),
            ("", "Zone-HostedZoneName", "", None, "zone-hostedzonename.example.com"),
            ("", "Bucket", "RegionalDomainName", None, "bucket.s3.eu-west-1.amazonaws.com"),
        ] {
            let asked = Asked { id, kind, attribute, name };
            assert_eq!(stand_in(&asked, &around), expected, "{kind} {id} {attribute}");
        }
    }
}
