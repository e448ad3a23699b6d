//! Promotion (§17.1): what a primary distribution's document is once it has the configuration of its staging distribution.
//!
//! It works on documents, for what is promoted is what was written, with every field we know nothing of. Whether the
//! outcome loads is asked of it as of any other document.

use std::fmt;

use serde_json::{Map, Value};

use super::Document;

/// What a primary distribution keeps, as `UpdateDistributionWithStagingConfig` says; beside it, what makes it a primary one.
const KEPT: [&str; 4] = ["Aliases", "ContinuousDeploymentPolicyId", "CallerReference", "Staging"];

/// What stands around a configuration, and is no list of a bundle.
const AROUND: [&str; 5] = ["Distribution", "DistributionConfig", "ETag", "Location", "VersionId"];

/// Why nothing is promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPromoted {
    /// The first of the two is a staging distribution itself.
    NotPrimary,
    /// The second is none.
    NotStaging,
}

impl fmt::Display for NotPromoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPrimary => {
                "Staging is true: this is a staging distribution, and only a primary one takes a configuration over\n  \
                 hint: give the primary distribution first"
            }
            Self::NotStaging => {
                "Staging is not true: only the configuration of a staging distribution is promoted\n  \
                 hint: `aws cloudfront copy-distribution --staging` makes one"
            }
        })
    }
}

impl std::error::Error for NotPromoted {}

impl Document {
    /// This document with the configuration of `staging` in place of its own, but for what a primary distribution keeps; its
    /// continuous deployment policy is disabled, so that all traffic is its own again. What either carries beside the
    /// configuration is there.
    pub fn promoted(&self, staging: &Self) -> Result<Value, NotPromoted> {
        let (before, after) = (self.distribution_config(), staging.distribution_config());
        if is_staging(before) {
            return Err(NotPromoted::NotPrimary);
        }
        if !is_staging(after) {
            return Err(NotPromoted::NotStaging);
        }
        let mut config = after.as_object().cloned().unwrap_or_default();
        for name in KEPT {
            match before.get(name) {
                Some(value) => drop(config.insert(name.to_owned(), value.clone())),
                None => drop(config.remove(name)),
            }
        }
        let mut out = self.0.clone();
        let brought = beside(staging);
        if let Some(place) = out.pointer_mut("/Distribution/DistributionConfig") {
            *place = Value::Object(config);
        } else if out.get("DistributionConfig").is_some() || !brought.is_empty() {
            let mut around = beside(self);
            around.insert("DistributionConfig".to_owned(), Value::Object(config));
            out = Value::Object(around);
        } else {
            out = Value::Object(config);
        }
        for (name, list) in brought {
            unite(&mut out, &name, list);
        }
        disable(&mut out, before.get("ContinuousDeploymentPolicyId"));
        Ok(out)
    }
}

fn is_staging(config: &Value) -> bool {
    config.get("Staging").and_then(Value::as_bool).unwrap_or(false)
}

