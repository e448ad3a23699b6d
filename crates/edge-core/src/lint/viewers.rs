//! The distribution as viewers, DNS and the bill see it: names, certificates, protocols, logs, plans.

use super::Found;
use super::facts::Subject;
use super::place::Place;
use crate::distribution::check::{Quota, quotas};
use crate::distribution::{Alias, HttpVersion};

fn certificate<'a>(subject: &Subject<'a>) -> Place<'a> {
    subject.config.at("ViewerCertificate")
}

fn own_certificate<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let place = certificate(subject);
    place.at("ACMCertificateArn").text().or_else(|| place.at("IAMCertificateId").text())
}

/// TLS 1.0 and 1.1.
pub(super) fn old_viewer_tls(subject: &Subject<'_>) -> Vec<Found> {
    let place = certificate(subject).at("MinimumProtocolVersion");
    let version = place.text().unwrap_or("TLSv1, as none is given");
    let old = !version.starts_with("TLSv1.2") && !version.starts_with("TLSv1.3");
    if own_certificate(subject).is_none() || !old {
        return Vec::new();
    }
    vec![Found::new(
        &place,
        version,
        "viewers may speak TLS 1.0 or 1.1, which browsers gave up and auditors refuse",
    )]
}

/// TLS 1.2 with ciphers of ten years ago.
pub(super) fn old_ciphers(subject: &Subject<'_>) -> Vec<Found> {
    let place = certificate(subject).at("MinimumProtocolVersion");
    let old = place.text().filter(|version| matches!(*version, "TLSv1.2_2018" | "TLSv1.2_2019"));
    let found = old.map(|version| {
        Found::new(&place, version, "it still takes CBC ciphers; TLSv1.2_2021 and later do not")
    });
    found.into_iter().collect()
}

/// A dedicated address costs, and no viewer needs it.
pub(super) fn dedicated_address(subject: &Subject<'_>) -> Vec<Found> {
    let place = certificate(subject).at("SSLSupportMethod");
    // Beside CloudFront's own certificate the API prints it too, and it means nothing.
    let vip = place.text().filter(|method| *method == "vip" && own_certificate(subject).is_some());
    let message = "dedicated addresses cost hundreds of dollars a month, for browsers without SNI that nobody has any more";
    vip.map(|method| Found::new(&place, method, message)).into_iter().collect()
}

/// CloudFront reads certificates in one region only.
pub(super) fn certificate_region(subject: &Subject<'_>) -> Vec<Found> {
    let place = certificate(subject).at("ACMCertificateArn");
    let elsewhere = place.text().filter(|arn| {
        let mut parts = arn.split(':').skip(2);
        // `arn:PARTITION:acm:REGION:…`; China's partition has rules of its own.
        parts.next() == Some("acm") && arn.starts_with("arn:aws:") && parts.next() != Some("us-east-1")
    });
    let found = elsewhere.map(|arn| {
        Found::new(
            &place,
            arn,
            "CloudFront takes certificates of ACM from us-east-1 alone: the update is refused",
        )
    });
    found.into_iter().collect()
}

fn alias_places<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = (&'s Alias, Place<'s>)> {
    subject.distribution.aliases.iter().zip(subject.config.at("Aliases").items())
}

/// A wildcard has the name already.
pub(super) fn alias_covered(subject: &Subject<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (alias, place) in alias_places(subject) {
        let Alias::Name(name) = alias else { continue };
        let wildcard = subject.distribution.aliases.iter().find(|other| match other {
            Alias::Below(suffix) => name.ends_with(suffix.as_str()),
            Alias::Name(_) => false,
        });
        if let Some(wildcard) = wildcard {
            let message = format!("{wildcard} covers it: two entries to keep in step for one name");
            found.push(Found::new(&place, name.clone(), message));
        }
    }
    found
}

