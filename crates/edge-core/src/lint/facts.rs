//! What the rules ask of a distribution: what is in a key, what goes to the origin, what a behavior is for.
//!
//! Facts only, each a question with one answer; what is wrong with an answer is the rules' to say.

use http::HeaderName;
use http::header::{AUTHORIZATION, HOST};
use serde_json::Value;

use super::Doubt;
use super::place::Place;
use crate::distribution::{
    Behavior, Distribution, HeaderForwarding, Name, Names, Origin, OriginKind, Target,
};

/// A distribution with its document.
pub(super) struct Subject<'a> {
    pub(super) distribution: &'a Distribution,
    /// The `DistributionConfig`.
    pub(super) config: Place<'a>,
    /// In the order they are tried, the default one last.
    pub(super) behaviors: Vec<View<'a>>,
    pub(super) origins: Vec<OriginView<'a>>,
    /// What the document shows of what stands behind it.
    pub(super) site: Site,
}

/// What kind of site it is, as far as the document shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    Unknown,
    WordPress,
    /// WordPress with WooCommerce.
    Shop,
}

/// A behavior with its place.
pub(super) struct View<'a> {
    pub(super) behavior: &'a Behavior,
    pub(super) place: Place<'a>,
    pub(super) kind: BehaviorKind,
    /// Where its misses may go: one, or the two of a group.
    pub(super) origins: Vec<&'a Origin>,
}

/// Whether a behavior has a pattern of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BehaviorKind {
    Listed,
    Default,
}

/// An origin with its place.
pub(super) struct OriginView<'a> {
    pub(super) index: usize,
    pub(super) origin: &'a Origin,
    pub(super) place: Place<'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn of(distribution: &'a Distribution, document: &'a Value) -> Self {
        let config = Place::config(document);
        let view = |(behavior, place, kind)| View {
            behavior,
            place,
            kind,
            origins: origins_of(distribution, behavior.target),
        };
        let listed = distribution.behaviors.iter().zip(config.at("CacheBehaviors").items());
        let default =
            (&distribution.default_behavior, config.at("DefaultCacheBehavior"), BehaviorKind::Default);
        let all = listed.map(|(behavior, place)| (behavior, place, BehaviorKind::Listed));
        let behaviors: Vec<View<'a>> = all.chain([default]).map(view).collect();
        let origins = distribution
            .origins
            .iter()
            .zip(config.at("Origins").items())
            .enumerate()
            .map(|(index, (origin, place))| OriginView { index, origin, place })
            .collect();
        let site = site(distribution, &config);
        Self { distribution, config, behaviors, origins, site }
    }

    /// The behavior a request for `path` goes to. `path` is normal already.
    pub(super) fn serving(&self, path: &str) -> Option<&View<'a>> {
        self.behaviors
            .iter()
            .find(|view| view.kind == BehaviorKind::Default || view.behavior.path_pattern.matches(path))
    }

    /// Of these paths, the ones whose behavior is `wanted`, by behavior.
    pub(super) fn serving_any<'s>(
        &'s self,
        paths: &[&'static str],
        wanted: impl Fn(&View<'a>) -> bool,
    ) -> Vec<(&'s View<'a>, Vec<&'static str>)> {
        let mut found: Vec<(&View<'a>, Vec<&'static str>)> = Vec::new();
        for path in paths {
            let Some(view) = self.serving(path).filter(|view| wanted(view)) else { continue };
            match found.iter_mut().find(|(known, _)| std::ptr::eq(*known, view)) {
                Some((_, paths)) => paths.push(path),
                None => found.push((view, vec![path])),
            }
        }
        found
    }

    pub(super) fn is_wordpress(&self) -> bool {
        self.site != Site::Unknown
    }
}

