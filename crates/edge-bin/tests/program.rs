//! The program as its users meet it: what it prints, what it answers to signals, how it fails.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{DISTRIBUTION, Directory, Running, ask, edge, get, origin, serve};

#[test]
fn serve_serves_counts_and_ends_on_sigterm() {
    let directory = Directory::new("serve");
    let config = directory.write("d.json", DISTRIBUTION);
    let edge = Running::start(&mut serve(&directory, &config, origin("hello")));
    let http = edge.address("http");
    assert!(get(http, "/", "localhost").contains("x-cache: Miss from cloudfront"));
    let hit = get(http, "/", "localhost");
    assert!(hit.contains("x-cache: Hit from cloudfront") && hit.ends_with("hello"), "{hit}");
    assert!(get(http, "/", "elsewhere.example.org").starts_with("HTTP/1.1 403"));
    let admin = edge.address("admin");
    assert!(get(admin, "/healthz", "localhost").ends_with("ok\n"));
    assert!(get(admin, "/metrics", "localhost").contains("edge_origin_requests_total 1\n"));
    assert!(edge.said.iter().any(|line| line.contains("Managed-CachingOptimized")), "{:?}", edge.said);
    edge.signal("-TERM");
    assert_eq!(edge.end().0, Some(0));
}

#[test]
fn sighup_reloads_and_keeps_the_old_configuration_if_the_new_one_is_bad() {
    let directory = Directory::new("reload");
    let config = directory.write("d.json", DISTRIBUTION);
    let edge = Running::start(&mut serve(&directory, &config, origin("hello")));
    let http = edge.address("http");
    let alias = "www.example.com";
    assert!(get(http, "/", alias).starts_with("HTTP/1.1 403"));
    directory.write("d.json", "{ \"CallerReference\": ");
    edge.signal("-HUP");
    // Whether a bad reload was seen shows in stderr at the end; that it changed nothing shows now.
    assert!(get(http, "/", "localhost").starts_with("HTTP/1.1 200"));
    directory.write(
        "d.json",
        &DISTRIBUTION.replacen(
            '{',
            &format!("{{ \"Aliases\": {{\"Quantity\": 1, \"Items\": [\"{alias}\"]}},"),
            1,
        ),
    );
    edge.signal("-HUP");
    let reloaded = (0..2_000).any(|_| get(http, "/", alias).starts_with("HTTP/1.1 200"));
    assert!(reloaded, "the alias is not answered");
    edge.signal("-INT");
    let (code, errors) = edge.end();
    assert_eq!(code, Some(0));
    assert!(errors.contains("reloaded"), "{errors}");
}

#[test]
fn several_distributions_are_served_each_to_its_names() {
    let directory = Directory::new("several");
    let with = |name: &str, more: &str| {
        let aliases = format!("{{ \"Aliases\": {{\"Quantity\": 1, \"Items\": [\"{name}\"]}}, {more}");
        DISTRIBUTION.replacen('{', &aliases, 1)
    };
    let first = directory.write("a.json", &with("a.example.com", ""));
    let blocked = r#""Restrictions": {"GeoRestriction":
        {"RestrictionType": "blacklist", "Quantity": 1, "Items": ["US"]}},"#;
    let other = with("b.example.com", blocked)
        .replace("site.example.com", "other.example.com")
        .replace("\"CallerReference\": \"", "\"CallerReference\": \"other ");
    let other = directory.write("b.json", &other);
    let mut command = serve(&directory, &first, origin("first"));
    command.arg(&other).args(["--map", &format!("other.example.com=http://{}", origin("other"))]);
    command.args(["--country", "DE", "--country-header", "X-Test-Country"]);
    let running = Running::start(&mut command);
    let http = running.address("http");
    assert!(get(http, "/", "a.example.com").ends_with("first"));
    assert!(get(http, "/", "b.example.com").ends_with("other"));
    assert!(get(http, "/", "c.example.com").starts_with("HTTP/1.1 403"));
    let from = |country: &str, host: &str| {
        ask(http, "GET", "/", &format!("Host: {host}\r\nX-Test-Country: {country}\r\n"), "")
    };
    assert!(from("US", "b.example.com").contains("block access from your country"));
    assert!(from("US", "a.example.com").ends_with("first"));
    assert!(from("FR", "b.example.com").ends_with("other"));
    running.signal("-TERM");
    let (code, errors) = running.end();
    assert_eq!(code, Some(0));
    assert!(errors.contains("--country-header x-test-country: any viewer can say where he is"), "{errors}");
}

