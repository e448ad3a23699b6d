//! Documents that load: every file of `fixtures/distributions`, what is said about it, and what it comes to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use edge_core::distribution::viewer_tls::{AuthorityNames, Expiry, TrustStore, ViewerMtls, Wanted};
use edge_core::distribution::{
    Alias, AllowedMethods, Distribution, HeaderDefaults, HeaderForwarding, HostMatch, HttpVersion, Loaded,
    Name, Names, OptionsCaching, OriginHeader, OriginKind, OriginProtocol, Problem, Severity, Target,
    ViewerProtocolPolicy, load, load_value,
};
use http::StatusCode;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/distributions")
}

fn fixture(name: &str) -> Loaded {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    load(&text).unwrap_or_else(|problems| panic!("{name}:\n{problems}"))
}

fn distribution(name: &str) -> Distribution {
    fixture(name).distribution
}

/// Severity, place, code.
type Remark = (char, &'static str, &'static str);

/// What is said about each file. Nothing else may be.
const REMARKS: &[(&str, &[Remark])] = &[
    ("minimal.json", &[]),
    (
        "get-distribution-config.json",
        &[
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
            ('i', "DistributionConfig.ViewerCertificate", "NoLocalEffect"),
        ],
    ),
    (
        "get-distribution.json",
        &[
            (
                'w',
                "Distribution.DistributionConfig.Origins.Items[0].OriginAccessControlId",
                "NeedsCredentials",
            ),
            ('i', "Distribution.DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
        ],
    ),
    (
        "legacy-s3.json",
        &[
            (
                'w',
                "DistributionConfig.Origins.Items[0].S3OriginConfig.OriginAccessIdentity",
                "NeedsCredentials",
            ),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
            ('i', "DistributionConfig.PriceClass", "NoLocalEffect"),
        ],
    ),
    ("legacy-wordpress.json", &[('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect")]),
    (
        "full.json",
        &[
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
            ('i', "DistributionConfig.ViewerCertificate", "NoLocalEffect"),
        ],
    ),
    (
        "bundle-of-cli-outputs.json",
        &[
            (
                'w',
                "DistributionConfig.DefaultCacheBehavior.FunctionAssociations.Items[0].FunctionARN",
                "NotInForce",
            ),
            (
                'w',
                "DistributionConfig.DefaultCacheBehavior.FunctionAssociations.Items[1].FunctionARN",
                "NotInForce",
            ),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
        ],
    ),
    (
        "api-and-static.json",
        &[
            ('w', "DistributionConfig.Origins.Items[1].OriginAccessControlId", "NeedsCredentials"),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
        ],
    ),
    (
        "private-media.json",
        &[
            ('w', "DistributionConfig.CacheBehaviors.Items[0].FieldLevelEncryptionId", "NotInForce"),
            (
                'w',
                "DistributionConfig.CacheBehaviors.Items[0].LambdaFunctionAssociations.Items[0]",
                "NeedsEndpoint",
            ),
            ('w', "DistributionConfig.CacheBehaviors.Items[0].RealtimeLogConfigArn", "NotInForce"),
            ('w', "DistributionConfig.CacheBehaviors.Items[0].TrustedSigners", "NotInForce"),
            ('w', "DistributionConfig.DefaultCacheBehavior.TrustedKeyGroups", "NotInForce"),
            ('w', "DistributionConfig.Logging", "NotInForce"),
            ('w', "DistributionConfig.Origins.Items[0].OriginAccessControlId", "NeedsCredentials"),
            ('w', "DistributionConfig.WebACLId", "NotInForce"),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
        ],
    ),
    ("numbers-as-strings.json", &[('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect")]),
    (
        "grpc-and-vpc.json",
        &[
            ('w', "DistributionConfig.Origins.Items[0].VpcOriginConfig", "NotInForce"),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
            ('i', "DistributionConfig.Origins.Items[0].OriginShield", "NoLocalEffect"),
        ],
    ),
    (
        "disabled-and-unknown.json",
        &[
            ('w', "DistributionConfig.DefaultCacheBehavior.QuantumMode", "UnknownField"),
            ('w', "DistributionConfig.DefaultRootobject", "UnknownField"),
            ('w', "DistributionConfig.HyperCache", "UnknownField"),
            ('i', "DistributionConfig.IsIPV6Enabled", "NoLocalEffect"),
        ],
    ),
];

#[test]
fn every_file_loads_with_exactly_its_remarks() {
    let expected: BTreeMap<&str, _> = REMARKS.iter().copied().collect();
    let mut differences = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        files += 1;
        let letter = |severity| match severity {
            Severity::Error => 'e',
            Severity::Warning => 'w',
            Severity::Info => 'i',
        };
        let warnings = fixture(&name).warnings;
        let mut found: Vec<(char, &str, &str)> = warnings
            .iter()
            .map(|problem| (letter(problem.severity), problem.place.as_str(), problem.code))
            .collect();
        // Warnings before notes, as documented; within each, by place.
        assert!(warnings.iter().is_sorted_by_key(|problem| problem.severity), "{name}");
        found.sort_by_key(|(letter, place, _)| (*letter == 'i', *place));
        match expected.get(name.as_str()) {
            Some(remarks) if **remarks == *found => {}
            Some(remarks) => differences.push(format!("{name}: expected {remarks:#?}, found {found:#?}")),
            None => differences.push(format!("{name} has no row in REMARKS: {found:#?}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(files, REMARKS.len(), "a row of REMARKS has no file");
}

#[test]
fn documents_are_kept_as_they_came() {
    for (name, _) in REMARKS {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let document = fixture(name).document;
        let again = serde_json::to_string_pretty(document.value()).unwrap() + "\n";
        assert_eq!(again, text, "{name}: every field, in its order");
        assert!(document.distribution_config().get("CallerReference").is_some(), "{name}");
    }
}

#[test]
fn what_protects_nothing_says_so() {
    let warnings = fixture("private-media.json").warnings;
    let loud: Vec<&str> = warnings
        .iter()
        .filter(|problem| problem.message.contains("NOT"))
        .map(|problem| problem.place.rsplit('.').next().unwrap())
        .collect();
    assert!(loud.contains(&"WebACLId"), "{loud:?}");
}

#[test]
fn http3_beside_certificates_of_viewers_is_warned_about() {
    let Loaded { document, .. } = fixture("get-distribution-config.json");
    let mut value = document.value().clone();
    for (version, mode, warned) in [
        ("http2and3", json!({ "Mode": "passthrough" }), true),
        ("http3", json!(null), false),
        ("http2", json!({ "Mode": "passthrough" }), false),
    ] {
        value["DistributionConfig"]["HttpVersion"] = json!(version);
        value["DistributionConfig"]["ViewerMtlsConfig"] = mode;
        let loaded = load_value(value.clone()).unwrap();
        let about = |problem: &&Problem| problem.place == "DistributionConfig.HttpVersion";
        assert_eq!(loaded.warnings.iter().find(about).is_some(), warned, "{version}");
        assert_eq!(loaded.distribution.offers_http3(), version == "http3");
    }
}

/// The API does not print the certificates of a trust store: a bundle carries them beside what it prints.
#[test]
fn a_bundle_may_carry_trust_stores() {
    let Loaded { document, .. } = fixture("get-distribution-config.json");
    let mut bundle = document.value().clone();
    let store =
        |id: &str, pem: &str| json!({ "TrustStore": { "Id": id, "Name": "n" }, "CaCertificatesBundle": pem });
    bundle["DistributionConfig"]["ViewerMtlsConfig"] = json!({ "Mode": "optional", "TrustStoreConfig": { "TrustStoreId": "ts", "IgnoreCertificateExpiry": true } });
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    bundle["TrustStores"] = json!([store("other", pem), store("ts", pem)]);
    let loaded = load_value(bundle.clone()).unwrap();
    let expected = ViewerMtls::Verified {
        wanted: Wanted::IfThereIsOne,
        trust_store: TrustStore {
            id: "ts".to_owned(),
            bundle: Some(pem.into()),
            names: AuthorityNames::Kept,
            expiry: Expiry::Ignored,
        },
    };
    assert_eq!(loaded.distribution.viewer_tls.mtls, Some(expected));
    for (stores, place) in [
        (json!([store("ts", "no PEM")]), "TrustStores[0].CaCertificatesBundle"),
        (json!([{ "Id": "ts" }]), "TrustStores[0].CaCertificatesBundle"),
        (json!([store("ts", pem), store("ts", pem)]), "TrustStores[1].TrustStore.Id"),
    ] {
        bundle["TrustStores"] = stores;
        let problems = load_value(bundle.clone()).unwrap_err();
        let places: Vec<&str> = problems.errors().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, [place]);
    }
}

#[test]
fn an_origin_names_the_certificate_it_wants_to_see() {
    let mut document = fixture("full.json").document.value().clone();
    assert!(load_value(document.clone()).unwrap().distribution.origins[0].client_certificate.is_none());
    document["DistributionConfig"]["Origins"]["Items"][0]["CustomOriginConfig"]["OriginMtlsConfig"] =
        json!({ "ClientCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/a" });
    let Loaded { distribution, warnings, .. } = load_value(document).unwrap();
    let expected = Some("arn:aws:acm:us-east-1:111122223333:certificate/a");
    assert_eq!(distribution.origins[0].client_certificate.as_deref(), expected);
    assert!(warnings.iter().all(|problem| !problem.place.contains("OriginMtls")));
}

/// Whatever such a policy allows beyond what anybody here speaks is said, once.
#[test]
fn old_policies_lose_old_viewers() {
    let Loaded { document, .. } = fixture("get-distribution-config.json");
    let certificate = |policy: &str, method: &str| {
        let mut bundle = document.value().clone();
        bundle["DistributionConfig"]["ViewerCertificate"] = json!({
            "ACMCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/a",
            "SSLSupportMethod": method, "MinimumProtocolVersion": policy,
        });
        let warnings = load_value(bundle).unwrap().warnings;
        let about = |problem: &&Problem| problem.place.ends_with("MinimumProtocolVersion");
        warnings.iter().filter(about).map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!(certificate("TLSv1.1_2016", "sni-only"), ["NotInForce"]);
    assert_eq!(certificate("TLSv1.2_2018", "sni-only"), [""; 0]);
    assert_eq!(certificate("TLSv1.3_2025", "sni-only"), [""; 0]);
    assert_eq!(certificate("TLSv1", "vip"), ["NotInForce"]);
    assert_eq!(certificate("TLSv1.2_2021", "vip"), ["InvalidMinimumProtocolVersion"]);
}

/// What wants signatures is closed where the keys are not in the document, and that is said.
#[test]
fn signers_without_keys_let_nobody_in() {
    let Loaded { distribution, warnings, .. } = fixture("private-media.json");
    for behavior in distribution.behaviors.iter().chain([&distribution.default_behavior]) {
        assert_eq!(behavior.trusted.as_ref().unwrap().ids().count(), 0, "{}", behavior.path_pattern);
    }
    for field in ["TrustedKeyGroups", "TrustedSigners"] {
        let warning = warnings.iter().find(|problem| problem.place.ends_with(field)).unwrap();
        assert!(warning.message.contains("is refused with 403"), "{warning}");
    }
}

#[test]
fn keys_of_a_group_and_of_an_account_are_found() {
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
    };
    let mut document = read("full.json");
    let group = json!({ "Enabled": true, "Quantity": 1, "Items": ["44444444-4444-4444-8444-444444444444"] });
    document["DistributionConfig"]["DefaultCacheBehavior"]["TrustedKeyGroups"] = group;
    let Loaded { distribution, .. } = load_value(document).unwrap();
    let trusted = distribution.default_behavior.trusted.unwrap();
    assert_eq!(trusted.ids().collect::<Vec<_>>(), ["K1PUBLICKEY"]);

    let pem = include_str!("../../../fixtures/signing/ecdsa.pub.pem");
    let mut document = read("private-media.json");
    let pairs = json!({ "Quantity": 2, "Items": ["APKAELSEWHERE0", "APKATEST000000"] });
    let signer = json!({ "AwsAccountNumber": "self", "KeyPairIds": pairs });
    document["ActiveTrustedSigners"] = json!({ "Enabled": true, "Quantity": 1, "Items": [signer] });
    let config = json!({ "CallerReference": "k", "Name": "k", "EncodedKey": pem });
    document["PublicKeys"] = json!([{ "Id": "APKATEST000000", "PublicKeyConfig": config }]);
    let Loaded { distribution, warnings, .. } = load_value(document).unwrap();
    let trusted = distribution.behaviors[0].trusted.as_ref().unwrap();
    assert_eq!(trusted.ids().collect::<Vec<_>>(), ["APKATEST000000"]);
    let warning = warnings.iter().find(|problem| problem.place.ends_with("TrustedSigners")).unwrap();
    assert!(warning.message.contains("what those sign is refused"), "{warning}");
    assert!(!warnings.iter().any(|problem| problem.code == "UnknownField"), "{warnings:?}");
}

#[test]
fn unknown_fields_come_with_a_guess() {
    let warnings = fixture("disabled-and-unknown.json").warnings;
    let problem = warnings.iter().find(|problem| problem.place.ends_with("DefaultRootobject")).unwrap();
    assert_eq!(
        problem.to_string(),
        "DistributionConfig.DefaultRootobject: no such field: it is kept, and has no effect (UnknownField)\n  \
         hint: did you mean DefaultRootObject?"
    );
    assert!(!distribution("disabled-and-unknown.json").enabled);
}

#[test]
fn the_least_there_can_be() {
    let minimal = distribution("minimal.json");
    assert!(minimal.id.starts_with("ELOCAL") && minimal.id.len() == 13, "{}", minimal.id);
    assert!(minimal.domain_name.starts_with("dlocal") && minimal.domain_name.ends_with(".cloudfront.net"));
    assert_eq!(minimal.domain_name, distribution("minimal.json").domain_name, "the same each time");
    assert_ne!(minimal.domain_name, distribution("legacy-wordpress.json").domain_name);
    assert_eq!(minimal.http_version, HttpVersion::Http2);
    assert!(minimal.enabled && minimal.aliases.is_empty() && minimal.default_root_object.is_none());
    let origin = &minimal.origins[0];
    assert_eq!(origin.connection_attempts, 3);
    assert_eq!(
        [origin.connection_timeout, origin.read_timeout, origin.keepalive_timeout].map(|time| time.as_secs()),
        [10, 30, 5]
    );
    assert_eq!((origin.completion_timeout, origin.path.as_str()), (None, ""));
    let behavior = &minimal.default_behavior;
    assert_eq!(behavior.path_pattern.as_str(), "*");
    assert_eq!(behavior.allowed_methods, AllowedMethods::GetHead);
    assert_eq!(behavior.options, OptionsCaching::Off);
    assert_eq!(behavior.viewer_protocol_policy, ViewerProtocolPolicy::AllowAll);
    assert_eq!(behavior.names.cache, "Managed-CachingOptimized");
    assert!(!behavior.compress && behavior.key.gzip && behavior.key.brotli);
    assert_eq!(behavior.ttl.min, Duration::from_secs(1));
    assert_eq!(behavior.forward.defaults, HeaderDefaults::Policy);
    assert_eq!(behavior.forward.headers, HeaderForwarding::Defaults);
}

#[test]
fn the_header_that_names_tags() {
    let text = fs::read_to_string(folder().join("minimal.json")).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(load(&text).unwrap().distribution.cache_tag_header, None);
    document["CacheTagConfig"] = json!({ "HeaderName": "Edge-Cache-Tag" });
    let loaded = load(&document.to_string()).unwrap();
    assert_eq!(loaded.distribution.cache_tag_header.unwrap(), "edge-cache-tag");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn what_stands_around_the_config() {
    let printed = distribution("get-distribution.json");
    assert_eq!(
        (printed.id.as_str(), printed.domain_name.as_str()),
        ("EDFDVBD6EXAMPLE", "d111111abcdef8.cloudfront.net")
    );
    let pages: Vec<_> = printed
        .error_responses
        .iter()
        .map(|response| {
            let page = response.page.as_ref().map(|page| (page.path.as_str(), page.response_code.as_u16()));
            (response.error_code.as_u16(), page, response.caching_min_ttl.as_secs())
        })
        .collect();
    let index = Some(("/index.html", 200));
    assert_eq!(pages, [(403, index, 10), (404, index, 10), (503, None, 0)]);
    let names = distribution("get-distribution-config.json");
    assert_eq!(
        names.aliases,
        [Alias::Name("www.example.com".to_owned()), Alias::Below(".blog.example.com".to_owned())]
    );
    for (host, expected) in [
        ("WWW.example.com:8443", Some(HostMatch::Alias)),
        ("a.b.blog.example.com", Some(HostMatch::Wildcard(".blog.example.com".len()))),
        ("blog.example.com", None),
        (names.domain_name.as_str(), Some(HostMatch::OwnDomain)),
        ("example.com", None),
    ] {
        assert_eq!(names.match_host(host), expected, "{host}");
    }
}

fn names(list: &Names) -> Vec<&str> {
    let (Names::Only(list) | Names::AllExcept(list)) = list else { return Vec::new() };
    list.iter()
        .map(|name| match name {
            Name::Literal(text) => text.as_str(),
            Name::Pattern(glob) => glob.as_str(),
        })
        .collect()
}

#[test]
fn a_full_bundle() {
    let full = distribution("full.json");
    assert_eq!(full.id, "E2FULLEXAMPLE0");
    assert_eq!(full.http_version, HttpVersion::Http1);
    assert_eq!(full.default_root_object.as_deref(), Some("index.html"));
    let web = &full.origins[0];
    assert_eq!(
        web.kind,
        OriginKind::Custom { http_port: 8080, https_port: 8443, protocol: OriginProtocol::MatchViewer }
    );
    assert_eq!((web.path.as_str(), web.connection_attempts), ("/v1", 2));
    assert_eq!(web.completion_timeout, Some(Duration::from_secs(90)));
    let headers: Vec<_> =
        web.custom_headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(headers, [("x-origin-secret", &b"one"[..]), ("x-empty", b"")]);
    assert_eq!(full.origins[2].kind, OriginKind::S3);
    assert_eq!(full.origins[2].read_timeout, Duration::from_secs(20));
    let group = &full.origin_groups[0];
    assert_eq!((group.primary, group.secondary), (1, 2));
    assert!(group.failover_statuses.contains(&StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(full.behaviors[0].target, Target::Group(0));
    assert_eq!(full.behaviors[1].names.origin_request.as_deref(), Some("Managed-AllViewerExceptHostHeader"));
    assert_eq!(full.error_responses[1].caching_min_ttl, Duration::ZERO);
    assert_eq!(full.error_responses[2].caching_min_ttl, Duration::from_secs(10), "the default");

    let behavior = &full.default_behavior;
    assert_eq!(behavior.allowed_methods, AllowedMethods::All);
    assert_eq!(behavior.names.cache, "pages");
    let key: Vec<&str> = behavior.key.headers.iter().map(http::HeaderName::as_str).collect();
    assert_eq!(key, ["accept-language", "x-viewer-device"], "lower case, in order, each once");
    assert_eq!(names(&behavior.key.cookies), ["lang", "wordpress_logged_in_*"]);
    assert!(behavior.key.cookies.select(b"wordpress_logged_in_abc"), "wildcards hold in policies too");
    assert!(!behavior.key.query.select(b"fbclid") && behavior.key.query.select(b"p"));
    let HeaderForwarding::AllViewer { plus } = &behavior.forward.headers else { panic!() };
    assert_eq!(plus[0], "cloudfront-forwarded-proto");
    assert!(behavior.forward.query.select(b"anything"));
    assert!(behavior.viewer_request.is_some());
    assert_eq!(behavior.names.viewer_request.as_deref(), Some("visitors"));
}

#[test]
fn a_response_headers_policy_as_it_is_sent() {
    let full = distribution("full.json");
    let policy = full.default_behavior.response_headers.as_deref().unwrap();
    let set: Vec<(&str, &str, bool)> = policy
        .set
        .iter()
        .map(|header| {
            let overridden = header.origin == OriginHeader::Overridden;
            (header.name.as_str(), header.value.to_str().unwrap(), overridden)
        })
        .collect();
    assert_eq!(
        set,
        [
            ("x-xss-protection", "1; report=https://report.example.com/xss", true),
            ("x-frame-options", "DENY", false),
            ("referrer-policy", "same-origin", true),
            ("content-security-policy", "default-src 'self'", true),
            ("x-content-type-options", "nosniff", true),
            ("strict-transport-security", "max-age=63072000; includeSubDomains; preload", false),
            ("x-powered-by", "edge", true),
            ("x-empty", "", false),
        ]
    );
    assert_eq!(policy.remove, ["server", "x-aspnet-version"]);
    assert_eq!(policy.server_timing_percent, Some(12.5));
    let cors = policy.cors.as_ref().unwrap();
    assert_eq!(cors.allow_methods, ["GET", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);
    assert_eq!(cors.max_age, Some(Duration::from_secs(600)));
    assert!(cors.allow_credentials && cors.origin == OriginHeader::Overridden);
    let off = distribution("bundle-of-cli-outputs.json");
    let off = off.default_behavior.response_headers.unwrap();
    assert_eq!(off.set[0].value, "0");
}

#[test]
fn policies_inside_what_the_cli_prints() {
    let wrapped = distribution("bundle-of-cli-outputs.json");
    let behavior = &wrapped.default_behavior;
    assert_eq!(behavior.names.cache, "plain");
    assert_eq!(behavior.key.headers, ["accept-encoding"]);
    assert_eq!(names(&behavior.key.query), ["page"]);
    let HeaderForwarding::AllExcept { names, plus } = &behavior.forward.headers else { panic!() };
    assert!(names[..] == ["host"] && plus.is_empty());
    assert_eq!(behavior.names.viewer_request.as_deref(), Some("redirects"));
    assert!(behavior.viewer_request.is_none());
}

#[test]
fn forwarded_values_as_settings() {
    let wordpress = distribution("legacy-wordpress.json");
    let pages = &wordpress.default_behavior;
    assert_eq!(pages.names.cache, "ForwardedValues");
    assert_eq!(pages.forward.defaults, HeaderDefaults::Legacy);
    assert_eq!(pages.forward.headers, HeaderForwarding::Defaults);
    assert!(pages.key.gzip && !pages.key.brotli, "Compress is gzip only");
    let key: Vec<&str> = pages.key.headers.iter().map(http::HeaderName::as_str).collect();
    assert_eq!(key, ["cloudfront-forwarded-proto", "cloudfront-is-mobile-viewer", "host"]);
    for (cookie, expected) in [
        ("comment_author_1", true),
        ("wp-settings-1", true),
        ("wp-settings-12", false),
        ("wordpress_test_cookie", false),
    ] {
        assert_eq!(pages.key.cookies.select(cookie.as_bytes()), expected, "{cookie}");
    }
    assert_eq!(pages.key.query, Names::All);
    assert_eq!(pages.ttl.default, Duration::from_secs(300));

    let admin = &wordpress.behaviors[0];
    assert!(admin.ttl.caching_disabled());
    assert_eq!(admin.forward.headers, HeaderForwarding::AllViewer { plus: Vec::new() });
    assert!(admin.path_pattern.matches("/wp-admin/") && !admin.path_pattern.matches("/wp-admin"));

    let assets = &wordpress.behaviors[2];
    assert_eq!(names(&assets.key.query), ["ver"]);
    assert_eq!(assets.forward.query, Names::All, "the origin gets the whole query string");

    let bucket = distribution("legacy-s3.json").default_behavior;
    assert!(!bucket.key.gzip && bucket.key.query.is_none() && bucket.forward.query.is_none());
    let strings = distribution("numbers-as-strings.json");
    assert_eq!(strings.default_behavior.ttl.max, Duration::from_secs(31_536_000));
    assert_eq!(strings.error_responses[0].caching_min_ttl, Duration::from_secs(30));
}

#[test]
fn defaults_of_ttls() {
    let text = fs::read_to_string(folder().join("full.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let policy = value["CachePolicies"][0]["CachePolicyConfig"].as_object_mut().unwrap();
    policy.remove("DefaultTTL");
    policy.remove("MaxTTL");
    policy["MinTTL"] = 100_000.into();
    let ttl = load(&value.to_string()).unwrap().distribution.default_behavior.ttl;
    assert_eq!([ttl.min, ttl.default, ttl.max].map(|time| time.as_secs()), [100_000, 100_000, 31_536_000]);
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    let text = fs::read_to_string(folder().join("minimal.json")).unwrap();
    assert!(load(&format!("\u{feff}{text}")).is_ok());
}