fn origins_of(distribution: &Distribution, target: Target) -> Vec<&Origin> {
    let origin = |index: usize| distribution.origins.get(index);
    match target {
        Target::Origin(index) => origin(index).into_iter().collect(),
        Target::Group(index) => match distribution.origin_groups.get(index) {
            Some(group) => [group.primary, group.secondary].into_iter().filter_map(origin).collect(),
            None => Vec::new(),
        },
    }
}

/// WordPress shows itself in patterns nobody else has, in its cookies' names, or in what its owner calls things.
fn site(distribution: &Distribution, config: &Place<'_>) -> Site {
    let behaviors = || distribution.behaviors.iter().chain([&distribution.default_behavior]);
    let called = |text: &str| text.to_ascii_lowercase().contains("wordpress");
    let patterns = ["wp-login", "wp-admin", "wp-json", "wp-cron", "wp-content", "wp-includes"];
    let by_pattern =
        behaviors().any(|behavior| patterns.iter().any(|mark| behavior.path_pattern.as_str().contains(mark)));
    let cookie = |mark: &str| {
        behaviors().any(|behavior| {
            let by_rule = behavior.rule().iter().any(|rule| {
                rule.session_cookies.iter().any(|name| String::from(name.clone()).contains(mark))
            });
            by_rule || listed(&behavior.key.cookies).iter().any(|name| name.contains(mark))
        })
    };
    let by_name = config.at("Comment").text().is_some_and(called)
        || distribution.origins.iter().any(|origin| called(&origin.id) || called(&origin.domain_name));
    if cookie("woocommerce") {
        Site::Shop
    } else if by_pattern || by_name || cookie("wordpress_") {
        Site::WordPress
    } else {
        Site::Unknown
    }
}

/// The names of a list, as written.
pub(super) fn listed(names: &Names) -> Vec<&str> {
    match names {
        Names::None | Names::All => Vec::new(),
        Names::Only(list) | Names::AllExcept(list) => list.iter().map(written).collect(),
    }
}

fn written(name: &Name) -> &str {
    match name {
        Name::Literal(text) => text,
        Name::Pattern(glob) => glob.as_str(),
    }
}

/// A selection for people.
pub(super) fn described(names: &Names) -> String {
    match names {
        Names::None => "none".to_owned(),
        Names::All => "all".to_owned(),
        Names::Only(_) => listed(names).join(", "),
        Names::AllExcept(_) => format!("all but {}", listed(names).join(", ")),
    }
}

/// What reaches the origin and is not in the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beyond<'a> {
    /// Nothing else than these: the origin request policy lists them, or the key leaves just them out.
    Names(Vec<&'a str>),
    /// More than can be listed.
    Selection(&'a Names),
}

impl Beyond<'_> {
    /// For people, without the names that are `harmless`; nothing where those are all.
    pub(super) fn without(&self, harmless: impl Fn(&str) -> bool) -> Option<String> {
        match self {
            Self::Names(names) => {
                let left: Vec<&str> = names.iter().copied().filter(|name| !harmless(name)).collect();
                (!left.is_empty()).then(|| left.join(", "))
            }
            Self::Selection(names) => Some(described(names)),
        }
    }
}

fn beyond<'a>(key: &'a Names, forward: &'a Names) -> Option<Beyond<'a>> {
    let names = match (key, forward) {
        (Names::All, _) | (_, Names::None) => return None,
        (_, Names::Only(_)) => {
            let in_key = listed(key);
            // A pattern is in the key where the key lists it, or a wider one.
            let is_keyed = |name: &str| match key {
                Names::Only(_) => in_key.contains(&name) || key.select(name.as_bytes()),
                _ => key.select(name.as_bytes()),
            };
            listed(forward).into_iter().filter(|name| !is_keyed(name)).collect()
        }
        (Names::AllExcept(_), Names::All | Names::AllExcept(_)) => {
            listed(key).into_iter().filter(|name| forward.select(name.as_bytes())).collect()
        }
        (Names::None | Names::Only(_), Names::All | Names::AllExcept(_)) => {
            return Some(Beyond::Selection(forward));
        }
    };
    Some(Beyond::Names(names)).filter(|beyond| *beyond != Beyond::Names(Vec::new()))
}

