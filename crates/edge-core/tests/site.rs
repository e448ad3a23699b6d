//! The site policy from outside: what it compiles to, and what it says of mistakes.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;

use edge_core::distribution::policy::{managed_cache_policy, managed_origin_request_policy};
use edge_core::site::preset::PRESETS;
use edge_core::site::{self, Policy, Style, compile};
use serde_json::Value;

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/site").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// The example with everything in it, and the preset as flags alone give it.
fn bundles() -> [(&'static str, site::Bundle); 2] {
    [
        ("wordpress.bundle.json", compile(&site::toml::read(&read("wordpress.toml")).unwrap())),
        (
            "flags.bundle.json",
            compile(&Policy::from_preset("wordpress", &["http://127.0.0.1:8000"]).unwrap()),
        ),
    ]
}

fn printed(bundle: &site::Bundle) -> String {
    serde_json::to_string_pretty(&bundle.document).unwrap() + "\n"
}

#[test]
fn bundles_are_the_golden_ones() {
    for (file, bundle) in bundles() {
        assert!(
            printed(&bundle) == read(file),
            "{file}: run `cargo test --test site -- --ignored`, read the diff"
        );
    }
}

#[test]
#[ignore = "rewrites the golden files; the diff is the review"]
fn rewrite_the_golden_files() {
    for (file, bundle) in bundles() {
        std::fs::write(fixture(file), printed(&bundle)).unwrap();
    }
}

/// The least a file must say.
const MINIMAL: &str = "preset = 'wordpress'\norigin.name = 'alb.example.com'\n";

#[test]
fn servers_are_the_origins() {
    let [(_, toml), (_, flags)] = bundles();
    let servers = vec!["http://10.0.0.1:8000".to_owned(), "http://10.0.0.2:8000".to_owned()];
    assert_eq!(toml.servers, [("alb.example.com".to_owned(), servers)]);
    assert_eq!(flags.servers, [("origin.invalid".to_owned(), vec!["http://127.0.0.1:8000".to_owned()])]);
    let named = Policy::from_preset("wordpress", &["https://Origin.Example.com:8443/"]).unwrap();
    assert_eq!((named.origin.name.as_str(), named.origin.https_port), ("origin.example.com", 8443));
    assert_eq!(compile(&site::toml::read(MINIMAL).unwrap()).servers, []);
}

#[test]
fn a_minimal_file_is_the_preset() {
    let flags = Policy::from_preset("wordpress", &["https://alb.example.com"]).unwrap();
    let file = site::toml::read(MINIMAL).unwrap();
    assert_eq!(compile(&file).document, compile(&flags).document);
}

/// The items of an API list.
fn items(list: &Value) -> Vec<Value> {
    let items = list["Items"].as_array().cloned().unwrap_or_default();
    assert_eq!(list["Quantity"], items.len(), "{list}");
    items
}

fn names(list: &Value) -> Vec<String> {
    items(list).iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn behaviors(document: &Value) -> Vec<Value> {
    let config = &document["DistributionConfig"];
    let mut behaviors = items(&config["CacheBehaviors"]);
    behaviors.push(config["DefaultCacheBehavior"].clone());
    behaviors
}

/// What a file of these lines compiles to.
fn compiled(lines: &str) -> Value {
    compile(&site::toml::read(&format!("{MINIMAL}{lines}")).unwrap()).document
}

/// Of every shape a policy can have.
fn shapes() -> Vec<Value> {
    let mut shapes = Vec::new();
    for preset in PRESETS {
        for classes in ["none", "two", "three", "four"] {
            for (viewers, style) in
                [("redirect-to-https", "function"), ("https-only", "policy"), ("allow-all", "function")]
            {
                let text = format!(
                    "preset = '{}'\nstyle = '{style}'\nviewers = '{viewers}'\norigin.name = 'a.example.com'\n\
                     devices.classes = '{classes}'\n\
                     behavior = [{{ path = 'x', cache = 'pages' }}, {{ path = 'y', cache = 'answers' }}]",
                    preset.name,
                );
                shapes.push(compile(&site::toml::read(&text).unwrap()).document);
            }
        }
    }
    for preset in ["static", "spa"] {
        shapes.push(bucket(preset, ""));
    }
    shapes.extend(bundles().map(|(_, bundle)| bundle.document));
    shapes
}

/// Of a site whose origin is a bucket.
fn bucket(preset: &str, lines: &str) -> Value {
    let text = format!("preset = '{preset}'\norigin.name = 'files.s3.eu-central-1.amazonaws.com'\n{lines}");
    compile(&site::toml::read(&text).unwrap()).document
}

#[test]
fn quotas_and_api_rules_hold() {
    for document in shapes() {
        for policy in document["CachePolicies"].as_array().unwrap() {
            let config = &policy["CachePolicyConfig"];
            // What a bucket has is private to nobody.
            assert_eq!(config["MinTTL"], if document.get("OriginAccessControls").is_some() { 1 } else { 0 });
            assert!(config["DefaultTTL"].as_u64() <= config["MaxTTL"].as_u64());
            let key = &config["ParametersInCacheKeyAndForwardedToOrigin"];
            if key["HeadersConfig"]["HeaderBehavior"] == "whitelist" {
                assert_list(&names(&key["HeadersConfig"]["Headers"]));
            }
            for (part, list) in [("CookiesConfig", "Cookies"), ("QueryStringsConfig", "QueryStrings")] {
                if key[part].get(list).is_some() {
                    assert!((1..=10).contains(&items(&key[part][list]).len()), "{key}");
                }
            }
            assert_comment(config);
        }
        for policy in document["OriginRequestPolicies"].as_array().unwrap() {
            let config = &policy["OriginRequestPolicyConfig"];
            let listed = names(&config["HeadersConfig"]["Headers"]);
            assert_list(&listed);
            assert!(listed.iter().all(|name| name.starts_with("CloudFront-Is-")), "{listed:?}");
            assert_comment(config);
        }
        for function in document["Functions"].as_array().unwrap() {
            assert!(function["Name"].as_str().unwrap().len() <= 64);
            assert_comment(&function["FunctionConfig"]);
        }
    }
}

fn assert_list(names: &[String]) {
    let lower: HashSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    assert!(names.len() <= 10 && lower.len() == names.len() && names.is_sorted(), "{names:?}");
    assert!(names.iter().map(String::len).sum::<usize>() <= 1_024);
}

fn assert_comment(config: &Value) {
    let comment = config["Comment"].as_str().unwrap();
    assert!(comment.ends_with('.') && comment.len() <= 128, "{comment}: cut, or no sentence");
}

/// Whoever forwards cookies outside the key takes them from shared requests first, or stores nothing.
#[test]
fn cookies_are_forwarded_with_the_function_or_without_a_cache() {
    for document in shapes() {
        for behavior in behaviors(&document) {
            let disabled = behavior["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
            let function = behavior.get("FunctionAssociations").is_some();
            assert!(disabled || function == behavior.get("OriginRequestPolicyId").is_some(), "{behavior}");
            assert_eq!(disabled, behavior["Compress"] == false);
            let methods = &behavior["AllowedMethods"];
            assert_eq!(items(&methods["CachedMethods"]).len(), 2);
            assert!(!(disabled || function) || items(methods).len() == 7);
        }
        for function in document["Functions"].as_array().unwrap() {
            assert!(
                function["Rule"]["SharedHeaders"].is_array(),
                "anonymous viewers are examined: {function}"
            );
            assert!(function["Code"].as_str().unwrap().len() < 10 * 1024 - 512);
        }
    }
}

#[test]
fn every_reference_is_there() {
    for document in shapes() {
        let ids: HashSet<&str> = ["CachePolicies", "OriginRequestPolicies", "ResponseHeadersPolicies"]
            .into_iter()
            .flat_map(|list| document[list].as_array().unwrap())
            .map(|policy| policy["Id"].as_str().unwrap())
            .collect();
        let functions = document["Functions"].as_array().unwrap();
        for behavior in behaviors(&document) {
            for field in ["CachePolicyId", "OriginRequestPolicyId", "ResponseHeadersPolicyId"] {
                let Some(id) = behavior.get(field).map(|id| id.as_str().unwrap()) else { continue };
                let managed =
                    managed_cache_policy(id).is_some() || managed_origin_request_policy(id).is_some();
                assert!(ids.contains(id) || managed, "{id}");
            }
            for association in behavior.get("FunctionAssociations").map(items).unwrap_or_default() {
                assert!(
                    functions.iter().any(|function| function["FunctionARN"] == association["FunctionARN"])
                );
            }
            assert_eq!(
                behavior["TargetOriginId"],
                document["DistributionConfig"]["Origins"]["Items"][0]["Id"]
            );
        }
    }
}

#[test]
fn devices_choose_headers() {
    let [mobile, tv, tablet] =
        ["Mobile", "SmartTV", "Tablet"].map(|class| format!("CloudFront-Is-{class}-Viewer"));
    for (classes, forwarded) in [
        ("none", None),
        ("two", Some(vec![mobile.clone(), tablet.clone()])),
        ("three", Some(vec![mobile.clone(), tablet.clone()])),
        ("four", Some(vec![mobile, tv, tablet])),
    ] {
        let document = compiled(&format!("devices.classes = '{classes}'"));
        let key =
            &document["CachePolicies"][0]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"];
        let keyed = names(&key["HeadersConfig"]["Headers"]);
        assert_eq!(keyed.contains(&"X-Viewer-Device".to_owned()), forwarded.is_some());
        let policy = document["OriginRequestPolicies"].get(0);
        let found =
            policy.map(|policy| names(&policy["OriginRequestPolicyConfig"]["HeadersConfig"]["Headers"]));
        assert_eq!(found, forwarded, "{classes}");
    }
}

#[test]
fn fields_reach_the_documents() {
    let policy = site::toml::read(&read("wordpress.toml")).unwrap();
    let rule = &compile(&policy).document["Functions"][0]["Rule"];
    let has = |list: &str, name: &str| rule[list].as_array().unwrap().iter().any(|entry| entry == name);
    assert!(has("SessionCookies", "wordpress_logged_in_*") && has("SessionCookies", "wmc_current_currency"));
    assert!(!has("SessionCookies", "wptouch_switch_toggle"));
    assert!(has("SessionQuery", "add-to-cart") && has("SessionQuery", "my-coupon"));
    assert!(has("DropQuery", "utm_*") && has("DropQuery", "src_*") && has("KeepQuery", "utm_nooverride"));

    let own = compiled("behavior = [{ path = '/wp-json/*', cache = 'pages' }]");
    let paths: Vec<Value> = behaviors(&own).iter().map(|behavior| behavior["PathPattern"].clone()).collect();
    assert_eq!(paths[..3], ["/wp-json/*", "wp-admin/*", "*.php"], "the site's own takes the preset's place");

    let name = |end: &str| {
        compiled(&format!("domains = ['{}.{end}']", "a".repeat(60)))["Functions"][0]["Name"].clone()
    };
    assert_ne!(name("example.com"), name("example.org"), "long names stay two");
    let ttl = compiled("ttl.pages = '2y'\nttl.assets = '0s'");
    assert_eq!(ttl["CachePolicies"][0]["CachePolicyConfig"]["MaxTTL"], 2 * 31_536_000);
    assert_eq!(ttl["CachePolicies"][1]["CachePolicyConfig"]["DefaultTTL"], 0);
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let text =
        "viewers = 'http'\ndomains = ['x']\n[origin]\nname = 'a.example.com'\nport = 80\n[ttl]\npages = '1'";
    let problems = site::toml::read(text).unwrap_err();
    let lines: Vec<Option<usize>> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(1), Some(1), Some(2), Some(5), Some(7)], "{problems}");
}

#[test]
fn limits_are_cloudfronts() {
    let many =
        |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    for (text, says) in [
        (
            format!("domains = [{}]", many(101, &|n| format!("'a{n}.example.com'"))),
            "101 are more than CloudFront's 100",
        ),
        (
            format!("behavior = [{}]", many(70, &|n| format!("{{ path = 'a{n}', cache = 'never' }}"))),
            "79 are more than CloudFront's 75",
        ),
        (
            format!("query.drop = [{}]", many(600, &|n| format!("'argument{n}'"))),
            "do not fit into a function of 10 KB",
        ),
    ] {
        let problems = site::toml::read(&format!("{MINIMAL}{text}")).unwrap_err().to_string();
        assert!(problems.contains(says) && problems.lines().count() == 1, "{problems}");
    }
}

#[test]
fn flags_have_mistakes_too() {
    for (preset, servers, says) in [
        ("wordpres", &["http://a"][..], "preset: \"wordpres\" is none of"),
        ("wordpress", &[], "origin: there is none"),
        ("wordpress", &["a:80"], "origin: \"a:80\" is no URL (did you mean \"http://a:80\"?)"),
    ] {
        let problems = Policy::from_preset(preset, servers).unwrap_err().to_string();
        assert!(problems.starts_with(says) && problems.lines().count() == 1, "{problems}");
    }
    let mut policy = Policy::from_preset("wordpress", &["http://a.example.com"]).unwrap();
    assert!(
        policy
            .set_servers(&["http://a", "b"])
            .unwrap_err()
            .to_string()
            .starts_with("origin: \"b\" is no URL")
    );
    assert!(
        policy.add_domains(&["x"]).unwrap_err().to_string().starts_with("domain: \"x\" is no domain name")
    );
    policy.add_domains(&["Blog.example.com", "blog.example.com"]).unwrap();
    policy.set_servers(&["http://127.0.0.1:1"]).unwrap();
    assert_eq!(policy.domains, ["blog.example.com"]);
    let servers = vec!["http://127.0.0.1:1".to_owned()];
    assert_eq!(compile(&policy).servers, [("a.example.com".to_owned(), servers)]);
}

#[test]
fn files_are_not_split_by_trackers() {
    let query = |lines: &str| {
        let text = format!("preset = 'static'\norigin.name = 'a.example.com'\n{lines}");
        let document = compile(&site::toml::read(&text).unwrap()).document;
        document["CachePolicies"][0]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]["QueryStringsConfig"]
            .clone()
    };
    let without = query("");
    assert_eq!(without["QueryStringBehavior"], "allExcept");
    assert!(names(&without["QueryStrings"]).contains(&"utm_source".to_owned()));
    let kept = names(&query("query.keep = ['utm_source']")["QueryStrings"]);
    assert_eq!(kept.len(), 9);
    assert!(!kept.contains(&"utm_source".to_owned()));
    assert_eq!(
        query("query.keep = ['utm_*', 'mc_*', 'fbclid', 'gclid', 'msclkid']"),
        serde_json::json!({ "QueryStringBehavior": "all" })
    );
}

