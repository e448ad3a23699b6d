//! Where in a configuration a decision comes from, in the loader's words for places.

use http::{HeaderName, HeaderValue};

use crate::cache::freshness::{Lifetime, Limit, NotStored, Rule};
use crate::cache::key::Kind;
use crate::distribution::{Behavior, Distribution, HeaderForwarding};
use crate::origin::CLOUDFRONT_AGENT;
use crate::viewer::gate::BehaviorId;

/// The places of one behavior.
pub(super) struct Places<'a> {
    distribution: &'a Distribution,
    behavior: &'a Behavior,
    root: String,
}

impl<'a> Places<'a> {
    pub(super) fn of(distribution: &'a Distribution, id: BehaviorId) -> Self {
        let root = match id {
            BehaviorId::Default => "DefaultCacheBehavior".to_owned(),
            BehaviorId::Ordered(index) => format!("CacheBehaviors.Items[{index}]"),
        };
        Self { distribution, behavior: distribution.behavior(id), root }
    }

    /// A field of the behavior.
    pub(super) fn behavior(&self, field: &str) -> String {
        if field == "PathPattern" && self.root == "DefaultCacheBehavior" {
            return self.root.clone(); // its pattern stands nowhere
        }
        format!("{}.{field}", self.root)
    }

    fn is_legacy(&self) -> bool {
        self.behavior.names.cache == "ForwardedValues"
    }

    /// A field of the cache policy, or its legacy twin.
    fn cache(&self, field: &str, legacy: &str) -> String {
        if self.is_legacy() {
            self.behavior(legacy)
        } else {
            format!("cache policy {}: {field}", self.behavior.names.cache)
        }
    }

    /// Of a part of the key.
    pub(super) fn key(&self, kind: Kind) -> Option<String> {
        let keyed = |field: &str, legacy: &str| Some(self.cache(field, legacy));
        match kind {
            Kind::Unguarded | Kind::Distribution | Kind::Path => None,
            Kind::Method => Some(self.behavior("AllowedMethods.CachedMethods")),
            Kind::AcceptEncoding => keyed("EnableAcceptEncodingGzip and …Brotli", "Compress"),
            Kind::HeaderName | Kind::HeaderValue => keyed("HeadersConfig", "ForwardedValues.Headers"),
            Kind::Cookies => keyed("CookiesConfig", "ForwardedValues.Cookies"),
            Kind::Query => keyed("QueryStringsConfig", "ForwardedValues.QueryString"),
        }
    }

    /// Of a header that goes to the origin; `None` is CloudFront itself (§5.1).
    pub(super) fn sent(&self, name: &HeaderName, value: &HeaderValue, origin: usize) -> Option<String> {
        let configured = &self.distribution.origins.get(origin)?.custom_headers;
        if configured.iter().any(|(own, _)| own == name) {
            return Some(format!("Origins.Items[{origin}].CustomHeaders"));
        }
        if self.behavior.key.headers.contains(name) {
            return self.key(Kind::HeaderName);
        }
        match name.as_str() {
            "accept-encoding" if self.behavior.key.gzip || self.behavior.key.brotli => {
                return self.key(Kind::AcceptEncoding);
            }
            "cookie" if !self.behavior.key.cookies.is_none() => return self.key(Kind::Cookies),
            "cookie" => return self.forwarded("CookiesConfig"),
            "user-agent" if *value == CLOUDFRONT_AGENT => return None,
            _ => {}
        }
        let listed = |names: &[HeaderName]| names.contains(name);
        let policy = match &self.behavior.forward.headers {
            HeaderForwarding::Defaults => false,
            HeaderForwarding::Only(names) => listed(names),
            HeaderForwarding::AllViewer { plus } => listed(plus) || !is_ours(name),
            HeaderForwarding::AllExcept { names, plus } => listed(plus) || !is_ours(name) && !listed(names),
        };
        if policy { self.forwarded("HeadersConfig") } else { None }
    }

    fn forwarded(&self, field: &str) -> Option<String> {
        let name = self.behavior.names.origin_request.as_ref()?;
        Some(format!("origin request policy {name}: {field}"))
    }

    /// Of a lifetime.
    pub(super) fn lifetime(&self, lifetime: &Lifetime) -> Option<String> {
        let ttl = |field: &str| Some(self.cache(field, field));
        let error = || Some("CustomErrorResponses: ErrorCachingMinTTL".to_owned());
        match lifetime {
            Lifetime::Store { rule, .. } => match rule {
                Rule::Default => ttl("DefaultTTL"),
                Rule::MinimumOverrides | Rule::NoCache => ttl("MinTTL"),
                Rule::ErrorMinimum | Rule::ErrorMinimumOverrides => error(),
                Rule::Origin { limit, .. } => match limit {
                    Limit::AsSaid => None,
                    Limit::Minimum => ttl("MinTTL"),
                    Limit::Maximum => ttl("MaxTTL"),
                    Limit::ErrorMinimum => error(),
                },
            },
            Lifetime::DoNotStore { because } => match because {
                NotStored::CachingDisabled => ttl("MaxTTL"),
                NotStored::NoStore | NotStored::Private => ttl("MinTTL"),
                NotStored::ErrorMinimumZero => error(),
                _ => None,
            },
        }
    }

    /// Of a header the viewer gets; `None` is the origin or CloudFront.
    pub(super) fn shown(&self, name: &HeaderName, value: &HeaderValue) -> Option<String> {
        let policy = self.behavior.response_headers.as_ref()?;
        let set = policy.set.iter().any(|set| set.name == name && set.value == value);
        set.then(|| format!("response headers policy {}", policy.name))
    }
}

/// Fields CloudFront writes to every origin (§5.1).
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host" | "via" | "x-amz-cf-id" | "x-forwarded-for" | "connection" | "upgrade" | "te"
    )
}
