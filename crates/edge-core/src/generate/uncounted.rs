//! The API's settings as people write them: lists without counts, nothing that says nothing.
//!
//! CloudFormation and Terraform agree on this and differ in names. What is left out is what the API fills in the same
//! way: an empty list, an empty text, a feature that is off.

use super::part::{Field, Part};
use crate::distribution::form::spelling::{ListShape, is_counted};

/// How a form writes the counted list called `.1` inside the object called `.0`.
pub(super) type Shape = fn(&str, &str) -> ListShape;

/// Texts that mean something when they are empty.
const EMPTY_IS_MEANT: [&str; 5] = ["Comment", "HeaderValue", "OriginAccessIdentity", "Value", "EncodedKey"];

/// What a `DistributionConfig` has that only the API asks for, or prints.
const OF_THE_API: [&str; 2] = ["Certificate", "CertificateSource"];

/// The settings called `name` in a form's shapes.
pub(super) fn uncounted(name: &str, part: Part, shape: Shape) -> Part {
    match part {
        Part::Object(fields) => Part::Object(object(name, fields, shape)),
        Part::List(items) => Part::List(items.into_iter().map(|item| uncounted(name, item, shape)).collect()),
        other => other,
    }
}

fn object(outer: &str, fields: Vec<Field>, shape: Shape) -> Vec<Field> {
    let mut out = Vec::with_capacity(fields.len());
    for field in fields {
        if says_nothing(&field) {
            continue;
        }
        let Field { name, value, remark } = field;
        match name.as_str() {
            "AllowedMethods" => methods(value, remark, shape, &mut out),
            "GeoRestriction" => out.push(Field { value: geo(value, shape), name, remark }),
            "Logging" => {
                let mut value = uncounted(&name, value, shape);
                value.remove("Enabled");
                out.push(Field { name, value, remark });
            }
            "ViewerCertificate" => out.push(Field { value: certificate(value), name, remark }),
            _ => {
                let value = match value.get("Quantity") {
                    Some(_) if is_counted(&name) => list(outer, &name, value, shape),
                    _ => uncounted(&name, value, shape),
                };
                out.push(Field { name, value, remark });
            }
        }
    }
    out
}

/// A list of the API in the form's shape.
fn list(outer: &str, name: &str, counted: Part, shape: Shape) -> Part {
    let kind = if name.starts_with("Trusted") { ListShape::Plain } else { shape(outer, name) };
    match (uncounted(name, counted, shape), kind) {
        (Part::Object(mut fields), ListShape::Items) => {
            fields.retain(|field| field.name != "Quantity");
            Part::Object(fields)
        }
        (Part::Object(fields), ListShape::Plain) => {
            let items = fields.into_iter().find(|field| field.name == "Items");
            items.map_or(Part::List(Vec::new()), |items| items.value)
        }
        (other, _) => other,
    }
}

/// `CachedMethods` stand beside `AllowedMethods`, not in them.
fn methods(mut allowed: Part, remark: Option<String>, shape: Shape, out: &mut Vec<Field>) {
    let cached = allowed.get("CachedMethods").cloned();
    allowed.remove("CachedMethods");
    let value = list("", "AllowedMethods", allowed, shape);
    out.push(Field { name: "AllowedMethods".to_owned(), value, remark });
    if let Some(cached) = cached {
        out.push(Field::new("CachedMethods", list("", "CachedMethods", cached, shape)));
    }
}

/// CloudFront's own certificate leaves nothing else to choose; the API prints the rest all the same.
fn certificate(certificate: Part) -> Part {
    let default = "CloudFrontDefaultCertificate";
    let is_default = certificate.get(default) == Some(&Part::Boolean(true));
    let Part::Object(mut fields) = certificate else { return certificate };
    fields.retain(|field| !says_nothing(field) && (field.name == default) == is_default);
    Part::Object(fields)
}

fn geo(restriction: Part, shape: Shape) -> Part {
    let Part::Object(mut fields) = uncounted("GeoRestriction", restriction, shape) else {
        return Part::Object(Vec::new());
    };
    fields.retain(|field| field.name != "Quantity");
    for field in fields.iter_mut().filter(|field| field.name == "Items") {
        field.name = "Locations".to_owned();
    }
    Part::Object(fields)
}

fn says_nothing(field: &Field) -> bool {
    let off = field.value.get("Enabled") == Some(&Part::Boolean(false));
    let counts_none = matches!(field.value.get("Quantity"), Some(Part::Number(n)) if n.as_u64() == Some(0));
    match field.name.as_str() {
        "GeoRestriction" => false,
        "Logging" | "OriginShield" | "GrpcConfig" => off,
        name if OF_THE_API.contains(&name) => true,
        name if field.value.text() == Some("") => !EMPTY_IS_MEANT.contains(&name),
        _ => counts_none,
    }
}