/// A wildcard alias reaches deeper than a wildcard of a certificate.
pub(super) fn alias_deeper_than_certificate(subject: &Subject<'_>) -> Vec<Found> {
    let wildcard = |(alias, place): (&Alias, Place<'_>)| match alias {
        Alias::Below(_) => Some(Found::new(
            &place,
            alias.to_string(),
            "the alias takes names of any depth, a certificate's wildcard one label: deeper names get certificate errors",
        )),
        Alias::Name(_) => None,
    };
    alias_places(subject).filter_map(wildcard).collect()
}

/// Second-level names under which domains are registered.
const REGISTRIES: [&str; 12] = ["co", "com", "net", "org", "ac", "gov", "edu", "or", "ne", "go", "gob", "gv"];

/// `example.com`, `example.co.uk`.
fn is_apex(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    match labels[..] {
        [_, _] => true,
        [_, second, top] => top.len() == 2 && REGISTRIES.contains(&second),
        _ => false,
    }
}

/// DNS allows no CNAME there.
pub(super) fn apex_alias(subject: &Subject<'_>) -> Vec<Found> {
    let apex = |(alias, place): (&Alias, Place<'_>)| match alias {
        Alias::Name(name) if is_apex(name) => Some(Found::new(
            &place,
            name.clone(),
            "DNS has no CNAME at the top of a zone: it takes an alias record (A and AAAA), which not every provider has",
        )),
        _ => None,
    };
    alias_places(subject).filter_map(apex).collect()
}

/// One connection for each request.
pub(super) fn http2_off(subject: &Subject<'_>) -> Vec<Found> {
    let place = subject.config.at("HttpVersion");
    let off = matches!(subject.distribution.http_version, HttpVersion::Http1);
    let found =
        off.then(|| Found::new(&place, "http1.1", "browsers open six connections and wait in line on each"));
    found.into_iter().collect()
}

/// Half the mobile networks speak IPv6 first.
pub(super) fn ipv6_off(subject: &Subject<'_>) -> Vec<Found> {
    let place = subject.config.at("IsIPV6Enabled");
    let tenants = subject.config.at("ConnectionMode").text() == Some("tenant-only");
    let found = (!place.is_true() && !tenants)
        .then(|| Found::new(&place, "false", "viewers on IPv6 networks come through a translator"));
    found.into_iter().collect()
}

/// Nobody can say later who asked for what.
pub(super) fn logging_off(subject: &Subject<'_>) -> Vec<Found> {
    let place = subject.config.at("Logging").at("Enabled");
    let real_time =
        subject.behaviors.iter().any(|view| view.place.at("RealtimeLogConfigArn").text().is_some());
    let found = (!place.is_true() && !real_time).then(|| {
        Found::new(&place, "false", "no standard logs by this document; a delivery of the newer kind is set up elsewhere and would not show here")
    });
    found.into_iter().collect()
}

/// It answers nobody.
pub(super) fn disabled(subject: &Subject<'_>) -> Vec<Found> {
    let found = (!subject.distribution.enabled)
        .then(|| Found::new(&subject.config.at("Enabled"), "false", "the distribution answers nobody"));
    found.into_iter().collect()
}

/// Countries near the locations of `PriceClass_100`: North America, Europe, Israel.
const NEAR_PRICE_CLASS_100: &str = "US CA MX AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IL IS IT LI LT LU LV MC \
                                    MT NL NO PL PT RO RS SE SI SK UA TR AL BA MD ME MK AD SM VA GI FO GL";

/// Viewers are let in from where no location is paid for.
pub(super) fn price_class_far_from_viewers(subject: &Subject<'_>) -> Vec<Found> {
    let place = subject.config.at("PriceClass");
    let geo = subject.config.at("Restrictions").at("GeoRestriction");
    let items = geo.items();
    let countries: Vec<&str> = items.iter().filter_map(Place::text).collect();
    let far = geo.at("RestrictionType").text() == Some("whitelist")
        && place.text() == Some("PriceClass_100")
        && !countries.is_empty()
        && countries.iter().all(|country| !NEAR_PRICE_CLASS_100.split(' ').any(|near| near == *country));
    let message = "only viewers far from every edge location of this price class are let in";
    let found =
        far.then(|| Found::new(&place, format!("PriceClass_100 for {}", countries.join(", ")), message));
    found.into_iter().collect()
}

