//! The normal form of a distribution: equal for equal meaning, whatever it was written in.
//!
//! It is a document, not the model, so that what the edge does not act on is compared all the same; only policies are
//! the model's, because there alone ids, managed policies and `ForwardedValues` have become one thing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::policies;
use crate::distribution::Loaded;
use crate::distribution::form::spelling::{exact, is_counted};

/// What AWS fills in where a field is absent. `false`, `""` and empty lists are nothing everywhere.
#[rustfmt::skip]
const DEFAULTS: &[(&str, &str)] = &[
    ("AllowedMethods", r#"["GET","HEAD"]"#),
    ("CachedMethods", r#"["GET","HEAD"]"#),
    ("ConnectionAttempts", "3"),
    ("ConnectionMode", r#""direct""#),
    ("ConnectionTimeout", "10"),
    ("ErrorCachingMinTTL", "10"),
    ("HTTPPort", "80"),
    ("HTTPSPort", "443"),
    ("HttpVersion", r#""http2""#),
    ("IpAddressType", r#""ipv4""#),
    ("OriginKeepaliveTimeout", "5"),
    ("OriginReadTimeout", "30"),
    ("PriceClass", r#""PriceClass_All""#),
    ("RestrictionType", r#""none""#),
    ("SelectionCriteria", r#""default""#),
];

/// What says nothing of what a distribution does.
const NAMES_ONLY: [&str; 4] = ["CallerReference", "Certificate", "CertificateSource", "Quantity"];

/// Of a behavior: the model has them resolved.
const POLICIES: [&str; 7] = [
    "CachePolicyId",
    "OriginRequestPolicyId",
    "ResponseHeadersPolicyId",
    "ForwardedValues",
    "MinTTL",
    "DefaultTTL",
    "MaxTTL",
];

/// Lists whose members have a name: the field it stands in.
const KEYED: &[(&str, &str)] = &[
    ("CacheBehaviors", "PathPattern"),
    ("CustomErrorResponses", "ErrorCode"),
    ("CustomHeaders", "HeaderName"),
    ("FunctionAssociations", "EventType"),
    ("LambdaFunctionAssociations", "EventType"),
    ("OriginGroups", "Id"),
    ("Origins", "Id"),
];

/// Lists whose order means something.
const ORDERED: [&str; 2] = ["CacheBehaviors", "Members"];

/// The normal form.
pub fn normal(loaded: &Loaded) -> Value {
    let document = exact(loaded.document.value());
    let inside = document.pointer("/Distribution/DistributionConfig");
    let written = inside.or_else(|| document.get("DistributionConfig")).unwrap_or(&document);
    let around = Around { document: &document, labels: labels(written) };
    let mut config = around.tidy("DistributionConfig", written);
    let model = &loaded.distribution;
    if let Some(behavior) = config.get_mut("DefaultCacheBehavior") {
        policies::put(&model.default_behavior, behavior);
    }
    let listed = written.pointer("/CacheBehaviors/Items");
    let listed = listed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (behavior, item) in model.behaviors.iter().zip(listed) {
        let pattern = item.get("PathPattern").and_then(Value::as_str).unwrap_or_default();
        if let Some(behavior_here) =
            config.pointer_mut("/CacheBehaviors").and_then(|list| list.get_mut(pattern))
        {
            policies::put(behavior, behavior_here);
        }
    }
    certificate(&mut config);
    if let (Value::Object(fields), true) = (&mut config, listed.len() > 1) {
        let order = listed.iter().filter_map(|behavior| behavior.get("PathPattern").cloned());
        fields.insert("OrderOfCacheBehaviors".to_owned(), order.collect());
    }
    config
}

/// With CloudFront's own certificate the rest of the object has no choice.
fn certificate(config: &mut Value) {
    let Value::Object(fields) = config else { return };
    let own =
        fields.get("ViewerCertificate").is_some_and(|it| it.get("CloudFrontDefaultCertificate").is_none());
    if !own {
        fields.insert("ViewerCertificate".to_owned(), json!({ "CloudFrontDefaultCertificate": true }));
    }
}

/// What people call origins and groups, instead of ids that are nobody's business: the domain name and path, where
/// that tells them apart.
fn labels(config: &Value) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let list = |name: &str| {
        config.pointer(&format!("/{name}/Items")).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for origin in list("Origins") {
        let mut label = text(&origin, "DomainName").to_ascii_lowercase() + &text(&origin, "OriginPath");
        if labels.values().any(|taken| *taken == label) {
            label = format!("{label} ({})", text(&origin, "Id"));
        }
        labels.insert(text(&origin, "Id"), label);
    }
    for group in list("OriginGroups") {
        let members = group.pointer("/Members/Items").and_then(Value::as_array).cloned().unwrap_or_default();
        let members = members.iter().map(|member| text(member, "OriginId"));
        let members: Vec<String> = members.map(|id| labels.get(&id).cloned().unwrap_or(id)).collect();
        labels.insert(text(&group, "Id"), members.join(", then "));
    }
    labels
}

/// What ids mean.
struct Around<'a> {
    document: &'a Value,
    labels: BTreeMap<String, String>,
}

impl Around<'_> {
    fn tidy(&self, name: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) => match fields.get("Items") {
                Some(items) if is_counted(name) && fields.len() <= 2 => self.list(name, items),
                _ if name == "AllowedMethods" || name.starts_with("Trusted") => {
                    self.list(name, fields.get("Items").unwrap_or(&Value::Null))
                }
                _ => self.object(name, fields),
            },
            Value::Array(_) => self.list(name, value),
            Value::String(text) => self.text(name, text),
            other => other.clone(),
        }
    }

    fn object(&self, name: &str, fields: &Map<String, Value>) -> Value {
        let mut out = Map::new();
        let off = fields.get("Enabled") == Some(&json!(false));
        if off && ["Logging", "OriginShield", "GrpcConfig"].contains(&name) {
            return Value::Null;
        }
        for (key, value) in fields {
            if NAMES_ONLY.contains(&key.as_str()) || POLICIES.contains(&key.as_str()) {
                continue;
            }
            let value = self.tidy(key, value);
            let default = DEFAULTS.iter().find(|(field, _)| field == key).map(|(_, text)| *text);
            if !says_nothing(&value) && default != Some(value.to_string().as_str()) {
                out.insert(key.clone(), value);
            }
            let cached = fields.get(key).and_then(|value| value.get("CachedMethods"));
            if let Some(cached) = cached.map(|cached| self.tidy("CachedMethods", cached))
                && cached != json!(["GET", "HEAD"])
            {
                out.insert("CachedMethods".to_owned(), cached);
            }
        }
        Value::Object(out)
    }

    fn list(&self, name: &str, items: &Value) -> Value {
        let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut tidied: Vec<Value> = items.iter().map(|item| self.tidy(name, item)).collect();
        if let Some((_, key)) = KEYED.iter().find(|(list, _)| *list == name) {
            let keyed = tidied.into_iter().map(|mut item| {
                let known_by = match &mut item {
                    Value::Object(fields) => fields.remove(*key),
                    _ => None,
                };
                let known_by = match known_by {
                    Some(Value::String(text)) => text,
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let label = if *key == "Id" { self.labels.get(&known_by).cloned() } else { None };
                (label.unwrap_or(known_by), item)
            });
            let mut keyed: Vec<(String, Value)> = keyed.collect();
            if !ORDERED.contains(&name) {
                keyed.sort_by(|a, b| a.0.cmp(&b.0));
            }
            return Value::Object(keyed.into_iter().collect());
        }
        if !ORDERED.contains(&name) {
            tidied.sort_by_key(ToString::to_string);
        }
        Value::Array(tidied)
    }

    fn text(&self, name: &str, text: &str) -> Value {
        let found = match name {
            "TargetOriginId" | "OriginId" => self.labels.get(text).map(|label| json!(label)),
            "FunctionARN" => self.function(text),
            "OriginAccessControlId" => {
                self.member("OriginAccessControls", "OriginAccessControl", "Id", text).map(|control| {
                    let mut config = control["OriginAccessControlConfig"].clone();
                    if let Value::Object(fields) = &mut config {
                        fields.retain(|key, _| !["Name", "Description"].contains(&key.as_str()));
                    }
                    config
                })
            }
            "TrustedKeyGroups" => self.member("KeyGroups", "KeyGroup", "Id", text).map(|group| {
                let ids = group["KeyGroupConfig"]["Items"].as_array().cloned().unwrap_or_default();
                let mut keys: Vec<Value> = ids.iter().filter_map(|id| self.key(id.as_str()?)).collect();
                keys.sort_by_key(ToString::to_string);
                Value::Array(keys)
            }),
            // Names have no case, and some commands print versions in capitals.
            "Aliases" | "DomainName" | "HttpVersion" => Some(json!(text.to_ascii_lowercase())),
            // Numbers of statuses are texts of the API's in one place only.
            "ResponseCode" => text.parse::<u16>().ok().map(|code| json!(code)),
            _ => None,
        };
        found.unwrap_or_else(|| json!(text))
    }

    /// What a function does: its code where there is some, the rule of ours where there is only that.
    fn function(&self, arn: &str) -> Option<Value> {
        let name = arn.split_once(":function/")?.1;
        let Some((item, function)) = self.item("Functions", "FunctionSummary", "Name", name) else {
            return Some(json!({ "Name": name }));
        };
        let code = ["FunctionCode", "Code"].iter().find_map(|field| item.get(*field)?.as_str());
        let body = match (code, item.get("Rule")) {
            (Some(code), _) => json!({ "Name": name, "FunctionCode": code.trim_end() }),
            (None, Some(rule)) => json!({ "Name": name, "Rule": rule }),
            // Its name is all there is, as where the document does not carry it.
            (None, None) => return Some(json!({ "Name": name })),
        };
        let mut out = self.tidy("FunctionConfig", function.get("FunctionConfig").unwrap_or(&Value::Null));
        if let (Value::Object(out), Value::Object(body)) = (&mut out, body) {
            out.remove("Comment");
            out.extend(body);
        }
        Some(out)
    }

    fn key(&self, id: &str) -> Option<Value> {
        let key = self.member("PublicKeys", "PublicKey", "Id", id)?;
        Some(json!(key["PublicKeyConfig"]["EncodedKey"].as_str()?.trim()))
    }

    fn member(&self, list: &str, wrapper: &str, field: &str, id: &str) -> Option<&Value> {
        self.item(list, wrapper, field, id).map(|(_, inner)| inner)
    }

    /// A member of a list of the bundle, and what is inside its wrapper.
    fn item(&self, list: &str, wrapper: &str, field: &str, id: &str) -> Option<(&Value, &Value)> {
        let items = self.document.get(list)?.as_array()?;
        items
            .iter()
            .map(|item| (item, item.get(wrapper).unwrap_or(item)))
            .find(|(_, inner)| inner.get(field).and_then(Value::as_str) == Some(id))
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
