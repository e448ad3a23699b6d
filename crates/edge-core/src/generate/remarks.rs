//! Why a setting is what it is: one line for people, beside it in the printed file.
//!
//! Each remark is a fact about CloudFront, not about the site. It stands where the fact first bites, once a file.

use super::part::Part;
use super::set::Kind;
use crate::distribution::policy::{
    managed_cache_policy, managed_origin_request_policy, managed_response_headers_policy,
};

/// A remark, and how often it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// Where it first applies: the same holds for all further ones.
    Once(String),
    /// Wherever it applies.
    Always(String),
}

/// The remark about a field of the API, if there is one.
pub(super) fn about(of: Kind, field: &str, value: &Part) -> Option<Remark> {
    let zero = matches!(value, Part::Number(number) if number.as_u64() == Some(0));
    let fixed = match (of, field) {
        (Kind::CachePolicy, "MinTTL") if zero => {
            "more than 0 would keep private and no-store answers for all"
        }
        (Kind::CachePolicy, "DefaultTTL") => {
            "where the origin says nothing; its own Cache-Control goes first"
        }
        (Kind::CachePolicy, "MaxTTL") => {
            "the most the origin can ask for, and how long a copy may stand in for it"
        }
        (Kind::CachePolicy, "ParametersInCacheKeyAndForwardedToOrigin") => {
            "the key beside the path; all of it reaches the origin too"
        }
        (Kind::OriginRequestPolicy, "HeadersConfig") => "reaches the origin, and is not in the key",
        (Kind::Distribution, "ErrorCachingMinTTL") => "how long an error outlives its cause",
        (Kind::Distribution, "ConnectionTimeout") => "for each attempt; then a copy that expired stands in",
        (Kind::Distribution, "OriginKeepaliveTimeout") => {
            "below the origin's own, or requests meet connections it has just closed"
        }
        (Kind::Distribution, "CacheBehaviors") => "the first whose pattern fits decides, in this order",
        (Kind::Distribution, "Compress") if *value == Part::Boolean(false) => {
            "nothing is compressed where nothing is kept"
        }
        (Kind::Distribution, "ACMCertificateArn") => "of us-east-1, wherever the origin is",
        (Kind::Function, "Runtime") => "2.0 alone has the whole of the language the code is written in",
        _ => return managed(field, value.text()?).map(Remark::Always),
    };
    Some(Remark::Once(fixed.to_owned()))
}

/// What a managed policy is called.
fn managed(field: &str, id: &str) -> Option<String> {
    let name = match field {
        "CachePolicyId" => managed_cache_policy(id)?.name,
        "OriginRequestPolicyId" => managed_origin_request_policy(id)?.name,
        "ResponseHeadersPolicyId" => managed_response_headers_policy(id)?.name,
        _ => return None,
    };
    Some(format!("{name}, managed by AWS"))
}

/// Whether AWS has this policy already.
pub(super) fn is_managed(id: &str) -> bool {
    ["CachePolicyId", "OriginRequestPolicyId", "ResponseHeadersPolicyId"]
        .iter()
        .any(|field| managed(field, id).is_some())
}
