//! The program given a distribution in other forms: recognised by content, shown as the API has it, told by place.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use support::{Directory, edge};

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/templates");
    folder.join(name).display().to_string()
}

fn run(arguments: &[&str]) -> Output {
    edge().args(arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shown(arguments: &[&str]) -> Value {
    let output = run(&[&["show"], arguments].concat());
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_form_is_recognised_and_shown_as_the_api_has_it() {
    for arguments in [
        &[fixture("twin.json").as_str()][..],
        &[&fixture("twin.plan.json")],
        &[&fixture("cdk.out")],
        &[&fixture("twin.yaml"), "--parameter", "Domain=example.com"],
    ] {
        let document = shown(arguments);
        let origins = document["DistributionConfig"]["Origins"]["Items"].as_array().unwrap();
        let mut names: Vec<&str> =
            origins.iter().filter_map(|origin| origin["DomainName"].as_str()).collect();
        names.sort_unstable();
        let expected =
            ["example-media.s3.us-east-1.amazonaws.com", "front-1234567890.us-east-1.elb.amazonaws.com"];
        assert_eq!(names, expected, "{arguments:?}");
        // What is shown is shown again as the same.
        let directory = Directory::new("shown");
        let file = directory.write("bundle.json", &document.to_string());
        assert_eq!(shown(&[file.to_str().unwrap()]), document);
    }
    let document = shown(&[&fixture("legacy-wordpress.xml")]);
    assert_eq!(document["DistributionConfig"]["CacheBehaviors"]["Quantity"], 4);
}

#[test]
fn problems_have_the_place_the_owner_wrote() {
    let output = run(&["show", &fixture("twin.yaml")]);
    assert_eq!(output.status.code(), Some(2));
    let said = errors(&output);
    assert!(said.contains("twin.yaml: Resources.Site.Properties.DistributionConfig.Aliases"), "{said}");
    assert!(said.contains("the parameter Domain has no default"), "{said}");
    assert!(said.contains("hint: --parameter Domain=VALUE"), "{said}");

    let output = run(&["show", &fixture("cdk.out"), "--parameter", "Sceret=x"]);
    assert!(
        errors(&output).contains("--parameter Sceret: the template has no parameter Sceret"),
        "{}",
        errors(&output)
    );
    let output = run(&["show", &fixture("cdk.out"), "--resource", "Side"]);
    assert!(errors(&output).contains("--resource ID, where ID is one of Site"), "{}", errors(&output));

    let directory = Directory::new("folders");
    let empty = run(&["show", directory.0.to_str().unwrap()]);
    assert!(errors(&empty).contains("there is no *.template.json in this folder"), "{}", errors(&empty));
    directory.write("A.template.json", "{\"Resources\": {}}");
    let none = run(&["show", directory.0.to_str().unwrap()]);
    assert!(errors(&none).contains("no template in this folder has a distribution"), "{}", errors(&none));
}

#[test]
fn explain_and_map_know_the_names_that_stand_in() {
    let output = run(&[
        "explain",
        &fixture("cdk.out"),
        "--map",
        "front-1234567890.us-east-1.elb.amazonaws.com=http://127.0.0.1:8000",
        "--url",
        "https://www.example.com/a?fbclid=1",
    ]);
    assert!(output.status.success(), "{}", errors(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("pages"), "{said}");
}
