//! WebSocket and gRPC with real servers and clients: `ws`, the client Node.js has, and `@grpc/grpc-js`, an edge between
//! them.
//!
//! `tools/node-tools` installs them when they are not there yet.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, installed, serve};

/// AllViewer.
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// Everything to one origin, and calls to another; to `/deaf` nothing of a viewer's fields.
fn document() -> String {
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    config["HttpVersion"] = json!("http2");
    let mut calls = config["Origins"]["Items"][0].clone();
    (calls["Id"], calls["DomainName"]) = (json!("calls"), json!("calls.example.com"));
    config["Origins"]["Items"].as_array_mut().unwrap().push(calls);
    config["Origins"]["Quantity"] = json!(2);
    let default = &mut config["DefaultCacheBehavior"];
    let mut deaf = default.clone();
    deaf["PathPattern"] = json!("/deaf");
    default["OriginRequestPolicyId"] = json!(ALL_VIEWER);
    let mut grpc = default.clone();
    grpc["PathPattern"] = json!("/test.Service/*");
    grpc["TargetOriginId"] = json!("calls");
    grpc["GrpcConfig"] = json!({ "Enabled": true });
    let methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"];
    grpc["AllowedMethods"] = json!({ "Quantity": 7, "Items": methods });
    config["CacheBehaviors"] = json!({ "Quantity": 2, "Items": [grpc, deaf] });
    config.to_string()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/realtime").join(name)
}

/// The origin's process; it ends with this.
struct Origin {
    child: Child,
    lines: BufReader<ChildStdout>,
    http: SocketAddr,
    grpc: SocketAddr,
}

impl Origin {
    fn start(node: &Path, packages: &Path) -> Self {
        let mut command = Command::new(node);
        command.arg(script("origin.mjs")).arg(packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let ports: Value = serde_json::from_str(&line(&mut lines)).unwrap();
        let at = |name: &str| format!("127.0.0.1:{}", ports[name]).parse().unwrap();
        let (http, grpc) = (at("http"), at("grpc"));
        Self { child, lines, http, grpc }
    }

    /// Waits until it tells that.
    fn tells(&mut self, expected: &str) {
        while line(&mut self.lines) != expected {}
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn line(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    assert!(lines.read_line(&mut line).unwrap() > 0, "the origin has ended");
    line.trim_end().to_owned()
}

struct World {
    packages: PathBuf,
    node: PathBuf,
    origin: Origin,
    edge: Running,
    directory: Directory,
}

impl World {
    fn new(name: &str) -> Self {
        let (packages, programs) = (installed("node-tools"), installed("python-tools"));
        let node = programs.join("node");
        let origin = Origin::start(&node, &packages);
        let directory = Directory::new(name);
        let config = directory.write("d.json", &document());
        let mut command = serve(&directory, &config, origin.http);
        command.args(["--map", &format!("calls.example.com=http://{}", origin.grpc)]);
        let edge = Running::start(&mut command);
        Self { packages, node, origin, edge, directory }
    }

    /// What held, as the script tells it.
    fn run(&self, name: &str, addresses: &[&str]) -> Vec<String> {
        let mut command = Command::new(&self.node);
        command.arg(script(name)).arg(&self.packages);
        for of in addresses {
            command.arg(format!("localhost:{}", self.edge.address(of).port()));
        }
        command.arg(self.directory.0.join("data/ca.pem"));
        let output = command.output().unwrap();
        let (said, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "after {said}{errors}");
        said.lines().map(str::to_owned).collect()
    }
}

#[test]
fn websockets_of_real_servers_and_clients() {
    let mut world = World::new("websocket");
    let held = world.run("websocket.mjs", &["https", "http"]);
    let all = [
        "messages of every kind",
        "the origin closes",
        "the origin is gone",
        "the origin declines",
        "what the edge adds",
        "without a policy there is none",
        "fifty at once",
        "another client",
    ];
    assert_eq!(held, all);
    // The close frames came to the origin as they were sent.
    world.origin.tells("closed 4000 bye");
    world.origin.tells("closed 4002 thanks");
}

#[test]
fn calls_of_real_servers_and_clients() {
    let mut world = World::new("grpc");
    let held = world.run("grpc.mjs", &["https"]);
    let all = [
        "unary, with metadata and trailers",
        "large messages",
        "statuses of errors",
        "the server streams",
        "the client streams",
        "both stream, in turns",
        "a deadline",
        "a call that is called off",
        "three hundred at once",
    ];
    assert_eq!(held, all);
    world.origin.tells("cancelled hangs");
    world.origin.tells("cancelled counts");
}
