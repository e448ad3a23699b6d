//! What a function may return, value by value; no engine is asked.

use serde_json::json;

use super::super::event::Given;
use super::*;

fn one(name: &str, values: &[&str]) -> Field {
    let values = values.iter().map(|text| Value { text: (*text).to_owned(), attributes: None }).collect();
    Field { name: name.to_owned(), values }
}

fn given() -> event::Request {
    event::Request {
        method: "GET".to_owned(),
        uri: "/a b".to_owned(),
        raw_query: Some("a=1&b&a=2".to_owned()),
        query: vec![one("a", &["1", "2"]), one("b", &[""])],
        headers: vec![one("host", &["h"]), one("accept", &["x", "y"]), one("via", &["v"])],
        cookies: vec![one("c", &["1"])],
    }
}

fn event() -> Json {
    let given = Given { request: given(), response: None, location: String::new() };
    given.whole(Moment::ViewerRequest)
}

fn changed(change: impl FnOnce(&mut Json)) -> Result<Changes, Invalid> {
    let mut value = event();
    change(&mut value);
    match at_request(&given(), &value, &[])? {
        Returned::Request(changes) => Ok(*changes),
        Returned::Response(_) => panic!("a request is no response"),
    }
}

#[test]
fn what_is_left_alone_stays_byte_by_byte() {
    assert_eq!(changed(|_| {}).unwrap(), Changes::default());
}

#[test]
fn a_changed_multi_value_wins_and_a_changed_value_is_the_first() {
    let accept = |change: Json| {
        let changes = changed(|event| event["headers"]["accept"] = change).unwrap();
        changes.headers.into_iter().flat_map(|(_, values)| values).collect::<Vec<_>>()
    };
    assert_eq!(
        accept(json!({ "value": "z", "multiValue": [{ "value": "x" }, { "value": "y" }] })),
        ["z", "y"]
    );
    assert_eq!(
        accept(json!({ "value": "z", "multiValue": [{ "value": "p" }, { "value": "q" }] })),
        ["p", "q"]
    );
    assert_eq!(accept(json!({ "value": "z" })), ["z"]);
    assert_eq!(accept(json!({ "multiValue": [{ "value": "p" }] })), ["p"]);
}

#[test]
fn read_only_and_disallowed_headers_are_told_apart() {
    let refused = |name: &str, value: Json| changed(|event| event["headers"][name] = value).unwrap_err();
    for name in ["host", "via", "content-length", "cdn-loop", "transfer-encoding"] {
        assert_eq!(refused(name, json!({ "value": "z" })), Invalid::ReadOnly(name.to_owned()));
    }
    for name in
        ["connection", "x-amz-cf-id", "x-edge-x", "x-real-ip", "x-cache", "upgrade", "x-forwarded-proto"]
    {
        assert_eq!(refused(name, json!({ "value": "z" })), Invalid::Disallowed(name.to_owned()));
    }
    assert_eq!(
        changed(|event| _ = event["headers"].as_object_mut().unwrap().shift_remove("host")).unwrap_err(),
        Invalid::ReadOnly("host".to_owned())
    );
    for (name, value) in [
        ("Accept", json!({ "value": "z" })),
        ("cookie", json!({ "value": "z" })),
        ("x", json!({ "value": 5 })),
        ("x", json!({})),
        ("x", json!("z")),
        ("x", json!({ "value": "a\nb" })),
        ("a b", json!({ "value": "z" })),
        ("x", json!({ "multiValue": [{ "value": null }] })),
    ] {
        assert!(matches!(refused(name, value.clone()), Invalid::Value(_)), "{name}: {value}");
    }
}

#[test]
fn paths_are_encoded_and_queries_are_not() {
    let target = |uri: Json, query: Json| {
        let changes = changed(|event| (event["uri"], event["querystring"]) = (uri, query))?;
        Ok::<_, Invalid>(changes.target.map(|target| target.to_string()))
    };
    let same = || event()["querystring"].clone();
    assert_eq!(target(json!("/x?y"), same()).unwrap().unwrap(), "/x%3Fy?a=1&b&a=2");
    assert_eq!(target(json!("/é"), json!({})).unwrap().unwrap(), "/%C3%A9");
    assert_eq!(target(json!("/x"), json!("?b=2&a")).unwrap().unwrap(), "/x?b=2&a");
    assert_eq!(
        target(json!("/x"), json!({ "n": { "value": "%20" }, "m": { "value": "" } })).unwrap().unwrap(),
        "/x?n=%20&m="
    );
    for (uri, query) in [
        (json!("x"), same()),
        (json!(5), same()),
        (json!("/x"), json!("a b")),
        (json!("/x"), json!("a#b")),
        (json!("/x"), json!({ "a": { "value": "b\u{1}" } })),
        (json!("/x"), json!(5)),
        (json!(format!("/{}", "x".repeat(URL_BYTES_MAX))), same()),
    ] {
        assert!(matches!(target(uri, query), Err(Invalid::Value(_))));
    }
}

#[test]
fn cookies_are_one_field_and_may_go() {
    let cookie = |cookies: Json| changed(|event| event["cookies"] = cookies).unwrap().cookie;
    assert_eq!(cookie(json!({ "c": { "value": "1" } })), None);
    assert_eq!(cookie(json!({ "c": { "value": "2" }, "d": { "value": "3" } })).unwrap().unwrap(), "c=2; d=3");
    assert_eq!(cookie(json!({})), Some(None));
}

#[test]
fn responses_have_a_status_and_a_body_of_either_form() {
    let answer = |value: Json| match at_request(&given(), &value, &[])? {
        Returned::Response(answer) => Ok(*answer),
        Returned::Request(_) => panic!("a response is no request"),
    };
    let plain = answer(json!({ "statusCode": 200, "body": "text" })).unwrap();
    assert_eq!(plain.body.unwrap(), "text");
    let coded =
        answer(json!({ "statusCode": 200, "body": { "encoding": "base64", "data": "AQI=" } })).unwrap();
    assert_eq!(coded.body.unwrap(), [1, 2][..]);
    let set = json!({ "statusCode": 302, "cookies": { "a": { "value": "1", "attributes": "Path=/" } } });
    assert_eq!(answer(set).unwrap().cookies.unwrap(), ["a=1; Path=/"]);
    for wrong in [
        json!({ "statusCode": "200" }),
        json!({ "statusCode": 99 }),
        json!({ "statusCode": 200.5 }),
        json!({ "statusCode": 200, "statusDescription": 5 }),
        json!({ "statusCode": 200, "body": { "encoding": "base64", "data": "*" } }),
        json!({ "statusCode": 200, "body": { "encoding": "hex", "data": "00" } }),
        json!({ "statusCode": 200, "body": 5 }),
        json!({ "statusCode": 200, "headers": { "Location": { "value": "/" } } }),
    ] {
        assert!(matches!(answer(wrong.clone()), Err(Invalid::Value(_))), "{wrong}");
    }
    assert!(at_request(&given(), &json!(null), &[]).is_err());
    assert!(at_request(&given(), &json!("/"), &[]).is_err());
}

#[test]
fn the_method_is_read_only() {
    assert!(changed(|event| event["method"] = json!("POST")).is_err());
}
