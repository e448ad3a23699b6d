//! The managed policies of AWS (§16), one row each: a list, and nothing but.
//!
//! Header names are lower case and sorted. A new policy is a new row; the tests of the parent hold for it at once.

use super::{
    ManagedCachePolicy, ManagedCodings, ManagedCors, ManagedHeaders, ManagedNames,
    ManagedOriginRequestPolicy, ManagedResponseHeadersPolicy,
};
use crate::distribution::OriginHeader;

/// §16.1. The four `Amplify-…` variants have no published id.
pub const CACHE_POLICIES: &[ManagedCachePolicy] = &[
    ManagedCachePolicy {
        id: "2e54312d-136d-493c-8eb9-b001f22f67d2",
        name: "Managed-Amplify",
        ttl_seconds: [2, 2, 600],
        headers: &["authorization", "cloudfront-viewer-country", "host"],
        cookies: ManagedNames::All,
        query: ManagedNames::All,
        codings: ManagedCodings::GzipAndBrotli,
    },
    ManagedCachePolicy {
        id: "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        name: "Managed-CachingDisabled",
        ttl_seconds: [0, 0, 0],
        headers: &[],
        cookies: ManagedNames::None,
        query: ManagedNames::None,
        codings: ManagedCodings::None,
    },
    ManagedCachePolicy {
        id: "658327ea-f89d-4fab-a63d-7e88639e58f6",
        name: "Managed-CachingOptimized",
        ttl_seconds: [1, 86_400, 31_536_000],
        headers: &[],
        cookies: ManagedNames::None,
        query: ManagedNames::None,
        codings: ManagedCodings::GzipAndBrotli,
    },
    ManagedCachePolicy {
        id: "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        name: "Managed-CachingOptimizedForUncompressedObjects",
        ttl_seconds: [1, 86_400, 31_536_000],
        headers: &[],
        cookies: ManagedNames::None,
        query: ManagedNames::None,
        codings: ManagedCodings::None,
    },
    ManagedCachePolicy {
        id: "08627262-05a9-4f76-9ded-b50ca2e3a84f",
        name: "Managed-Elemental-MediaPackage",
        ttl_seconds: [0, 86_400, 31_536_000],
        headers: &["origin"],
        cookies: ManagedNames::None,
        query: ManagedNames::Only(&["aws.manifestfilter", "start", "end", "m"]),
        codings: ManagedCodings::Gzip,
    },
    ManagedCachePolicy {
        id: "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
        name: "Managed-UseOriginCacheControlHeaders",
        ttl_seconds: [0, 0, 31_536_000],
        headers: ORIGIN_CACHE_CONTROL_HEADERS,
        cookies: ManagedNames::All,
        query: ManagedNames::None,
        codings: ManagedCodings::GzipAndBrotli,
    },
    ManagedCachePolicy {
        id: "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        name: "Managed-UseOriginCacheControlHeaders-QueryStrings",
        ttl_seconds: [0, 0, 31_536_000],
        headers: ORIGIN_CACHE_CONTROL_HEADERS,
        cookies: ManagedNames::All,
        query: ManagedNames::All,
        codings: ManagedCodings::GzipAndBrotli,
    },
];

const ORIGIN_CACHE_CONTROL_HEADERS: &[&str] =
    &["host", "origin", "x-http-method", "x-http-method-override", "x-method-override"];

/// §16.2.
pub const ORIGIN_REQUEST_POLICIES: &[ManagedOriginRequestPolicy] = &[
    ManagedOriginRequestPolicy {
        id: "216adef6-5c7f-47e4-b989-5492eafa07d3",
        name: "Managed-AllViewer",
        headers: ManagedHeaders::AllViewer { plus: &[] },
        cookies: ManagedNames::All,
        query: ManagedNames::All,
    },
    ManagedOriginRequestPolicy {
        id: "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        name: "Managed-AllViewerAndCloudFrontHeaders-2022-06",
        headers: ManagedHeaders::AllViewer { plus: CLOUDFRONT_HEADERS_2022_06 },
        cookies: ManagedNames::All,
        query: ManagedNames::All,
    },
    ManagedOriginRequestPolicy {
        id: "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        name: "Managed-AllViewerExceptHostHeader",
        headers: ManagedHeaders::AllExcept { names: &["host"], plus: CLOUDFRONT_HEADERS_EXCEPT_HOST },
        cookies: ManagedNames::All,
        query: ManagedNames::All,
    },
    ManagedOriginRequestPolicy {
        id: "59781a5b-3903-41f3-afcb-af62929ccde1",
        name: "Managed-CORS-CustomOrigin",
        headers: ManagedHeaders::Only(&["origin"]),
        cookies: ManagedNames::None,
        query: ManagedNames::None,
    },
    ManagedOriginRequestPolicy {
        id: "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf",
        name: "Managed-CORS-S3Origin",
        headers: ManagedHeaders::Only(&[
            "access-control-request-headers",
            "access-control-request-method",
            "origin",
        ]),
        cookies: ManagedNames::None,
        query: ManagedNames::None,
    },
    ManagedOriginRequestPolicy {
        id: "775133bc-15f2-49f9-abea-afb2e0bf67d2",
        name: "Managed-Elemental-MediaTailor-PersonalizedManifests",
        headers: ManagedHeaders::Only(&[
            "access-control-request-headers",
            "access-control-request-method",
            "origin",
            "user-agent",
            "x-forwarded-for",
        ]),
        cookies: ManagedNames::None,
        query: ManagedNames::All,
    },
    ManagedOriginRequestPolicy {
        id: "bf0718e1-ba1e-49d1-88b1-f726733018ae",
        name: "Managed-HostHeaderOnly",
        headers: ManagedHeaders::Only(&["host"]),
        cookies: ManagedNames::None,
        query: ManagedNames::None,
    },
    ManagedOriginRequestPolicy {
        id: "acba4595-bd28-49b8-b9fe-13317c0390fa",
        name: "Managed-UserAgentRefererHeaders",
        headers: ManagedHeaders::Only(&["referer", "user-agent"]),
        cookies: ManagedNames::None,
        query: ManagedNames::None,
    },
];

