//! Behaviors by their paths: which never match, which store what is private, which refuse what their page needs.
//!
//! A path's behavior is found as a request's would be. Paths of WordPress are asked about only where the document shows
//! that it is one.

use std::time::Duration;

use super::facts::{BehaviorKind, Service, Site, Subject, View, service};
use super::sharing::min_ttl_place;
use super::{Doubt, Found};
use crate::distribution::{AllowedMethods, Origin, OriginKind, Target, ViewerProtocolPolicy};

/// An earlier pattern takes everything this one could. The same pattern twice is the loader's to say.
pub(super) fn shadowed(view: &View<'_>, subject: &Subject<'_>) -> Option<Found> {
    if view.kind == BehaviorKind::Default {
        return None;
    }
    let own = view.behavior.path_pattern.anchored();
    let before = subject.behaviors.iter().take_while(|other| !std::ptr::eq(*other, view));
    let mut patterns = before.map(|other| &other.behavior.path_pattern);
    let cover =
        patterns.find(|pattern| pattern.anchored() != own && pattern.covers(&view.behavior.path_pattern))?;
    Some(Found::new(
        &view.place.at("PathPattern"),
        view.behavior.path_pattern.as_str(),
        format!("never matches: {cover} stands before it and matches all its paths"),
    ))
}

/// `*` or `/*` is what the default behavior is for.
pub(super) fn default_unreachable(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let all = view.kind == BehaviorKind::Listed && view.behavior.path_pattern.anchored() == "/*";
    all.then(|| {
        Found::new(
            &view.place.at("PathPattern"),
            view.behavior.path_pattern.as_str(),
            "takes every path: the default behavior, which must exist, is never used",
        )
    })
}

/// `/images/` is one path, not a directory.
pub(super) fn directory_without_star(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let pattern = view.behavior.path_pattern.as_str();
    let exact = view.kind == BehaviorKind::Listed && pattern.ends_with('/') && !pattern.contains('*');
    exact.then(|| {
        Found::new(&view.place.at("PathPattern"), pattern, "matches this one path, and nothing below it")
    })
}

/// Forms are posted to these.
const WRITTEN_TO: [&str; 5] = [
    "/wp-login.php",
    "/wp-admin/post.php",
    "/wp-admin/admin-ajax.php",
    "/wp-comments-post.php",
    "/wp-json/wp/v2/posts",
];

/// Whoever posts to a behavior without POST gets 403.
pub(super) fn login_not_writable(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_wordpress() {
        return Vec::new();
    }
    let refuses =
        |view: &View<'_>| view.behavior.allowed_methods != AllowedMethods::All && !view.is_towards_s3();
    let found = subject.serving_any(&WRITTEN_TO, refuses).into_iter().map(|(view, paths)| {
        Found::new(
            &view.place.at("AllowedMethods"),
            "no POST",
            format!("CloudFront answers 403 to every form sent to {}", paths.join(", ")),
        )
        .of(view)
    });
    found.collect()
}

/// What WordPress never wants stored.
const NEVER_STORED: [&str; 6] = [
    "/wp-login.php",
    "/wp-admin/index.php",
    "/wp-admin/admin-ajax.php",
    "/wp-cron.php",
    "/xmlrpc.php",
    "/wp-comments-post.php",
];

/// Log-in and dashboard are stored unless the origin forbids it.
pub(super) fn private_path_stored(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_wordpress() {
        return Vec::new();
    }
    let stores = |view: &View<'_>| view.stores_by_default() && !view.is_towards_s3();
    let found = subject.serving_any(&NEVER_STORED, stores).into_iter().map(|(view, paths)| {
        let ttl = view.behavior.ttl;
        let doubt = if ttl.min.is_zero() && view.behavior.allowed_methods == AllowedMethods::All {
            Doubt::Because("WordPress marks them no-cache, which holds while MinTTL is 0")
        } else {
            Doubt::None
        };
        Found::new(
            &view.key_place(),
            format!("MinTTL {}, DefaultTTL {}", ttl.min.as_secs(), ttl.default.as_secs()),
            format!("{} may be stored and served to others", paths.join(", ")),
        )
        .of(view)
        .note_where(doubt)
    });
    found.collect()
}

