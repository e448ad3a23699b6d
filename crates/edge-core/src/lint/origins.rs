//! Origins: what they are by their names, how they are reached, how long they are waited for.

use super::Found;
use super::facts::{OriginView, Service, Subject, View, service};
use super::place::Place;
use crate::distribution::{Alias, Origin, OriginKind, OriginProtocol, Target};

/// WordPress redirects every other name to its own.
pub(super) fn host_not_forwarded(subject: &Subject<'_>) -> Vec<Found> {
    if !subject.is_wordpress() {
        return Vec::new();
    }
    let own = |view: &View<'_>| {
        view.origins.iter().all(|origin| {
            !matches!(service(origin), Service::Other | Service::LoadBalancer | Service::Local)
                || subject.distribution.aliases.iter().any(|alias| alias.to_string() == origin.domain_name)
        })
    };
    // Some sites are told their name by a header the origin always gets.
    let told = |view: &View<'_>| {
        let by_header = |origin: &&Origin| {
            origin.custom_headers.iter().any(|(name, _)| name.as_str() == "x-forwarded-host")
        };
        view.origins.iter().all(by_header)
    };
    let hidden = |view: &View<'_>| !view.forwards_host() && !own(view) && !told(view);
    let found = subject.serving_any(&["/a-page/", "/wp-login.php", "/wp-admin/index.php"], hidden);
    let said = |(view, paths): (&View<'_>, Vec<&str>)| {
        let name = view.origins.first().map_or("", |origin| origin.domain_name.as_str());
        Found::new(
            &view.forward_place(),
            "Host is not forwarded",
            format!("WordPress sees the host {name} and redirects {} to it", paths.join(", ")),
        )
        .of(view)
        .note_where(view.opaque_function())
    };
    found.into_iter().map(said).collect()
}

/// AWS finds a bucket, an API or a function by Host: a viewer's is nobody's.
pub(super) fn host_to_aws_endpoint(view: &View<'_>, subject: &Subject<'_>) -> Option<Found> {
    let by_host = |origin: &&&Origin| match service(origin) {
        Service::Bucket | Service::ApiGateway | Service::LambdaUrl => true,
        // A web site's bucket may be called as the viewers' host is.
        Service::Website => {
            let bucket = origin.domain_name.split(".s3-website").next().unwrap_or_default();
            !subject.distribution.aliases.iter().any(|alias| alias.to_string() == bucket)
        }
        _ => false,
    };
    let origin = view.origins.iter().find(by_host).filter(|_| view.forwards_host())?;
    Some(Found::new(
        &view.forward_place(),
        "Host",
        format!("{} is found by its Host: with the viewer's it answers 403 or 404", origin.domain_name),
    ))
}

/// Plain HTTP across the internet.
pub(super) fn plain_http(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let OriginKind::Custom { protocol: OriginProtocol::HttpOnly, .. } = view.origin.kind else { return None };
    let public = !matches!(view.service(), Service::Website | Service::Local);
    public.then(|| {
        Found::new(
            &view.custom().at("OriginProtocolPolicy"),
            "http-only",
            format!(
                "requests for {}, passwords among them, cross the internet unencrypted",
                view.origin.domain_name
            ),
        )
    })
}

/// `match-viewer` sends plain requests on plainly.
pub(super) fn match_viewer(view: &OriginView<'_>, subject: &Subject<'_>) -> Option<Found> {
    let OriginKind::Custom { protocol: OriginProtocol::MatchViewer, .. } = view.origin.kind else {
        return None;
    };
    let reached = subject.behaviors.iter().any(|behavior| {
        behavior.place.at("ViewerProtocolPolicy").text() == Some("allow-all")
            && behavior.origins.iter().any(|origin| origin.id == view.origin.id)
    });
    (reached && view.custom().is_present() && view.service() == Service::Other).then(|| {
        Found::new(
            &view.custom().at("OriginProtocolPolicy"),
            "match-viewer",
            "one stored copy serves both schemes: what was fetched over plain HTTP is served over HTTPS",
        )
    })
}

