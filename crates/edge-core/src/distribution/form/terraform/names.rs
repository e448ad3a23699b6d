//! Terraform's names and blocks into the API's.
//!
//! A name in snake case is the API's in camel case but for the rows of a table. A block is an array of objects, also
//! where there can be one only; which may be several is another table.

use super::super::shape::COUNTED;
use super::super::tree::{Kind, Tree};

/// Terraform's name, the API's, where it is not just written otherwise.
const NAMES: &[(&str, &str)] = &[
    ("acm_certificate_arn", "ACMCertificateArn"),
    ("cloudfront_default_certificate", "CloudFrontDefaultCertificate"),
    ("custom_error_response", "CustomErrorResponses"),
    ("custom_header", "CustomHeaders"),
    ("default_ttl", "DefaultTTL"),
    ("error_caching_min_ttl", "ErrorCachingMinTTL"),
    ("function_arn", "FunctionARN"),
    ("function_association", "FunctionAssociations"),
    ("http_port", "HTTPPort"),
    ("https_port", "HTTPSPort"),
    ("iam_certificate_id", "IAMCertificateId"),
    ("is_ipv6_enabled", "IsIPV6Enabled"),
    ("lambda_arn", "LambdaFunctionARN"),
    ("lambda_function_association", "LambdaFunctionAssociations"),
    ("logging_config", "Logging"),
    ("max_ttl", "MaxTTL"),
    ("member", "Members"),
    ("min_ttl", "MinTTL"),
    ("ordered_cache_behavior", "CacheBehaviors"),
    ("origin", "Origins"),
    ("origin_group", "OriginGroups"),
    ("ssl_support_method", "SSLSupportMethod"),
    ("web_acl_id", "WebACLId"),
    ("xss_protection", "XSSProtection"),
];

/// Names that mean something else inside the block before them.
const INSIDE: &[(&str, &str, &str)] = &[
    ("custom_header", "name", "HeaderName"),
    ("custom_header", "value", "HeaderValue"),
    ("origin", "origin_id", "Id"),
    ("origin_group", "origin_id", "Id"),
];

/// Blocks that may be there several times.
const SEVERAL: &[&str] = &[
    "custom_error_response",
    "custom_header",
    "function_association",
    "items",
    "lambda_function_association",
    "member",
    "ordered_cache_behavior",
    "origin",
    "origin_group",
    "parameter_definition",
];

/// Fields whose empty text says something; elsewhere Terraform writes `""` for what is not set.
const EMPTY_IS_MEANT: &[&str] = &["bucket", "code", "comment", "origin_access_identity", "prefix", "value"];

/// The API's name of the field `name` in a block called `block`.
pub(super) fn api_name(block: &str, name: &str) -> String {
    if let Some((.., api)) = INSIDE.iter().find(|(outer, inner, _)| *outer == block && *inner == name) {
        return (*api).to_owned();
    }
    if let Some((_, api)) = NAMES.iter().find(|(terraform, _)| *terraform == name) {
        return (*api).to_owned();
    }
    let mut api = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut chars = word.chars();
        api.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        api.push_str(chars.as_str());
    }
    api
}

/// A block with the API's names; what is not set is not there.
pub(super) fn renamed(block: &str, tree: Tree) -> Tree {
    let place = tree.place;
    let kind = match tree.kind {
        Kind::Object(fields) => {
            let fields = fields.into_iter().filter_map(|(name, value)| {
                let value = unblocked(&name, value)?;
                Some((api_name(block, &name), renamed(&name, value)))
            });
            Kind::Object(fields.collect())
        }
        Kind::List(items) => Kind::List(items.into_iter().map(|item| renamed(block, item)).collect()),
        kind => kind,
    };
    Tree { kind, place }
}

/// The one object of a block there is one of; nothing where nothing is set.
fn unblocked(name: &str, value: Tree) -> Option<Tree> {
    match value.kind {
        Kind::Null => None,
        Kind::Text(text) if text.is_empty() && !EMPTY_IS_MEANT.contains(&name) => None,
        Kind::List(items) => {
            let is_block = items.iter().any(|item| matches!(item.kind, Kind::Object(_)));
            if is_block && !SEVERAL.contains(&name) {
                return items.into_iter().next();
            }
            let api = api_name("", name);
            let is_list = is_block
                || !items.is_empty()
                || COUNTED.iter().any(|(list, _)| *list == api)
                || name == "items";
            is_list.then_some(Tree { kind: Kind::List(items), place: value.place })
        }
        kind => Some(Tree { kind, place: value.place }),
    }
}

/// The other way round, for the end of a place.
pub(super) fn spelled(rest: &str) -> String {
    rest.split('.').map(|name| terraform_name("", name)).collect::<Vec<_>>().join(".")
}

/// Terraform's name of the API's field `api` in a block called `block`: [`api_name`] the other way round.
pub(crate) fn terraform_name(block: &str, api: &str) -> String {
    if let Some((_, inner, _)) = INSIDE.iter().find(|(outer, _, name)| *outer == block && *name == api) {
        return (*inner).to_owned();
    }
    if let Some((terraform, _)) = NAMES.iter().find(|(_, name)| *name == api) {
        return (*terraform).to_owned();
    }
    let mut snake = String::new();
    for (at, c) in api.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Whether there may be several blocks of this name.
pub(crate) fn repeats(name: &str) -> bool {
    SEVERAL.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::tree::Place;
    use super::*;

    #[test]
    fn names_and_blocks() {
        let terraform = json!({
            "enabled": true, "web_acl_id": "", "comment": "", "aliases": [], "logging_config": [], "http_version": null,
            "origin": [{"origin_id": "a", "custom_header": [{"name": "x-a", "value": ""}],
                        "custom_origin_config": [{"http_port": 80, "origin_ssl_protocols": ["TLSv1.2"]}]}],
            "default_cache_behavior": [{"min_ttl": 0, "viewer_protocol_policy": "allow-all"}],
        });
        let api = json!({
            "Enabled": true, "Comment": "", "Aliases": [],
            "Origins": [{"Id": "a", "CustomHeaders": [{"HeaderName": "x-a", "HeaderValue": ""}],
                         "CustomOriginConfig": {"HTTPPort": 80, "OriginSslProtocols": ["TLSv1.2"]}}],
            "DefaultCacheBehavior": {"MinTTL": 0, "ViewerProtocolPolicy": "allow-all"},
        });
        assert_eq!(renamed("", Tree::of(terraform, Place::top(""))).value(), api);
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(spelled(".DefaultCacheBehavior.MinTTL"), ".default_cache_behavior.min_ttl");
        for (block, name) in
            NAMES.iter().map(|(name, _)| ("", *name)).chain(INSIDE.iter().map(|row| (row.0, row.1)))
        {
            assert_eq!(terraform_name(block, &api_name(block, name)), name, "{block}");
        }
    }
}
