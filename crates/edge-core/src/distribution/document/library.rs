//! What a bundle carries beside the distribution: the policies, functions and keys it names by id.
//!
//! Everything in it is read and checked whether a behavior names it or not. The managed policies of AWS need no
//! carrying; where a bundle carries one all the same, the built-in one holds (AWS's own break the quotas of ours).

use std::collections::HashMap;
use std::sync::Arc;

use super::super::policy::{
    CachePolicy, OriginRequestPolicy, managed_cache_policy, managed_origin_request_policy,
    managed_response_headers_policy,
};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{Deployment, ResponseHeadersPolicy, SigningBehavior};
use super::connection_function::{ConnectionFunctions, connection_functions};
use super::function::Functions;
use super::node::Node;
use super::signers::Signers;
use super::viewer::TrustStores;
use super::{deployment, policies, response_headers, viewer};

/// What ids can be resolved with.
#[derive(Default)]
pub(super) struct Library {
    cache: HashMap<String, CachePolicy>,
    origin_request: HashMap<String, OriginRequestPolicy>,
    response_headers: HashMap<String, Arc<ResponseHeadersPolicy>>,
    pub(super) functions: Functions,
    pub(super) connection_functions: ConnectionFunctions,
    access_controls: HashMap<String, Option<SigningBehavior>>,
    deployments: HashMap<String, Option<Deployment>>,
    pub(super) signers: Signers,
    pub(super) trust_stores: TrustStores,
}

impl Library {
    /// Reads the lists of a bundle; a document that has none of them gives an empty library.
    pub(super) fn read(root: &Node<'_>) -> Self {
        root.ignore(&["KeyValueStores", "CloudFrontOriginAccessIdentities"]);
        let stores = super::store::stores(root);
        Self {
            cache: by_id(root, "CachePolicies", "CachePolicy", "CachePolicyConfig", policies::cache_policy),
            origin_request: by_id(
                root,
                "OriginRequestPolicies",
                "OriginRequestPolicy",
                "OriginRequestPolicyConfig",
                policies::origin_request_policy,
            ),
            response_headers: by_id(
                root,
                "ResponseHeadersPolicies",
                "ResponseHeadersPolicy",
                "ResponseHeadersPolicyConfig",
                |config| Arc::new(response_headers::policy(config)),
            ),
            functions: Functions::read(root, &stores),
            connection_functions: connection_functions(root, &stores),
            access_controls: by_id(
                root,
                "OriginAccessControls",
                "OriginAccessControl",
                "OriginAccessControlConfig",
                access_control,
            ),
            deployments: by_id(
                root,
                "ContinuousDeploymentPolicies",
                "ContinuousDeploymentPolicy",
                "ContinuousDeploymentPolicyConfig",
                deployment::policy,
            ),
            signers: Signers::read(root),
            trust_stores: viewer::trust_stores(root),
        }
    }

    /// How requests are signed by the origin access control whose id stands in `node`. Where the document does not carry
    /// it, as it is nearly always configured.
    pub(super) fn signing(&self, node: &Node<'_>) -> Option<SigningBehavior> {
        let known = node.as_text().and_then(|id| self.access_controls.get(id));
        known.copied().unwrap_or(Some(SigningBehavior::Always))
    }

    /// Who goes to the staging distribution, by the policy whose id stands in `node`.
    pub(super) fn deployment(&self, node: &Node<'_>) -> Option<Deployment> {
        let id = node.as_text().filter(|id| !id.is_empty())?;
        let found = self.deployments.get(id);
        if found.is_none() {
            node.not_in_force_with(
                "the document does not have this policy: no request is sent to a staging distribution",
                format!("--deployment-policy FILE, with what `aws cloudfront get-continuous-deployment-policy-config --id {id}` prints"),
            );
        }
        found.cloned().flatten()
    }