/// The key of the pages of a document.
fn pages_key(document: &Value) -> &Value {
    &document["CachePolicies"][0]["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
}

#[test]
fn policies_alone_key_on_cookies_and_raw_device_headers() {
    let mut policy = site::toml::read(MINIMAL).unwrap();
    assert!(policy.gives_up().is_empty());
    policy.set_style(Style::Policy).unwrap();
    let document = compile(&policy).document;
    let key = pages_key(&document);
    assert_eq!(document["Functions"], serde_json::json!([]));
    assert_eq!(document["OriginRequestPolicies"], serde_json::json!([]));
    let cookies = names(&key["CookiesConfig"]["Cookies"]);
    for name in ["wordpress_logged_in_*", "wp-postpass_*", "comment_author_*", "woocommerce_cart_hash"] {
        assert!(cookies.contains(&name.to_owned()), "{name}: {cookies:?}");
    }
    assert_eq!(cookies.len(), 9);
    let headers = names(&key["HeadersConfig"]["Headers"]);
    assert!(headers.contains(&"CloudFront-Is-Mobile-Viewer".to_owned()), "{headers:?}");
    assert!(!headers.iter().any(|name| name.starts_with("X-Viewer")), "{headers:?}");
    assert_eq!(key["QueryStringsConfig"]["QueryStringBehavior"], "allExcept");
    assert_eq!(names(&key["QueryStringsConfig"]["QueryStrings"]).len(), 10);
    assert!(policy.gives_up().len() > 3);
}

#[test]
fn the_site_s_own_trackers_come_first() {
    let dropped = |lines: &str| {
        let document = compiled(&format!("style = 'policy'\n{lines}"));
        names(&pages_key(&document)["QueryStringsConfig"]["QueryStrings"])
    };
    let own = dropped("query.drop = ['zzz', 'ref']");
    assert!(own.contains(&"zzz".to_owned()) && own.contains(&"ref".to_owned()) && own.len() == 10, "{own:?}");
    assert!(!dropped("query.keep = ['utm_*']").iter().any(|name| name.starts_with("utm_")));
}

#[test]
fn a_style_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut policy = site::toml::read(&format!("{MINIMAL}sessions.cookies = ['a', 'b']")).unwrap();
    let problems = policy.set_style(Style::Policy).unwrap_err().to_string();
    assert!(problems.starts_with("sessions.cookies: 11 cookies are more than"), "{problems}");
    assert_eq!((policy.style(), problems.lines().count()), (Style::Function, 1));
    assert!(policy.set_style(Style::Function).is_ok());
}

