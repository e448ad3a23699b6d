//! The site policy from outside: what it compiles to, and what it says of mistakes.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;

use edge_core::distribution::policy::{managed_cache_policy, managed_origin_request_policy};
use edge_core::site::{self, Policy, compile};
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
    for preset in ["wordpress", "static", "api"] {
        for classes in ["none", "two", "three", "four"] {
            for viewers in ["redirect-to-https", "https-only", "allow-all"] {
                let text = format!(
                    "preset = '{preset}'\nviewers = '{viewers}'\norigin.name = 'a.example.com'\n\
                     devices.classes = '{classes}'\nbehavior = [{{ path = 'x', cache = 'pages' }}]"
                );
                shapes.push(compile(&site::toml::read(&text).unwrap()).document);
            }
        }
    }
    shapes.extend(bundles().map(|(_, bundle)| bundle.document));
    shapes
}

#[test]
fn quotas_and_api_rules_hold() {
    for document in shapes() {
        for policy in document["CachePolicies"].as_array().unwrap() {
            let config = &policy["CachePolicyConfig"];
            assert_eq!(config["MinTTL"], 0);
            assert!(config["DefaultTTL"].as_u64() <= config["MaxTTL"].as_u64());
            let key = &config["ParametersInCacheKeyAndForwardedToOrigin"];
            assert_list(&names(&key["HeadersConfig"]["Headers"]));
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
            assert_eq!(items(methods).len(), if disabled || function { 7 } else { 2 });
        }
        for function in document["Functions"].as_array().unwrap() {
            assert!(
                function["Rule"]["SharedHeaders"].is_array(),
                "anonymous viewers are examined: {function}"
            );
        }
    }
}

