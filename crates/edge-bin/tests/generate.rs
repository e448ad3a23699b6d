//! What `gen-cloudfront-policy` prints, judged by tools nobody here wrote, each of which refuses what is wrong; and
//! `diff`, which says that it still means what it was printed from.
//!
//! `tools/python-tools` and `tools/node-tools` install them. What a machine must have of its own (Terraform) is used
//! where it is there, and said where not.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use edge_core::site::preset::PRESETS;
use serde_json::{Value, json};
use support::{Directory, edge, installed, installed_list};

const ARN: &str = "arn:aws:acm:us-east-1:123456789012:certificate/1";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Status and everything that was said.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

fn succeeds(command: &mut Command) -> String {
    let (code, said) = run(command);
    assert_eq!(code, Some(0), "{command:?}: {said}");
    said
}

fn python(folder: &Path, script: &str) -> Command {
    let mut command = Command::new(folder.join("python3"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generate").join(script));
    command
}

/// Bundles to print: every preset in both styles, and distributions of the fixtures.
fn bundles(directory: &Directory) -> Vec<PathBuf> {
    const SERVER: &str = "https://origin.example.com";
    let styles = |name| [(name, "function", SERVER, ""), (name, "policy", SERVER, "-policy")];
    let all = PRESETS.iter().flat_map(|preset| styles(preset.name));
    let bucket = ("static", "function", "https://files.s3.eu-central-1.amazonaws.com", "-bucket");
    let mut paths = Vec::new();
    for (preset, style, origin, end) in all.chain([bucket]) {
        let mut command = edge();
        command.args(["gen-cloudfront-policy", "--preset", preset, "--origin", origin]);
        command.args(["--style", style, "--domain", "www.example.com", "--format", "bundle"]);
        let Output { stdout, .. } = command.stdin(Stdio::null()).output().unwrap();
        paths.push(directory.write(&format!("{preset}{end}.json"), std::str::from_utf8(&stdout).unwrap()));
    }
    let fixtures = ["full.json", "private-media.json", "api-and-static.json", "legacy-wordpress.json"];
    paths.extend(fixtures.iter().map(|name| repository("fixtures/distributions").join(name)));
    paths
}

/// Prints a bundle into a folder of its own.
fn printed(directory: &Directory, bundle: &Path, format: &str) -> PathBuf {
    let name = bundle.file_stem().unwrap().to_str().unwrap();
    let out = directory.0.join(format!("{name}-{format}"));
    let mut command = edge();
    command.arg("gen-cloudfront-policy").arg(bundle).args(["--format", format]).arg("--out").arg(&out);
    succeeds(&mut command);
    out
}

/// That both mean the same, but for what a form has to ask for or to say.
fn means_the_same(first: &Path, second: &Path) {
    let mut command = edge();
    command.arg("diff").arg(first).arg(second).arg("--json");
    let Output { stdout, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    let found: Vec<Value> = serde_json::from_slice(&stdout).unwrap_or_else(|_| vec![json!(said)]);
    let asked = |place: &str| place.starts_with("ViewerCertificate");
    let wrong: Vec<_> =
        found.iter().filter(|difference| !difference["place"].as_str().is_some_and(asked)).collect();
    assert!(wrong.is_empty(), "{} {}: {wrong:#?}", first.display(), second.display());
}

fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: no {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn botocore_takes_what_is_sent() {
    let (tools, directory) = (installed("python-tools"), Directory::new("generate-botocore"));
    let check = |folder: &Path| run(python(&tools, "with_botocore.py").arg(folder));
    for bundle in bundles(&directory) {
        let (code, said) = check(&printed(&directory, &bundle, "cli"));
        assert_eq!(code, Some(0), "{}: {said}", bundle.display());
    }
    // A word, a pattern, a field, a count, a number: each is refused.
    let folder = printed(&directory, &directory.0.join("wordpress.json"), "cli");
    for (file, from, to, expected) in [
        ("Distribution.json", "\"redirect-to-https\"", "\"redirect\"", "is none of"),
        (
            "Distribution.json",
            "${ViewerRequestFunction.Arn}",
            "arn:aws:lambda:x",
            "is not arn:aws:cloudfront",
        ),
        ("Distribution.json", "\"HttpVersion\"", "\"HTTPVersion\"", "there is no HTTPVersion"),
        ("PagesCachePolicy.json", "\"Quantity\": ", "\"Quantity\": 1", "Quantity is 1"),
        ("PagesCachePolicy.json", "\"MinTTL\": 0", "\"MinTTL\": \"0\"", "is no long"),
    ] {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        rewrite(&path, from, to);
        let (code, said) = check(&folder);
        assert!(code == Some(1) && said.contains(expected), "{from}: {said}");
        fs::write(&path, text).unwrap();
    }
}

/// Files for the AWS CLI by the ends of their names, and the operation each is for. Of distributions the CLI checks nothing
/// so, because the sample of an answer that it makes up fails its own check first; the script below sends them.
const OPERATIONS: [(&str, &str); 7] = [
    ("CachePolicy.json", "cache-policy"),
    ("OriginRequestPolicy.json", "origin-request-policy"),
    ("ResponseHeadersPolicy.json", "response-headers-policy"),
    ("OriginAccessControl.json", "origin-access-control"),
    ("PublicKey.json", "public-key"),
    ("KeyGroup.json", "key-group"),
    ("Function.json", "function"),
];

/// What the AWS CLI says of a file where it would send it; nothing is sent.
fn aws_cli_takes(aws: &Path, file: &Path) -> Result<(), String> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let (_, noun) = OPERATIONS.iter().find(|(end, _)| name.ends_with(end)).unwrap();
    let mut command = Command::new(aws.join("python3"));
    command.arg(aws.join("aws")).args(["cloudfront", &format!("create-{noun}")]);
    command.arg(format!("--{noun}-config")).arg(format!("file://{}", file.display()));
    if *noun == "function" {
        command.args(["--name", "f", "--function-code"]);
        command.arg(format!("fileb://{}", file.with_extension("js").display()));
    }
    command.args(["--generate-cli-skeleton", "output"]);
    match run(&mut command) {
        (Some(0), _) => Ok(()),
        (_, said) => Err(said),
    }
}

#[test]
fn the_aws_cli_takes_each_file() {
    let (aws, directory) = (installed("python-tools"), Directory::new("generate-aws-cli"));
    let mut seen = std::collections::BTreeSet::new();
    let bundles = bundles(&directory);
    let some = ["wordpress.json", "wordpress-policy.json", "spa.json", "static-bucket.json", "full.json"];
    for bundle in bundles.iter().filter(|bundle| some.iter().any(|name| bundle.ends_with(name))) {
        for entry in fs::read_dir(printed(&directory, bundle, "cli")).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let Some((end, _)) = OPERATIONS.iter().find(|(end, _)| name.ends_with(end)) else { continue };
            aws_cli_takes(&aws, &entry.path()).unwrap_or_else(|said| panic!("{name}: {said}"));
            seen.insert(*end);
        }
    }
    assert_eq!(seen.len(), OPERATIONS.len(), "{seen:?}");
    let folder = directory.0.join("wordpress-cli");
    for (file, from, to) in [
        ("PagesCachePolicy.json", "\"MinTTL\": 0", "\"MinTTL\": \"none\""),
        ("PagesOriginRequestPolicy.json", "\"Quantity\": 2", "\"Quantity\": \"two\""),
    ] {
        rewrite(&folder.join(file), from, to);
        let said = aws_cli_takes(&aws, &folder.join(file)).unwrap_err();
        assert!(said.contains("Invalid type for parameter"), "{said}");
    }
}

#[test]
fn cfn_lint_has_nothing_against_templates() {
    let (tools, directory) =
        (installed_list("python-tools", &["validators"]), Directory::new("generate-cfn"));
    let lint =
        |files: &[PathBuf]| run(Command::new(tools.join("python3")).arg(tools.join("cfn-lint")).args(files));
    let mut files = Vec::new();
    for bundle in bundles(&directory) {
        let folder = printed(&directory, &bundle, "cloudformation");
        files.extend([folder.join("template.yaml"), folder.join("template.json")]);
    }
    let (code, said) = lint(&files);
    assert_eq!(code, Some(0), "{said}");
    rewrite(&files[0], "ViewerProtocolPolicy: redirect-to-https", "ViewerProtocolPolicy: redirect");
    rewrite(&files[1], "\"Ref\": \"PagesCachePolicy\"", "\"Ref\": \"Nobody\"");
    for file in &files[..2] {
        assert_ne!(lint(std::slice::from_ref(file)).0, Some(0), "{}", file.display());
    }
}

#[test]
fn a_terraform_module_is_what_it_was_printed_from() {
    let (tools, directory) =
        (installed_list("python-tools", &["validators"]), Directory::new("generate-hcl"));
    let module = |folder: &Path| {
        let given = [format!("certificate_arn={ARN}"), "origin_domain_name=origin.invalid".to_owned()];
        python(&tools, "with_hcl2.py").arg(folder).args(given).stdin(Stdio::null()).output().unwrap()
    };
    let terraform = found("terraform");
    for bundle in bundles(&directory) {
        let folder = printed(&directory, &bundle, "terraform");
        let Output { status, stdout, stderr } = module(&folder);
        assert!(status.success(), "{}: {}", bundle.display(), String::from_utf8_lossy(&stderr));
        let name = bundle.file_name().unwrap().to_str().unwrap();
        let state = directory.write(&format!("state-{name}"), &String::from_utf8(stdout).unwrap());
        means_the_same(&bundle, &state);
        if let Some(terraform) = &terraform {
            let mut fmt = terraform_in(terraform, &folder);
            succeeds(fmt.args(["fmt", "-check", "-diff", "-no-color"]));
        }
    }
    let folder = printed(&directory, &directory.0.join("wordpress.json"), "terraform");
    let main = folder.join("main.tf");
    let text = fs::read_to_string(&main).unwrap();
    rewrite(&main, "min_ttl = 0", "min_ttl = ");
    assert!(!module(&folder).status.success(), "python-hcl2 reads anything");
    if let Some(terraform) = &terraform {
        assert_ne!(run(terraform_in(terraform, &folder).args(["fmt", "-check"])).0, Some(0));
    }
    fs::write(&main, text).unwrap();
    validate_with_provider(terraform.as_deref(), &folder);
}

/// With the provider of this machine, if it has one; nothing is fetched.
fn validate_with_provider(terraform: Option<&Path>, folder: &Path) {
    let home = environment("HOME").unwrap_or_default();
    let plugins = [
        environment("TF_PLUGIN_CACHE_DIR").unwrap_or_default(),
        format!("{home}/.terraform.d/plugins"),
        "/usr/local/share/terraform/plugins".to_owned(),
    ];
    let has_provider =
        |plugins: &&String| Path::new(plugins).join("registry.terraform.io/hashicorp/aws").is_dir();
    match (terraform, plugins.iter().find(has_provider)) {
        (Some(terraform), Some(plugins)) => {
            let plugins = format!("-plugin-dir={plugins}");
            succeeds(terraform_in(terraform, folder).args([
                "init",
                "-backend=false",
                "-input=false",
                &plugins,
            ]));
            succeeds(terraform_in(terraform, folder).args(["validate", "-no-color"]));
        }
        (None, _) => skipped("terraform fmt and validate of generated modules: there is no terraform"),
        (_, None) => skipped("terraform validate of generated modules: there is no copy of the aws provider"),
    }
}

fn terraform_in(terraform: &Path, folder: &Path) -> Command {
    let mut command = Command::new(terraform);
    command.current_dir(folder).env("TF_CLI_CONFIG_FILE", "/dev/null").env("CHECKPOINT_DISABLE", "1");
    command
}

#[expect(clippy::disallowed_methods, reason = "what this machine has is what is asked")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn found(program: &str) -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// Said at the end of `make ci`, and here.
fn skipped(what: &str) {
    use std::io::Write as _;
    eprintln!("skipped: {what}");
    if let Some(list) = environment("EDGE_SKIPPED") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}

#[test]
fn a_cdk_program_compiles_and_comes_to_the_same() {
    let (node, library) = (installed("python-tools").join("node"), installed_list("node-tools", &["cdk"]));
    let directory = Directory::new("generate-cdk");
    let tsc = library.join("node_modules/typescript/bin/tsc");
    let compile = |folder: &Path| run(Command::new(&node).arg(&tsc).current_dir(folder));
    std::os::unix::fs::symlink(library.join("node_modules"), directory.0.join("node_modules")).unwrap();
    let bundles = bundles(&directory);
    let programs: Vec<PathBuf> = bundles.iter().map(|bundle| printed(&directory, bundle, "cdk")).collect();
    // All at once, as each says itself: the compiler spends its time on the library.
    let text = fs::read_to_string(programs[0].join("tsconfig.json")).unwrap();
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    settings["include"] = json!(["*-cdk/**/*.ts"]);
    directory.write("tsconfig.json", &settings.to_string());
    for program in &programs {
        assert_eq!(fs::read_to_string(program.join("tsconfig.json")).unwrap(), text);
    }
    let (code, said) = compile(&directory.0);
    assert_eq!(code, Some(0), "{said}");
    for (bundle, folder) in bundles.iter().zip(&programs) {
        let context = json!({ "certificateArn": ARN, "originDomainName": "origin.invalid" }).to_string();
        let mut synthesize = Command::new(&node);
        synthesize.arg("bin/site.js").current_dir(folder);
        succeeds(synthesize.env("CDK_OUTDIR", "cdk.out").env("CDK_CONTEXT_JSON", context));
        means_the_same(bundle, &folder.join("cdk.out"));
    }
    // The compiler knows every property.
    rewrite(&programs[0].join("lib/site-stack.ts"), "minTtl: 0", "minimumTtl: 0");
    let (code, said) = compile(&directory.0);
    assert!(code != Some(0) && said.contains("minimumTtl"), "{said}");
}

#[test]
fn the_script_makes_it_all_and_can_be_run_again() {
    let (aws, validators) = (installed("python-tools"), installed_list("python-tools", &["validators"]));
    let directory = Directory::new("generate-script");
    for bundle in &bundles(&directory) {
        let folder = printed(&directory, bundle, "cli");
        let script = folder.join("deploy.sh");
        succeeds(Command::new("sh").arg("-n").arg(&script));
        succeeds(Command::new(validators.join("shellcheck")).arg(&script));
        // Policies and a function; an access control. The AWS CLI takes its time, so these two have to do.
        if !["wordpress.json", "api-and-static.json"].iter().any(|name| bundle.ends_with(name)) {
            continue;
        }
        let mut twice = python(&validators, "with_moto.py");
        let Output { status, stdout, stderr } =
            twice.arg(&folder).arg(&aws).stdin(Stdio::null()).output().unwrap();
        assert!(status.success(), "{}: {}", bundle.display(), String::from_utf8_lossy(&stderr));
        let name = bundle.file_name().unwrap().to_str().unwrap();
        let there = directory.write(&format!("there-{name}"), &String::from_utf8(stdout).unwrap());
        means_the_same(bundle, &there);
    }
    let folder = printed(&directory, &directory.0.join("wordpress.json"), "cli");
    rewrite(&folder.join("deploy.sh"), "set -eu\n", "set -eu\necho $1\n");
    assert_ne!(run(Command::new(validators.join("shellcheck")).arg(folder.join("deploy.sh"))).0, Some(0));
    // Without what it has to ask for, nothing is sent.
    let mut script = Command::new("sh");
    let (code, said) = run(script.arg(folder.join("deploy.sh")).arg("x").env_remove("CERTIFICATE_ARN"));
    assert!(code != Some(0) && !said.contains("made "), "{said}");
}

/// What Checkov wants of every distribution, and why the wordpress preset does without.
const ACCEPTED: &[(&str, &str)] = &[
    ("CKV2_AWS_32", "a response headers policy is the site's own choice: the origin may say the same"),
    ("CKV2_AWS_47", "no web ACL, as CKV_AWS_68"),
    ("CKV_AWS_305", "WordPress answers / itself: a root object would hide its front page"),
    ("CKV_AWS_310", "a policy has one origin; stale copies stand in for it"),
    ("CKV_AWS_374", "the site is for everybody"),
    ("CKV_AWS_68", "a web ACL costs money and is its owner's to write"),
    ("CKV_AWS_86", "logs need a bucket, which nobody named"),
];

#[test]
#[ignore = "Checkov is heavy: `make checkov`"]
fn checkov_finds_what_is_accepted_and_nothing_else() {
    let (tools, directory) =
        (installed_list("python-tools", &["checkov"]), Directory::new("generate-checkov"));
    bundles(&directory);
    let folder = printed(&directory, &directory.0.join("wordpress.json"), "terraform");
    let check = || -> Vec<String> {
        let mut checkov = Command::new(tools.join("python3"));
        checkov.arg(tools.join("checkov")).arg("-d").arg(&folder).stdin(Stdio::null());
        checkov.args(["--framework", "terraform", "--compact", "--quiet", "-o", "json", "--skip-download"]);
        let found: Value = serde_json::from_slice(&checkov.output().unwrap().stdout).unwrap();
        let failed = found["results"]["failed_checks"].as_array().unwrap();
        let mut ids: Vec<String> =
            failed.iter().map(|check| check["check_id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let accepted: Vec<&str> = ACCEPTED.iter().map(|(id, _)| *id).collect();
    assert_eq!(check(), accepted);
    // Plain HTTP for all would be found.
    rewrite(&folder.join("main.tf"), "\"redirect-to-https\"", "\"allow-all\"");
    assert_eq!(check().len(), accepted.len() + 1);
}

#[test]
fn what_the_command_says() {
    let directory = Directory::new("generate-command");
    let api = ["gen-cloudfront-policy", "--preset", "api", "--origin", "https://origin.example.com"];
    let template = succeeds(edge().args(api));
    assert!(
        template
            .starts_with("# Made by edge-bin gen-cloudfront-policy --preset api --format cloudformation;")
    );
    assert_eq!(template, succeeds(edge().args(api)), "a second run changes no byte");
    let bad = |arguments: &[&str]| {
        let (code, said) = run(edge().args(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        said
    };
    assert!(bad(&[&api[..], &["--format", "terraform"]].concat()).contains("hint: --out DIR"));
    let elsewhere = "arn:aws:acm:eu-west-1:123456789012:certificate/1";
    let said = bad(&[&api[..], &["--certificate", elsewhere]].concat());
    assert!(said.contains("this one is of eu-west-1: CloudFront takes those of us-east-1"), "{said}");
    // Beyond a quota nothing is printed.
    let mut broken: Value = serde_json::from_str(support::DISTRIBUTION).unwrap();
    broken["Comment"] = json!("x".repeat(129));
    let broken = directory.write("broken.json", &broken.to_string());
    let said = bad(&["gen-cloudfront-policy", broken.to_str().unwrap()]);
    assert!(said.contains("Comment") && !said.contains("AWSTemplateFormatVersion"), "{said}");
}

#[test]
fn diff_says_what_differs() {
    let directory = Directory::new("generate-diff");
    let first = directory.write("first.json", support::DISTRIBUTION);
    let mut other: Value = serde_json::from_str(support::DISTRIBUTION).unwrap();
    let diff = |arguments: &[&OsStr]| run(edge().arg("diff").args(arguments));
    assert_eq!(diff(&[first.as_ref(), first.as_ref()]), (Some(0), "They mean the same.\n".to_owned()));
    other["DefaultCacheBehavior"]["ViewerProtocolPolicy"] = json!("https-only");
    other["Aliases"] = json!({ "Quantity": 1, "Items": ["www.example.com"] });
    let second = directory.write("second.json", &other.to_string());
    let (code, said) = diff(&[first.as_ref(), second.as_ref()]);
    assert_eq!(code, Some(1));
    let lines = "DefaultCacheBehavior.ViewerProtocolPolicy\n  - \"allow-all\"\n  + \"https-only\"\n";
    assert!(said.contains(lines) && said.ends_with("2 places differ.\n"), "{said}");
    let (code, said) = diff(&[first.as_ref(), second.as_ref(), "--json".as_ref()]);
    let found: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert!(code == Some(1) && found.len() == 2 && found[0]["first"] == "allow-all", "{said}");
    let nothing = directory.write("nothing.json", "{}");
    let (code, said) = diff(&[first.as_ref(), nothing.as_ref()]);
    assert!(code == Some(2) && said.contains("nothing.json: this is not a distribution"), "{said}");
}
