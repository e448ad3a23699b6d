//! From a case's shorthand to the AWS document the loader reads: what is tested is what is deployed.

use edge_core::distribution::policy::{CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES};
use serde_json::{Map, Value, json};

use super::format::{
    Behavior, Cache, Case, Deployment, Forward, Group, HOST, Legacy, Names, Origin, ResponseHeaders,
};
use super::signed;

/// The domain name of every case's distribution.
pub(crate) const DOMAIN: &str = "d111111abcdef8.cloudfront.net";

const ALL_METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];

/// The domain name of the staging distribution beside it.
pub(crate) const STAGING_DOMAIN: &str = "d222222abcdef8.cloudfront.net";

/// The document of a case as text.
pub(crate) fn document(case: &Case) -> Result<String, String> {
    match case.document.as_deref() {
        Some(name) if name.ends_with(".json") => {
            let path = format!("{}/../../fixtures/distributions/{name}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
        }
        Some(json) => Ok(json.to_owned()),
        None => Ok(Bundle::default().of(case)?.to_string()),
    }
}

/// The document of the staging distribution beside it, where there is one.
pub(crate) fn staging(case: &Case) -> Result<Option<String>, String> {
    if case.deployment.is_none() || case.document.is_some() {
        return Ok(None);
    }
    let mut bundle = Bundle::default().of(case)?;
    (bundle["Id"], bundle["DomainName"]) = (json!("ESTAGING"), json!(STAGING_DOMAIN));
    let config = &mut bundle["DistributionConfig"];
    (config["Staging"], config["ContinuousDeploymentPolicyId"]) = (json!(true), json!(""));
    config["Aliases"] = list(Vec::new());
    for origin in config["Origins"]["Items"].as_array_mut().into_iter().flatten() {
        origin["OriginPath"] =
            json!(format!("/staging{}", origin["OriginPath"].as_str().unwrap_or_default()));
    }
    Ok(Some(bundle.to_string()))
}

fn deployment(deployment: &Deployment) -> Value {
    let mut config = json!({ "StagingDistributionDnsNames": texts(&[STAGING_DOMAIN.to_owned()]), "Enabled": !deployment.disabled });
    if let Some([header, value]) = &deployment.header {
        let header = json!({ "Header": header, "Value": value });
        config["TrafficConfig"] = json!({ "Type": "SingleHeader", "SingleHeaderConfig": header });
    }
    if let Some(weight) = deployment.weight {
        let mut weight = json!({ "Weight": weight });
        if let Some([idle, maximum]) = deployment.sessions {
            weight["SessionStickinessConfig"] = json!({ "IdleTTL": idle, "MaximumTTL": maximum });
        }
        config["TrafficConfig"] = json!({ "Type": "SingleWeight", "SingleWeightConfig": weight });
    }
    json!({ "Id": "policy", "ContinuousDeploymentPolicyConfig": config })
}

/// What behaviors name by id.
#[derive(Default)]
struct Bundle {
    cache: Vec<Value>,
    forward: Vec<Value>,
    response_headers: Vec<Value>,
    functions: Vec<Value>,
    key_groups: Vec<Value>,
    stores: Vec<Value>,
}

/// A behavior in shorthand.
struct Parts<'a> {
    cache: Option<&'a Cache>,
    forward: Option<&'a Forward>,
    legacy: Option<&'a Legacy>,
    response_headers: Option<&'a ResponseHeaders>,
    behavior: Option<&'a Behavior>,
}