#[test]
fn a_bucket_is_private_and_has_managed_policies_where_they_fit() {
    let document = bucket("static", "headers.security = 'managed'");
    let config = &document["DistributionConfig"];
    let behavior = &config["DefaultCacheBehavior"];
    assert_eq!(behavior["CachePolicyId"], "658327ea-f89d-4fab-a63d-7e88639e58f6", "CachingOptimized");
    assert_eq!(behavior["ResponseHeadersPolicyId"], "67f7725c-6f97-4210-82d7-5512b31e9d03");
    assert_eq!(document["CachePolicies"], serde_json::json!([]));
    assert_eq!(document["ResponseHeadersPolicies"], serde_json::json!([]));
    let origin = &config["Origins"]["Items"][0];
    assert!(origin.get("CustomOriginConfig").is_none() && origin["S3OriginConfig"].is_object());
    assert_eq!(origin["OriginAccessControlId"], document["OriginAccessControls"][0]["Id"]);
    assert_eq!(config["DefaultRootObject"], "index.html");
    // Another TTL is another policy.
    assert_eq!(bucket("static", "ttl.assets = '2d'")["CachePolicies"][0]["CachePolicyConfig"]["MinTTL"], 1);
}

#[test]
fn what_stands_around_pages_reaches_the_documents() {
    let document = compiled(
        "root = 'index.html'\nprice_class = '100'\nhttp_version = 'http2and3'\nttl.errors = '3s'\n\
         web_acl = 'arn:aws:wafv2:us-east-1:123456789012:global/webacl/a/b'\norigin.path = '/public'\n\
         origin.headers = { X-Origin-Secret = 'abc' }\n[errors]\npage = '/404.html'\ncodes = [404]\n\
         [logging]\nbucket = 'logs.s3.amazonaws.com'\nprefix = 'cf/'\n\
         [headers]\nsecurity = 'managed'\nremove = ['X-Powered-By']\n[headers.set]\nX-A = 'b'",
    );
    let config = &document["DistributionConfig"];
    assert_eq!(config["PriceClass"], "PriceClass_100");
    assert_eq!(config["HttpVersion"], "http2and3");
    assert_eq!(config["Logging"]["Bucket"], "logs.s3.amazonaws.com");
    assert!(config["WebACLId"].as_str().unwrap().ends_with("webacl/a/b"));
    let origin = &config["Origins"]["Items"][0];
    assert_eq!(
        (&origin["OriginPath"], &origin["CustomHeaders"]["Items"][0]["HeaderName"]),
        (&"/public".into(), &"X-Origin-Secret".into())
    );
    let errors = items(&config["CustomErrorResponses"]);
    assert_eq!(
        errors[0],
        serde_json::json!({ "ErrorCode": 404, "ErrorCachingMinTTL": 3, "ResponsePagePath": "/404.html", "ResponseCode": "404" })
    );
    assert_eq!(errors.len(), 5);
    let headers = &document["ResponseHeadersPolicies"][0]["ResponseHeadersPolicyConfig"];
    assert_eq!(headers["RemoveHeadersConfig"]["Items"][0]["Header"], "X-Powered-By");
    assert_eq!(
        headers["CustomHeadersConfig"]["Items"][0],
        serde_json::json!({ "Header": "X-A", "Value": "b", "Override": true })
    );
    assert_eq!(headers["SecurityHeadersConfig"].as_object().unwrap().len(), 5);
}