    /// The policy whose id stands in `node`.
    pub(super) fn cache_policy(&self, node: &Node<'_>) -> Option<CachePolicy> {
        let id = node.as_text()?;
        let found = self.cache.get(id).cloned().or_else(|| managed_cache_policy(id));
        found.or_else(|| {
            no_such_policy(node, "NoSuchCachePolicy", "cache policy", "CachePolicies", "get-cache-policy")
        })
    }

    /// The policy whose id stands in `node`.
    pub(super) fn origin_request_policy(&self, node: &Node<'_>) -> Option<OriginRequestPolicy> {
        let id = node.as_text()?;
        let found = self.origin_request.get(id).cloned().or_else(|| managed_origin_request_policy(id));
        found.or_else(|| {
            no_such_policy(
                node,
                "NoSuchOriginRequestPolicy",
                "origin request policy",
                "OriginRequestPolicies",
                "get-origin-request-policy",
            )
        })
    }

    /// The policy whose id stands in `node`.
    pub(super) fn response_headers_policy(&self, node: &Node<'_>) -> Option<Arc<ResponseHeadersPolicy>> {
        let id = node.as_text()?;
        let managed = || managed_response_headers_policy(id).map(Arc::new);
        self.response_headers.get(id).cloned().or_else(managed).or_else(|| {
            no_such_policy(
                node,
                "NoSuchResponseHeadersPolicy",
                "response headers policy",
                "ResponseHeadersPolicies",
                "get-response-headers-policy",
            )
        })
    }
}

/// An `OriginAccessControlConfig` (§5.11).
fn access_control(config: &Node<'_>) -> Option<SigningBehavior> {
    config.ignore(&["Name", "Description"]);
    config.required_choice("SigningProtocol", &[("sigv4", ())]);
    let types = ["s3", "mediastore", "lambda", "mediapackagev2"].map(|word| (word, ()));
    config.required_choice("OriginAccessControlOriginType", &types);
    let behaviors = [
        ("always", Some(SigningBehavior::Always)),
        ("no-override", Some(SigningBehavior::NoOverride)),
        ("never", None),
        ("always-amz-auth", Some(SigningBehavior::Always)), // for Lambda URLs
    ];
    config.required_choice("SigningBehavior", &behaviors).flatten()
}

fn no_such_policy<T>(
    node: &Node<'_>,
    code: &'static str,
    what: &str,
    list: &str,
    command: &str,
) -> Option<T> {
    let id = node.as_text().unwrap_or_default();
    node.error_with(
        code,
        format!("{id:?} is neither a managed {what} nor one of this document"),
        format!("put what `aws cloudfront {command} --id {id}` prints into the bundle's \"{list}\""),
    );
    None
}

/// The members of a list of the bundle, each as `{Id, …Config}` or inside what the `get-` commands print.
pub(super) fn by_id<T>(
    root: &Node<'_>,
    list: &'static str,
    wrapper: &'static str,
    config_key: &'static str,
    read: impl Fn(&Node<'_>) -> T,
) -> HashMap<String, T> {
    let mut found = HashMap::new();
    for item in root.at(list).elements() {
        let node = unwrapped(&item, wrapper);
        node.ignore(&["LastModifiedTime"]);
        let id = node.required_text("Id");
        let config = node.required(config_key);
        if is_managed(id) {
            continue;
        }
        let value = read(&config);
        if found.insert(id.to_owned(), value).is_some() {
            node.at("Id").error(INVALID_ARGUMENT, format!("{id:?} is there twice"));
        }
    }
    found
}

fn is_managed(id: &str) -> bool {
    managed_cache_policy(id).is_some()
        || managed_origin_request_policy(id).is_some()
        || managed_response_headers_policy(id).is_some()
}

/// The object inside `wrapper`, or the item itself where there is no wrapper.
pub(super) fn unwrapped<'a>(item: &Node<'a>, wrapper: &'static str) -> Node<'a> {
    item.ignore(&["ETag", "Type"]);
    let inner = item.at(wrapper);
    if inner.is_present() { inner } else { item.clone() }
}
