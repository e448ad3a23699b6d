//! What the policies of a behavior come to, in the API's words: the same for a managed policy, one of the document and
//! `ForwardedValues` that say the same.

use std::time::Duration;

use http::HeaderName;
use serde_json::{Value, json};

use crate::distribution::{
    AllowedOrigin, Behavior, ForwardSettings, HeaderDefaults, HeaderForwarding, Name, Names, OriginHeader,
    ResponseHeadersPolicy,
};

/// Puts them into the normal form of the behavior.
pub(super) fn put(behavior: &Behavior, normal: &mut Value) {
    let Value::Object(fields) = normal else { return };
    let key = &behavior.key;
    let cache = json!({
        "MinTTL": seconds(behavior.ttl.min),
        "DefaultTTL": seconds(behavior.ttl.default),
        "MaxTTL": seconds(behavior.ttl.max),
        "EnableAcceptEncodingGzip": key.gzip,
        "EnableAcceptEncodingBrotli": key.brotli,
        "Headers": headers(&key.headers),
        "Cookies": names(&key.cookies),
        "QueryStrings": names(&key.query),
    });
    fields.insert("CachePolicy".to_owned(), cache);
    fields.insert("OriginRequestPolicy".to_owned(), forwarded(&behavior.forward));
    if let Some(policy) = &behavior.response_headers {
        fields.insert("ResponseHeadersPolicy".to_owned(), response_headers(policy));
    }
}

fn forwarded(forward: &ForwardSettings) -> Value {
    let listed = match &forward.headers {
        HeaderForwarding::Defaults => json!("none"),
        HeaderForwarding::Only(names) => json!({ "whitelist": headers(names) }),
        HeaderForwarding::AllViewer { plus } if plus.is_empty() => json!("allViewer"),
        HeaderForwarding::AllViewer { plus } => {
            json!({ "allViewerAndWhitelistCloudFront": headers(plus) })
        }
        HeaderForwarding::AllExcept { names, plus } => {
            json!({ "allExcept": headers(names), "plus": headers(plus) })
        }
    };
    let mut value = json!({
        "Headers": listed,
        "Cookies": names(&forward.cookies),
        "QueryStrings": names(&forward.query),
    });
    if forward.defaults == HeaderDefaults::Legacy {
        value["Defaults"] = json!("ForwardedValues");
    }
    value
}

fn headers(names: &[HeaderName]) -> Value {
    let mut names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    names.sort_unstable();
    json!(names)
}

fn names(names: &Names) -> Value {
    let list = |names: &[Name]| {
        let text = |name: &Name| match name {
            Name::Literal(text) => text.clone(),
            Name::Pattern(glob) => glob.as_str().to_owned(),
        };
        let mut texts: Vec<String> = names.iter().map(text).collect();
        texts.sort_unstable();
        json!(texts)
    };
    match names {
        Names::None => json!("none"),
        Names::All => json!("all"),
        Names::Only(listed) => json!({ "whitelist": list(listed) }),
        Names::AllExcept(listed) => json!({ "allExcept": list(listed) }),
    }
}

fn response_headers(policy: &ResponseHeadersPolicy) -> Value {
    let overrides = |origin: OriginHeader| origin == OriginHeader::Overridden;
    let mut set: Vec<(String, Value)> = policy
        .set
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value.as_bytes()).into_owned();
            (header.name.to_string(), json!({ "Value": value, "Override": overrides(header.origin) }))
        })
        .collect();
    set.sort_by(|a, b| a.0.cmp(&b.0));
    let mut value = json!({ "RemoveHeaders": headers(&policy.remove), "SetHeaders": Value::Object(set.into_iter().collect()) });
    if let Some(cors) = &policy.cors {
        let sorted = |texts: &[String]| {
            let mut texts = texts.to_vec();
            texts.sort_unstable();
            json!(texts)
        };
        let mut origins: Vec<String> = cors.allow_origins.iter().map(origin).collect();
        origins.sort_unstable();
        value["Cors"] = json!({
            "AllowOrigins": origins,
            "AllowHeaders": sorted(&cors.allow_headers),
            "AllowMethods": sorted(&cors.allow_methods),
            "AllowCredentials": cors.allow_credentials,
            "ExposeHeaders": sorted(&cors.expose_headers),
            "MaxAgeSec": cors.max_age.map(seconds),
            "OriginOverride": overrides(cors.origin),
        });
    }
    if let Some(percent) = policy.server_timing_percent {
        value["ServerTimingSamplingRate"] = json!(percent);
    }
    value
}

fn origin(origin: &AllowedOrigin) -> String {
    format!("{origin:?}")
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}
