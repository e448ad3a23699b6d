//! A CloudFormation template (§1.2.9), in YAML with comments and in JSON.
//!
//! Resources name each other by `!Ref` and `!GetAtt`, so a stack makes them in the right order. What differs from one
//! account to the next, certificate and origin, is a parameter whose default is what the bundle says.

use serde_json::json;

use super::asked::{Asked, What, ask};
use super::part::{Attribute, Field, Link, Part};
use super::set::{Kind, Resource, Set};
use super::uncounted::uncounted;
use super::{File, Options, json_file, yaml};
use crate::distribution::form::spelling::{cloudformation_list, cloudformation_name};

/// `template.yaml`, and the same as `template.json`.
pub(super) fn print(set: &Set, options: &Options) -> Vec<File> {
    files(&template(set), options)
}

/// A template in both forms.
pub(super) fn files(template: &Part, options: &Options) -> Vec<File> {
    let mut text =
        format!("# Made by {}; change what it was made from, and run it again.\n", options.command);
    text.push_str(&yaml::write(template));
    let refer = |to: &str, attribute: &str| match attribute {
        "" => json!({ "Ref": to }),
        attribute => json!({ "Fn::GetAtt": [to, attribute] }),
    };
    vec![File { path: "template.yaml".to_owned(), text }, json_file("template.json", &template.json(&refer))]
}

/// A resource of a template.
pub(super) struct Member {
    /// Its logical id.
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) properties: Part,
}

/// The resources under their logical ids, and what is asked for; the distribution is the last.
pub(super) fn members(set: &Set) -> (Vec<Member>, Vec<Asked>) {
    let ids = logical_ids(set);
    let mut asked = Vec::new();
    let member = |(resource, id): (&Resource, &String)| Member {
        id: id.clone(),
        kind: resource.kind,
        properties: properties(resource, &ids, &mut asked),
    };
    let members = set.resources.iter().zip(&ids).map(member).collect();
    (members, asked)
}

/// The template.
pub(super) fn template(set: &Set) -> Part {
    let (members, asked) = members(set);
    let resource = |Member { id, kind, properties }: &Member| {
        let kind = format!("AWS::CloudFront::{}", kind.word());
        Field::new(id, Part::object([("Type", kind.as_str().into()), ("Properties", properties.clone())]))
    };
    let resources = members.iter().map(resource).collect();
    let parameters: Vec<Field> = asked.into_iter().map(parameter).collect();
    let comment = set.distribution().and_then(|resource| resource.settings.get("Comment")?.text());
    let about = comment.filter(|comment| !comment.is_empty()).unwrap_or("A CloudFront distribution");
    let mut fields = vec![
        Field::new("AWSTemplateFormatVersion", "2010-09-09".into()),
        Field::new("Description", about.into()),
    ];
    if !parameters.is_empty() {
        fields.push(Field::new("Parameters", Part::Object(parameters)));
    }
    fields.push(Field::new("Resources", Part::Object(resources)));
    fields.push(Field::new("Outputs", outputs(members.last().map_or("", |member| &member.id))));
    Part::Object(fields)
}

/// `PagesCachePolicy`; letters and digits, each once.
pub(super) fn logical_ids(set: &Set) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for resource in &set.resources {
        let mut name = String::new();
        for word in resource.short.split(|c: char| !c.is_ascii_alphanumeric()) {
            let mut chars = word.chars();
            name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
            name.push_str(chars.as_str());
        }
        // A stack is about a site: "Distribution" alone says which.
        if !name.ends_with(resource.kind.word()) {
            name.push_str(resource.kind.word());
        }
        let mut unique = name.clone();
        let mut number = 2;
        while names.contains(&unique) {
            unique = format!("{name}{number}");
            number += 1;
        }
        names.push(unique);
    }
    names
}

fn properties(resource: &Resource, names: &[String], asked: &mut Vec<Asked>) -> Part {
    let settings = resource.settings.clone().linked(&|link: Link| reference(link, names));
    let mut settings = uncounted(resource.kind.config(), settings, |_, name| cloudformation_list(name));
    if resource.kind == Kind::Distribution {
        asked.extend(ask(&mut settings, &|what| {
            Part::Reference(parameter_name(what).to_owned(), String::new())
        }));
    }
    let mut settings = renamed(settings);
    let config = resource.kind.config();
    match resource.kind {
        Kind::Function => Part::object([
            ("Name", resource.name.as_str().into()),
            // Else it is made and never runs: a behavior takes only what is published.
            ("AutoPublish", true.into()),
            ("FunctionConfig", settings),
            ("FunctionCode", resource.code.as_deref().unwrap_or_default().into()),
        ]),
        Kind::KeyValueStore => settings,
        Kind::Distribution => {
            settings.remove("CallerReference");
            Part::object([(config, settings)])
        }
        _ => Part::object([(config, settings)]),
    }
}

fn reference(link: Link, names: &[String]) -> Part {
    let name = names.get(link.member).cloned().unwrap_or_default();
    let attribute = match (link.attribute, link.kind) {
        (Attribute::Id, _) => "",
        // What `Ref` gives of a function is its ARN too, but `GetAtt` says so.
        (Attribute::Arn, Kind::Function) => "FunctionARN",
        (Attribute::Arn, _) => "Arn",
    };
    Part::Reference(name, attribute.to_owned())
}

/// The API's names as CloudFormation's; a status that is a text there is a number here.
fn renamed(part: Part) -> Part {
    match part {
        Part::List(items) => Part::List(items.into_iter().map(renamed).collect()),
        Part::Object(fields) => {
            let renamed = fields.into_iter().map(|Field { name, value, remark }| {
                let value = match (name.as_str(), value.text().and_then(|text| text.parse::<u16>().ok())) {
                    ("ResponseCode", Some(code)) => Part::Number(code.into()),
                    _ => renamed(value),
                };
                Field { name: cloudformation_name(&name).to_owned(), value, remark }
            });
            Part::Object(renamed.collect())
        }
        other => other,
    }
}

/// What a question is called in a template.
pub(super) fn parameter_name(what: What) -> &'static str {
    match what {
        What::Certificate => "CertificateArn",
        What::Origin => "OriginDomainName",
    }
}

fn parameter(Asked { what, default }: Asked) -> Field {
    let mut parameter = Part::object([("Type", "String".into()), ("Description", what.about().into())]);
    if let Some(default) = default {
        parameter.set("Default", default.as_str().into());
    }
    Field::new(parameter_name(what), parameter)
}

fn outputs(distribution: &str) -> Part {
    let output = |about: &str, attribute: &str| {
        let value = Part::Reference(distribution.to_owned(), attribute.to_owned());
        Part::object([("Description", about.into()), ("Value", value)])
    };
    Part::object([
        ("DistributionId", output("For invalidations", "")),
        ("DistributionDomainName", output("What the DNS records of the site point to", "DomainName")),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn references() {
        let names = ["PagesCachePolicy".to_owned(), "VisitorsFunction".to_owned()];
        let link = |member, kind, attribute| reference(Link { member, kind, attribute }, &names);
        assert_eq!(
            link(0, Kind::CachePolicy, Attribute::Id),
            Part::Reference("PagesCachePolicy".to_owned(), String::new())
        );
        assert_eq!(
            link(1, Kind::Function, Attribute::Arn),
            Part::Reference("VisitorsFunction".to_owned(), "FunctionARN".to_owned())
        );
        let value: Value = json!({ "ResponseCode": 200 });
        let part = Part::object([("ResponseCode", "200".into())]);
        assert_eq!(renamed(part).json(&|_, _| Value::Null), value);
    }
}