/// Cookies that every visitor has.
pub(super) const EVERYBODYS_COOKIES: [&str; 12] = [
    "_ga",
    "_gid",
    "_gat",
    "_fbp",
    "_gcl_au",
    "__utma",
    "_hjid",
    "_clck",
    "OptanonConsent",
    "CookieConsent",
    "ajs_anonymous_id",
    "wordpress_test_cookie",
];

/// What links in advertisements and letters carry, and no page goes by; the first four are nearly everywhere.
pub(super) const TRACKERS: [&str; 14] = [
    "utm_source",
    "utm_campaign",
    "fbclid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "msclkid",
    "ttclid",
    "twclid",
    "mc_cid",
    "mc_eid",
    "_ga",
];

/// Where files lie that are the same for everybody.
const STATIC_DIRECTORIES: [&str; 16] = [
    "/static/",
    "/assets/",
    "/images/",
    "/img/",
    "/css/",
    "/js/",
    "/fonts/",
    "/media/",
    "/dist/",
    "/build/",
    "/_next/static/",
    "/_nuxt/",
    "/wp-content/",
    "/wp-includes/",
    "/favicon.ico",
    "/robots.txt",
];

/// Endings of such files.
const STATIC_ENDINGS: [&str; 26] = [
    ".css",
    ".js",
    ".mjs",
    ".map",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".webp",
    ".avif",
    ".svg",
    ".ico",
    ".woff",
    ".woff2",
    ".ttf",
    ".eot",
    ".otf",
    ".mp4",
    ".webm",
    ".mp3",
    ".pdf",
    ".zip",
    ".gz",
    ".wasm",
    ".txt",
    ".webmanifest",
];