impl Bundle {
    fn of(mut self, case: &Case) -> Result<Value, String> {
        let default = Parts {
            cache: case.cache.as_ref(),
            forward: case.forward.as_ref(),
            legacy: case.legacy.as_ref(),
            response_headers: case.response_headers.as_ref(),
            behavior: case.behavior.as_ref(),
        };
        let default_behavior = self.behavior(&default)?;
        let mut behaviors = Vec::new();
        for ordered in &case.behaviors {
            let own = ordered.cache.is_some() || ordered.legacy.is_some();
            let parts = Parts {
                cache: ordered.cache.as_ref().or(default.cache.filter(|_| !own)),
                legacy: ordered.legacy.as_ref().or(default.legacy.filter(|_| !own)),
                forward: ordered.forward.as_ref().or(default.forward.filter(|_| !own)),
                response_headers: ordered.response_headers.as_ref().or(default.response_headers),
                behavior: ordered.behavior.as_ref().or(default.behavior),
            };
            let mut behavior = self.behavior(&parts)?;
            behavior.insert("PathPattern".to_owned(), json!(ordered.path));
            behaviors.push(Value::Object(behavior));
        }
        let distribution = case.distribution.clone().unwrap_or_default();
        let aliases = distribution.aliases.unwrap_or_else(|| vec![HOST.to_owned()]);
        let first = case.origin.clone().unwrap_or_default();
        let mut config = json!({
            "CallerReference": "case",
            "Comment": "",
            "Enabled": !distribution.disabled,
            "Aliases": list(aliases.into_iter().map(Value::from).collect()),
            "ViewerCertificate": {
                "ACMCertificateArn":
                    "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012",
                "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": distribution.policy.as_deref().unwrap_or("TLSv1.2_2021"),
            },
            "Origins": list(std::iter::once(&first).chain(&case.origins).map(origin).collect()),
            "OriginGroups": list(case.groups.iter().map(group).collect()),
            "DefaultCacheBehavior": default_behavior,
            "CacheBehaviors": list(behaviors),
            "CustomErrorResponses": list(case.errors.iter().map(error_response).collect()),
        });
        if let Some(name) = distribution.tags {
            config["CacheTagConfig"] = json!({ "HeaderName": name });
        }
        if let Some(version) = distribution.http {
            config["HttpVersion"] = json!(version);
        }
        if let Some(mode) = distribution.mtls {
            let store = json!({ "TrustStoreId": "ts-case" });
            config["ViewerMtlsConfig"] = match mode.as_str() {
                "passthrough" => json!({ "Mode": mode }),
                _ => json!({ "Mode": mode, "TrustStoreConfig": store }),
            };
        }
        if let Some(countries) = &distribution.geo {
            config["Restrictions"] = json!({ "GeoRestriction": geo_restriction(countries)? });
        }
        if let Some(root) = distribution.root {
            config["DefaultRootObject"] = json!(root);
        }
        if case.deployment.is_some() {
            config["ContinuousDeploymentPolicyId"] = json!("policy");
        }
        Ok(json!({
            "Id": "ECASE",
            "DomainName": DOMAIN,
            "DistributionConfig": config,
            "CachePolicies": self.cache,
            "OriginRequestPolicies": self.forward,
            "ResponseHeadersPolicies": self.response_headers,
            "Functions": self.functions,
            "KeyGroups": self.key_groups,
            "PublicKeys": signed::public_keys(),
            "KeyValueStores": self.stores,
            "ContinuousDeploymentPolicies": case.deployment.iter().map(deployment).collect::<Vec<_>>(),
        }))
    }

