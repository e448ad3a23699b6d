//! What a plan or a state says: its resources, and the configuration they come from.

use serde_json::Value;

/// Modules in each other.
const DEPTH_MAX: usize = 32;

/// A resource or data source with its values.
pub(super) struct Resource<'a> {
    /// `module.cdn.aws_cloudfront_distribution.site[0]`.
    pub(super) address: &'a str,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    is_data: bool,
    /// `module.cdn`; empty for the root.
    pub(super) module: &'a str,
    pub(super) values: &'a Value,
    /// What is not known before it is applied; null where everything is.
    pub(super) after_unknown: &'a Value,
}

/// A plan or a state.
pub(super) struct Plan<'a> {
    document: &'a Value,
    resources: Vec<Resource<'a>>,
}

impl<'a> Plan<'a> {
    pub(super) fn read(document: &'a Value) -> Self {
        let mut plan = Self { document, resources: Vec::new() };
        for root in ["/planned_values/root_module", "/values/root_module", "/prior_state/values/root_module"]
        {
            if let Some(module) = document.pointer(root) {
                // What was there before counts only for what is read, not planned.
                plan.module(module, root.starts_with("/prior_state"), 0);
            }
        }
        plan
    }

    fn module(&mut self, module: &'a Value, only_data: bool, depth: usize) {
        let text = |value: &'a Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        for resource in list(module, "resources") {
            let (address, is_data) = (text(resource, "address"), text(resource, "mode") == "data");
            if !only_data || is_data {
                self.resources.push(Resource {
                    address,
                    kind: text(resource, "type"),
                    name: text(resource, "name"),
                    is_data,
                    module: text(module, "address"),
                    values: resource.get("values").unwrap_or(&Value::Null),
                    after_unknown: self.after_unknown(address),
                });
            }
        }
        for child in list(module, "child_modules").iter().filter(|_| depth < DEPTH_MAX) {
            self.module(child, only_data, depth + 1);
        }
    }

    fn after_unknown(&self, address: &str) -> &'a Value {
        let changes = list(self.document, "resource_changes");
        let change =
            changes.iter().find(|change| change.get("address").and_then(Value::as_str) == Some(address));
        change.and_then(|change| change.pointer("/change/after_unknown")).unwrap_or(&Value::Null)
    }

    /// The resources of a type that the plan manages.
    pub(super) fn managed<'p>(&'p self, kind: &'p str) -> impl Iterator<Item = &'p Resource<'a>> {
        self.resources.iter().filter(move |resource| resource.kind == kind && !resource.is_data)
    }

    /// The instance a reference means: `aws_s3_bucket.media[0]`, seen from a module. Without an index the only one.
    pub(super) fn named(&self, module: &str, reference: &str) -> Option<&Resource<'a>> {
        let (is_data, path) = match reference.strip_prefix("data.") {
            Some(path) => (true, path),
            None => (false, reference),
        };
        let (kind, name) = path.split_once('.')?;
        let name = name.split(['.', '[']).next()?;
        let fits = |resource: &&Resource<'a>| {
            resource.module == module
                && resource.kind == kind
                && resource.name == name
                && resource.is_data == is_data
        };
        let mut instances = self.resources.iter().filter(fits);
        let index = path.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        match index {
            Some((index, _)) => {
                let end = format!("[{index}]");
                instances.find(|resource| resource.address.ends_with(&end))
            }
            None => instances.next().filter(|_| instances.next().is_none()),
        }
    }

    /// The configuration of a module; names of modules have no index there.
    pub(super) fn configuration(&self, module: &str) -> Option<&'a Value> {
        let mut found = self.document.pointer("/configuration/root_module")?;
        for name in module_names(module) {
            found = found.get("module_calls")?.get(name)?.get("module")?;
        }
        Some(found)
    }

    /// The expressions a resource's values come from.
    pub(super) fn expressions(&self, resource: &Resource<'_>) -> Option<&'a Value> {
        let path =
            format!("{}{}.{}", if resource.is_data { "data." } else { "" }, resource.kind, resource.name);
        let resources = list(self.configuration(resource.module)?, "resources");
        let found =
            resources.iter().find(|found| found.get("address").and_then(Value::as_str) == Some(&path));
        found?.get("expressions")
    }

    /// The value of a variable of the root module.
    pub(super) fn variable(&self, name: &str) -> Option<&'a Value> {
        self.document.get("variables")?.get(name)?.get("value")
    }
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `a` and `b` of `module.a["x.y"].module.b[0]`.
pub(super) fn module_names(module: &str) -> Vec<&str> {
    let (mut names, mut rest) = (Vec::new(), module);
    while let Some(after) = rest.strip_prefix("module.") {
        let end = after.find(['.', '[']).unwrap_or(after.len());
        names.push(&after[..end]);
        rest = &after[end..];
        if rest.starts_with('[') {
            rest = rest.split_once(']').map_or("", |(_, rest)| rest);
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    names
}

/// What a resource is called in the bundle.
pub(super) fn id_of<'a>(resource: &Resource<'a>) -> &'a str {
    resource.values.get("id").and_then(Value::as_str).unwrap_or(resource.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_names_without_indices() {
        assert_eq!(module_names("module.a[\"x.y\"].module.b[0].module.c"), ["a", "b", "c"]);
        assert!(module_names("").is_empty());
    }
}
