//! The rule of a site policy and the function written of it are one: whatever comes, both make the same request of it,
//! look it up under the same key, and ask the origin for the same.

#![cfg(feature = "functions")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "rule_javascript/chance.rs"]
mod chance;
#[path = "rule_javascript/setup.rs"]
mod setup;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chance::Chance;
use edge_core::cache::Epoch;
use edge_core::cache::key::Key;
use edge_core::distribution::{Rule, document};
use edge_core::exchange::{Rules, Step, begin};
use edge_core::origin::Call;
use edge_core::site::preset::{Cache, PRESETS};
use edge_core::site::{Policy, compile};
use edge_core::viewer::Request;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use setup::{Form, read, rules};

const RULES: u64 = 500;
const REQUESTS_EACH: u64 = 20;

/// What became of a request.
#[derive(Debug, PartialEq)]
struct Became {
    target: String,
    headers: Vec<(String, HeaderValue)>,
    key: Option<Key>,
    asked: String,
    sent: Vec<(String, HeaderValue)>,
}

/// By name; values of one name in their order.
fn sorted(headers: &HeaderMap) -> Vec<(String, HeaderValue)> {
    let mut all: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn became(rules: &Arc<Rules>, request: Request) -> Became {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (key, step) = match begin(rules, request, HeaderValue::from_static(chance::ID), now) {
        Step::LookUp(look_up) => (Some(look_up.key().clone()), look_up.found(None, Epoch::default(), now)),
        step => (None, step),
    };
    let ask = match step {
        Step::Ask(ask) => ask,
        Step::Answer(answer) => panic!("it answered: {:?}", answer.trace),
        _ => panic!("the origin is asked"),
    };
    let Call { target, headers, .. } = ask.call();
    Became {
        target: ask.request().target.to_string(),
        headers: sorted(&ask.request().headers),
        key,
        asked: target.clone(),
        sent: sorted(headers),
    }
}

#[test]
fn the_rule_and_its_javascript_are_one() {
    let mut changed = 0;
    for seed in 0..RULES {
        let mut chance = Chance::new(seed);
        let rule = chance::rule(&mut chance);
        let (native, script) = (rules(&rule, Form::Native), rules(&rule, Form::JavaScript));
        for _ in 0..REQUESTS_EACH {
            let raw = chance::request(&mut chance);
            let (one, other) = (became(&native, read(&raw)), became(&script, read(&raw)));
            assert!(one == other, "seed {seed}\n{raw}\n{one:#?}\n{other:#?}\n{}", rule.javascript());
            changed += u64::from(one.target != raw.target || one.headers.len() < raw.headers.len());
        }
    }
    assert!(changed > RULES * REQUESTS_EACH / 3, "{changed}: the requests hardly met the rules");
}

#[test]
fn the_same_by_hand() {
    let rule: Rule = serde_json::from_value(json!({
        "DropQuery": ["utm_*", "gclid", "constructor", "__proto__"], "KeepQuery": ["utm_keep"], "SortQuery": true,
        "SessionCookies": ["wp_*", "PHPSESSID", "__proto__"], "SessionQuery": ["add", "toString"],
        "SharedHeaders": ["Authorization", "origin"], "Device": "Four",
    }))
    .unwrap();
    let (native, script) = (rules(&rule, Form::Native), rules(&rule, Form::JavaScript));
    let hundred: Vec<String> = (0..100).map(|n| format!("a{}={n}", n * 37 % 50)).collect();
    let long = format!("/?{}", hundred.join("&"));
    let tv = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36";
    let tablet =
        "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 Version/16.0 Safari/604.1";
    for (target, headers) in [
        ("/", &[][..]),
        ("/?", &[]),
        ("/?&", &[]),
        ("/??", &[]),
        ("/??b&a", &[]),
        ("/?b&?a&gclid", &[]),
        ("/?&?a", &[]),
        ("/?=&==&a=&a&a==", &[]),
        ("/?b=%zz&%61=1&a=%2F&a=%2f", &[]),
        ("/?UTM_x=1&utm_x&utm_keep=1&utm_kee", &[]),
        ("/?constructor=1&__proto__=2&hasOwnProperty=3&toString2", &[]),
        (long.as_str(), &[]),
        ("/?toString=1", &[("cookie", "a=1")]),
        ("/", &[("cookie", "__proto__=1")]),
        ("/", &[("cookie", "constructor=1; a=2")]),
        ("/", &[("cookie", ";;"), ("x-a", "1")]),
        ("/", &[("cookie", "a=\"PHPSESSID=1; wp_=\"")]),
        ("/", &[("cookie", "a=1"), ("cookie", "PHPSESSID")]),
        ("/", &[("cookie", "$PHPSESSID=1")]),
        (
            "/",
            &[("__proto__", "1"), ("constructor", "2"), ("X-Viewer-Session", "3"), ("x-viewer-device", "tv")],
        ),
        (
            "/",
            &[("connection", "x-a"), ("x-a", "1"), ("te", "trailers"), ("x-real-ip", "1"), ("via", "1.1 x")],
        ),
        (
            "/",
            &[
                ("cloudfront-is-mobile-viewer", "true"),
                ("cloudfront-x", "1"),
                ("CloudFront-Viewer-Country", "DE"),
            ],
        ),
        ("/", &[("user-agent", tv)]),
        ("/", &[("user-agent", tablet)]),
    ] {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let raw = chance::Raw { method: "GET", target: target.to_owned(), headers };
        assert_eq!(became(&native, read(&raw)), became(&script, read(&raw)), "{raw}");
    }
}

/// It is written with what the runtime is known to have alone (§14.3).
#[test]
fn it_is_a_function_that_cloudfront_takes() {
    for seed in 0..200 {
        let code = chance::rule(&mut Chance::new(seed)).javascript();
        assert!(
            code.is_ascii() && code.lines().all(|line| line.len() <= 120 || line.starts_with("const ")),
            "{code}"
        );
        for word in [" of ", "...", "?.", "class ", "=> {}", "eval", "new ", "[{", "var "] {
            let without_comments: String =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            assert!(!without_comments.contains(word), "{word}: {code}");
        }
    }
}

/// What is deployed: the functions of the presets load as code alone, without a word against them, and take little of the
/// time there is, whatever comes.
#[test]
fn the_presets_functions_run_as_code() {
    let hundred: Vec<String> = (0..100).map(|n| format!("utm_{n}x={n}&a{n}=")).collect();
    let mut ran = 0;
    for preset in PRESETS {
        let policy = Policy::from_preset(preset.name, &["https://origin.example.com"]).unwrap();
        let mut document = compile(&policy).document;
        for function in document["Functions"].as_array_mut().unwrap() {
            assert!(function["Code"].as_str().unwrap().len() < 6_000, "{}", preset.name);
            function.as_object_mut().unwrap().shift_remove("Rule").unwrap();
        }
        document["DistributionConfig"]["Aliases"] = json!({ "Quantity": 1, "Items": ["www.example.com"] });
        let loaded = document::load(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}"));
        let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert!(!said.iter().any(|text| text.contains("Functions")), "{said:#?}");
        let rules = setup::running(loaded.distribution);
        let headers = (0..40).map(|n| (format!("x-{n}"), vec![b'x'; 100])).collect();
        let raw = chance::Raw { method: "GET", target: format!("/?{}", hundred.join("&")), headers };
        let now = SystemTime::UNIX_EPOCH;
        if let Step::LookUp(look_up) = begin(&rules, read(&raw), HeaderValue::from_static(chance::ID), now)
            && let Some(call) = &look_up.trace().ran_at_request
        {
            assert!(
                call.failed.is_none() && call.utilisation <= 5,
                "{}: {} %",
                preset.name,
                call.utilisation
            );
            ran += 1;
        }
    }
    assert_eq!(ran, PRESETS.iter().filter(|preset| preset.everything_else == Cache::Pages).count());
}