/// Endpoints of plugins and of core that lie among files.
const PHP_BELOW_FILES: [&str; 2] = ["/wp-content/plugins/shop/endpoint.php", "/wp-includes/ms-files.php"];

/// What PHP says there about caching does not count.
pub(super) fn php_below_files_stored(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_wordpress() {
        return Vec::new();
    }
    // The second of CachingOptimized keeps no answer long enough to matter.
    let forced = |view: &View<'_>| {
        view.behavior.ttl.min > Duration::from_secs(1) && view.can_store() && !view.is_towards_s3()
    };
    let found = subject.serving_any(&PHP_BELOW_FILES, forced).into_iter().map(|(view, _)| {
        let seconds = view.behavior.ttl.min.as_secs();
        Found::new(
            &min_ttl_place(view),
            format!("MinTTL {seconds}"),
            format!("what plugins' PHP answers here is kept {seconds} s for everybody, whatever it says"),
        )
        .of(view)
    });
    found.collect()
}

/// The site is behind CloudFront, and its pages are not.
pub(super) fn pages_never_stored(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_wordpress() {
        return Vec::new();
    }
    let never = |view: &View<'_>| !view.can_store() && !view.is_towards_s3();
    let found = subject.serving_any(&["/", "/a-post/"], never).into_iter().map(|(view, paths)| {
        Found::new(&view.key_place(), paths.join(", "), "every page view goes to the origin").of(view)
    });
    found.collect()
}

/// The REST interface is stored, and the key does not know who asks.
pub(super) fn rest_stored(subject: &Subject<'_>) -> Vec<Found> {
    let Some(view) = subject.serving("/wp-json/wp/v2/posts").filter(|_| subject.is_wordpress()) else {
        return Vec::new();
    };
    if !view.stores_by_default() || !view.identity_beyond_key() || view.sorts_sessions() {
        return Vec::new();
    }
    let found = Found::new(
        &view.key_place(),
        format!("DefaultTTL {}", view.behavior.ttl.default.as_secs()),
        "/wp-json answers by log-in and sends no Cache-Control: drafts and addresses may be stored for all",
    );
    vec![found.of(view).note_where(view.opaque_function())]
}

/// Words of shops and accounts, in patterns.
const PERSONAL: [&str; 8] =
    ["cart", "checkout", "basket", "my-account", "account", "login", "signin", "wishlist"];

/// A behavior made for carts or accounts stores its pages.
pub(super) fn personal_pages_stored(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let personal = view.mentions(&PERSONAL) && !view.is_static();
    (personal && view.stores_by_default() && !view.sorts_sessions() && !view.is_towards_s3()).then(|| {
        Found::new(
            &view.key_place(),
            format!("DefaultTTL {}", view.behavior.ttl.default.as_secs()),
            "a page of one visitor's cart or account is stored",
        )
        .note_where(view.opaque_function())
    })
}

/// A shop's carts, served by a behavior that stores pages.
pub(super) fn shop_pages_stored(subject: &Subject<'_>) -> Vec<Found> {
    if subject.site != Site::Shop {
        return Vec::new();
    }
    let stores = |view: &View<'_>| {
        view.stores_by_default()
            && !view.sorts_sessions()
            && !view.mentions(&PERSONAL)
            && !view.behavior.key.cookies.select(b"woocommerce_items_in_cart")
    };
    let found = subject.serving_any(&["/cart/", "/checkout/", "/my-account/"], stores);
    let said = |(view, paths): (&View<'_>, Vec<&str>)| {
        Found::new(
            &view.key_place(),
            format!("DefaultTTL {}", view.behavior.ttl.default.as_secs()),
            format!("{} are stored with all other pages, and the key has no cart", paths.join(", ")),
        )
        .of(view)
        .note_where(view.opaque_function())
    };
    found.into_iter().map(said).collect()
}

/// Endpoints that machines call, and that viewers need not.
pub(super) fn machine_endpoints_open(subject: &Subject<'_>) -> Vec<Found> {
    let guarded = subject.config.at("WebACLId").text().is_some();
    if !subject.is_wordpress() || guarded {
        return Vec::new();
    }
    let open =
        |view: &View<'_>| !view.is_towards_s3() && !view.is_signed() && view.opaque_function() == Doubt::None;
    let found = subject.serving_any(&["/wp-cron.php", "/xmlrpc.php"], open);
    let said = |(view, paths): (&View<'_>, Vec<&str>)| {
        let place =
            if view.kind == BehaviorKind::Listed { view.place.at("PathPattern") } else { view.place.clone() };
        Found::new(&place, paths.join(", "), "everybody may call it: each call runs PHP").of(view)
    };
    found.into_iter().map(said).collect()
}