/// Nine tenths of a quota are used.
pub(super) fn near_quota(subject: &Subject<'_>) -> Vec<Found> {
    let distribution = subject.distribution;
    let counted: [(&str, usize, Quota); 4] = [
        ("CacheBehaviors", distribution.behaviors.len(), quotas::BEHAVIORS),
        ("Origins", distribution.origins.len(), quotas::ORIGINS),
        ("OriginGroups", distribution.origin_groups.len(), quotas::ORIGIN_GROUPS),
        ("Aliases", distribution.aliases.len(), quotas::ALIASES),
    ];
    let near = counted.iter().filter(|(_, count, quota)| count * 10 >= quota.max * 9);
    near.map(|(key, count, quota)| {
        Found::new(
            &subject.config.at(key),
            format!("{count} of {}", quota.max),
            format!("at {} {} the next change is refused", quota.max, quota.of),
        )
    })
    .collect()
}

/// `ForwardedValues` instead of policies.
pub(super) fn legacy_settings(view: &super::View<'_>, _: &Subject<'_>) -> Option<Found> {
    view.is_legacy().then(|| {
        Found::new(
            &view.place.at("ForwardedValues"),
            "ForwardedValues",
            "the settings from before there were policies: no Brotli, no origin request policy, no flat-rate plan",
        )
    })
}

/// Keys that only the account's root user can make.
pub(super) fn trusted_signers(view: &super::View<'_>, _: &Subject<'_>) -> Option<Found> {
    let place = view.place.at("TrustedSigners");
    place.at("Enabled").is_true().then(|| {
        Found::new(
            &place,
            "enabled",
            "keys of trusted signers are made and replaced by an account's root user alone",
        )
    })
}

/// What the flat-rate plans do not carry.
pub(super) fn flat_rate_blockers(subject: &Subject<'_>) -> Vec<Found> {
    let message = "the flat-rate plans do not carry it: this distribution stays on pay-as-you-go";
    let mut found = Vec::new();
    for view in &subject.behaviors {
        let blockers = [
            (
                "LambdaFunctionAssociations",
                "Lambda@Edge",
                !view.place.at("LambdaFunctionAssociations").items().is_empty(),
            ),
            (
                "RealtimeLogConfigArn",
                "real-time logs",
                view.place.at("RealtimeLogConfigArn").text().is_some(),
            ),
            ("ForwardedValues", "legacy cache settings", view.is_legacy()),
        ];
        let used = blockers.iter().filter(|(_, _, used)| *used);
        found.extend(used.map(|(key, what, _)| Found::new(&view.place.at(key), *what, message).of(view)));
    }
    for view in &subject.origins {
        let place = view.place.at("S3OriginConfig").at("OriginAccessIdentity");
        found.extend(place.text().map(|_| Found::new(&place, "origin access identity", message)));
    }
    for (place, what) in [
        (certificate(subject).at("IAMCertificateId"), "a certificate of IAM"),
        (subject.config.at("ContinuousDeploymentPolicyId"), "continuous deployment"),
        (subject.config.at("TenantConfig").at("ParameterDefinitions"), "tenants"),
    ] {
        let set = place.text().is_some() || place.is_list();
        found.extend(set.then(|| Found::new(&place, what, message)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_apex;

    #[test]
    fn tops_of_zones() {
        assert!(is_apex("example.com") && is_apex("example.co.uk"));
        assert!(!is_apex("www.example.com") && !is_apex("blog.example.de") && !is_apex("a.b.co.uk"));
    }
}
