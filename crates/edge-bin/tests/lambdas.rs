//! Lambda@Edge with real handlers in node, behind what the runtime interface emulator is to them.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, ask, edge, get, installed, serve};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:all";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lambdas").join(name)
}

/// Handlers that can be called; they end when nobody holds their input any more, which is with the test.
struct Emulator {
    child: Child,
    addr: String,
}

impl Emulator {
    fn start(handlers: &Path) -> Self {
        let mut command = Command::new(installed("python-tools").join("node"));
        command.arg(script("emulator.mjs")).arg(handlers).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut addr = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut addr).unwrap();
        Self { child, addr: addr.trim().to_owned() }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        _ = self.child.wait();
    }
}

/// An origin that answers with what it was asked; `/missing` it does not have.
fn telling_origin() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
            stream.read_exact(&mut body).unwrap();
            let page = format!("{}\n{head}{}", addr.port(), String::from_utf8(body).unwrap());
            let status = if head.contains(" /missing ") { "404 Not Found" } else { "200 OK" };
            let length = page.len();
            _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    addr
}

/// The site with a Lambda at each event, and what each origin's name is.
fn document(elsewhere: SocketAddr) -> String {
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    let events = ["viewer-request", "origin-request", "origin-response", "viewer-response"];
    let items = events.map(|event| {
        let body = event == "viewer-request";
        json!({ "LambdaFunctionARN": format!("{ARN}:7"), "EventType": event, "IncludeBody": body })
    });
    config["DefaultCacheBehavior"]["LambdaFunctionAssociations"] = json!({ "Quantity": 4, "Items": items });
    let methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
    config["DefaultCacheBehavior"]["AllowedMethods"] = json!({ "Quantity": 7, "Items": methods });
    let header = json!({ "HeaderName": "X-Elsewhere", "HeaderValue": format!("there.localhost:{}", elsewhere.port()) });
    config["Origins"]["Items"][0]["CustomHeaders"] = json!({ "Quantity": 1, "Items": [header] });
    config.to_string()
}

fn field<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn x_cache(response: &str) -> &str {
    field(response, "x-cache").and_then(|value| value.strip_suffix(" from cloudfront")).unwrap_or_default()
}

