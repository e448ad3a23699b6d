//! What a test of a function tells.

use std::time::UNIX_EPOCH;

use super::*;
use crate::script::Version;

fn tested(entry: Entry, code: &str, event: Json) -> Result<Tested, BadEvent> {
    let (name, version) = ("f".to_owned(), Version::Two);
    test(&Arc::new(Script { name, version, entry, code: code.to_owned(), store: None }), event, UNIX_EPOCH)
}

fn run(body: &str, event: Json) -> Tested {
    tested(Entry::Requests, &format!("function handler(event) {{ {body} }}"), event).unwrap()
}

/// As AWS shows one, with something that nobody knows.
fn event() -> Json {
    json!({
        "version": "1.0",
        "context": { "eventType": "viewer-request", "requestId": "id==" },
        "viewer": { "ip": "192.0.2.1" },
        "request": {
            "method": "GET", "uri": "/a", "querystring": { "b": { "value": "1", "multiValue": [{ "value": "1" }, { "value": "2" }] } },
            "headers": { "host": { "value": "a.example.com" }, "x": { "value": "y" } }, "cookies": {}, "other": [1],
        },
    })
}

#[test]
fn the_event_is_given_as_it_is_and_comes_back() {
    let kept = run(
        "console.log(event.viewer.ip); console.log(event.request.rawQueryString()); return event.request",
        event(),
    );
    assert_eq!(kept.output, Some(json!({ "request": event()["request"] })));
    assert_eq!((&kept.error, &kept.unchecked, &kept.origin), (&None, &None, &None));
    assert_eq!(kept.log, ["192.0.2.1", "b=1&b=2"]);
    let changed = run(
        "event.request.uri += '/b'; event.request.headers.x = { value: event.request.querystring.b.multiValue[1].value }; return event.request",
        event(),
    );
    let mut expected = event()["request"].clone();
    (expected["uri"], expected["headers"]["x"]["value"]) = (json!("/a/b"), json!("2"));
    assert_eq!(changed.output, Some(json!({ "request": expected })));
    let answered = run("return { statusCode: 302, headers: { location: { value: '/' } } }", event());
    let expected = json!({ "response": { "statusCode": 302, "headers": { "location": { "value": "/" } } } });
    assert_eq!(answered.output, Some(expected));
    let least = run("return event.request", json!({ "request": { "method": "GET", "uri": "/" } }));
    assert_eq!(least.output.unwrap()["request"]["headers"], json!({}));
}

#[test]
fn responses_have_their_own_event() {
    let mut event = event();
    event["context"]["eventType"] = json!("viewer-response");
    event["response"] =
        json!({ "statusCode": 200, "statusDescription": "Fine", "headers": { "a": { "value": "b" } } });
    let kept = run("event.response.headers.c = { value: 'd' }; return event.response", event.clone());
    let expected = json!({ "statusCode": 200, "statusDescription": "Fine", "headers": { "a": { "value": "b" }, "c": { "value": "d" } },
                           "cookies": {} });
    assert_eq!(kept.output, Some(json!({ "response": expected })));
    event["context"] = json!({});
    assert_eq!(run("return event.response", event).error, None);
}

#[test]
fn what_fails_says_so_in_the_apis_words() {
    let not_run =
        "The CloudFront function associated with the CloudFront distribution is invalid or could not run.";
    let thrown = run("console.log('before'); throw new Error('no')", event());
    assert_eq!(thrown.log, ["before"]);
    let error = thrown.error.unwrap();
    assert!(error.starts_with(&format!("{not_run} Error: no")), "{error}");
    let unread =
        tested(Entry::Requests, "function handler(event) {\n  return event.request;;)\n}", event()).unwrap();
    let said = format!("{not_run} SyntaxError: line 2, column 25: ");
    assert!(unread.error.as_ref().is_some_and(|error| error.starts_with(&said)), "{:?}", unread.error);
    let endless = run("for (;;) {}", event());
    assert_eq!((endless.error, endless.utilisation), (Some(format!("{not_run} it ran too long")), 100));
    let invalid = run("return { ...event.request, uri: 'a' }", event());
    let said = "The CloudFront function returned an invalid value: request.uri must begin with a slash.";
    assert_eq!((invalid.error.as_deref(), invalid.output), (Some(said), None));
    let spent = run("for (let i = 0; i < 1e5; i++); return event.request", event());
    assert!((1..100).contains(&spent.utilisation), "{}", spent.utilisation);
}

/// Served, each of these is a 502.
#[test]
fn headers_and_origins_are_not_checked_in_tests() {
    for (body, said) in [
        ("event.request.headers.host = { value: 'b' }", "host is read-only"),
        ("event.request.headers['x-cache'] = { value: 'b' }", "x-cache may not be set"),
    ] {
        let tested = run(&format!("{body}; return event.request"), event());
        assert_eq!((tested.error, tested.unchecked.as_deref()), (None, Some(said)));
        assert!(tested.output.is_some());
    }
    let chosen =
        run("require('cloudfront').selectRequestOriginById('nobody'); return event.request", event());
    assert_eq!((chosen.error, chosen.origin.unwrap()["select"].as_str()), (None, Some("nobody")));
}

#[test]
fn connection_functions_are_tested_too() {
    let code = "function connectionHandler(c) { c.logCustomData(c.clientIp); return c.clientCertificate ? c.allow() : c.deny() }";
    for (event, decision) in [
        (json!({ "clientIp": "192.0.2.1" }), "deny"),
        (json!({ "clientIp": "192.0.2.1", "clientCertificate": {} }), "allow"),
    ] {
        let tested = tested(Entry::Connections, code, event).unwrap();
        assert_eq!(tested.output, Some(json!({ "decision": decision, "custom": "192.0.2.1" })));
    }
    assert!(tested(Entry::Connections, "throw 1", json!({})).unwrap().error.is_some());
}

#[test]
fn an_event_that_is_none_has_its_place() {
    for (event, said) in [
        (json!([]), "request: an object is expected"),
        (json!({ "request": { "uri": "/" } }), "request.method: a text is expected"),
        (json!({ "request": { "method": "GET", "uri": 5 } }), "request.uri: a text is expected"),
        (
            json!({ "request": { "method": "GET", "uri": "/", "headers": { "a": "b" } } }),
            "request.headers[\"a\"] must be an object",
        ),
        (
            json!({ "request": { "method": "GET", "uri": "/", "cookies": [] } }),
            "request.cookies must be an object",
        ),
        (
            json!({ "context": { "eventType": "origin-request" }, "request": {} }),
            "context.eventType: \"origin-request\"",
        ),
        (
            json!({ "request": { "method": "GET", "uri": "/" }, "response": {} }),
            "response.statusCode: a status is expected",
        ),
    ] {
        let code = "function handler(event) { return event.request }";
        let error = tested(Entry::Requests, code, event).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    assert!(tested(Entry::Connections, "", json!(5)).is_err());
}