#[test]
fn what_cannot_stand_side_by_side_is_said() {
    let directory = Directory::new("clash");
    let config = directory.write("d.json", DISTRIBUTION);
    let twice = serve(&directory, &config, origin("x")).arg(&config).output().unwrap();
    assert_eq!(twice.status.code(), Some(2));
    let errors = String::from_utf8(twice.stderr).unwrap();
    assert!(errors.contains("is there twice") && errors.contains("CallerReference"), "{errors}");
}

/// Viewers' certificates that nobody could verify: the edge stays closed.
#[test]
fn a_trust_store_that_is_missing_is_exit_code_2() {
    let directory = Directory::new("trust-store");
    let wanted =
        r#"{ "ViewerMtlsConfig": {"Mode": "required", "TrustStoreConfig": {"TrustStoreId": "ts_1"}},"#;
    let config = directory.write("d.json", &DISTRIBUTION.replacen('{', wanted, 1));
    let closed = serve(&directory, &config, origin("x")).output().unwrap();
    assert_eq!(closed.status.code(), Some(2));
    let errors = String::from_utf8(closed.stderr).unwrap();
    assert!(errors.contains("--trust-store ts_1=FILE.pem"), "{errors}");
    // Any authority will do: the local one was made on the way.
    let file = directory.0.join("data").join("ca.pem");
    let mut command = serve(&directory, &config, origin("x"));
    let running = Running::start(command.arg("--trust-store").arg(format!("ts_1={}", file.display())));
    assert!(get(running.address("http"), "/", "localhost").starts_with("HTTP/1.1 403"));
}

/// What comes to nothing before any request is in the connection log, and a log that is moved away is made anew.
#[test]
fn the_connection_log_tells_of_handshakes() {
    let directory = Directory::new("connection-log");
    let plain = directory.write("plain.json", DISTRIBUTION);
    let log = directory.0.join("connections.log");
    let with_log = |config: &Path| {
        let mut command = serve(&directory, config, origin("x"));
        command.arg("--connection-log").arg(&log);
        command
    };
    let running = Running::start(&mut with_log(&plain));
    running.signal("-TERM");
    let errors = running.end().1;
    assert!(errors.contains("warning: --connection-log: no distribution asks"), "{errors}");

    let wanted =
        r#"{ "ViewerMtlsConfig": {"Mode": "required", "TrustStoreConfig": {"TrustStoreId": "ts_1"}},"#;
    let config = directory.write("d.json", &DISTRIBUTION.replacen('{', wanted, 1));
    let mut command = with_log(&config);
    let authority = directory.0.join("data").join("ca.pem");
    let running = Running::start(command.arg("--trust-store").arg(format!("ts_1={}", authority.display())));
    let (https, aside) = (running.address("https"), directory.0.join("aside.log"));
    // While it answers other requests.
    let waits_for = |what: &str, is_so: &dyn Fn() -> bool| {
        let admin = running.address("admin");
        assert!(
            (0..20_000).any(|_| get(admin, "/healthz", "localhost").ends_with("ok\n") && is_so()),
            "{what}"
        );
    };
    let has_line = |file: &Path| std::fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n'));
    assert!(!get(https, "/", "localhost").contains("HTTP/"), "it speaks no TLS");
    waits_for("a line", &|| has_line(&log));
    std::fs::rename(&log, &aside).unwrap();
    running.signal("-HUP");
    waits_for("a new file", &|| log.exists());
    assert!(!get(https, "/", "localhost").contains("HTTP/"));
    running.signal("-TERM");
    assert_eq!(running.end().0, Some(0));
    for file in [&aside, &log] {
        let text = std::fs::read_to_string(file).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["connectionStatus"], "Failed:UnmappedConnectionError", "{text}");
        assert_eq!(line["clientIp"], "127.0.0.1");
    }

    let nowhere = directory.0.join("missing").join("log");
    let closed =
        serve(&directory, &config, origin("x")).arg("--connection-log").arg(nowhere).output().unwrap();
    assert_eq!(closed.status.code(), Some(2));
    let errors = String::from_utf8(closed.stderr).unwrap();
    assert!(errors.contains("--connection-log") && errors.contains("missing"), "{errors}");
}

