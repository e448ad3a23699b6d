//! The program run by a test: its configuration, its addresses, its end.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests are tests")]
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

pub(crate) const DISTRIBUTION: &str = r#"{
  "CallerReference": "test", "Comment": "", "Enabled": true,
  "Origins": {"Quantity": 1, "Items": [{"Id": "site", "DomainName": "site.example.com",
    "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
  "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "allow-all",
    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
}"#;

/// Where what a script of `tools/` installs is.
pub(crate) fn installed(script: &str) -> PathBuf {
    installed_list(script, &[])
}

/// The same for another list than its first: `["validators"]`.
pub(crate) fn installed_list(script: &str, list: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools").join(script);
    let Output { status, stdout, .. } =
        Command::new(&script).args(list).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    assert!(status.success(), "{} failed: what it lacks stands above", script.display());
    PathBuf::from(String::from_utf8(stdout).unwrap().trim())
}

pub(crate) fn edge() -> Command {
    Command::new(env!("CARGO_BIN_EXE_edge-bin"))
}

/// A directory of this test's own, removed at its end.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("edge-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
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
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    pub(crate) said: Vec<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, lines, said: Vec::new() };
        running.read_until("ready");
        running
    }

    pub(crate) fn read_until(&mut self, start: &str) {
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

    pub(crate) fn address(&self, of: &str) -> SocketAddr {
        let prefix = format!("listening {of} ");
        let line = self.said.iter().find_map(|line| line.strip_prefix(&prefix)).expect(of);
        line.split(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for the end; returns the exit code and what was said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
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
pub(crate) fn origin(page: &'static str) -> SocketAddr {
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

pub(crate) fn get(addr: SocketAddr, target: &str, host: &str) -> String {
    ask(addr, "GET", target, &format!("Host: {host}\r\n"), "")
}

/// A request with these field lines, on a connection of its own; the whole answer.
pub(crate) fn ask(addr: SocketAddr, method: &str, target: &str, fields: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {target} HTTP/1.1\r\n{fields}{length}Connection: close\r\n\r\n");
    // A body that is refused need not be read to its end.
    _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    let mut response = Vec::new();
    _ = stream.read_to_end(&mut response);
    String::from_utf8(response).unwrap()
}

pub(crate) fn serve(directory: &Directory, config: &Path, origin: SocketAddr) -> Command {
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
