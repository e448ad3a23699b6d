//! Where CloudFormation shapes a distribution differently from the API (§1.2.9), and what it leaves out because it is
//! filled in at deployment. Terraform does the same once its names are the API's.

use super::shape;
use super::spelling::ListShape;
use super::tree::{Kind, Tree};

/// CloudFormation's name, the API's. Each name has one meaning wherever it stands.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("AcmCertificateArn", "ACMCertificateArn"),
    ("IPV6Enabled", "IsIPV6Enabled"),
    ("IamCertificateId", "IAMCertificateId"),
    ("OriginCustomHeaders", "CustomHeaders"),
    ("OriginSSLProtocols", "OriginSslProtocols"),
    ("SslSupportMethod", "SSLSupportMethod"),
];

/// Names of earlier days: read, never written.
const OLD_NAMES: &[(&str, &str)] = &[("CNAMEs", "Aliases")];

/// Counted lists of the API that are more than their members in CloudFormation too.
pub(super) const LISTS: &[(&str, ListShape)] = &[
    ("AccessControlAllowHeaders", ListShape::Items),
    ("AccessControlAllowMethods", ListShape::Items),
    ("AccessControlAllowOrigins", ListShape::Items),
    ("AccessControlExposeHeaders", ListShape::Items),
    ("CustomHeadersConfig", ListShape::Items),
    ("Members", ListShape::Counted),
    ("OriginGroups", ListShape::Counted),
    ("RemoveHeadersConfig", ListShape::Items),
    ("StatusCodes", ListShape::Counted),
];

/// Brings a resolved `DistributionConfig` into the API's form.
pub(super) fn distribution(config: &mut Tree) {
    legacy_origins(config);
    rename(config);
    config.set_default("Comment", text(""));
    config.each("Origins", origin);
    if let Some(behavior) = config.get_mut("DefaultCacheBehavior") {
        self::behavior(behavior);
    }
    config.each("CacheBehaviors", behavior);
    if let Some(logging) = config.get_mut("Logging") {
        // Without a bucket it is the newer kind of logging, which is set elsewhere.
        let is_on = logging.get("Bucket").is_some_and(|bucket| !bucket.is_null());
        logging.set_default("Enabled", Kind::Boolean(is_on));
        logging.set_default("IncludeCookies", Kind::Boolean(false));
        logging.set_default("Bucket", text(""));
        logging.set_default("Prefix", text(""));
    }
    if let Some(geo) = config.get_mut("Restrictions").and_then(|inside| inside.get_mut("GeoRestriction")) {
        geo.rename("Locations", "Items");
    }
    shape::fit("DistributionConfig", config);
}

fn text(text: &str) -> Kind {
    Kind::Text(text.to_owned())
}

/// All names of the tables, wherever they stand.
fn rename(tree: &mut Tree) {
    match &mut tree.kind {
        Kind::List(items) => items.iter_mut().for_each(rename),
        Kind::Object(_) => {
            for (from, to) in NAMES.iter().chain(OLD_NAMES) {
                tree.rename(from, to);
            }
            if let Kind::Object(fields) = &mut tree.kind {
                fields.iter_mut().for_each(|(_, value)| rename(value));
            }
        }
        _ => {}
    }
}

/// `S3Origin` and `CustomOrigin`, from before a distribution had several. Their id is what the default behavior names.
fn legacy_origins(config: &mut Tree) {
    let target = config.get("DefaultCacheBehavior").and_then(|behavior| behavior.get("TargetOriginId"));
    let target = target.and_then(Tree::scalar);
    let mut origins: Vec<Tree> = Vec::new();
    for (key, inner) in [("S3Origin", "S3OriginConfig"), ("CustomOrigin", "CustomOriginConfig")] {
        let Some(mut settings) = config.take(key) else { continue };
        let domain = settings.take("DNSName");
        let id = target.clone().filter(|_| origins.is_empty()).unwrap_or_else(|| key.to_owned());
        let mut fields = vec![("Id".to_owned(), settings.text_here(id))];
        fields.extend(domain.map(|domain| ("DomainName".to_owned(), domain)));
        let place = settings.place.clone();
        fields.push((inner.to_owned(), settings));
        origins.push(Tree { kind: Kind::Object(fields), place });
    }
    if !origins.is_empty() && config.get("Origins").is_none() {
        let list = config.here(Kind::List(origins));
        config.set("Origins", list);
    }
}

fn origin(origin: &mut Tree) {
    if let Some(custom) = origin.get_mut("CustomOriginConfig") {
        custom.set_default("HTTPPort", Kind::Number(80.into()));
        custom.set_default("HTTPSPort", Kind::Number(443.into()));
    }
    if let Some(s3) = origin.get_mut("S3OriginConfig") {
        s3.set_default("OriginAccessIdentity", text(""));
    }
}

fn behavior(behavior: &mut Tree) {
    if let Some(mut cached) = behavior.take("CachedMethods") {
        // Alone, it is what CloudFormation takes for both.
        behavior.set_default(
            "AllowedMethods",
            Kind::List(vec![cached.text_here("GET"), cached.text_here("HEAD")]),
        );
        shape::fit("CachedMethods", &mut cached);
        if let Some(allowed) = behavior.get_mut("AllowedMethods") {
            shape::fit("AllowedMethods", allowed);
            allowed.set("CachedMethods", cached);
        }
    }
    for key in ["TrustedKeyGroups", "TrustedSigners"] {
        let Some(mut trusted) = behavior.take(key) else { continue };
        let is_on = Kind::Boolean(!trusted.items().is_empty());
        shape::fit(key, &mut trusted);
        trusted.set_default("Enabled", is_on);
        behavior.set(key, trusted);
    }
    if let Some(forwarded) = behavior.get_mut("ForwardedValues") {
        let none = forwarded.text_here("none");
        forwarded.set_default("Cookies", Kind::Object(vec![("Forward".to_owned(), none)]));
    }
}

/// CloudFormation requires what the API requires; only lists differ, which `shape` sees to.
pub(super) fn cache_policy(config: &mut Tree) {
    config.set_default("MinTTL", Kind::Number(0.into()));
}

/// `Items` are counted by `shape`; the rest is the API's.
pub(super) fn response_headers_policy(config: &mut Tree) {
    if let Some(timing) = config.get_mut("ServerTimingHeadersConfig") {
        timing.set_default("Enabled", Kind::Boolean(false));
    }
}

/// `ConnectionFunctionCode` is the bundle's `Code`.
pub(super) fn connection_function(function: &mut Tree, id: &str) {
    function.rename("ConnectionFunctionCode", "Code");
    function.take("AutoPublish"); // What is deployed is published, or no distribution can name it.
    function.take("Tags");
    function.set_default("Id", text(id));
    function.set_default("Name", text(id));
    if let Some(config) = function.get_mut("ConnectionFunctionConfig") {
        config.set_default("Comment", text(""));
    }
    shape::fit("ConnectionFunction", function);
}

/// `FunctionCode` is the bundle's `Code`.
pub(super) fn function(function: &mut Tree, id: &str) {
    function.rename("FunctionCode", "Code");
    function.take("AutoPublish"); // What is deployed is published, or no behavior can name it.
    function.take("Tags");
    function.set_default("Name", text(id));
    if let Some(config) = function.get_mut("FunctionConfig") {
        config.set_default("Comment", text(""));
    }
    shape::fit("Function", function);
}