impl View<'_> {
    /// Whether answers are stored that say nothing about caching.
    pub(super) fn stores_by_default(&self) -> bool {
        !self.behavior.ttl.default.is_zero() || !self.behavior.ttl.min.is_zero()
    }

    /// Whether anything can be stored.
    pub(super) fn can_store(&self) -> bool {
        !self.behavior.ttl.caching_disabled()
    }

    /// Whether it has `ForwardedValues` instead of policies.
    pub(super) fn is_legacy(&self) -> bool {
        self.place.at("ForwardedValues").is_present()
    }

    /// Whether the cache policy is AWS's own: its settings were chosen as a whole.
    pub(super) fn has_managed_key(&self) -> bool {
        self.behavior.names.cache.starts_with("Managed-")
    }

    /// Where the key is said.
    pub(super) fn key_place(&self) -> Place<'_> {
        self.place.at(if self.is_legacy() { "ForwardedValues" } else { "CachePolicyId" })
    }

    /// Where it is said what else is forwarded.
    pub(super) fn forward_place(&self) -> Place<'_> {
        let policy = self.place.at("OriginRequestPolicyId");
        if policy.text().is_some() { policy } else { self.key_place() }
    }

    /// Whether the header is in the key.
    pub(super) fn keys(&self, header: &HeaderName) -> bool {
        self.behavior.key.headers.contains(header)
    }

    /// Whether the viewer's header, or CloudFront's, reaches the origin.
    pub(super) fn forwards(&self, header: &HeaderName) -> bool {
        self.keys(header)
            || match &self.behavior.forward.headers {
                HeaderForwarding::Defaults => false,
                HeaderForwarding::Only(names) => names.contains(header),
                HeaderForwarding::AllViewer { plus } => is_viewers(header) || plus.contains(header),
                HeaderForwarding::AllExcept { names, plus } => {
                    is_viewers(header) && !names.contains(header) || plus.contains(header)
                }
            }
    }

    /// Cookies that reach the origin and are not in the key, for people; those of analytics change no page.
    pub(super) fn cookies_beyond_key(&self) -> Option<String> {
        let cookies = beyond(&self.behavior.key.cookies, &self.behavior.forward.cookies)?;
        cookies.without(|name| EVERYBODYS_COOKIES.contains(&name))
    }

    /// Query string parameters that reach the origin and are not in the key, for people; trackers change no page.
    pub(super) fn query_beyond_key(&self) -> Option<String> {
        let query = beyond(&self.behavior.key.query, &self.behavior.forward.query)?;
        query.without(|name| TRACKERS.contains(&name) || name.starts_with("utm_"))
    }

    /// Whether a request's log-in, if it has one, can change the answer without changing the key.
    pub(super) fn identity_beyond_key(&self) -> bool {
        self.cookies_beyond_key().is_some() || self.forwards(&AUTHORIZATION) && !self.keys(&AUTHORIZATION)
    }

    /// Whether the viewer-request rule tells sessions from visitors, and takes from the latter what is not in the key.
    pub(super) fn sorts_sessions(&self) -> bool {
        self.behavior.rule().is_some_and(|rule| !rule.session_cookies.is_empty())
    }

    /// A function this does not understand runs before the key is made or the origin is asked, and may change all of it.
    pub(super) fn opaque_function(&self) -> Doubt {
        let is_early = |item: &Place<'_>| {
            matches!(item.at("EventType").text(), Some("viewer-request" | "origin-request"))
        };
        let lambdas = self.place.at("LambdaFunctionAssociations").items();
        let functions = self.place.at("FunctionAssociations").items();
        let unknown = self.behavior.rule().is_none() && functions.iter().any(is_early);
        if unknown || lambdas.iter().any(is_early) {
            Doubt::Because("a function of this behavior may have seen to it")
        } else {
            Doubt::None
        }
    }

    /// Whether the pattern is about files that are the same for everybody.
    pub(super) fn is_static(&self) -> bool {
        let pattern = self.behavior.path_pattern.anchored().to_ascii_lowercase();
        self.kind == BehaviorKind::Listed
            && (STATIC_DIRECTORIES.iter().any(|name| pattern.trim_start_matches("/*").starts_with(name))
                || STATIC_ENDINGS.iter().any(|ending| pattern.trim_end_matches(['*', '?']).ends_with(ending)))
    }

    /// Whether CloudFront wants a signature.
    pub(super) fn is_signed(&self) -> bool {
        ["TrustedKeyGroups", "TrustedSigners"].iter().any(|key| self.place.at(key).at("Enabled").is_true())
    }

    /// Whether the pattern names a path with this word in it.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        let pattern = self.behavior.path_pattern.as_str().to_ascii_lowercase();
        self.kind == BehaviorKind::Listed && words.iter().any(|word| pattern.contains(word))
    }

    /// Whether any of its origins is a bucket.
    pub(super) fn is_towards_s3(&self) -> bool {
        self.origins.iter().any(|origin| origin.kind == OriginKind::S3)
    }

    /// Whether the viewer's Host reaches the origin.
    pub(super) fn forwards_host(&self) -> bool {
        self.forwards(&HOST)
    }
}

/// `CloudFront-*` are not the viewer's: a policy must name them.
fn is_viewers(header: &HeaderName) -> bool {
    !header.as_str().starts_with("cloudfront-")
}

/// What an origin's name says about what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// A bucket by its REST endpoint.
    Bucket,
    /// A bucket as a web site.
    Website,
    /// API Gateway.
    ApiGateway,
    /// A Lambda function URL.
    LambdaUrl,
    /// A load balancer.
    LoadBalancer,
    /// Another distribution.
    CloudFront,
    /// A name that is not public.
    Local,
    /// Anything else.
    Other,
}

impl OriginView<'_> {
    pub(super) fn service(&self) -> Service {
        service(self.origin)
    }

    /// The config of a custom origin.
    pub(super) fn custom(&self) -> Place<'_> {
        self.place.at("CustomOriginConfig")
    }
}