    fn behavior(&mut self, parts: &Parts<'_>) -> Result<Map<String, Value>, String> {
        let settings = parts.behavior.cloned().unwrap_or_default();
        let methods = match settings.methods.as_deref() {
            None if settings.grpc => ALL_METHODS.to_vec(),
            None | Some("GET HEAD") => vec!["GET", "HEAD"],
            Some("GET HEAD OPTIONS") => vec!["GET", "HEAD", "OPTIONS"],
            Some("all") => ALL_METHODS.to_vec(),
            Some(other) => return Err(format!("methods = {other:?} is none of the three sets")),
        };
        let cached =
            if settings.cached_options { vec!["GET", "HEAD", "OPTIONS"] } else { vec!["GET", "HEAD"] };
        let mut allowed = list(methods.into_iter().map(Value::from).collect());
        allowed["CachedMethods"] = list(cached.into_iter().map(Value::from).collect());
        let mut behavior = Map::new();
        let mut put = |key: &str, value: Value| _ = behavior.insert(key.to_owned(), value);
        put("TargetOriginId", json!(settings.target.as_deref().unwrap_or("origin")));
        put("ViewerProtocolPolicy", json!(settings.protocol.as_deref().unwrap_or("allow-all")));
        put("AllowedMethods", allowed);
        put("Compress", json!(settings.compress));
        if settings.grpc {
            put("GrpcConfig", json!({ "Enabled": true }));
        }
        match parts.legacy {
            Some(legacy) => {
                put("ForwardedValues", forwarded_values(legacy)?);
                for (key, value) in
                    [("MinTTL", legacy.min), ("DefaultTTL", legacy.default), ("MaxTTL", legacy.max)]
                {
                    if let Some(value) = value {
                        put(key, json!(value));
                    }
                }
            }
            None => {
                let id = self.cache_policy(&parts.cache.cloned().unwrap_or_default())?;
                put("CachePolicyId", json!(id));
            }
        }
        if let Some(forward) = parts.forward {
            put("OriginRequestPolicyId", json!(self.forward_policy(forward)?));
        }
        if let Some(policy) = parts.response_headers {
            put("ResponseHeadersPolicyId", json!(self.response_headers_policy(policy)?));
        }
        if let Some(keys) = &settings.trusted {
            let id = format!("group-{}", self.key_groups.len());
            let config = json!({ "Name": id, "Items": keys });
            self.key_groups.push(json!({ "Id": id, "KeyGroupConfig": config }));
            let mut trusted = texts(&[id]);
            trusted["Enabled"] = json!(true);
            put("TrustedKeyGroups", trusted);
        }
        if let Some(rule) = &settings.rule {
            let name = format!("rule-{}", self.functions.len());
            let arn = format!("arn:aws:cloudfront::111122223333:function/{name}");
            let association = json!({ "FunctionARN": arn, "EventType": "viewer-request" });
            put("FunctionAssociations", list(vec![association]));
            self.functions.push(json!({ "Name": name, "Rule": to_json(rule)? }));
        }
        let scripts =
            [("viewer-request", &settings.function), ("viewer-response", &settings.response_function)];
        let associations: Vec<Value> = scripts
            .into_iter()
            .filter_map(|(event, code)| {
                let arn = self.function(code.as_deref()?, &settings);
                Some(json!({ "FunctionARN": arn, "EventType": event }))
            })
            .collect();
        if !associations.is_empty() {
            behavior.insert("FunctionAssociations".to_owned(), list(associations));
        }
        let lambda = |event: &String| {
            let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:{event}:1");
            let sees = settings.lambda_body && event.ends_with("request");
            json!({ "LambdaFunctionARN": arn, "EventType": event, "IncludeBody": sees })
        };
        if !settings.lambdas.is_empty() {
            let lambdas = settings.lambdas.iter().map(lambda).collect();
            behavior.insert("LambdaFunctionAssociations".to_owned(), list(lambdas));
        }
        Ok(behavior)
    }

    /// The ARN of a function of this code.
    fn function(&mut self, code: &str, settings: &Behavior) -> String {
        let name = format!("function-{}", self.functions.len());
        let runtime = format!("cloudfront-js-{}", settings.runtime.as_deref().unwrap_or("2.0"));
        let mut config = json!({ "Comment": "", "Runtime": runtime });
        if let Some(store) = &settings.store {
            let arn = format!("arn:aws:cloudfront::111122223333:key-value-store/{}", self.stores.len());
            let items: Vec<Value> =
                store.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
            config["KeyValueStoreAssociations"] = list(vec![json!({ "KeyValueStoreARN": arn })]);
            self.stores.push(json!({ "ARN": arn, "Items": items }));
        }
        let arn = format!("arn:aws:cloudfront::111122223333:function/{name}");
        self.functions.push(json!({ "Name": name, "FunctionConfig": config, "Code": code }));
        arn
    }