/// Passwords over plain HTTP.
pub(super) fn login_over_http(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let words = ["login", "signin", "wp-admin", "admin", "account", "checkout", "auth", "password"];
    let plain = view.behavior.viewer_protocol_policy == ViewerProtocolPolicy::AllowAll;
    (plain && view.mentions(&words) && !view.is_static()).then(|| {
        Found::new(
            &view.place.at("ViewerProtocolPolicy"),
            "allow-all",
            "passwords and session cookies travel in the clear",
        )
    })
}

/// Pages over plain HTTP.
pub(super) fn allow_all(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    (view.behavior.viewer_protocol_policy == ViewerProtocolPolicy::AllowAll).then(|| {
        Found::new(
            &view.place.at("ViewerProtocolPolicy"),
            "allow-all",
            "whoever asks over plain HTTP is answered so, and anyone between can read and change it",
        )
    })
}

/// Files the origin says nothing about go to the origin each time.
pub(super) fn static_not_stored(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let asks_origin = view.behavior.names.cache.starts_with("Managed-UseOriginCacheControlHeaders");
    (view.is_static() && view.behavior.ttl.default.is_zero() && !asks_origin && !view.mentions(&[".php"]))
        .then(|| {
            Found::new(
                &view.key_place(),
                "DefaultTTL 0",
                "files that the origin says nothing about are fetched again for every viewer",
            )
        })
}

/// Writes go to the primary alone.
pub(super) fn writes_do_not_fail_over(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let group = matches!(view.behavior.target, Target::Group(_));
    (group && view.behavior.allowed_methods == AllowedMethods::All).then(|| {
        Found::new(
            &view.place.at("AllowedMethods"),
            "POST, PUT, PATCH, DELETE",
            "only GET, HEAD and OPTIONS fail over: while the primary is away every form fails",
        )
    })
}

/// An SPA's error page answers the API's errors too: they belong to the distribution.
pub(super) fn error_page_hides_errors(subject: &Subject<'_>) -> Vec<Found> {
    let interface = |view: &&View<'_>| {
        let words = ["api", "graphql", "wp-json", "rest", "oauth"];
        view.kind == BehaviorKind::Listed
            && (view.mentions(&words) && !view.is_towards_s3()
                || view
                    .origins
                    .iter()
                    .any(|origin| matches!(service(origin), Service::ApiGateway | Service::LambdaUrl)))
    };
    let Some(view) = subject.behaviors.iter().find(interface) else { return Vec::new() };
    let pattern = view.behavior.path_pattern.as_str();
    let items = subject.config.at("CustomErrorResponses").items();
    let responses = subject.distribution.error_responses.iter().zip(items);
    let hides = responses.filter(|(response, _)| {
        response.error_code.is_client_error()
            && response.page.as_ref().is_some_and(|page| page.response_code.is_success())
    });
    hides
        .map(|(response, place)| {
            Found::new(
                &place.at("ResponseCode"),
                format!("{} becomes 200", response.error_code.as_u16()),
                format!("error pages are the whole distribution's: callers of {pattern} get 200 and a page for it too"),
            )
        })
        .collect()
}

/// The page for an origin's failure lies on the origin that fails.
pub(super) fn error_page_on_failing_origin(subject: &Subject<'_>) -> Vec<Found> {
    let items = subject.config.at("CustomErrorResponses").items();
    let mut found = Vec::new();
    for (response, place) in subject.distribution.error_responses.iter().zip(items) {
        let Some(page) = response.page.as_ref().filter(|_| response.error_code.is_server_error()) else {
            continue;
        };
        let Some(view) = subject.serving(&page.path) else { continue };
        let Some(usual) = subject.serving("/") else { continue };
        let same = |origin: &&Origin| {
            matches!(origin.kind, OriginKind::Custom { .. })
                && usual.origins.iter().any(|other| other.id == origin.id)
        };
        if view.origins.iter().all(same) {
            let said = Found::new(
                &place.at("ResponsePagePath"),
                page.path.clone(),
                "the page is fetched from the origin that has just failed: viewers get CloudFront's own error",
            );
            found.push(said.of(view));
        }
    }
    found
}