/// What the origin's name says.
pub(super) fn service(origin: &Origin) -> Service {
    let name = origin.domain_name.to_ascii_lowercase();
    let aws = name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn");
    let below = |suffix: &str| name.ends_with(suffix);
    if origin.kind == OriginKind::S3 {
        Service::Bucket
    } else if aws && name.contains(".s3-website") {
        Service::Website
    } else if aws && name.contains(".execute-api.") {
        Service::ApiGateway
    } else if name.contains(".lambda-url.") && below(".on.aws") {
        Service::LambdaUrl
    } else if aws && name.contains(".elb.") {
        Service::LoadBalancer
    } else if below(".cloudfront.net") {
        Service::CloudFront
    } else if is_local(&name) {
        Service::Local
    } else {
        Service::Other
    }
}

/// Names kept for tests and private networks (RFC 6761, RFC 9476), addresses, and names of one label.
fn is_local(name: &str) -> bool {
    let endings = [".invalid", ".test", ".local", ".localhost", ".internal", ".lan", ".home.arpa"];
    !name.contains('.')
        || endings.iter().any(|ending| name.ends_with(ending))
        || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Glob;

    #[test]
    fn what_is_beyond_the_key() {
        let list = |names: &[&str]| {
            let name = |text: &&str| match text.contains('*') {
                true => Name::Pattern(Glob::new(*text)),
                false => Name::Literal((*text).to_owned()),
            };
            names.iter().map(name).collect::<Vec<Name>>()
        };
        let only = |names: &[&str]| Names::Only(list(names));
        let except = |names: &[&str]| Names::AllExcept(list(names));
        for (key, forward, expected) in [
            (Names::All, Names::All, None),
            (Names::None, Names::None, None),
            (Names::None, Names::All, Some("all")),
            (only(&["a"]), Names::All, Some("all")),
            (only(&["a"]), only(&["a"]), None),
            (only(&["a*"]), only(&["a*", "ab"]), None),
            (only(&["a*"]), only(&["b", "c"]), Some("b, c")),
            (except(&["a"]), Names::All, Some("a")),
            (except(&["a"]), except(&["a"]), None),
            (except(&["a", "b"]), except(&["a"]), Some("b")),
            (except(&["a"]), only(&["b"]), None),
            (except(&["harmless"]), Names::All, None),
        ] {
            let found = beyond(&key, &forward).and_then(|beyond| beyond.without(|name| name == "harmless"));
            assert_eq!(found.as_deref(), expected, "{key:?} {forward:?}");
        }
    }

    #[test]
    fn services_by_name() {
        let name = |domain_name: &str| Origin {
            id: String::new(),
            domain_name: domain_name.to_owned(),
            path: String::new(),
            custom_headers: Vec::new(),
            kind: OriginKind::Custom {
                http_port: 80,
                https_port: 443,
                protocol: crate::distribution::OriginProtocol::HttpsOnly,
            },
            connection_attempts: 3,
            connection_timeout: std::time::Duration::ZERO,
            read_timeout: std::time::Duration::ZERO,
            keepalive_timeout: std::time::Duration::ZERO,
            completion_timeout: None,
            signing: None,
            reach: crate::distribution::Reach::Public,
            client_certificate: None,
        };
        for (domain, expected) in [
            ("b.s3-website-us-east-1.amazonaws.com", Service::Website),
            ("b.s3-website.eu-central-1.amazonaws.com", Service::Website),
            ("a.execute-api.us-east-1.amazonaws.com", Service::ApiGateway),
            ("a.lambda-url.us-east-1.on.aws", Service::LambdaUrl),
            ("lb-1.us-east-1.elb.amazonaws.com", Service::LoadBalancer),
            ("d1.cloudfront.net", Service::CloudFront),
            ("10.0.0.1", Service::Local),
            ("web.internal", Service::Local),
            ("wordpress", Service::Local),
            ("www.example.com", Service::Other),
        ] {
            assert_eq!(service(&name(domain)), expected, "{domain}");
        }
    }
}