/// A restriction that nothing can enforce is said loudly.
#[test]
fn countries_that_nobody_can_know_are_warned_of() {
    let directory = Directory::new("blind");
    let restricted = r#"{ "Restrictions": {"GeoRestriction":
        {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["DE"]}},"#;
    let config = directory.write("d.json", &DISTRIBUTION.replacen('{', restricted, 1));
    let running = Running::start(&mut serve(&directory, &config, origin("x")));
    assert!(get(running.address("http"), "/", "localhost").starts_with("HTTP/1.1 200"));
    running.signal("-TERM");
    let (_, errors) = running.end();
    assert!(
        errors.contains("NOT protected by its GeoRestriction") && errors.contains("--geo-db"),
        "{errors}"
    );
}

#[test]
fn a_bad_configuration_is_exit_code_2_with_every_problem_and_its_place() {
    let directory = Directory::new("bad");
    let bad = DISTRIBUTION
        .replace("allow-all", "allow-some")
        .replace("658327ea", "00000000")
        .replace("\"http-only\"", "7");
    let config = directory.write("d.json", &bad);
    let Output { status, stderr, stdout } = edge().arg("serve").arg(&config).output().unwrap();
    let errors = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(stdout.is_empty());
    for place in [
        "DefaultCacheBehavior.ViewerProtocolPolicy",
        "DefaultCacheBehavior.CachePolicyId",
        "OriginProtocolPolicy",
    ] {
        assert!(errors.contains(place), "{place}: {errors}");
    }
    assert!(errors.contains(&config.display().to_string()), "{errors}");
}

#[test]
fn usage_mistakes_are_exit_code_2_with_a_hint() {
    for (args, expected) in [
        (vec!["serve"], "hint"),
        (vec!["serve", "/nonexistent.json"], "/nonexistent.json"),
        (vec!["serve", "--preset", "wordpres", "--origin", "http://127.0.0.1:1"], "wordpress"),
        (vec!["serve", "--preset", "wordpress"], "origin"),
        (vec!["serve", "--cache-size", "12 apples"], "512M"),
        (vec!["serve", "--http", "eight"], "127.0.0.1:8080"),
    ] {
        let Output { status, stderr, .. } = edge().args(&args).output().unwrap();
        let errors = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(expected), "{args:?}: {errors}");
    }
}

