//! From a form's own way to write lists and scalars to the API's (§1.1, §1.2).
//!
//! CloudFormation and Terraform have plain arrays where the API counts its items, XML has texts only, and templates
//! take texts, numbers and truth values for one another. What a field of the API holds depends on its name alone, so
//! two tables are enough for every form.

use serde_json::Number;

use super::tree::{Kind, Tree};

/// `{"Quantity": n, "Items": […]}` at the API, and what a member is called in XML (§1.1).
pub(super) const COUNTED: &[(&str, &str)] = &[
    ("AccessControlAllowHeaders", "Header"),
    ("AccessControlAllowMethods", "Method"),
    ("AccessControlAllowOrigins", "Origin"),
    ("AccessControlExposeHeaders", "Header"),
    ("Aliases", "CNAME"),
    ("AllowedMethods", "Method"),
    ("CacheBehaviors", "CacheBehavior"),
    ("CachedMethods", "Method"),
    ("Cookies", "Name"),
    ("CustomErrorResponses", "CustomErrorResponse"),
    ("CustomHeaders", "OriginCustomHeader"),
    ("CustomHeadersConfig", "ResponseHeadersPolicyCustomHeader"),
    ("FunctionAssociations", "FunctionAssociation"),
    ("GeoRestriction", "Location"),
    ("Headers", "Name"),
    ("KeyValueStoreAssociations", "KeyValueStoreAssociation"),
    ("LambdaFunctionAssociations", "LambdaFunctionAssociation"),
    ("Members", "OriginGroupMember"),
    ("OriginGroups", "OriginGroup"),
    ("OriginSslProtocols", "SslProtocol"),
    ("Origins", "Origin"),
    ("QueryStringCacheKeys", "Name"),
    ("QueryStrings", "Name"),
    ("RemoveHeadersConfig", "ResponseHeadersPolicyRemoveHeader"),
    ("StagingDistributionDnsNames", "DnsName"),
    ("StatusCodes", "StatusCode"),
    ("TrustedKeyGroups", "KeyGroup"),
    ("TrustedSigners", "AwsAccountNumber"),
    ("WhitelistedNames", "Name"),
];

/// Fields that hold `true` or `false`.
const BOOLEANS: &[&str] = &[
    "AccessControlAllowCredentials",
    "AdvertiseTrustStoreCaNames",
    "CloudFrontDefaultCertificate",
    "Compress",
    "EnableAcceptEncodingBrotli",
    "EnableAcceptEncodingGzip",
    "Enabled",
    "IgnoreCertificateExpiry",
    "IncludeBody",
    "IncludeCookies",
    "IncludeSubdomains",
    "IsIPV6Enabled",
    "ModeBlock",
    "OriginOverride",
    "Override",
    "Preload",
    "Protection",
    "QueryString",
    "Required",
    "SmoothStreaming",
    "Staging",
];

/// Fields that hold a number; `StatusCodes` is a list of them.
const NUMBERS: &[&str] = &[
    "AccessControlMaxAgeSec",
    "ConnectionAttempts",
    "ConnectionTimeout",
    "DefaultTTL",
    "ErrorCachingMinTTL",
    "ErrorCode",
    "HTTPPort",
    "HTTPSPort",
    "MaxTTL",
    "MinTTL",
    "OriginKeepaliveTimeout",
    "OriginReadTimeout",
    "Quantity",
    "ResponseCompletionTimeout",
    "SamplingRate",
    "StatusCodes",
];

