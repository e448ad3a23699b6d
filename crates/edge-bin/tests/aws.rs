//! AWS's own clients against the admin listener, unmodified: the CLI, and boto3 in `aws/check.py`.
//!
//! `tools/python-tools` installs both from PyPI when they are not there yet; nothing else of the network is used, and
//! nothing of the machine's AWS configuration.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, get, installed, origin, serve};

/// A program with made-up credentials, and no configuration but this.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", program.parent().unwrap())
        .env("LC_ALL", "C.UTF-8")
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "made-up")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1")
        .stdin(Stdio::null());
    command
}

/// A site behind an edge, and the id of its distribution.
fn start(name: &str) -> (Directory, Running, String) {
    let directory = Directory::new(name);
    let config = directory.write("d.json", DISTRIBUTION);
    let running = Running::start(&mut serve(&directory, &config, origin("hello")));
    let line = running.said.iter().find_map(|line| line.strip_prefix("distribution ")).unwrap();
    let id = line.split(' ').next().unwrap().to_owned();
    (directory, running, id)
}

#[test]
fn the_aws_cli_invalidates() {
    let tools = installed("python-tools");
    let (_directory, running, id) = start("aws-cli");
    let (http, endpoint) = (running.address("http"), format!("http://{}", running.address("admin")));
    let run = |args: &[&str]| {
        let mut aws = command(&tools.join("python3"));
        aws.arg(tools.join("aws")).args(["--endpoint-url", &endpoint, "--output", "json", "cloudfront"]);
        aws.args(args).args(["--distribution-id", &id]).output().unwrap()
    };
    let ok = |args: &[&str]| -> Value {
        let Output { status, stdout, stderr } = run(args);
        assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).unwrap_or_default()
    };
    let is = |target: &str, x_cache: &str| {
        let response = get(http, target, "localhost");
        assert!(response.contains(&format!("x-cache: {x_cache} from cloudfront")), "{target}: {response}");
    };
    for target in ["/images/a", "/images/b", "/style.css"] {
        is(target, "Miss");
    }
    let created = ok(&["create-invalidation", "--paths", "/images/*", "/a&b?c=\"<d>\""]);
    is("/images/a", "Miss");
    is("/images/b", "Miss");
    is("/style.css", "Hit");
    let invalidation = &created["Invalidation"];
    let first = invalidation["Id"].as_str().unwrap();
    assert!(
        created["Location"].as_str().unwrap().ends_with(&format!("/{id}/invalidation/{first}")),
        "{created}"
    );
    let items = json!(["/images/*", "/a&b?c=\"<d>\""]);
    assert_eq!(invalidation["InvalidationBatch"]["Paths"]["Items"], items);

    ok(&["wait", "invalidation-completed", "--id", first]);
    let got = ok(&["get-invalidation", "--id", first]);
    assert_eq!(got["Invalidation"]["Status"], "Completed");
    assert_eq!(got["Invalidation"]["CreateTime"], invalidation["CreateTime"]);
    assert_eq!(got["Invalidation"]["InvalidationBatch"], invalidation["InvalidationBatch"]);

    let batch = json!({ "Paths": { "Quantity": 1, "Items": ["/style.css"] }, "CallerReference": "deploy-7" });
    let second = ok(&["create-invalidation", "--invalidation-batch", &batch.to_string()]);
    let second = second["Invalidation"]["Id"].as_str().unwrap();
    is("/style.css", "Miss");
    // One for each page: the CLI follows the markers.
    let list = ok(&["list-invalidations", "--page-size", "1"]);
    let listed: Vec<&str> = list["InvalidationList"]["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["Id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [second, first]);

    let Output { status, stderr, .. } = run(&["get-invalidation", "--id", "I0000000000000"]);
    let errors = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && errors.contains("(NoSuchInvalidation)"), "{errors}");
}

#[test]
fn boto3_invalidates() {
    let tools = installed("python-tools");
    let (_directory, running, id) = start("boto3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/check.py");
    let Output { status, stdout, stderr } = command(&tools.join("python3"))
        .arg(script)
        .arg(format!("http://{}", running.address("admin")))
        .arg(format!("http://{}", running.address("http")))
        .arg(&id)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stdout);
    assert!(status.success() && said == "ok\n", "{said}{}", String::from_utf8_lossy(&stderr));
}
