//! Requests to origins with an access control, signed as botocore signs them: `fixtures/sigv4/make.py` made the
//! vectors.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests")]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use edge_core::cache::Epoch;
use edge_core::cache::storing::Guard;
use edge_core::distribution::problem::codes::NEEDS_CREDENTIALS;
use edge_core::distribution::{Credentials, Loaded, load_value};
use edge_core::exchange::{self, Ask, Rules, Step};
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::HeaderValue;
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/sigv4/vectors.json")).unwrap()
}

fn loaded(domain: &str, behavior: Option<&str>) -> Loaded {
    let mut document = json!({ "DistributionConfig": {
        "CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": domain, "OriginAccessControlId": "E1",
            "S3OriginConfig": { "OriginAccessIdentity": "" } }] },
        "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "AllowedMethods": { "Quantity": 7, "Items": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"] },
            "CachePolicyId": "policy" },
    }, "CachePolicies": [{ "Id": "policy", "CachePolicyConfig": {
        "Name": "policy", "MinTTL": 0, "DefaultTTL": 60, "MaxTTL": 60,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": false,
            "HeadersConfig": { "HeaderBehavior": "whitelist", "Headers": { "Quantity": 1, "Items": ["Authorization"] } },
            "CookiesConfig": { "CookieBehavior": "none" },
            "QueryStringsConfig": { "QueryStringBehavior": "all" } } } }]});
    let origin = &mut document["DistributionConfig"]["Origins"]["Items"][0];
    let mut kind = "s3";
    if domain.contains(".lambda-url.") {
        kind = "lambda";
        origin.as_object_mut().unwrap().remove("S3OriginConfig");
        origin["CustomOriginConfig"] =
            json!({ "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only" });
    }
    if let Some(behavior) = behavior {
        document["OriginAccessControls"] = json!([{ "Id": "E1", "OriginAccessControlConfig": {
            "Name": "n", "SigningProtocol": "sigv4", "SigningBehavior": behavior,
            "OriginAccessControlOriginType": kind } }]);
    }
    load_value(document).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The call for a request, with these credentials.
fn ask(
    loaded: Loaded,
    credentials: Option<Credentials>,
    request: http::Request<()>,
    stream: Stream,
) -> Box<Ask> {
    let mut distribution = loaded.distribution;
    distribution.origins[0].signing.as_mut().into_iter().for_each(|signing| {
        signing.credentials = credentials.clone().map(Arc::new);
    });
    let (guard, place, devices) = (Guard::On, Place::new(1, None), Memo::new(1));
    let rules = Arc::new(Rules { distribution, guard, place, devices });
    let now = UNIX_EPOCH + Duration::from_secs(vectors()["now"].as_u64().unwrap());
    let (parts, ()) = request.into_parts();
    let request = Request::read(parts, Scheme::Http, stream, ([127, 0, 0, 1], 1).into()).unwrap();
    match exchange::begin(&rules, request, HeaderValue::from_static("id"), now) {
        Step::LookUp(look_up) => match look_up.found(None, Epoch::default(), now) {
            Step::Ask(ask) => ask,
            step => panic!("{step:?}"),
        },
        Step::Ask(ask) => ask,
        step => panic!("{step:?}"),
    }
}

fn credentials(token: Option<&str>) -> Credentials {
    let vectors = vectors();
    Credentials {
        access_key_id: vectors["key"].as_str().unwrap().to_owned(),
        secret_access_key: vectors["secret"].as_str().unwrap().to_owned(),
        session_token: token.map(str::to_owned),
    }
}

fn get(target: &str) -> http::request::Builder {
    http::Request::builder().uri(target).header("host", "localhost")
}