/// The lists of a bundle; a configuration that stands alone has none.
fn beside(document: &Document) -> Map<String, Value> {
    let all = document.0.as_object();
    let is_bundle = AROUND[..2].iter().any(|name| document.0.get(name).is_some());
    let lists = all.into_iter().flatten().filter(|(name, _)| is_bundle && !AROUND.contains(&name.as_str()));
    lists.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Both lists in one, nothing twice; what is no list is the staging distribution's.
fn unite(out: &mut Value, name: &str, list: Value) {
    let Some(out) = out.as_object_mut() else { return };
    match (out.get_mut(name), list) {
        (Some(Value::Array(before)), Value::Array(more)) => {
            for entry in more {
                if !before.contains(&entry) {
                    before.push(entry);
                }
            }
        }
        (_, other) => drop(out.insert(name.to_owned(), other)),
    }
}

/// Promotion ends the policy: "your domain's traffic" is the primary's again.
fn disable(out: &mut Value, policy: Option<&Value>) {
    let policies = out.get_mut("ContinuousDeploymentPolicies").and_then(Value::as_array_mut);
    for entry in policies.into_iter().flatten() {
        let inside = match entry.get("ContinuousDeploymentPolicy") {
            Some(_) => entry.get_mut("ContinuousDeploymentPolicy"),
            None => Some(entry),
        };
        let Some(inside) = inside.filter(|inside| inside.get("Id") == policy) else { continue };
        if let Some(Value::Object(config)) = inside.get_mut("ContinuousDeploymentPolicyConfig") {
            config.insert("Enabled".to_owned(), Value::Bool(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::load_value;
    use super::*;

    fn config(comment: &str, staging: bool) -> Value {
        json!({
            "CallerReference": comment, "Comment": comment, "Enabled": true, "Staging": staging,
            "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": format!("{comment}.example"),
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
            "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"},
        })
    }

    fn primary() -> Value {
        let mut config = config("old", false);
        config["Aliases"] = json!({"Quantity": 1, "Items": ["www.example.com"]});
        config["ContinuousDeploymentPolicyId"] = json!("p");
        json!({"DistributionConfig": config, "ETag": "E1",
            "ContinuousDeploymentPolicies": [{"ContinuousDeploymentPolicy": {"Id": "p", "LastModifiedTime": "x",
                "ContinuousDeploymentPolicyConfig": {"Enabled": true,
                    "StagingDistributionDnsNames": {"Quantity": 1, "Items": ["d2.cloudfront.net"]},
                    "TrafficConfig": {"Type": "SingleWeight", "SingleWeightConfig": {"Weight": 0.1}}}}}]})
    }

    fn document(value: Value) -> Document {
        load_value(value).unwrap().document
    }

    /// §17.1: the configuration is the staging distribution's; names, policy and reference stay, and the policy ends.
    #[test]
    fn promotion_copies_the_configuration() {
        let promoted = document(primary()).promoted(&document(config("new", true))).unwrap();
        let kept = primary();
        let after = &promoted["DistributionConfig"];
        assert_eq!(after["Comment"], "new");
        assert_eq!(after["Origins"], config("new", true)["Origins"]);
        for name in KEPT {
            assert_eq!(after[name], kept["DistributionConfig"][name], "{name}");
        }
        let loaded = load_value(promoted).unwrap().distribution;
        assert_eq!(loaded.deployment, None, "the policy is disabled");
        assert!(loaded.answers_for("www.example.com"));
        let before = load_value(primary()).unwrap().distribution;
        assert!(before.deployment.is_some(), "it was not");
    }

    /// A bundle's lists come along, whatever form the primary has.
    #[test]
    fn what_the_staging_distribution_names_comes_along() {
        let function = json!({"Name": "f", "FunctionConfig": {"Runtime": "cloudfront-js-2.0"}, "Code": "x"});
        let staging =
            json!({"DistributionConfig": config("new", true), "ETag": "E2", "Functions": [function]});
        let staging = Document(staging);
        for primary in [
            config("old", false),
            json!({"DistributionConfig": config("old", false), "Functions": [function]}),
        ] {
            let promoted = Document(primary).promoted(&staging).unwrap();
            assert_eq!(promoted["Functions"], json!([function]));
            assert_eq!(promoted["DistributionConfig"]["Comment"], "new");
            assert_eq!(promoted["DistributionConfig"]["Staging"], false);
            assert_eq!(promoted.get("ETag"), None, "it is that of another configuration");
        }
        let whole = json!({"Distribution": {"Id": "E1", "DistributionConfig": config("old", false)}});
        let promoted = Document(whole).promoted(&staging).unwrap();
        assert_eq!(promoted["Distribution"]["Id"], "E1");
        assert_eq!(promoted["Distribution"]["DistributionConfig"]["Comment"], "new");
    }

    #[test]
    fn only_a_staging_distribution_is_promoted_and_only_to_a_primary_one() {
        let (live, staging) = (Document(config("a", false)), Document(config("b", true)));
        assert_eq!(live.promoted(&live), Err(NotPromoted::NotStaging));
        assert_eq!(staging.promoted(&staging), Err(NotPromoted::NotPrimary));
    }
}