/// Protocols that are broken.
pub(super) fn old_tls(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let list = view.custom().at("OriginSslProtocols");
    let old: Vec<&str> =
        list.items().iter().filter_map(Place::text).filter(|word| *word != "TLSv1.2").collect();
    let spoken = !matches!(view.origin.kind, OriginKind::Custom { protocol: OriginProtocol::HttpOnly, .. });
    (spoken && !old.is_empty()).then(|| {
        Found::new(
            &list,
            old.join(", "),
            "the origin may be spoken to in a protocol that is known to be broken",
        )
    })
}

/// The older way to keep a bucket private.
pub(super) fn access_identity(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let place = view.place.at("S3OriginConfig").at("OriginAccessIdentity");
    let text = place.text()?;
    Some(Found::new(
        &place,
        text,
        "an origin access identity neither reads KMS-encrypted objects nor takes uploads",
    ))
}

/// A bucket that must be public to be read.
pub(super) fn open_bucket(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let signed = view.place.at("OriginAccessControlId").text().is_some()
        || view.place.at("S3OriginConfig").at("OriginAccessIdentity").text().is_some();
    (view.service() == Service::Bucket && !signed).then(|| {
        Found::new(
            &view.place.at("OriginAccessControlId"),
            "none",
            format!(
                "requests to {} are not signed: it answers only if everybody may read it",
                view.origin.domain_name
            ),
        )
    })
}

/// Web site endpoints check no signatures.
pub(super) fn website_with_access_control(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let place = view.place.at("OriginAccessControlId");
    let id = place.text().filter(|_| view.service() == Service::Website)?;
    Some(Found::new(
        &place,
        id,
        "a web site endpoint of S3 knows no signatures: the control protects nothing",
    ))
}

/// Web site endpoints speak plain HTTP.
pub(super) fn website_over_https(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let place = view.custom().at("OriginProtocolPolicy");
    let https = matches!(
        view.origin.kind,
        OriginKind::Custom { protocol: OriginProtocol::HttpsOnly | OriginProtocol::MatchViewer, .. }
    );
    (https && view.service() == Service::Website).then(|| {
        Found::new(
            &place,
            place.text().unwrap_or_default(),
            "a web site endpoint of S3 does not speak HTTPS: CloudFront answers 502 or 504",
        )
    })
}

/// How long people wait for a page.
const PATIENCE_SECONDS: u64 = 60;

/// Longer than anybody waits.
pub(super) fn long_read_timeout(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let seconds = view.origin.read_timeout.as_secs();
    (seconds > PATIENCE_SECONDS).then(|| {
        let holder = ["CustomOriginConfig", "S3OriginConfig", "VpcOriginConfig"]
            .map(|key| view.place.at(key))
            .into_iter()
            .find(Place::is_present);
        let place = holder.unwrap_or_else(|| view.place.clone()).at("OriginReadTimeout");
        Found::new(
            &place,
            format!("{seconds} s"),
            "viewers leave before; until then each hanging request holds a connection to an origin in trouble",
        )
    })
}

/// What a load balancer keeps an idle connection for; most web servers keep less.
const IDLE_SECONDS: u64 = 60;

/// Longer than the origin keeps its side.
pub(super) fn long_keepalive(view: &OriginView<'_>, _: &Subject<'_>) -> Option<Found> {
    let seconds = view.origin.keepalive_timeout.as_secs();
    let too_long =
        seconds > IDLE_SECONDS || seconds == IDLE_SECONDS && view.service() == Service::LoadBalancer;
    too_long.then(|| {
        Found::new(
            &view.custom().at("OriginKeepaliveTimeout"),
            format!("{seconds} s"),
            "load balancers close idle connections after 60 s: a request that meets the closing fails, and a POST is not tried again",
        )
    })
}

/// How long a failover may take, in seconds.
const FAILOVER_SECONDS: u64 = 10;