#[test]
fn the_admin_listener_stays_on_loopback() {
    let directory = Directory::new("admin");
    let config = directory.write("d.json", DISTRIBUTION);
    let mut command = serve(&directory, &config, "127.0.0.1:1".parse().unwrap());
    let Output { status, stderr, .. } = command.args(["--admin", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(status.code(), Some(2), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn invalidate_removes_what_it_names() {
    let directory = Directory::new("invalidate");
    let config = directory.write("d.json", DISTRIBUTION);
    let running = Running::start(&mut serve(&directory, &config, origin("hello")));
    let (http, admin) = (running.address("http"), running.address("admin").to_string());
    let invalidate = |args: &[&str]| {
        let Output { status, stdout, stderr } =
            edge().args(["invalidate", "--admin", &admin]).args(args).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let is = |target: &str, x_cache: &str| {
        let response = get(http, target, "localhost");
        assert!(response.contains(&format!("x-cache: {x_cache} from cloudfront")), "{target}: {response}");
    };
    for (target, x_cache) in [("/a", "Miss"), ("/b", "Miss"), ("/a", "Hit"), ("/b", "Hit")] {
        is(target, x_cache);
    }
    let (code, said, errors) = invalidate(&["/a", "--wait"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(said.starts_with('I') && said.contains(" Completed: 1 path of distribution ELOCAL"), "{said}");
    is("/b", "Hit");
    is("/a", "Miss");
    let (code, said, _) = invalidate(&["/*", "#tag", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["Paths"]), (Some(0), &serde_json::json!(["/*", "#tag"])));
    is("/a", "Miss");
    is("/b", "Miss");
    for (args, code, part) in [
        (vec!["a"], 1, "InvalidArgument: the invalidation path \"a\" is invalid: a path begins with /"),
        (vec!["/bin", "/etc", "/usr"], 2, "quote it"),
        (vec![], 2, "<PATH>"),
    ] {
        let (got, said, errors) = invalidate(&args);
        assert_eq!((got, said.as_str()), (Some(code), ""), "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
    drop(running);
    let (code, _, errors) = invalidate(&["/a"]);
    assert!(
        code == Some(1) && errors.contains("nothing listens on") && errors.contains("--admin"),
        "{errors}"
    );
}

#[test]
fn what_the_api_refuses_it_explains() {
    let directory = Directory::new("api");
    let config = directory.write("d.json", DISTRIBUTION);
    let running = Running::start(&mut serve(&directory, &config, origin("hello")));
    let admin = running.address("admin");
    let named = get(admin, "/distribution", "localhost");
    let id = named.split('"').nth(3).unwrap();
    let place = format!("/2020-05-31/distribution/{id}/invalidation");
    let batch = |paths: &[&str]| {
        let items: String = paths.iter().map(|path| format!("<Path>{path}</Path>")).collect();
        format!(
            "<InvalidationBatch><Paths><Quantity>{}</Quantity><Items>{items}</Items></Paths>\
             <CallerReference>r</CallerReference></InvalidationBatch>",
            paths.len()
        )
    };
    let host = "Host: localhost\r\n";
    for (method, target, fields, body, status, code) in [
        ("POST", place.as_str(), host, String::new(), 400, "MissingBody"),
        ("POST", &place, host, "<InvalidationBatch>".to_owned(), 400, "MalformedXML"),
        ("POST", &place, host, batch(&["/~a"]), 400, "InvalidArgument"),
        ("POST", &place, host, batch(&[]), 400, "InvalidArgument"),
        ("POST", &place, host, batch(&["/a*"; 16]), 400, "TooManyInvalidationsInProgress"),
        ("POST", &place, host, batch(&["/a"; 3_001]), 413, "BatchTooLarge"),
        ("POST", &place, host, "x".repeat(1_048_577), 413, "BatchTooLarge"),
        (
            "POST",
            &place,
            "Host: localhost\r\nOrigin: https://x.example\r\n",
            batch(&["/a"]),
            403,
            "AccessDenied",
        ),
        ("POST", "/2020-05-31/distribution/E/invalidation", host, batch(&["/a"]), 404, "NoSuchDistribution"),
        ("GET", &format!("{place}/I0"), host, String::new(), 404, "NoSuchInvalidation"),
        ("GET", &format!("{place}?MaxItems=0"), host, String::new(), 400, "InvalidArgument"),
        ("GET", &format!("{place}?Marker=I0"), host, String::new(), 400, "InvalidArgument"),
        ("DELETE", &place, host, String::new(), 501, "NotImplemented"),
        ("GET", "/2020-05-31/distribution", host, String::new(), 501, "NotImplemented"),
    ] {
        let answer = ask(admin, method, target, fields, &body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {answer}");
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{method} {target}: {answer}");
        assert!(answer.contains("<ErrorResponse xmlns="), "{answer}");
    }
    assert!(get(admin, "/else", "localhost").contains("/2020-05-31/"));
    let empty = get(admin, &place, "localhost");
    assert!(empty.contains("<Quantity>0</Quantity>"), "nothing of all this is in force: {empty}");
}

/// A line for each request, a new file after SIGHUP, and nothing is lost at the end.
#[test]
fn the_access_log_is_written_and_can_be_moved_away() {
    let directory = Directory::new("access-log");
    let config = directory.write("d.json", DISTRIBUTION);
    let (log, old) = (directory.0.join("access.log"), directory.0.join("access.log.1"));
    let mut command = serve(&directory, &config, origin("hello"));
    let running = Running::start(command.arg("--access-log").arg(&log));
    let (http, admin) = (running.address("http"), running.address("admin"));
    assert!(get(http, "/a?b='c'", "localhost").contains("Miss from"));
    std::fs::rename(&log, &old).unwrap();
    running.signal("-HUP");
    assert!(
        (0..2_000).any(|_| {
            _ = get(admin, "/healthz", "localhost");
            log.exists()
        }),
        "no new file"
    );
    assert!(get(http, "/a?b='c'", "localhost").contains("Hit from"));
    running.signal("-TERM");
    assert_eq!(running.end().0, Some(0));
    let (before, after) = (std::fs::read_to_string(old).unwrap(), std::fs::read_to_string(log).unwrap());
    for (text, result) in [(before, "Miss"), (after, "Hit")] {
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.len() == 3 && lines[0] == "#Version: 1.0" && lines[1].starts_with("#Fields: date time "),
            "{text}"
        );
        let values: Vec<&str> = lines[2].split('\t').collect();
        assert_eq!(
            (values.len(), values[7], values[11], values[13]),
            (33, "/a", "b=%27c%27", result),
            "{text}"
        );
    }
}

#[test]
fn the_access_log_as_json_on_standard_output() {
    let directory = Directory::new("access-log-json");
    let config = directory.write("d.json", DISTRIBUTION);
    let mut command = serve(&directory, &config, origin("hello"));
    command.args(["--access-log", "-", "--access-log-format", "json"]);
    command.args([
        "--access-log-fields",
        "cs-uri-stem,sc-status,x-edge-result-type,c-country",
        "--country",
        "DE",
    ]);
    let mut running = Running::start(&mut command);
    get(running.address("http"), "/a", "localhost");
    running.read_until("{");
    let line = r#"{"cs-uri-stem":"/a","sc-status":"200","x-edge-result-type":"Miss","c-country":"DE"}"#;
    assert_eq!(running.said.last().map(String::as_str), Some(line));
    // It is counted when it is written, which is when it can be read.
    let admin = running.address("admin");
    let counted = || get(admin, "/metrics", "localhost").contains("edge_access_log_lines_total 1\n");
    assert!((0..2_000).any(|_| counted()));
}

#[test]
fn what_cannot_be_logged_is_said_at_the_start() {
    let directory = Directory::new("access-log-bad");
    let config = directory.write("d.json", DISTRIBUTION);
    let refused = |args: &[&str]| {
        let output = serve(&directory, &config, origin("x")).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let errors = refused(&["--access-log", "-", "--access-log-fields", "date,cs-uri-stm"]);
    assert!(errors.contains("\"cs-uri-stm\"") && errors.contains("did you mean cs-uri-stem?"), "{errors}");
    let errors = refused(&["--access-log", "/nowhere/at/all"]);
    assert!(errors.contains("the access log cannot be opened"), "{errors}");
    assert!(refused(&["--access-log-format", "json"]).contains("--access-log"));
}

#[test]
fn a_virtual_clock_lets_an_hour_pass_at_once() {
    let directory = Directory::new("clock");
    let config = directory.write("d.json", DISTRIBUTION);
    let mut command = serve(&directory, &config, origin("hello"));
    let running = Running::start(command.arg("--virtual-clock=2026-11-23T06:00:00Z"));
    let (http, admin) = (running.address("http"), running.address("admin"));
    let host = "Host: localhost\r\n";
    let clock = |method: &str, query: &str| ask(admin, method, &format!("/clock{query}"), host, "");
    let has = |response: String, parts: &[&str]| {
        assert!(parts.iter().all(|part| response.contains(part)), "{parts:?}: {response}");
    };
    has(clock("GET", ""), &["200", "2026-11-23T06:00:00.000Z\n"]);
    has(get(http, "/", "localhost"), &["Miss from", "date: Mon, 23 Nov 2026 06:00:00 GMT"]);
    has(clock("POST", "?advance=1h"), &["200", "2026-11-23T07:00:00.000Z\n"]);
    has(get(http, "/", "localhost"), &["Hit from", "age: 3600"]);
    // The default TTL of its policy is a day.
    has(clock("POST", "?advance=82800"), &["2026-11-24T06:00:00.000Z\n"]);
    has(get(http, "/", "localhost"), &["Miss from", "date: Tue, 24 Nov 2026 06:00:00 GMT"]);
    running.signal("-HUP");
    has(clock("POST", "?set=Wed,+25+Nov+2026+06:00:00+GMT"), &["2026-11-25T06:00:00.000Z\n"]);
    has(get(http, "/", "localhost"), &["Miss from"]);
    has(clock("POST", "?advance=soon"), &["400", "expected seconds"]);

    let running = Running::start(&mut serve(&directory, &config, origin("hello")));
    let admin = running.address("admin");
    has(ask(admin, "POST", "/clock?advance=1h", host, ""), &["409", "--virtual-clock"]);
    has(get(admin, "/clock", "localhost"), &["200"]);
    // Viewers go by their own clocks: what they verify is of today.
    let fresh = Directory::new("clock-ca");
    let running =
        Running::start(serve(&fresh, &config, origin("hello")).arg("--virtual-clock=2040-01-01T00:00:00Z"));
    let ca = running.said.iter().find_map(|line| line.strip_prefix("local CA ")).unwrap();
    let url = format!("https://localhost:{}/", running.address("https").port());
    let ca = ca.split(" (").next().unwrap();
    let load = edge().args(["load", "-n", "1", "-c", "1", "--cacert", ca, &url]).output().unwrap();
    let errors = String::from_utf8(load.stderr).unwrap();
    assert!(load.status.success(), "{errors}{}", String::from_utf8_lossy(&load.stdout));
    has(get(running.address("http"), "/", "localhost"), &["date: Sun, 01 Jan 2040 00:00:00 GMT"]);
    let Output { status, stderr, .. } = edge().args(["serve", "--virtual-clock=later"]).output().unwrap();
    assert_eq!(status.code(), Some(2));
    has(String::from_utf8(stderr).unwrap(), &["2026-11-23T06:55:09Z"]);
}

#[test]
fn the_demos_five_lines_show_what_they_say() {
    if Command::new("curl").arg("--version").output().is_err() {
        return println!("skipped: the demo's lines are for curl, and there is none here");
    }
    let directory = Directory::new("demo");
    let mut command = edge();
    command
        .args(["demo", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(directory.0.join("data"));
    let demo = Running::start(&mut command);
    let lines: Vec<&String> = demo.said.iter().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 5, "{:?}", demo.said);
    let run = |line: &str| {
        let jar = directory.0.join("jar").display().to_string();
        let Output { stdout, stderr, .. } =
            Command::new("sh").arg("-c").arg(line.replace("/tmp/edge-demo.jar", &jar)).output().unwrap();
        String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap()
    };
    let shown: Vec<String> = lines.iter().map(|line| run(line)).collect();
    assert!(
        shown[0].contains("Miss from") && shown[0].contains("desktop edition, rendering number 1"),
        "{shown:?}"
    );
    assert!(shown[1].contains("Hit from") && shown[1].contains("rendering number 1"), "{shown:?}");
    assert!(shown[2].contains("Miss from") && shown[2].contains("mobile edition"), "{shown:?}");
    assert!(shown[3].contains("Miss from") && shown[3].contains("Hello, ada!"), "{shown:?}");
    assert!(shown[4].contains("Hit from") && !shown[4].contains("ada"), "{shown:?}");
    demo.signal("-TERM");
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn explain_tells_the_story_of_a_request() {
    let directory = Directory::new("explain");
    let config = directory.write("d.json", DISTRIBUTION);
    let answer = directory.write("answer", "HTTP/1.1 200 OK\nCache-Control: max-age=60\n\nbody");
    let mut command = edge();
    command.arg("explain").arg(&config).args([
        "--url",
        "https://localhost/a?b=1",
        "--compressed",
        "--held",
        "10",
    ]);
    let Output { status, stdout, stderr } = command.arg("--origin-says").arg(&answer).output().unwrap();
    let story = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    for part in [
        "behavior     *   <- DefaultCacheBehavior",
        "<- cache policy Managed-CachingOptimized: EnableAcceptEncodingGzip",
        "accept-encoding br,gzip",
        "stored for 60 s",
        "Miss from cloudfront",
        "Hit from cloudfront",
        "age: 10",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(!story.contains("query b=1"), "{story}");
}

#[test]
fn init_writes_what_serve_takes_and_nothing_over() {
    let directory = Directory::new("init");
    let file = directory.write("kept.toml", "mine");
    let init = |out: &Path, more: &[&str]| {
        let origin =
            ["--preset", "wordpress", "--origin", "http://127.0.0.1:1", "--domain", "blog.example.com"];
        edge().arg("init").args(origin).arg("--out").arg(out).args(more).output().unwrap()
    };
    let refused = init(&file, &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force writes over it"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(init(&file, &["--force"]).status.success());
    let shown = edge().arg("show").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\"blog.example.com\""));
    let printed = init(Path::new("-"), &[]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), std::fs::read_to_string(&file).unwrap());
    let wrong = edge().args(["init", "--preset", "wordpres", "--out", "-"]).output().unwrap();
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("--preset: ") && said.contains("did you mean \"wordpress\"?"), "{said}");
}

#[test]
fn the_style_is_a_flag_and_what_does_not_fit_is_refused() {
    let directory = Directory::new("style");
    let least = "preset = 'wordpress'\norigin.name = 'alb.example.com'\n";
    let show = |lines: &str, more: &[&str]| {
        let file = directory.write("edge.toml", &format!("{least}{lines}"));
        edge().arg("show").arg(file).args(more).output().unwrap()
    };
    let shown = show("", &["--style", "policy", "--domain", "www.example.com"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("wordpress_logged_in_*") && !text.contains("FunctionAssociations"), "{text}");
    assert!(text.contains("\"www.example.com\""), "{text}");
    let refused = show("query.drop = ['src_*']", &["--style", "policy"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(refused.stdout.is_empty() && said.contains("query.drop: \"src_*\""), "{said}");
    let config = directory.write("d.json", DISTRIBUTION);
    let wrong = edge().arg("show").arg(config).args(["--style", "policy"]).output().unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--style is for presets and site policies"));
}

/// The function as CloudFront will run it, and the rule it was written from, make the same of a request.
#[test]
fn explain_runs_the_rule_or_its_javascript() {
    let story = |more: &[&str]| {
        let preset = ["explain", "--preset", "wordpress", "--origin", "http://127.0.0.1:1"];
        let url = ["--url", "https://localhost/?utm_source=x&b&a", "-H", "Cookie: _ga=1"];
        let output = edge().args(preset).args(url).args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (rule, script) = (story(&[]), story(&["--javascript"]));
    assert!(rule.contains("anonymous: cookies dropped"), "{rule}");
    assert!(script.contains("origin-invalid-viewer-request at viewer-request"), "{script}");
    for part in ["query a&b", "header x-viewer-device: desktop"] {
        assert!(rule.contains(part) && script.contains(part), "{part}: {rule}\n{script}");
    }
}

#[test]
fn classify_ua_answers_line_by_line() {
    let mut child = edge().arg("classify-ua").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let agents = "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15\nMozilla/5.0 (Linux; Android 14; Pixel 8) \
                  AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36\r\n\nnobody knows";
    child.stdin.take().unwrap().write_all(agents.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "tablet ios\nmobile android\ndesktop other\ndesktop other\n"
    );
}

#[test]
fn lint_says_what_is_likely_wrong_and_fails() {
    let directory = Directory::new("lint");
    let config = directory.write("d.json", DISTRIBUTION);
    let lint = |more: &[&str]| {
        let Output { status, stdout, .. } = edge().arg("lint").arg(&config).args(more).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap())
    };
    let (code, text) = lint(&[]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "warning EDGE211 allow-all",
        "d.json:5: DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy (behavior *)",
        "why  ",
        "see  https://docs.aws.amazon.com/",
        "not shown",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "colours in a file: {text}");
    assert_eq!(lint(&["--level", "error"]).0, Some(0));
    assert_eq!(lint(&["--allow", "allow-all", "--allow", "edge303"]).0, Some(0), "{text}");
    let json: serde_json::Value = serde_json::from_str(&lint(&["--json"]).1).unwrap();
    assert_eq!(
        (&json["schema"], &json["file"]),
        (&"edge-lint/1".into(), &config.display().to_string().into())
    );
    let sarif: serde_json::Value = serde_json::from_str(&lint(&["--sarif"]).1).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn lint_of_what_does_not_load_is_exit_code_2() {
    let directory = Directory::new("lint-bad");
    let config = directory.write("d.json", &DISTRIBUTION.replace("658327ea", "00000000"));
    for form in [&["--level", "error"][..], &["--json"], &["--allow", "EDGE002"]] {
        let output = edge().arg("lint").arg(&config).args(form).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{form:?}");
        let says = String::from_utf8(output.stdout).unwrap().contains("EDGE002");
        assert_eq!(says, !form.contains(&"--allow"), "{form:?}");
    }
    for (wrong, hint) in [
        (&["--allow", "EDGE000"][..], "--list"),
        (&["--explain", "leak"], "--list"),
        (&["nowhere.json"], "nowhere.json"),
    ] {
        let Output { status, stderr, .. } = edge().arg("lint").args(wrong).output().unwrap();
        assert_eq!(status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8(stderr).unwrap().contains(hint), "{wrong:?}");
    }
}

#[test]
fn lint_explains_its_rules() {
    let output = edge().args(["lint", "--explain", "cookies-not-in-key"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.starts_with("EDGE102 cookies-not-in-key (error)\n") && text.contains("When it speaks: "),
        "{text}"
    );
    let output = edge().args(["lint", "--list"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() > 40 && text.lines().all(|line| line.starts_with("EDGE")), "{text}");
    let output =
        edge().args(["lint", "--preset", "wordpress", "--origin", "https://a.example.com"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
