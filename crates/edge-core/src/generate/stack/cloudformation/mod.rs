//! The stack as a CloudFormation template: the distribution's own, and all around it.
//!
//! Resources are written as JSON with `Ref` and `Fn::…` as CloudFormation has them; a field that begins with `#` is the
//! remark on the next one. Each resource gets its comment from the table, so nothing is in a template that it lacks.

mod balancer;
mod cron;
mod data;
mod instances;
mod logs;
mod names;
mod network;
mod template;
mod watching;

use serde_json::{Value, json};

use super::super::part::{Field, Part};
use super::super::set::Set;
use super::super::{File, Options, cloudformation};
use super::beside::beside;
use super::site::{BUCKET, SECRET, Site, VPC_ORIGIN};
use super::{Balancer, Stack};
use crate::distribution::Problems;
use template::Template;

/// `template.yaml`, `template.json`, and what stands beside them.
pub(super) fn print(site: &Site, stack: &Stack, options: &Options) -> Result<Vec<File>, Problems> {
    let set = Set::of(&site.document)?;
    let beside = beside(site, stack, READ_ME);
    let mut template = Template::around(cloudformation::template(&set), site);
    distribution(&mut template, site, stack);
    network::add(&mut template, stack);
    names::add(&mut template, site, stack);
    balancer::add(&mut template, stack);
    instances::add(&mut template, site, stack, &beside);
    data::add(&mut template, stack);
    cron::add(&mut template, site);
    logs::add(&mut template, site, stack);
    watching::add(&mut template, site);
    let mut files = cloudformation::files(&template.finish(), options);
    files.extend(beside.files());
    Ok(files)
}

const READ_ME: &str = include_str!("../text/README.cloudformation.md");

/// What only the stack knows, in place of what stood for it.
fn distribution(template: &mut Template, site: &Site, stack: &Stack) {
    let secret = sub("{{resolve:secretsmanager:${OriginSecret}:SecretString}}");
    let bucket = get("MediaBucket", "RegionalDomainName");
    let mut stands = vec![(SECRET, of(secret)), (BUCKET, of(bucket))];
    if stack.balancer == Balancer::VpcOrigin {
        stands.push((VPC_ORIGIN, of(get("VpcOrigin", "Id"))));
    }
    template.replace(&stands);
    let about =
        "An ARN of ACM in us-east-1, where there is one or the stack is elsewhere; empty: the stack's own";
    template.parameter(
        "CertificateArn",
        about,
        json!({ "Default": site.certificate.as_deref().unwrap_or("") }),
    );
    template.condition(
        "HasCertificate",
        json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "CertificateArn" }, ""] }] }),
    );
    template.rule(
        "CertificateRegion",
        json!({
            "RuleCondition": { "Fn::Equals": [{ "Ref": "CertificateArn" }, ""] },
            "Assertions": [{
                "Assert": { "Fn::Equals": [{ "Ref": "AWS::Region" }, "us-east-1"] },
                "AssertDescription": "CloudFront takes certificates of us-east-1 only: deploy the stack there, or give CertificateArn",
            }],
        }),
    );
    let chosen =
        json!({ "Fn::If": ["HasCertificate", { "Ref": "CertificateArn" }, { "Ref": "Certificate" }] });
    if let Some(viewers) = template.distribution().and_then(|config| config.get_mut("ViewerCertificate")) {
        viewers.set("AcmCertificateArn", of(chosen));
    }
}

/// `{"Ref": name}`.
fn reference(name: &str) -> Value {
    json!({ "Ref": name })
}

/// `{"Fn::GetAtt": [name, attribute]}`.
fn get(name: &str, attribute: &str) -> Value {
    json!({ "Fn::GetAtt": [name, attribute] })
}

/// `{"Fn::Sub": text}`.
fn sub(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

/// A statement that lets a service take a role.
fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }],
    })
}

/// A policy of these statements.
fn policy(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// JSON as a part: references and functions in their short forms, `#name` the remark on what follows.
fn of(value: Value) -> Part {
    match value {
        // Nothing of a template is null.
        Value::Null => Part::Object(Vec::new()),
        Value::Bool(truth) => Part::Boolean(truth),
        Value::Number(number) => Part::Number(number),
        Value::String(text) => Part::Text(text),
        Value::Array(items) => Part::List(items.into_iter().map(of).collect()),
        Value::Object(fields) => {
            if fields.len() == 1
                && let Some((name, argument)) = fields.iter().next()
                && let Some(call) = call(name, argument)
            {
                return call;
            }
            let (mut parts, mut remark) = (Vec::new(), None);
            for (name, value) in fields {
                match (name.strip_prefix('#'), value) {
                    (Some(_), Value::String(text)) => remark = Some(text).filter(|text| !text.is_empty()),
                    (_, value) => parts.push(Field { name, value: of(value), remark: remark.take() }),
                }
            }
            Part::Object(parts)
        }
    }
}

fn call(name: &str, argument: &Value) -> Option<Part> {
    if name == "Ref" {
        return Some(Part::Reference(argument.as_str()?.to_owned(), String::new()));
    }
    let function = name.strip_prefix("Fn::")?;
    if let ("GetAtt", Value::Array(words)) = (function, argument) {
        let [to, attribute] = &words[..] else { return None };
        return Some(Part::Reference(to.as_str()?.to_owned(), attribute.as_str()?.to_owned()));
    }
    // Two short forms cannot stand one behind the other.
    match of(argument.clone()) {
        Part::Call(..) | Part::Reference(..) => None,
        argument => Some(Part::Call(function.to_owned(), Box::new(argument))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::yaml;
    use super::*;

    #[test]
    fn short_forms() {
        let text = |value: Value| yaml::write(&Part::object([("A", of(value))]));
        assert_eq!(text(reference("Vpc")), "A: !Ref Vpc\n");
        assert_eq!(text(get("Vpc", "CidrBlock")), "A: !GetAtt Vpc.CidrBlock\n");
        assert_eq!(text(sub("${A}-b")), "A: !Sub \"${A}-b\"\n");
        assert_eq!(text(json!({ "Fn::Base64": sub("b") })), "A:\n  Fn::Base64: !Sub b\n");
        assert_eq!(
            text(json!({ "Fn::Select": [0, { "Fn::GetAZs": "" }] })),
            "A: !Select\n  - 0\n  - !GetAZs \"\"\n"
        );
        assert_eq!(text(json!({ "#B": "Why.", "B": 1, "C": 2 })), "A:\n  # Why.\n  B: 1\n  C: 2\n");
    }
}
