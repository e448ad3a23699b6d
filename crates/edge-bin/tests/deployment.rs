//! Continuous deployment from the command line: a primary, a staging distribution and a policy as AWS's CLI prints them.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, ask, get, origin, serve};

/// What `get-distribution` prints of the primary, or of the staging distribution with an origin of its own.
fn distribution(id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    config["CallerReference"] = json!(id);
    change(&mut config);
    let domain = format!("{}.cloudfront.net", id.to_ascii_lowercase());
    json!({ "ETag": "E", "Distribution": { "Id": id, "DomainName": domain, "DistributionConfig": config } })
        .to_string()
}

#[test]
fn a_policy_of_the_cli_leads_to_the_staging_distribution() {
    let directory = Directory::new("deployment");
    let primary = directory.write(
        "primary.json",
        &distribution("EPRIMARY", |config| {
            config["ContinuousDeploymentPolicyId"] = json!("policy");
            config["Aliases"] = json!({ "Quantity": 1, "Items": ["www.example.com"] });
        }),
    );
    let staging = directory.write(
        "staging.json",
        &distribution("ESTAGING", |config| {
            config["Staging"] = json!(true);
            config["Origins"]["Items"][0]["DomainName"] = json!("new.example.com");
        }),
    );
    let policy = json!({ "ETag": "E", "ContinuousDeploymentPolicyConfig": {
        "StagingDistributionDnsNames": { "Quantity": 1, "Items": ["estaging.cloudfront.net"] },
        "Enabled": true,
        "TrafficConfig": { "Type": "SingleHeader", "SingleHeaderConfig": { "Header": "aws-cf-cd-test", "Value": "blue" } },
    } });
    let file = directory.write("policy.json", &policy.to_string());
    let new = origin("new");
    let command = || {
        let mut command = serve(&directory, &primary, origin("old"));
        command.arg(&staging).args(["--map", &format!("new.example.com=http://{new}")]);
        command
    };

    let running = Running::start(command().arg("--deployment-policy").arg(&file));
    let http = running.address("http");
    let blue = |host: &str| ask(http, "GET", "/", &format!("Host: {host}\r\nAws-Cf-Cd-Test: blue\r\n"), "");
    assert!(get(http, "/", "www.example.com").ends_with("old"));
    assert!(blue("www.example.com").ends_with("new"), "{}", blue("www.example.com"));
    assert!(blue("estaging.cloudfront.net").starts_with("HTTP/1.1 403 "));
    running.signal("-TERM");
    let (_, said) = running.end();
    assert!(!said.contains("warning") || !said.contains("staging"), "{said}");

    // Without the policy nobody is sent there, which is said.
    let running = Running::start(&mut command());
    let http = running.address("http");
    assert!(ask(http, "GET", "/", "Host: www.example.com\r\nAws-Cf-Cd-Test: blue\r\n", "").ends_with("old"));
    running.signal("-TERM");
    let (_, said) = running.end();
    assert!(
        said.contains("no request is sent to a staging distribution")
            && said.contains("--deployment-policy FILE"),
        "{said}"
    );
    assert!(said.contains("ESTAGING: no policy leads to this staging distribution"), "{said}");

    let wrong = policy.to_string().replace("aws-cf-cd-test", "x-test");
    let wrong = directory.write("wrong.json", &wrong);
    let output = command().arg("--deployment-policy").arg(&wrong).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && said.contains("the header's name begins with aws-cf-cd-"),
        "{said}"
    );
}

/// `show --promote` prints what the primary becomes, and that is served.
#[test]
fn what_is_promoted_is_served() {
    let directory = Directory::new("promotion");
    let names = json!({ "Quantity": 1, "Items": ["www.example.com"] });
    let primary = distribution("EPRIMARY", |config| config["Aliases"] = names.clone());
    let primary = directory.write("primary.json", &primary);
    let staging = distribution("ESTAGING", |config| {
        config["Staging"] = json!(true);
        config["Comment"] = json!("new");
    });
    let staging = directory.write("staging.json", &staging);
    let show = |first: &std::path::Path, promoted: &std::path::Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_edge-bin"));
        command.arg("show").arg(first).arg("--promote").arg(promoted).output().unwrap()
    };
    let output = show(&primary, &staging);
    let promoted: Value = serde_json::from_slice(&output.stdout).unwrap();
    let config = &promoted["Distribution"]["DistributionConfig"];
    assert_eq!((&config["Comment"], &config["Aliases"]), (&json!("new"), &names));
    let promoted = directory.write("promoted.json", &promoted.to_string());
    let running = Running::start(&mut serve(&directory, &promoted, origin("page")));
    assert!(get(running.address("http"), "/", "www.example.com").ends_with("page"));
    running.signal("-TERM");
    running.end();

    let output = show(&staging, &primary);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && said.contains("give the primary distribution first"),
        "{said}"
    );
}