#[test]
fn every_reference_is_there() {
    for document in shapes() {
        let ids: HashSet<&str> = ["CachePolicies", "OriginRequestPolicies"]
            .into_iter()
            .flat_map(|list| document[list].as_array().unwrap())
            .map(|policy| policy["Id"].as_str().unwrap())
            .collect();
        let functions = document["Functions"].as_array().unwrap();
        for behavior in behaviors(&document) {
            for field in ["CachePolicyId", "OriginRequestPolicyId"] {
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

/// Whole files with one mistake: its line, and what is said.
const FILES: &[(&str, usize, &str)] = &[
    ("preset = wordpress", 1, "string values must be quoted"),
    ("preset = 'wordpress'\n[origin\nname = 'a.example.com'", 2, "unclosed table, expected `]`"),
    ("preset = 'wordpress'\npreset = 'static'", 2, "duplicate key"),
    ("origin.name = 'a.example.com'", 1, "preset: it is missing (preset = \"wordpress\", or static, api)"),
    (
        "preset = 3\norigin.name = 'a.example.com'",
        1,
        "preset: a text is wanted, not a number (\"3\", in quotes)",
    ),
    (
        "preset = 'wordpres'\norigin.name = 'a.example.com'",
        1,
        "preset: \"wordpres\" is none of wordpress, static, api (did you mean \"wordpress\"?)",
    ),
    ("preset = 'wordpress'", 1, "origin: it is missing ([origin] with name = "),
    (
        "preset = 'wordpress'\norigin = 'a.example.com'",
        2,
        "origin: a section is wanted, not a text ([origin])",
    ),
    (
        "preset = 'wordpress'\n[origin]\nprotocol = 'http-only'",
        2,
        "origin: neither name nor servers ([origin] with ",
    ),
    ("preset = 'wordpress'\n[origin]\nservers = []", 2, "origin.servers: the list is empty"),
    (
        "preset = 'wordpress'\n[origin]\nname = 'a.example.com'\ndomains = []",
        4,
        "unknown field \"domains\" in [origin] (it belongs to the top of the file)",
    ),
    (
        "preset = 'wordpress'\norigin.name = '10.0.0.1'",
        2,
        "is an address, and CloudFront's origins are names (for here, write servers = [\"http://10.0.0.1\"])",
    ),
    ("preset = 'wordpress'\norigin.name = '[::1]'", 2, "(for here, write servers = [\"http://[::1]\"])"),
    (
        "preset = 'wordpress'\norigin.name = 'https://a.example.com/'",
        2,
        "(the name alone: \"a.example.com\")",
    ),
    (
        "preset = 'wordpress'\norigin.name = 'a.example.com:8080'",
        2,
        "(\"a.example.com\"; for a port there are http_port, https_port",
    ),
    ("preset = 'wordpress'\norigin.name = 'web'", 2, "\"web\" is no domain name (with its dots"),
];

/// Lines after [`MINIMAL`]; lines are counted from the first of these.
const LINES: &[(&str, usize, &str)] = &[
    // Unknown fields.
    ("domain = []", 1, "unknown field \"domain\" (did you mean \"domains\"?)"),
    ("origin.sevrers = []", 1, "unknown field \"sevrers\" in [origin] (did you mean \"servers\"?)"),
    ("servers = []", 1, "unknown field \"servers\" (it belongs to [origin])"),
    ("[images]\nx = 1", 1, "unknown field \"images\" (there are preset, domains, "),
    ("[ttl]\nmedia = '1d'", 2, "unknown field \"media\" in [ttl] (there are pages, assets)"),
    ("[[behaviors]]\npath = 'x'", 1, "unknown field \"behaviors\" (did you mean \"behavior\"?)"),
    (
        "[[behavior]]\npath = 'x'\ncache = 'never'\nttl = '1d'",
        4,
        "unknown field \"ttl\" in [behavior] (it belongs to the top of the file)",
    ),
    ("[[behavior]]\npath = 'x'", 1, "behavior.cache: it is missing"),
    // Types.
    ("origin.servers = 'http://a'", 1, "origin.servers: a list is wanted, not a text ([\"http://a\"])"),
    ("domains = [true]", 1, "domains: a text is wanted, not true or false"),
    ("domains = 1979-05-27", 1, "domains: a list is wanted, not a date"),
    (
        "behavior.path = 'x'",
        1,
        "behavior: a list of sections is wanted, not a section ([[behavior]], in double brackets)",
    ),
    ("behavior = ['x']", 1, "behavior: a section is wanted, not a text ([[behavior]])"),
    ("query.sort = 'yes'", 1, "query.sort: true or false is wanted, not a text"),
    ("ttl.pages = 600", 1, "ttl.pages: a text is wanted, not a number"),
    ("origin.connect_attempts = '2'", 1, "origin.connect_attempts: a number is wanted, not a text"),
    // Words.
    ("viewers = 'https'", 1, "(did you mean \"https-only\"?)"),
    (
        "origin.protocol = 'http'",
        1,
        "origin.protocol: \"http\" is none of http-only, https-only, match-viewer (did you mean \"http-only\"?)",
    ),
    ("[devices]\nclasses = '3'", 2, "devices.classes: \"3\" is none of none, two, three, four"),
    (
        "[[behavior]]\npath = 'x'\ncache = 'page'",
        3,
        "behavior.cache: \"page\" is none of pages, assets, never (did you mean \"pages\"?)",
    ),
    // Names.
    (
        "domains = ['a.example.com',\n  'b_c.example.com']",
        2,
        "domains: \"b_c.example.com\" is no domain name",
    ),
    ("domains = ['www.*.com']", 1, "a wildcard is the first label, alone"),
    ("domains = ['blög.example.com']", 1, "(international names in their xn-- form)"),
    ("domains = ['x.example.com:443']", 1, "(\"x.example.com\"; domains have no port"),
    ("domains = ['x.example.com', 'X.example.com']", 1, "domains: \"x.example.com\" is there twice"),
    (
        "certificate = 'arn:aws:acm:eu-west-1:1:certificate/x'",
        1,
        "the certificate is in eu-west-1; CloudFront takes those of us-east-1 only",
    ),
    ("certificate = 'cert.pem'", 1, "\"cert.pem\" is no ARN of an ACM certificate"),
    // Servers.
    (
        "origin.servers = ['127.0.0.1:8000']",
        1,
        "\"127.0.0.1:8000\" is no URL (did you mean \"http://127.0.0.1:8000\"?)",
    ),
    ("origin.servers = ['ftp://a']", 1, "begins with neither http:// nor https://"),
    ("origin.servers = ['http://a/blog']", 1, "is more than a server (did you mean \"http://a\"?)"),
    ("origin.servers = ['http://a:0']", 1, "has no port from 1 to 65535"),
    ("origin.servers = ['http://a:70000']", 1, "has no port from 1 to 65535"),
    ("origin.servers = ['http://u:p@a']", 1, "names no host that can be asked"),
    ("origin.servers = ['http://']", 1, "is no URL"),
    ("origin.servers = ['http://[::1]:80',\n 'http://[::1]']", 2, "\"http://[::1]\" is there twice"),
    // Numbers and durations.
    ("origin.http_port = 81", 1, "origin.http_port: CloudFront asks port 80, 443 or 1024 and up, not 81"),
    ("origin.https_port = -1", 1, "origin.https_port: -1 is not from 1 to 65535"),
    ("origin.connect_attempts = 4", 1, "origin.connect_attempts: 4 is not from 1 to 3"),
    ("origin.connect_timeout = '11s'", 1, "origin.connect_timeout: \"11s\" is not from 1s to 10s"),
    ("origin.read_timeout = '0s'", 1, "origin.read_timeout: \"0s\" is not from 1s to 120s"),
    ("[ttl]\npages = '10'", 2, "ttl.pages: \"10\" has no unit (did you mean \"10s\"?)"),
    ("[ttl]\nassets = '5min'", 2, "(did you mean \"5m\"?)"),
    // Cookies and arguments.
    (
        "[sessions]\ncookies = ['*']",
        2,
        "sessions.cookies: \"*\" is every cookie (names, or prefixes as in \"abc_*\")",
    ),
    ("[sessions]\ncookies = ['wordpress_*']", 2, "matches \"wordpress_test_cookie\", which everybody has"),
    ("[sessions]\ncookies = ['a*b']", 2, "a * stands at the end"),
    ("[sessions]\ncookies = ['a b']", 2, "\"a b\" is no name of cookies"),
    (
        "[sessions]\nignore = ['PHPSESSIONID']",
        2,
        "the preset wordpress has no session cookie \"PHPSESSIONID\"",
    ),
    ("[query]\ndrop = ['a=b']", 2, "query.drop: \"a=b\" is no name of arguments"),
    ("[query]\ndrop = ['ref', 'ref']", 2, "query.drop: \"ref\" is there twice"),
    // Paths.
    ("behavior = [{ path = '*', cache = 'never' }]", 1, "is every path, and nothing after it would count"),
    ("behavior = [{ path = '', cache = 'never' }]", 1, "the pattern is empty"),
    (
        "behavior = [{ path = '/?p=1', cache = 'never' }]",
        1,
        "(behaviors go by the path alone; for arguments see [sessions] and [query])",
    ),
    ("behavior = [{ path = 'http://a/b', cache = 'never' }]", 1, "is a URL (the path alone"),
    (
        "[[behavior]]\npath = 'x'\ncache = 'never'\n[[behavior]]\npath = '/x'\ncache = 'pages'",
        5,
        "behavior.path: \"/x\" is there twice (the first match wins)",
    ),
];

#[test]
fn each_mistake_is_one_clear_message_with_its_line() {
    let files = FILES.iter().map(|&(text, line, says)| (text.to_owned(), line, says));
    let lines = LINES.iter().map(|&(text, line, says)| (format!("{MINIMAL}{text}"), line + 2, says));
    let mut wrong = Vec::new();
    for (text, line, says) in files.chain(lines) {
        let said =
            site::toml::read(&text).map_or_else(|problems| problems.to_string(), |_| "nothing".to_owned());
        let as_wanted = said.starts_with(&format!("line {line}: ")) && said.contains(says);
        if !as_wanted || said.lines().count() > 1 {
            wrong.push(format!("{text}\n  said   {said}\n  wanted line {line}: …{says}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
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
