//! A template that grows: parameters, rules, conditions, resources with their comments, outputs.

use serde_json::{Map, Value, json};

use super::super::super::part::{Field, Part};
use super::super::site::Site;
use super::super::table::{Row, Service};
use super::of;

/// A template.
pub(super) struct Template {
    description: Part,
    /// What the next resources are for.
    service: Service,
    parameters: Vec<Field>,
    rules: Vec<Field>,
    conditions: Vec<Field>,
    /// What the distribution's own template has.
    edge: Vec<Field>,
    resources: Vec<Field>,
    outputs: Vec<Field>,
}

impl Template {
    /// Begins with the distribution's template.
    pub(super) fn around(own: Part, site: &Site) -> Self {
        let section = |name: &str| own.get(name).map_or(Vec::new(), |part| part.fields().to_vec());
        let mut edge = section("Resources");
        for field in &mut edge {
            let row = field.value.get("Type").and_then(Part::text).and_then(Row::of);
            field.remark = row.map(|row| row.remark(row.service));
        }
        let about = format!("{}: CloudFront, and the WordPress site behind it", site.host());
        Self {
            description: Part::Text(about),
            service: Service::Edge,
            parameters: Vec::new(),
            rules: Vec::new(),
            conditions: Vec::new(),
            edge,
            resources: Vec::new(),
            outputs: section("Outputs"),
        }
    }

    /// A parameter: a text, unless `more` says otherwise.
    pub(super) fn parameter(&mut self, name: &str, about: &str, more: Value) {
        let mut fields =
            Map::from_iter([("Type".to_owned(), json!("String")), ("Description".to_owned(), json!(about))]);
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        self.parameters.push(Field::new(name, of(Value::Object(fields))));
    }

    pub(super) fn rule(&mut self, name: &str, rule: Value) {
        self.rules.push(Field::new(name, of(rule)));
    }

    pub(super) fn condition(&mut self, name: &str, condition: Value) {
        self.conditions.push(Field::new(name, of(condition)));
    }

    /// The next resources are for this.
    pub(super) fn serve(&mut self, service: Service) {
        self.service = service;
    }

    /// A resource.
    pub(super) fn add(&mut self, name: &str, kind: &str, properties: Value) {
        self.add_with(name, kind, json!({}), properties);
    }

    /// A resource with more than properties: what it waits for, what becomes of it in the end.
    pub(super) fn add_with(&mut self, name: &str, kind: &str, attributes: Value, properties: Value) {
        let mut fields = vec![Field::new("Type", kind.into())];
        if let Part::Object(attributes) = of(attributes) {
            fields.extend(attributes);
        }
        fields.push(Field::new("Properties", of(properties)));
        let remark = Row::of(kind).map(|row| row.remark(self.service));
        self.resources.push(Field { name: name.to_owned(), value: Part::Object(fields), remark });
    }

    pub(super) fn output(&mut self, name: &str, about: &str, value: Value) {
        let output = json!({ "Description": about, "Value": value });
        self.outputs.push(Field::new(name, of(output)));
    }

    /// The `DistributionConfig`.
    pub(super) fn distribution(&mut self) -> Option<&mut Part> {
        self.edge.last_mut()?.value.get_mut("Properties")?.get_mut("DistributionConfig")
    }

    /// Puts what is meant where something stands for it.
    pub(super) fn replace(&mut self, stands: &[(&str, Part)]) {
        for field in &mut self.edge {
            replace(&mut field.value, stands);
        }
    }

    pub(super) fn finish(mut self) -> Part {
        let mut fields = vec![
            Field::new("AWSTemplateFormatVersion", "2010-09-09".into()),
            Field::new("Description", self.description),
        ];
        self.resources.append(&mut self.edge);
        for (name, section) in [
            ("Parameters", self.parameters),
            ("Rules", self.rules),
            ("Conditions", self.conditions),
            ("Resources", self.resources),
            ("Outputs", self.outputs),
        ] {
            if !section.is_empty() {
                fields.push(Field::new(name, Part::Object(section)));
            }
        }
        Part::Object(fields)
    }
}

fn replace(part: &mut Part, stands: &[(&str, Part)]) {
    match part {
        Part::Text(text) => {
            if let Some((_, meant)) = stands.iter().find(|(stand, _)| stand == text) {
                *part = meant.clone();
            }
        }
        Part::List(items) => items.iter_mut().for_each(|item| replace(item, stands)),
        Part::Object(fields) => fields.iter_mut().for_each(|field| replace(&mut field.value, stands)),
        Part::Call(_, argument) => replace(argument, stands),
        Part::Boolean(_) | Part::Number(_) | Part::Link(_) | Part::Reference(..) => {}
    }
}