#[test]
fn handlers_do_here_what_they_do_at_aws() {
    let (origin, elsewhere) = (telling_origin(), telling_origin());
    let emulator = Emulator::start(&script("handlers.mjs"));
    let directory = Directory::new("lambdas");
    let config = directory.write("d.json", &document(elsewhere));
    let mut command = serve(&directory, &config, origin);
    command.args(["--lambda", &format!("{ARN}=http://{}", emulator.addr)]);
    let running = Running::start(&mut command);
    let http = running.address("http");
    let get = |target: &str| get(http, target, "localhost");

    // A redirect, and nothing of the other functions on it.
    let redirect = get("/old");
    assert!(redirect.starts_with("HTTP/1.1 301 "), "{redirect}");
    assert_eq!(field(&redirect, "location"), Some("/new"));
    assert_eq!((x_cache(&redirect), field(&redirect, "x-frame-options")), ("LambdaGeneratedResponse", None));

    // A header to the origin, one that is stored, and those for security, which are put on hits too.
    let page = get("/page");
    assert!(body(&page).contains("X-From-Lambda: 1\r\n"), "{page}");
    assert_eq!((x_cache(&page), field(&page, "x-stored-by")), ("Miss", Some("origin-response")));
    let again = get("/page");
    assert_eq!((x_cache(&again), field(&again, "x-stored-by")), ("Hit", Some("origin-response")));
    assert_eq!((field(&again, "x-frame-options"), body(&again)), (Some("DENY"), body(&page)));
    assert!(field(&again, "strict-transport-security").is_some(), "{again}");

    // An experiment: the cookie chooses the copy.
    let group = |cookie: &str| {
        ask(http, "GET", "/experiment", &format!("Host: localhost\r\nCookie: {cookie}\r\n"), "")
    };
    assert!(body(&group("a=1")).contains("GET /experiment-a HTTP/1.1"), "{}", group("a=1"));
    assert!(body(&group("group=b; a=1")).contains("GET /experiment-b HTTP/1.1"));
    assert_eq!(x_cache(&group("group=b")), "Hit");

    // A password.
    assert!(get("/private/a").starts_with("HTTP/1.1 401 "));
    let fields = "Host: localhost\r\nAuthorization: Basic dXNlcjpwYXNz\r\n";
    assert!(ask(http, "GET", "/private/a", fields, "").starts_with("HTTP/1.1 200 "));

    // Another origin, under another path.
    let there = get("/elsewhere/x");
    assert!(
        body(&there).starts_with(&format!("{}\nGET /other/elsewhere/x HTTP/1.1\r\n", elsewhere.port())),
        "{there}"
    );
    assert!(
        body(&there).contains("Host: there.localhost\r\n") && !body(&there).contains("X-Elsewhere"),
        "{there}"
    );

    // A response made before the origin is asked is stored, and compressed like an origin's.
    assert_eq!((x_cache(&get("/generated")), body(&get("/generated"))), ("Miss", "<p>made at the edge</p>"));
    assert_eq!(x_cache(&get("/generated")), "Hit");

    // A form, changed on its way.
    let sent = ask(http, "POST", "/form", "Host: localhost\r\n", "name=value");
    assert!(body(&sent).ends_with("NAME=VALUE") && body(&sent).contains("Content-Length: 10\r\n"), "{sent}");

    // An error page of the function's own.
    let softer = get("/missing");
    assert!(softer.starts_with("HTTP/1.1 200 ") && body(&softer) == "a softer page", "{softer}");
    assert_eq!(field(&softer, "content-type"), Some("text/plain"));

    // What goes wrong.
    let threw = get("/throws");
    assert!(threw.starts_with("HTTP/1.1 503 ") && x_cache(&threw) == "LambdaExecutionError", "{threw}");
    let wrong = get("/read-only");
    assert!(wrong.starts_with("HTTP/1.1 502 ") && x_cache(&wrong) == "LambdaValidationError", "{wrong}");
    let late = get("/never");
    assert!(late.starts_with("HTTP/1.1 503 ") && x_cache(&late) == "LambdaExecutionError", "{late}");
    running.signal("-TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("it threw a mistake") && said.contains("it did not return within 5 s"), "{said}");
    assert!(!said.contains("is skipped"), "all of them can be called: {said}");
}

#[test]
fn functions_nobody_can_call_are_skipped_and_said_to_be() {
    let origin = telling_origin();
    let directory = Directory::new("lambdas-skipped");
    let config = directory.write("d.json", &document(origin));
    let running = Running::start(&mut serve(&directory, &config, origin));
    let old = get(running.address("http"), "/old", "localhost");
    assert!(body(&old).contains("GET /old HTTP/1.1"), "{old}");
    running.signal("-TERM");
    let (_, said) = running.end();
    assert!(
        said.contains(
            "the Lambda@Edge function at viewer-request is skipped: what it changes or refuses, is NOT"
        ),
        "{said}"
    );
    assert!(said.contains(&format!("--lambda {ARN}:7=URL")), "{said}");

    let wrong = |lambda: &str| {
        let mut command = serve(&directory, &config, origin);
        let output = command.args(["--lambda", lambda]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(wrong("http://127.0.0.1:9000").contains("expected ARN=URL"));
    assert!(wrong(&format!("{ARN}=127.0.0.1:9000")).contains("expected http://HOST:PORT"));
    let other = wrong("arn:aws:lambda:us-east-1:123456789012:function:other=http://127.0.0.1:9000");
    assert!(other.contains("no behavior names this function"), "{other}");
}

#[test]
fn explain_tells_what_functions_do() {
    let emulator = Emulator::start(&script("handlers.mjs"));
    let directory = Directory::new("lambdas-explained");
    let config = directory.write("d.json", &document(([127, 0, 0, 1], 1).into()));
    let explained = |options: &[&str]| {
        let output = edge().arg("explain").arg(&config).args(options).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let skipped = explained(&["--url", "http://localhost/old"]);
    assert!(skipped.contains(&format!("{ARN}:7 at viewer-request is skipped")), "{skipped}");
    let lambda = format!("{ARN}=http://{}", emulator.addr);
    let called = explained(&["--url", "http://localhost/old", "--lambda", &lambda]);
    assert!(
        called.contains("+ response.headers.location") && called.contains("301 Moved Permanently"),
        "{called}"
    );
    let path = directory.write("result.json", r#"{ "status": "418", "body": 1 }"#);
    let says = format!("viewer-request={}", path.display());
    let told = explained(&["--url", "http://localhost/old", "--lambda-says", &says]);
    assert!(told.contains("502: The body is not a string"), "{told}");
}
