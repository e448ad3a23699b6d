//! `edge-bin test-function`: a function by itself, as `aws cloudfront test-function` would tell of it.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, edge};

const EVENT: &str = r#"{"context": {"eventType": "viewer-request"}, "viewer": {"ip": "192.0.2.1"},
    "request": {"method": "GET", "uri": "/a", "querystring": {}, "headers": {"host": {"value": "a.example.com"}}, "cookies": {}}}"#;

/// Exit code, standard output, standard error.
fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn tests(source: &Path, event: &Path) -> Command {
    let mut command = edge();
    command.arg("test-function").arg(source).arg("--event").arg(event);
    command
}

#[test]
fn a_file_of_javascript_is_run() {
    let directory = Directory::new("test-function");
    let event = directory.write("event.json", EVENT);
    let code = "function handler(event) {\n  console.log('seen ' + event.viewer.ip);\n  event.request.uri += '/index.html';\n  \
                event.request.headers.host = { value: 'b' };\n  return event.request;\n}\n";
    let file = directory.write("rewrite.js", code);
    let (status, out, errors) = said(&mut tests(&file, &event));
    assert_eq!(status, Some(0), "{errors}");
    for line in
        ["function rewrite (cloudfront-js-2.0)", "console seen 192.0.2.1", "\"uri\": \"/a/index.html\""]
    {
        assert!(out.contains(line), "{out}");
    }
    assert!(out.contains("compute utilization 0 %") && out.contains("host is read-only"), "{out}");

    let (status, out, _) = said(tests(&file, &event).arg("--json"));
    assert_eq!(status, Some(0));
    let result: Value = serde_json::from_str(&out).unwrap();
    let output: Value =
        serde_json::from_str(result["TestResult"]["FunctionOutput"].as_str().unwrap()).unwrap();
    assert_eq!(output["request"]["uri"], "/a/index.html");
    assert_eq!(
        result,
        json!({ "TestResult": {
            "FunctionSummary": { "Name": "rewrite", "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" } },
            "ComputeUtilization": "0", "FunctionExecutionLogs": ["seen 192.0.2.1"], "FunctionErrorMessage": "",
            "FunctionOutput": result["TestResult"]["FunctionOutput"],
        } })
    );
}

#[test]
fn a_function_that_fails_is_exit_code_1() {
    let directory = Directory::new("test-function-fails");
    let event = directory.write("event.json", EVENT);
    for (code, said_of_it) in [
        ("function handler(event) { nobody.knows() }", "ReferenceError: nobody is not defined (f:1:27)"),
        ("function handler(event) {\n  return event.request;;;)\n}", "SyntaxError"),
        ("function handler(event) { return 5 }", "a request or a response must be returned"),
    ] {
        let file = directory.write("f.js", code);
        let (status, out, _) = said(&mut tests(&file, &event));
        assert_eq!(status, Some(1), "{out}");
        assert!(out.contains("\nerror The CloudFront function") && out.contains(said_of_it), "{out}");
    }
    let old = directory.write("old.js", "function handler(event) { const a = 1; return event.request }");
    let (status, out, _) = said(tests(&old, &event).args(["--runtime", "cloudfront-js-1.0"]));
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("Token \"const\" not supported"), "{out}");
}