    fn cache_policy(&mut self, cache: &Cache) -> Result<String, String> {
        if let Some(name) = &cache.managed {
            return managed(CACHE_POLICIES.iter().map(|row| (row.name, row.id)), name);
        }
        let id = format!("cache-{}", self.cache.len());
        let headers = match cache.headers.as_slice() {
            [] => json!({ "HeaderBehavior": "none" }),
            names => {
                json!({ "HeaderBehavior": "whitelist", "Headers": list(names.iter().map(|name| json!(name)).collect()) })
            }
        };
        let mut config = json!({
            "Name": id,
            "MinTTL": cache.min,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": cache.gzip,
                "EnableAcceptEncodingBrotli": cache.brotli,
                "HeadersConfig": headers,
                "CookiesConfig": selection(cache.cookies.as_ref(), "CookieBehavior", "Cookies")?,
                "QueryStringsConfig": selection(cache.query.as_ref(), "QueryStringBehavior", "QueryStrings")?,
            },
        });
        for (key, value) in [("DefaultTTL", cache.default), ("MaxTTL", cache.max)] {
            if let Some(value) = value {
                config[key] = json!(value);
            }
        }
        self.cache.push(json!({ "Id": id, "CachePolicyConfig": config }));
        Ok(id)
    }

    fn forward_policy(&mut self, forward: &Forward) -> Result<String, String> {
        if let Some(name) = &forward.managed {
            return managed(ORIGIN_REQUEST_POLICIES.iter().map(|row| (row.name, row.id)), name);
        }
        let id = format!("forward-{}", self.forward.len());
        let config = json!({
            "Name": id,
            "HeadersConfig": selection(forward.headers.as_ref(), "HeaderBehavior", "Headers")?,
            "CookiesConfig": selection(forward.cookies.as_ref(), "CookieBehavior", "Cookies")?,
            "QueryStringsConfig": selection(forward.query.as_ref(), "QueryStringBehavior", "QueryStrings")?,
        });
        self.forward.push(json!({ "Id": id, "OriginRequestPolicyConfig": config }));
        Ok(id)
    }

    fn response_headers_policy(&mut self, policy: &ResponseHeaders) -> Result<String, String> {
        if let Some(name) = &policy.managed {
            return managed(RESPONSE_HEADERS_POLICIES.iter().map(|row| (row.name, row.id)), name);
        }
        let id = format!("response-{}", self.response_headers.len());
        let custom =
            policy.set.iter().map(|pair| (pair, false)).chain(policy.force.iter().map(|pair| (pair, true)));
        let custom = custom
            .map(|((name, value), force)| json!({ "Header": name, "Value": value, "Override": force }))
            .collect();
        let mut config = json!({
            "Name": id,
            "CustomHeadersConfig": list(custom),
            "RemoveHeadersConfig": list(policy.remove.iter().map(|name| json!({ "Header": name })).collect()),
        });
        for (key, value) in [("SecurityHeadersConfig", &policy.security), ("CorsConfig", &policy.cors)] {
            if let Some(value) = value {
                config[key] = to_json(value)?;
            }
        }
        if let Some(rate) = policy.server_timing {
            config["ServerTimingHeadersConfig"] = json!({ "Enabled": true, "SamplingRate": rate });
        }
        self.response_headers.push(json!({ "Id": id, "ResponseHeadersPolicyConfig": config }));
        Ok(id)
    }
}

fn origin(origin: &Origin) -> Value {
    let headers = origin
        .headers
        .iter()
        .map(|(name, value)| json!({ "HeaderName": name, "HeaderValue": value }))
        .collect();
    let id = origin.id.as_deref().unwrap_or("origin");
    let domain = match &origin.domain {
        Some(domain) => domain.clone(),
        None if origin.s3 => "bucket.s3.us-east-1.amazonaws.com".to_owned(),
        None => format!("{id}.example.com"),
    };
    let mut value = json!({
        "Id": id,
        "DomainName": domain,
        "OriginPath": origin.path.as_deref().unwrap_or(""),
        "CustomHeaders": list(headers),
    });
    if origin.vpc {
        value["VpcOriginConfig"] = json!({ "VpcOriginId": "vo_0123456789abcdef0" });
    } else if origin.s3 {
        value["S3OriginConfig"] = json!({ "OriginAccessIdentity": "" });
    } else {
        value["CustomOriginConfig"] = json!({
            "HTTPPort": 80,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": origin.protocol.as_deref().unwrap_or("http-only"),
        });
    }
    value
}