const CLOUDFRONT_HEADERS_2022_06: &[&str] = &[
    "cloudfront-forwarded-proto",
    "cloudfront-is-android-viewer",
    "cloudfront-is-desktop-viewer",
    "cloudfront-is-ios-viewer",
    "cloudfront-is-mobile-viewer",
    "cloudfront-is-smarttv-viewer",
    "cloudfront-is-tablet-viewer",
    "cloudfront-viewer-address",
    "cloudfront-viewer-asn",
    "cloudfront-viewer-city",
    "cloudfront-viewer-country",
    "cloudfront-viewer-country-name",
    "cloudfront-viewer-country-region",
    "cloudfront-viewer-country-region-name",
    "cloudfront-viewer-http-version",
    "cloudfront-viewer-latitude",
    "cloudfront-viewer-longitude",
    "cloudfront-viewer-metro-code",
    "cloudfront-viewer-postal-code",
    "cloudfront-viewer-time-zone",
    "cloudfront-viewer-tls",
];

/// "Headers for protocol, HTTP version, TLS version, all device and location headers" (§16.2): the list above
/// without address and ASN. *(unsure)*: the guide gives the groups, not the names.
const CLOUDFRONT_HEADERS_EXCEPT_HOST: &[&str] = &[
    "cloudfront-forwarded-proto",
    "cloudfront-is-android-viewer",
    "cloudfront-is-desktop-viewer",
    "cloudfront-is-ios-viewer",
    "cloudfront-is-mobile-viewer",
    "cloudfront-is-smarttv-viewer",
    "cloudfront-is-tablet-viewer",
    "cloudfront-viewer-city",
    "cloudfront-viewer-country",
    "cloudfront-viewer-country-name",
    "cloudfront-viewer-country-region",
    "cloudfront-viewer-country-region-name",
    "cloudfront-viewer-http-version",
    "cloudfront-viewer-latitude",
    "cloudfront-viewer-longitude",
    "cloudfront-viewer-metro-code",
    "cloudfront-viewer-postal-code",
    "cloudfront-viewer-time-zone",
    "cloudfront-viewer-tls",
];

/// §16.3.
pub const RESPONSE_HEADERS_POLICIES: &[ManagedResponseHeadersPolicy] = &[
    ManagedResponseHeadersPolicy {
        id: "60669652-455b-4ae9-85a4-c4c02393f86c",
        name: "Managed-SimpleCORS",
        cors: ManagedCors::Simple,
        set: &[],
    },
    ManagedResponseHeadersPolicy {
        id: "5cc3b908-e619-4b99-88e5-2cf7f45965bd",
        name: "Managed-CORS-With-Preflight",
        cors: ManagedCors::WithPreflight,
        set: &[],
    },
    ManagedResponseHeadersPolicy {
        id: "67f7725c-6f97-4210-82d7-5512b31e9d03",
        name: "Managed-SecurityHeadersPolicy",
        cors: ManagedCors::None,
        set: SECURITY_HEADERS,
    },
    ManagedResponseHeadersPolicy {
        id: "e61eb60c-9c35-4d20-a928-2b84e02af89c",
        name: "Managed-CORS-and-SecurityHeadersPolicy",
        cors: ManagedCors::Simple,
        set: SECURITY_HEADERS,
    },
    ManagedResponseHeadersPolicy {
        id: "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
        name: "Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
        cors: ManagedCors::WithPreflight,
        set: SECURITY_HEADERS,
    },
];

const SECURITY_HEADERS: &[(&str, &str, OriginHeader)] = &[
    ("referrer-policy", "strict-origin-when-cross-origin", OriginHeader::Kept),
    ("strict-transport-security", "max-age=31536000", OriginHeader::Kept),
    ("x-content-type-options", "nosniff", OriginHeader::Overridden),
    ("x-frame-options", "SAMEORIGIN", OriginHeader::Kept),
    ("x-xss-protection", "1; mode=block", OriginHeader::Kept),
];