#[test]
fn the_functions_of_a_distribution_are_run_by_name() {
    let directory = Directory::new("test-function-bundle");
    let event = directory.write("event.json", EVENT);
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    let arn = |name: &str| format!("arn:aws:cloudfront::123456789012:function/{name}");
    config["DefaultCacheBehavior"]["FunctionAssociations"] = json!({ "Quantity": 2, "Items": [
        { "FunctionARN": arn("in"), "EventType": "viewer-request" }, { "FunctionARN": arn("out"), "EventType": "viewer-response" } ] });
    config["ViewerMtlsConfig"] = json!({ "Mode": "passthrough" });
    config["ConnectionFunctionAssociation"] = json!({ "Id": "cf_1" });
    let store = "arn:aws:cloudfront::123456789012:key-value-store/s";
    let settings = json!({ "Comment": "", "Runtime": "cloudfront-js-2.0", "KeyValueStoreAssociations": {
        "Quantity": 1, "Items": [{ "KeyValueStoreARN": store }] } });
    let bundle = json!({
        "DistributionConfig": config,
        "Functions": [
            { "Name": "in", "FunctionConfig": settings, "Code": "async function handler(event) {\n  event.request.uri = \
                await require('cloudfront').kvs().get(event.request.uri);\n  return event.request;\n}" },
            { "Name": "out", "FunctionConfig": settings, "Code": "function handler(event) { return event.response }" },
        ],
        "ConnectionFunctions": [{ "Id": "cf_1", "Name": "door", "ConnectionFunctionConfig": settings,
            "Code": "function connectionHandler(c) { c.clientIp === '192.0.2.1' ? c.allow() : c.deny() }" }],
        "KeyValueStores": [{ "ARN": store, "Items": [{ "Key": "/a", "Value": "/b" }] }],
    });
    let file = directory.write("bundle.json", &bundle.to_string());
    let (status, out, errors) = said(tests(&file, &event).args(["--function", "in"]));
    assert_eq!(status, Some(0), "{errors}");
    assert!(out.contains("\"uri\": \"/b\""), "{out}");

    let mut door = tests(&file, Path::new("-"));
    let door = door.args(["--function", "door", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = door.spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"clientIp": "192.0.2.1"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["TestResult"]["FunctionOutput"], r#"{"decision":"allow","custom":""}"#);

    for (more, said_of_it) in [
        (&[][..], "hint: --function NAME, one of in, out, door"),
        (&["--function", "none"], "no function is called none\n  hint: there is in, out, door"),
        (&["--function", "in", "--key-value-store", "x.json"], "brings its own stores"),
    ] {
        let (status, out, errors) = said(tests(&file, &event).args(more));
        assert_eq!((status, out.as_str()), (Some(2), ""));
        assert!(errors.contains(said_of_it), "{errors}");
    }
}

#[test]
fn what_cannot_be_run_is_exit_code_2() {
    let directory = Directory::new("test-function-bad");
    let event = directory.write("event.json", EVENT);
    let file = directory.write("f.js", "async function handler(e) { return { statusCode: 200, body: await require('cloudfront').kvs().get('a') } }");
    let store = directory.write("store.json", r#"{"data": [{"key": "a", "value": "b"}]}"#);
    let (status, out, errors) = said(tests(&file, &event).arg("--key-value-store").arg(&store));
    assert_eq!(status, Some(0), "{errors}");
    assert!(out.contains("\"body\": \"b\""), "{out}");
    for (name, text, said_of_it) in [
        ("junk.json", "{", "the event is not JSON"),
        ("none.json", "{}", "request: an object is expected\n  hint: as in"),
    ] {
        let event = directory.write(name, text);
        let (status, _, errors) = said(&mut tests(&file, &event));
        assert_eq!(status, Some(2));
        assert!(errors.contains(name) && errors.contains(said_of_it), "{errors}");
    }
    for (text, said_of_it) in [
        ("[]", "data: a list is expected"),
        (r#"{"data": [{"key": "a"}]}"#, "data[0]: a key and a value"),
        (
            r#"{"data": [{"key": "a", "value": ""}, {"key": "a", "value": ""}]}"#,
            "data[1]: the key \"a\" is there twice",
        ),
    ] {
        let store = directory.write("bad.json", text);
        let (status, _, errors) = said(tests(&file, &event).arg("--key-value-store").arg(&store));
        assert_eq!(status, Some(2));
        assert!(errors.contains(said_of_it), "{errors}");
    }
    let missing = directory.0.join("missing.js");
    assert_eq!(said(&mut tests(&missing, &event)).0, Some(2));
    let plain = directory.write("d.json", DISTRIBUTION);
    let (status, _, errors) = said(&mut tests(&plain, &event));
    assert_eq!(status, Some(2));
    assert!(errors.contains("runs no function"), "{errors}");
}
