//! What viewers are told beside the page: CORS, security headers, compression.

use http::HeaderName;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::Found;
use super::facts::{BehaviorKind, Subject, View};
use crate::distribution::{AllowedMethods, OriginHeader, ResponseHeadersPolicy};

fn sets<'a>(
    policy: &'a ResponseHeadersPolicy,
    name: &HeaderName,
) -> Option<&'a crate::distribution::SetHeader> {
    policy.set.iter().find(|header| header.name == *name)
}

/// Browsers refuse the pair.
pub(super) fn credentials_for_all(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cors = view.behavior.response_headers.as_ref()?.cors.as_ref()?;
    let star = cors.allow_credentials && cors.allows_any_origin();
    star.then(|| {
        Found::new(
            &view.place.at("ResponseHeadersPolicyId"),
            "Access-Control-Allow-Origin: * with credentials",
            "browsers refuse it: no script gets an answer to a request with cookies",
        )
    })
}

/// Preflights are OPTIONS.
pub(super) fn preflight_refused(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cors = view.behavior.response_headers.as_ref()?.cors.as_ref()?;
    let simple = ["GET", "HEAD", "POST"];
    let needs = !cors.allow_headers.is_empty()
        || cors.allow_methods.iter().any(|method| !simple.contains(&method.as_str()));
    (needs && view.behavior.allowed_methods == AllowedMethods::GetHead && cors.max_age.is_some()).then(|| {
        Found::new(
            &view.place.at("AllowedMethods"),
            "no OPTIONS",
            "the policy answers preflights, and CloudFront refuses them with 403",
        )
    })
}

/// Nothing tells browsers to stay with HTTPS.
pub(super) fn no_hsts(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let without = view.kind == BehaviorKind::Default && view.behavior.response_headers.is_none();
    without.then(|| {
        Found::new(
            &view.place.at("ResponseHeadersPolicyId"),
            "none",
            "unless the origin says Strict-Transport-Security itself, the first request of each visit can be read and changed",
        )
    })
}

/// A policy about security that lacks what every one has.
pub(super) fn security_headers_incomplete(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let policy = view.behavior.response_headers.as_ref()?;
    let about = [
        CONTENT_SECURITY_POLICY,
        REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    ];
    let some = about.iter().any(|name| sets(policy, name).is_some());
    let needed = [
        ("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY),
        ("X-Content-Type-Options", X_CONTENT_TYPE_OPTIONS),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, name)| sets(policy, name).is_none()).map(|(text, _)| *text).collect();
    (some && !missing.is_empty()).then(|| {
        Found::new(
            &view.place.at("ResponseHeadersPolicyId"),
            format!("{} without {}", policy.name, missing.join(" and ")),
            "the policy sets security headers and leaves these out",
        )
    })
}

/// Half a year, in seconds: what lists of sites ask for at least.
const HSTS_SECONDS_MIN: u64 = 15_552_000;

/// Forgotten before the next visit.
pub(super) fn short_hsts(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let policy = view.behavior.response_headers.as_ref()?;
    let value = sets(policy, &STRICT_TRANSPORT_SECURITY)?.value.to_str().ok()?;
    let age = value.split(';').find_map(|part| part.trim().strip_prefix("max-age="))?;
    let seconds: u64 = age.trim().parse().ok()?;
    (seconds < HSTS_SECONDS_MIN).then(|| {
        Found::new(
            &view.place.at("ResponseHeadersPolicyId"),
            value,
            "browsers forget it before the next visit, and the first request is plain again",
        )
    })
}

/// Browsers and caches behind us keep what is personal.
pub(super) fn cache_control_forced(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let policy = view.behavior.response_headers.as_ref()?;
    let header = sets(policy, &CACHE_CONTROL).filter(|header| header.origin == OriginHeader::Overridden)?;
    let value = header.value.to_str().ok()?;
    let lower = value.to_ascii_lowercase();
    let keeps = !["no-store", "private", "no-cache", "max-age=0"].iter().any(|word| lower.contains(word));
    let personal = !view.behavior.key.cookies.is_none() || !view.behavior.forward.cookies.is_none();
    (keeps && personal && !view.is_static()).then(|| {
        Found::new(
            &view.place.at("ResponseHeadersPolicyId"),
            format!("Cache-Control: {value}"),
            "it replaces what the origin said of personal pages: browsers and proxies keep them. The edge's own TTL is not changed by it",
        )
    })
}

/// The switch is on and the key has no codings.
pub(super) fn compress_without_codings(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let key = &view.behavior.key;
    (view.behavior.compress && !key.gzip && !key.brotli && view.can_store()).then(|| {
        Found::new(
            &view.place.at("Compress"),
            "true",
            "the cache policy has neither EnableAcceptEncodingGzip nor Brotli: nothing is compressed",
        )
    })
}

/// The key has codings and the switch is off.
pub(super) fn codings_without_compress(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let key = &view.behavior.key;
    let media = ["jp", "png", "gif", "webp", "avif", "mp4", "webm", "woff", "zip", "video", "image"];
    (!view.behavior.compress && (key.gzip || key.brotli) && view.can_store() && !view.mentions(&media)).then(|| {
        Found::new(
            &view.place.at("Compress"),
            "false",
            "CloudFront compresses nothing, unless the origin does; the key has three copies for it all the same",
        )
    })
}

/// A fifth of the bytes is given away.
pub(super) fn no_brotli(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let key = &view.behavior.key;
    (view.behavior.compress && key.gzip && !key.brotli && !view.is_legacy() && !view.has_managed_key()).then(
        || {
            Found::new(
                &view.key_place(),
                "EnableAcceptEncodingBrotli false",
                "text is smaller in Brotli, and every browser takes it over HTTPS",
            )
        },
    )
}
