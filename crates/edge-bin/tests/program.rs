//! The program as its users meet it: what it prints, what it answers to signals, how it fails.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const DISTRIBUTION: &str = r#"{
  "CallerReference": "test", "Comment": "", "Enabled": true,
  "Origins": {"Quantity": 1, "Items": [{"Id": "site", "DomainName": "site.example.com",
    "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
  "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "allow-all",
    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
}"#;

fn edge() -> Command {
    Command::new(env!("CARGO_BIN_EXE_edge-bin"))
}

/// A directory of this test's own, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("edge-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program; it is killed by its own pid if the test ends before it does.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, lines, said: Vec::new() };
        running.read_until("ready");
        running
    }

    fn read_until(&mut self, start: &str) {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "ended before {start:?}: {:?}", self.said);
            let found = line.starts_with(start);
            self.said.push(line.trim_end().to_owned());
            if found {
                return;
            }
        }
    }

    fn address(&self, of: &str) -> SocketAddr {
        let prefix = format!("listening {of} ");
        let line = self.said.iter().find_map(|line| line.strip_prefix(&prefix)).expect(of);
        line.split(' ').next().unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for the end; returns the exit code and what was said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// An origin that answers everything with one page; it lives as long as the test.
fn origin(page: &'static str) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            let length = page.len();
            _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    addr
}

fn get(addr: SocketAddr, target: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn serve(directory: &Directory, config: &Path, origin: SocketAddr) -> Command {
    let mut command = edge();
    command
        .arg("serve")
        .arg(config)
        .args(["--map", &format!("site.example.com=http://{origin}")])
        .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(directory.0.join("data"));
    command
}

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
        "behavior     * (Managed-CachingOptimized)",
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