/// The viewer waits for all attempts before the secondary is asked.
pub(super) fn slow_failover(subject: &Subject<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for group in &subject.distribution.origin_groups {
        let Some(view) = subject.origins.iter().find(|view| view.index == group.primary) else { continue };
        let attempts = u64::from(view.origin.connection_attempts);
        let seconds = attempts * view.origin.connection_timeout.as_secs();
        if seconds > FAILOVER_SECONDS {
            found.push(Found::new(
                &view.place.at("ConnectionTimeout"),
                format!("{attempts} attempts of {} s", view.origin.connection_timeout.as_secs()),
                format!("while {} cannot be reached every miss waits {seconds} s before the other origin is asked", group.id),
            ));
        }
    }
    found
}

/// A connection that fails, or a timeout, counts only where its status is listed.
pub(super) fn failover_misses_outage(subject: &Subject<'_>) -> Vec<Found> {
    let items = subject.config.at("OriginGroups").items();
    let mut found = Vec::new();
    for (group, place) in subject.distribution.origin_groups.iter().zip(items) {
        let missing: Vec<&str> = [(503, "503 (no connection)"), (504, "504 (no answer in time)")]
            .into_iter()
            .filter(|(code, _)| !group.failover_statuses.iter().any(|status| status.as_u16() == *code))
            .map(|(_, text)| text)
            .collect();
        if !missing.is_empty() {
            found.push(Found::new(
                &place.at("FailoverCriteria").at("StatusCodes"),
                format!("without {}", missing.join(" and ")),
                "an origin that cannot be reached is not failed over from",
            ));
        }
    }
    found
}

/// Shield costs a fee for each request that passes it, and stores nothing here.
pub(super) fn shield_for_uncached(view: &OriginView<'_>, subject: &Subject<'_>) -> Option<Found> {
    let place = view.place.at("OriginShield").at("Enabled");
    let mut users = subject
        .behaviors
        .iter()
        .filter(|behavior| behavior.origins.iter().any(|origin| origin.id == view.origin.id));
    let all_uncached = users.all(|behavior| !behavior.can_store());
    (place.is_true() && all_uncached).then(|| {
        Found::new(
            &place,
            "true",
            "every behavior of this origin stores nothing: the shield adds a hop and a fee",
        )
    })
}

/// The distribution asks itself, or another.
pub(super) fn origin_is_cloudfront(view: &OriginView<'_>, subject: &Subject<'_>) -> Option<Found> {
    let name = view.origin.domain_name.to_ascii_lowercase();
    // A wildcard alias takes every name beside the viewers' too: DNS may well send that one elsewhere.
    let own = name == subject.distribution.domain_name
        || subject.distribution.aliases.contains(&Alias::Name(name.clone()));
    let chained = view.service() == Service::CloudFront;
    (own || chained).then(|| {
        let message = if own {
            "the distribution is its own origin unless DNS says otherwise inside AWS: requests go round until 403"
        } else {
            "two distributions in one path are the most CloudFront allows, and each caches with rules of its own"
        };
        Found::new(&view.place.at("DomainName"), view.origin.domain_name.clone(), message)
    })
}

/// Nobody goes there.
pub(super) fn unused_origin(view: &OriginView<'_>, subject: &Subject<'_>) -> Option<Found> {
    let by_behavior = subject.behaviors.iter().any(|behavior| match behavior.behavior.target {
        Target::Origin(index) => index == view.index,
        Target::Group(index) => subject
            .distribution
            .origin_groups
            .get(index)
            .is_some_and(|group| group.primary == view.index || group.secondary == view.index),
    });
    // A function may choose any origin of the distribution by its id.
    let by_function = subject.behaviors.iter().any(|behavior| {
        ["FunctionAssociations", "LambdaFunctionAssociations"]
            .iter()
            .any(|key| !behavior.place.at(key).items().is_empty())
    });
    (!by_behavior && !by_function).then(|| {
        Found::new(&view.place.at("Id"), view.origin.id.clone(), "no behavior and no group in use goes there")
    })
}