fn field<'a>(ask: &'a Ask, name: &str) -> &'a str {
    ask.call().headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn calls_are_signed_as_botocore_signs_them() {
    let vectors = vectors();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 9);
    let mut wrong = Vec::new();
    for vector in vectors {
        let text = |key: &str| vector[key].as_str().unwrap();
        let mut request = get(text("target")).method(text("method"));
        let mut stream = Stream::Ended;
        if vector["has_body"] == true {
            (request, stream) = (request.header("content-length", "1"), Stream::Open);
        }
        let ask = ask(
            loaded(text("domain"), Some("always")),
            Some(credentials(vector["token"].as_str())),
            request.body(()).unwrap(),
            stream,
        );
        for (name, key) in [
            ("authorization", "authorization"),
            ("x-amz-date", "date"),
            ("x-amz-content-sha256", "content_sha256"),
        ] {
            if field(&ask, name) != text(key) {
                wrong.push(format!("{}: {name}: {}\n  not {}", text("title"), field(&ask, name), text(key)));
            }
        }
        assert_eq!(field(&ask, "x-amz-security-token"), vector["token"].as_str().unwrap_or_default());
        assert_eq!(ask.call().scheme, Scheme::Https, "what is signed always goes over HTTPS (§5.5)");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn always_signs_over_a_viewers_authorization_and_no_override_does_not() {
    const BUCKET: &str = "bucket.s3.eu-central-1.amazonaws.com";
    let request = || get("/a").header("authorization", "Basic eDp5").body(()).unwrap();
    let signed = |behavior, request| {
        let ask = ask(loaded(BUCKET, behavior), Some(credentials(None)), request, Stream::Ended);
        field(&ask, "authorization").to_owned()
    };
    assert!(signed(Some("always"), request()).starts_with("AWS4-HMAC-SHA256 "));
    assert_eq!(signed(Some("no-override"), request()), "Basic eDp5");
    let anonymous = || get("/a").body(()).unwrap();
    assert!(signed(Some("no-override"), anonymous()).starts_with("AWS4-HMAC-SHA256 "));
    assert!(
        signed(None, anonymous()).starts_with("AWS4-HMAC-SHA256 "),
        "a document without the control: always"
    );
    assert_eq!(signed(Some("never"), request()), "Basic eDp5");
    assert_eq!(signed(Some("never"), anonymous()), "");
}

#[test]
fn without_credentials_nothing_is_signed_and_the_loader_says_so() {
    let loaded = loaded("bucket.s3.amazonaws.com", Some("always"));
    let warnings: Vec<_> = loaded
        .warnings
        .iter()
        .filter(|problem| problem.code == NEEDS_CREDENTIALS)
        .map(|problem| &problem.place)
        .collect();
    assert_eq!(warnings, ["DistributionConfig.Origins.Items[0].OriginAccessControlId"]);
    let ask = ask(loaded, None, get("/a").body(()).unwrap(), Stream::Ended);
    assert_eq!((field(&ask, "authorization"), field(&ask, "x-amz-date")), ("", ""));
    assert_eq!(ask.call().scheme, Scheme::Http, "the viewer's");
}

/// A function's Host is what goes out, so it is what is signed.
#[cfg(feature = "functions")]
#[test]
fn the_host_a_function_chose_is_signed() {
    let vectors = vectors();
    let vector = &vectors["vectors"][0];
    let host = vector["domain"].as_str().unwrap();
    let mut document = loaded("other.s3.eu-central-1.amazonaws.com", Some("always")).document.value().clone();
    let code = format!(
        "import cf from 'cloudfront'; function handler(event) {{ cf.updateRequestOrigin({{ hostHeader: '{host}' }}); \
         return event.request; }}"
    );
    document["Functions"] = json!([{ "Name": "f", "Code": code, "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" } }]);
    document["DistributionConfig"]["DefaultCacheBehavior"]["FunctionAssociations"] = json!({ "Quantity": 1, "Items": [
        { "FunctionARN": "arn:aws:cloudfront::123456789012:function/f", "EventType": "viewer-request" }] });
    let loaded = load_value(document).unwrap_or_else(|problems| panic!("{problems}"));
    let request = get(vector["target"].as_str().unwrap()).body(()).unwrap();
    let ask = ask(loaded, Some(credentials(None)), request, Stream::Ended);
    assert_eq!(field(&ask, "host"), host);
    assert_eq!(field(&ask, "authorization"), vector["authorization"].as_str().unwrap());
}

#[test]
fn a_secret_is_never_printed() {
    assert!(!format!("{:?}", credentials(Some("token"))).contains("wJalr"));
}