/// Brings everything below the field `name` into the API's form.
pub(super) fn fit(name: &str, tree: &mut Tree) {
    match &mut tree.kind {
        Kind::Object(fields) => {
            for (key, value) in fields {
                match &mut value.kind {
                    // Counted already, and each is what the list around them is a list of.
                    Kind::List(items) if key == "Items" => items.iter_mut().for_each(|item| fit(name, item)),
                    _ => fit(key, value),
                }
            }
            let counts = COUNTED.iter().any(|(counted, _)| *counted == name);
            if counts && tree.get("Quantity").is_none() && takes_items(name, tree) {
                count(tree);
            }
        }
        Kind::List(items) => {
            for item in items.iter_mut() {
                fit(name, item);
            }
            if COUNTED.iter().any(|(counted, _)| *counted == name) {
                let (count, place) = (items.len(), tree.place.clone());
                let list = Tree { kind: std::mem::replace(&mut tree.kind, Kind::Null), place };
                let quantity = list.here(Kind::Number(count.into()));
                tree.kind = Kind::Object(vec![("Quantity".to_owned(), quantity), ("Items".to_owned(), list)]);
            }
        }
        Kind::Null => {}
        Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => scalar(name, tree),
    }
}

/// `Cookies` is a list in a policy and an object in `ForwardedValues`; a member of a list is no list.
fn takes_items(name: &str, tree: &Tree) -> bool {
    tree.get("Items").is_some() || name == "GeoRestriction" || name.starts_with("Trusted")
}

fn count(tree: &mut Tree) {
    let items = tree.get("Items").map_or(0, |items| items.items().len());
    tree.set_default("Quantity", Kind::Number(items.into()));
}

/// A text becomes the number or truth value it spells, where the API wants one; a number a text where it does not.
fn scalar(name: &str, tree: &mut Tree) {
    let Some(text) = tree.scalar() else { return };
    let trimmed = text.trim();
    let kind = if BOOLEANS.contains(&name) {
        match trimmed.to_ascii_lowercase().as_str() {
            "true" => Kind::Boolean(true),
            "false" => Kind::Boolean(false),
            _ => return, // The loader says what is wrong with it.
        }
    } else if NUMBERS.contains(&name) {
        match trimmed.parse::<Number>() {
            Ok(number) => Kind::Number(number),
            Err(_) => return,
        }
    } else {
        Kind::Text(text)
    };
    tree.kind = kind;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tree::Place;
    use super::*;

    fn fitted(name: &str, value: Value) -> Value {
        let mut tree = Tree::of(value, Place::top(name));
        fit(name, &mut tree);
        tree.value()
    }

    #[test]
    fn lists_are_counted_and_scalars_are_what_the_api_has() {
        for (name, from, to) in [
            ("Aliases", json!(["a", 1]), json!({"Quantity": 2, "Items": ["a", "1"]})),
            ("Aliases", json!({"Quantity": 0}), json!({"Quantity": 0})),
            (
                "StatusCodes",
                json!({"Quantity": "1", "Items": ["500"]}),
                json!({"Quantity": 1, "Items": [500]}),
            ),
            (
                "ForwardedValues",
                json!({"Cookies": {"Forward": "none"}}),
                json!({"Cookies": {"Forward": "none"}}),
            ),
            ("CookiesConfig", json!({"Cookies": []}), json!({"Cookies": {"Quantity": 0, "Items": []}})),
            ("CustomHeadersConfig", json!({"Items": []}), json!({"Items": [], "Quantity": 0})),
            (
                "CustomErrorResponse",
                json!({"ResponseCode": 404, "ErrorCode": "403"}),
                json!({"ResponseCode": "404", "ErrorCode": 403}),
            ),
            ("Enabled", json!("True"), json!(true)),
            ("Enabled", json!("perhaps"), json!("perhaps")),
            ("MinTTL", json!("soon"), json!("soon")),
            ("Comment", json!(true), json!("true")),
            ("KeyGroupConfig", json!({"Items": ["k"]}), json!({"Items": ["k"]})),
        ] {
            assert_eq!(fitted(name, from.clone()), to, "{name} {from}");
        }
    }

    #[test]
    fn tables_have_each_name_once() {
        assert!(COUNTED.is_sorted_by(|a, b| a.0 < b.0));
        assert!(BOOLEANS.is_sorted_by(|a, b| a < b) && NUMBERS.is_sorted_by(|a, b| a < b));
    }
}