/// An error page behind a signature.
pub(super) fn error_page_is_private(subject: &Subject<'_>) -> Vec<Found> {
    let items = subject.config.at("CustomErrorResponses").items();
    let mut found = Vec::new();
    for (response, place) in subject.distribution.error_responses.iter().zip(items) {
        let Some(page) = &response.page else { continue };
        let Some(view) = subject.serving(&page.path) else { continue };
        if view.is_signed() {
            let message =
                "the behavior of the page wants a signature, which a viewer who got an error may not have";
            found.push(Found::new(&place.at("ResponsePagePath"), page.path.clone(), message).of(view));
        }
    }
    found
}

/// How long an outage may outlive itself, in seconds.
const SERVER_ERROR_SECONDS_MAX: u64 = 30;
/// How long a page may be missing after it was made, in seconds.
const CLIENT_ERROR_SECONDS_MAX: u64 = 3_600;

/// Errors that outlive their cause.
pub(super) fn errors_kept_long(subject: &Subject<'_>) -> Vec<Found> {
    let items = subject.config.at("CustomErrorResponses").items();
    let responses = subject.distribution.error_responses.iter().zip(items);
    let long = responses.filter(|(response, _)| {
        let seconds = response.caching_min_ttl.as_secs();
        let maps_to_page = response.page.as_ref().is_some_and(|page| page.response_code.is_success());
        if response.error_code.is_server_error() {
            seconds > SERVER_ERROR_SECONDS_MAX
        } else {
            seconds > CLIENT_ERROR_SECONDS_MAX && !maps_to_page
        }
    });
    long.map(|(response, place)| {
        let (code, seconds) = (response.error_code.as_u16(), response.caching_min_ttl.as_secs());
        Found::new(
            &place.at("ErrorCachingMinTTL"),
            format!("{code} for {seconds} s"),
            format!("after the cause is gone viewers still get {code}, for up to {seconds} s"),
        )
    })
    .collect()
}

/// WordPress redirects `/index.php` to `/`, which is `/index.php` again.
pub(super) fn root_object_redirects(subject: &Subject<'_>) -> Vec<Found> {
    let place = subject.config.at("DefaultRootObject");
    let name = subject.distribution.default_root_object.as_deref().unwrap_or_default();
    let custom = subject.serving("/").is_some_and(|view| !view.is_towards_s3());
    if custom && name.ends_with("index.php") {
        let message = "WordPress and most frameworks redirect /index.php to /, which is asked for as /index.php again: for ever";
        return vec![Found::new(&place, name, message)];
    }
    Vec::new()
}

/// A bucket has nothing at `/`.
pub(super) fn root_object_missing(subject: &Subject<'_>) -> Vec<Found> {
    let Some(view) = subject.serving("/") else { return Vec::new() };
    let functions = ["FunctionAssociations", "LambdaFunctionAssociations"];
    let rewritten = functions.iter().any(|key| !view.place.at(key).items().is_empty());
    if subject.distribution.default_root_object.is_some()
        || !view.is_towards_s3()
        || rewritten
        || view.is_signed()
    {
        return Vec::new();
    }
    let message =
        "a bucket has no object at /: viewers of the home page get 403, or a list of the bucket's files";
    vec![Found::new(&subject.config.at("DefaultRootObject"), "empty", message)]
}

/// Forms of anonymous pages carry nonces, which live 12 to 24 hours.
const NONCE_SECONDS: u64 = 10 * 3_600;

/// Pages that outlive the nonces in them.
pub(super) fn pages_outlive_nonces(subject: &Subject<'_>) -> Vec<Found> {
    let Some(view) = subject.serving("/a-page/").filter(|_| subject.is_wordpress()) else {
        return Vec::new();
    };
    let seconds = view.behavior.ttl.default.as_secs();
    if seconds <= NONCE_SECONDS || view.is_towards_s3() {
        return Vec::new();
    }
    let message = "nonces in forms of anonymous visitors expire after 12 to 24 hours: older pages have forms that are refused";
    vec![Found::new(&view.key_place(), format!("DefaultTTL {seconds}"), message).of(view)]
}