fn group(group: &Group) -> Value {
    let codes = group.codes.iter().map(|code| json!(code)).collect();
    let members = group.members.iter().map(|id| json!({ "OriginId": id })).collect();
    json!({
        "Id": group.id,
        "FailoverCriteria": { "StatusCodes": list(codes) },
        "Members": list(members),
    })
}

fn error_response(error: &super::format::ErrorResponse) -> Value {
    let mut value = json!({ "ErrorCode": error.code });
    if let Some(seconds) = error.min_ttl {
        value["ErrorCachingMinTTL"] = json!(seconds);
    }
    if let Some(page) = &error.page {
        value["ResponsePagePath"] = json!(page);
    }
    if let Some(code) = error.response {
        value["ResponseCode"] = json!(code.to_string());
    }
    value
}

fn geo_restriction(countries: &Names) -> Result<Value, String> {
    let (kind, codes) = match countries {
        Names::Only { only } => ("whitelist", only),
        Names::Except { except } => ("blacklist", except),
        _ => return Err("countries are only some or all except some".to_owned()),
    };
    let mut value = texts(codes);
    value["RestrictionType"] = json!(kind);
    Ok(value)
}

fn forwarded_values(legacy: &Legacy) -> Result<Value, String> {
    let cookies = match &legacy.cookies {
        None => json!({ "Forward": "none" }),
        Some(Names::Word(word)) => json!({ "Forward": word }),
        Some(Names::Only { only }) => json!({ "Forward": "whitelist", "WhitelistedNames": texts(only) }),
        Some(_) => return Err("legacy cookies are none, all or listed".to_owned()),
    };
    Ok(json!({
        "QueryString": legacy.query || !legacy.query_keys.is_empty(),
        "QueryStringCacheKeys": texts(&legacy.query_keys),
        "Cookies": cookies,
        "Headers": texts(&legacy.headers),
    }))
}

/// A selection of names as policies write it.
fn selection(names: Option<&Names>, behavior: &str, items: &str) -> Result<Value, String> {
    let (word, listed) = match names {
        None => ("none", None),
        Some(Names::Word(word)) => match (word.as_str(), behavior) {
            ("none", _) => ("none", None),
            ("all", "CookieBehavior" | "QueryStringBehavior") => ("all", None),
            ("viewer", "HeaderBehavior") => ("allViewer", None),
            (other, _) => return Err(format!("{other:?} is no selection here")),
        },
        Some(Names::Only { only }) => ("whitelist", Some(only)),
        Some(Names::Except { except }) => ("allExcept", Some(except)),
        Some(Names::ViewerAnd { viewer_and }) => ("allViewerAndWhitelistCloudFront", Some(viewer_and)),
    };
    let mut value = json!({ behavior: word });
    if let Some(names) = listed {
        value[items] = texts(names);
    }
    Ok(value)
}

fn texts(items: &[String]) -> Value {
    list(items.iter().map(|item| json!(item)).collect())
}

fn list(items: Vec<Value>) -> Value {
    json!({ "Quantity": items.len(), "Items": items })
}

fn managed<'a>(mut rows: impl Iterator<Item = (&'a str, &'a str)>, name: &str) -> Result<String, String> {
    rows.find(|(row, _)| row.trim_start_matches("Managed-") == name)
        .map(|(_, id)| id.to_owned())
        .ok_or_else(|| format!("no managed policy {name}"))
}

fn to_json(value: &toml::Value) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}
