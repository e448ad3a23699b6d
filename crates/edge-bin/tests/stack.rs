//! The stack of `gen-cloudfront-policy --stack`, judged by tools nobody here wrote: cfn-lint, Checkov, ShellCheck, and
//! nginx, PHP and Terraform where they are installed. Each judge has to refuse something too.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Directory, edge, installed_list};

/// Flags that between them have every option.
const STACKS: [(&str, &[&str]); 3] = [
    ("plain", &[]),
    (
        "full",
        &[
            "--zones",
            "3",
            "--efs",
            "--vpc-origin",
            "--collector",
            "https://logs.example.net/aws",
            "--origin-records",
            "latency",
        ],
    ),
    ("existing", &["--zones", "4", "--efs", "--existing-vpc", "--origin-records", "geolocation"]),
];

/// A site, as a bundle.
fn bundle(directory: &Directory) -> PathBuf {
    let site = ["--preset", "wordpress", "--origin", "https://origin.example.com"];
    let names = ["--domain", "example.com", "--domain", "www.example.com"];
    let Output { stdout, .. } =
        edge().args(["gen-cloudfront-policy", "--format", "bundle"]).args(site).args(names).output().unwrap();
    let mut document: Value = serde_json::from_slice(&stdout).unwrap();
    for function in document["Functions"].as_array_mut().unwrap() {
        if function.get("FunctionCode").is_none() {
            function["FunctionCode"] = json!("function handler(event) {\n    return event.request;\n}\n");
        }
    }
    directory.write("site.json", &document.to_string())
}

/// Prints a stack into a folder.
fn printed(directory: &Directory, format: &str, name: &str) -> PathBuf {
    let (_, flags) = STACKS.iter().find(|(stack, _)| *stack == name).unwrap();
    let out = directory.0.join(format).join(name);
    let Output { status, stderr, .. } = edge()
        .arg("gen-cloudfront-policy")
        .arg(bundle(directory))
        .args(["--stack", "--format", format, "--out"])
        .arg(&out)
        .args(*flags)
        .output()
        .unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    out
}

/// Runs a judge: whether it is content, and all it said.
fn judged(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    (status.success(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// A file with one change.
fn changed(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: no {from}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Says at the end of `make ci` what could not be judged here.
#[expect(clippy::disallowed_methods, reason = "where that is collected is said from outside")]
fn skipped(what: &str) {
    println!("{what}");
    if let Ok(path) = std::env::var("EDGE_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("-v").stdin(Stdio::null()).output().is_ok()
}

#[test]
fn cfn_lint_is_content() {
    let directory = Directory::new("stack-cfn-lint");
    let programs = installed_list("python-tools", &["validators"]);
    let lint = |templates: &[PathBuf]| {
        let mut command = Command::new(programs.join("cfn-lint"));
        judged(command.args(["--regions", "us-east-1", "--template"]).args(templates))
    };
    // Ten seconds each, so not both of every one: edge-core's tests say that they are the same.
    let templates = [("full", "template.yaml"), ("existing", "template.yaml"), ("plain", "template.json")]
        .map(|(name, file)| printed(&directory, "cloudformation", name).join(file));
    let (is_content, said) = lint(&templates);
    assert!(is_content && said.is_empty(), "{said}");
    changed(&templates[0], "EnableDnsSupport", "EnableDnsSuport");
    let (is_content, said) = lint(&templates[..1]);
    assert!(!is_content && said.contains("EnableDnsSuport"), "{said}");
}

/// What Checkov finds and we leave, and why. One that is found no more fails too.
#[rustfmt::skip]
const ACCEPTED: &[(&str, &str)] = &[
    ("CKV_AWS_149", "the key of the account encrypts secrets; one of its own is a dollar a month each"),
    ("CKV_AWS_166", "the same of recovery points"),
    ("CKV_AWS_158", "the same of errors of the collector, which hold nothing of viewers"),
    ("CKV_AWS_26", "alarms could not be published to a topic under the account's key, and say nothing secret"),
    ("CKV_AWS_118", "enhanced monitoring costs by the host; the alarms have CPU and storage"),
    ("CKV_AWS_68", "a web ACL is the site's to choose: WebACLId of the distribution, and its rules cost by request"),
    ("CKV_AWS_86", "standard logging, version 2, is a delivery beside the distribution, which this check does not know"),
];

/// And of the templates alone.
const ACCEPTED_OF_TEMPLATES: &[(&str, &str)] = &[("CKV_AWS_18", "the bucket of logs does not log itself")];

/// And of the modules: more checks there look at the same things.
#[rustfmt::skip]
const ACCEPTED_OF_TERRAFORM: &[(&str, &str)] = &[
    ("CKV_AWS_145", "the key of S3 encrypts buckets; one of its own costs by request"),
    ("CKV_AWS_184", "the same of the file system"),
    ("CKV_AWS_241", "the same of the stream"),
    ("CKV_AWS_144", "backups are AWS Backup's; a second region is the site's to choose"),
    ("CKV_AWS_338", "errors of the collector are of use for days"),
    ("CKV_AWS_353", "the smallest classes have no performance insights"),
    ("CKV_AWS_374", "a site is for the whole world unless its policy says otherwise"),
    ("CKV_AWS_305", "WordPress answers / itself; index.php as a default root object redirects for ever"),
    ("CKV_AWS_260", "the rule is for the balancer's group; the check does not follow the reference"),
    ("CKV_AWS_378", "the balancer ends TLS; inside the network pages travel in the clear, as nginx has no certificate"),
    ("CKV_AWS_394", "the first zones of a region, in the order that is the account's own; a new one comes last"),
    ("CKV2_AWS_11", "flow logs cost by the byte, and say little of a site behind a balancer that logs"),
    ("CKV2_AWS_32", "response headers are WordPress's unless the policy of the site says otherwise"),
    ("CKV2_AWS_47", "see CKV_AWS_68"),
    ("CKV2_AWS_57", "what CloudFront and the balancer both hold cannot change in two places at once; the database's does rotate"),
    ("CKV2_AWS_62", "nothing here waits for objects"),
];

#[test]
#[ignore = "Checkov is heavy: `make checkov`"]
fn checkov_finds_what_is_accepted_and_no_more() {
    let directory = Directory::new("stack-checkov");
    let programs = installed_list("python-tools", &["checkov"]);
    // Of both formats in one run: its start takes longest.
    let found = |folder: &Path| -> [BTreeSet<String>; 2] {
        let mut command = Command::new(programs.join("checkov"));
        command.args([
            "--framework",
            "cloudformation",
            "terraform",
            "--quiet",
            "--compact",
            "--output",
            "json",
        ]);
        // Nothing of it leaves the machine.
        command.arg("--directory").arg(folder).env("BC_SKIP_MAPPING", "TRUE");
        let Output { stdout, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
        let reports: Value = serde_json::from_slice(&stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
        ["cloudformation", "terraform"].map(|format| {
            let is_it = |report: &&Value| report["check_type"] == format;
            let report = reports.as_array().unwrap().iter().find(is_it).unwrap();
            assert!(report["summary"]["passed"].as_u64().unwrap() > 50, "{report:#}");
            let failed = report["results"]["failed_checks"].as_array().unwrap();
            failed.iter().map(|check| check["check_id"].as_str().unwrap().to_owned()).collect()
        })
    };
    let template = printed(&directory, "cloudformation", "full").join("template.json");
    let module = printed(&directory, "terraform", "full");
    // One of the two that say the same.
    std::fs::remove_file(template.with_extension("yaml")).unwrap();
    std::fs::remove_file(directory.0.join("site.json")).unwrap();
    let codes = |rows: &[&[(&str, &str)]]| -> BTreeSet<String> {
        rows.concat().into_iter().map(|(code, _)| code.to_owned()).collect()
    };
    let [of_template, of_module] = found(&directory.0);
    assert_eq!(of_template, codes(&[ACCEPTED, ACCEPTED_OF_TEMPLATES]));
    assert_eq!(of_module, codes(&[ACCEPTED, ACCEPTED_OF_TERRAFORM]));
    changed(&template, "\"StorageEncrypted\": true", "\"StorageEncrypted\": false");
    changed(&module.join("database.tf"), "storage_encrypted     = true", "storage_encrypted     = false");
    assert!(found(&directory.0).iter().all(|codes| codes.contains("CKV_AWS_16")));
}

/// The whole of what an instance runs, with made-up values of the stack.
fn user_data(template: &Path) -> String {
    let template: Value = serde_json::from_str(&std::fs::read_to_string(template).unwrap()).unwrap();
    let parts = &template["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]
        ["Fn::Join"][1];
    let (settings, script) = (parts[0]["Fn::Sub"].as_str().unwrap(), parts[1].as_str().unwrap());
    let mut pieces = settings.split("${");
    let mut text = pieces.next().unwrap().to_owned();
    text.extend(pieces.map(|piece| piece.split_once('}').unwrap().1));
    text + script
}

#[test]
fn shellcheck_is_content_with_what_instances_run() {
    let directory = Directory::new("stack-shellcheck");
    let programs = installed_list("python-tools", &["validators"]);
    for (name, _) in STACKS {
        let text = user_data(&printed(&directory, "cloudformation", name).join("template.json"));
        // EC2 takes no more.
        assert!(text.len() < 16 * 1024, "{}", text.len());
        let script = directory.write("user-data.sh", &text);
        let check = |script: &Path| judged(Command::new(programs.join("shellcheck")).arg(script));
        let (is_content, said) = check(&script);
        assert!(is_content && said.is_empty(), "{name}: {said}");
        changed(&script, "\"$REGION\"", "$(REGION");
        assert!(!check(&script).0);
    }
}

#[test]
fn nginx_takes_its_file() {
    if !is_there("nginx") {
        return skipped("nginx's word on nginx.conf of the stack: it is not installed");
    }
    let directory = Directory::new("stack-nginx");
    let site = printed(&directory, "cloudformation", "plain").join("nginx.conf");
    directory.write("fastcgi_params", "fastcgi_param REQUEST_METHOD $request_method;\n");
    let all = "error_log stderr; pid nginx.pid; events {} http { access_log off; include site.conf; }";
    directory.write("nginx.conf", all);
    std::fs::create_dir_all(directory.0.join("logs")).unwrap();
    let test = || {
        std::fs::copy(&site, directory.0.join("site.conf")).unwrap();
        judged(Command::new("nginx").arg("-t").arg("-p").arg(&directory.0).args([
            "-c",
            "nginx.conf",
            "-e",
            "stderr",
        ]))
    };
    let (is_content, said) = test();
    assert!(is_content, "{said}");
    changed(&site, "real_ip_recursive on;", "real_ip_recursive perhaps;");
    assert!(!test().0);
}

/// nginx as it runs on an instance, but for its folder and its socket; it is stopped in the end.
struct Nginx(PathBuf);

impl Nginx {
    fn start(directory: &Directory, site: &Path) -> Self {
        let folder = &directory.0;
        let text = std::fs::read_to_string(site).unwrap();
        let here = |text: &str| text.replace("/etc/nginx/", &format!("{}/", folder.display()));
        let text = here(&text)
            .replace(
                "listen 80 default_server;",
                &format!("listen unix:{}/s default_server;", folder.display()),
            )
            .replace("root /var/www/wordpress;", &format!("root {}/www;", folder.display()));
        directory.write("site.conf", &text);
        directory.write("site-origin-secret.map", "\"origin\" 0;\n");
        directory.write("site-cron-secret.map", "\"cron\" 0;\n");
        directory.write("fastcgi_params", "fastcgi_param REQUEST_METHOD $request_method;\n");
        let all = "user root; error_log stderr crit; pid nginx.pid; events {} http { access_log off; include site.conf; }";
        directory.write("nginx.conf", all);
        for (path, text) in [("uploads/a.txt", "a"), ("uploads/a.php", "<?php"), ("themes/a.css", "b")] {
            let path = folder.join("www/wp-content").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(folder.join("logs")).unwrap();
        let nginx = Self(folder.clone());
        // It goes into the background once it listens.
        let status = nginx.command().stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success());
        nginx
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&self.0).args(["-c", "nginx.conf", "-e", "stderr"]);
        command
    }

    /// The head of an answer.
    fn get(&self, path: &str, headers: &str) -> String {
        let mut stream = std::os::unix::net::UnixStream::connect(self.0.join("s")).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: www.example.com\r\n{headers}\r\n").unwrap();
        let mut answer = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        _ = self.command().args(["-s", "stop"]).stdin(Stdio::null()).output();
    }
}

#[test]
fn nginx_admits_who_has_the_secret() {
    if !is_there("nginx") {
        return skipped("whom nginx.conf of the stack admits: nginx is not installed");
    }
    let directory = Directory::new("stack-secret");
    let site = printed(&directory, "cloudformation", "plain").join("nginx.conf");
    let nginx = Nginx::start(&directory, &site);
    let (origin, cron) = ("X-Origin-Secret: origin\r\n", "X-Cron-Secret: cron\r\n");
    let both = [origin, cron].concat();
    for (path, headers, expected) in [
        ("/wp-content/uploads/a.txt", "", "403"),
        ("/wp-content/uploads/a.txt", "X-Origin-Secret: other\r\n", "403"),
        ("/wp-content/uploads/a.txt", origin, "200"),
        // What the bucket asks for and nobody has is no page of WordPress.
        ("/wp-content/uploads/b.txt", origin, "404"),
        ("/wp-content/uploads/a.php", origin, "403"),
        ("/wp-content/themes/a.css", "", "403"),
        ("/.git/config", origin, "403"),
        ("/", "", "403"),
        ("/wp-cron.php", origin, "403"),
        ("/wp-cron.php", cron, "403"),
        // There is no PHP here: whoever gets this far is admitted.
        ("/wp-cron.php", &both, "502"),
        ("/healthz", "", "502"),
    ] {
        let answer = nginx.get(path, headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path} {headers:?}: {answer}");
    }
    assert!(nginx.get("/wp-content/themes/a.css?ver=1", origin).contains("max-age=31536000, immutable"));
    assert!(nginx.get("/wp-content/themes/a.css", origin).contains("max-age=86400"));
}

#[test]
fn php_takes_its_file() {
    if !is_there("php") {
        return skipped("PHP's word on wp-config.php of the stack: it is not installed");
    }
    let directory = Directory::new("stack-php");
    let config = printed(&directory, "cloudformation", "plain").join("wp-config.php");
    let check = || judged(Command::new("php").arg("-l").arg(&config));
    let (is_content, said) = check();
    assert!(is_content, "{said}");
    changed(&config, "define('WP_HOME', ", "define('WP_HOME' ");
    assert!(!check().0);
}

#[test]
fn terraform_would_format_nothing() {
    if !is_there("terraform") {
        return skipped("Terraform's word on the form of the stack's modules: it is not installed");
    }
    let directory = Directory::new("stack-terraform");
    let check = |folder: &Path| {
        let mut command = Command::new("terraform");
        judged(command.env("CHECKPOINT_DISABLE", "1").args(["fmt", "-check", "-diff"]).arg(folder))
    };
    for (name, _) in STACKS {
        let folder = printed(&directory, "terraform", name);
        let (is_content, said) = check(&folder);
        assert!(is_content, "{name}: {said}");
    }
    let names = directory.0.join("terraform/plain/names.tf");
    changed(&names, "  cloudfront_zone = ", "  cloudfront_zone = = ");
    assert!(!check(names.parent().unwrap()).0);
}

#[test]
fn other_formats_say_which_have_a_stack() {
    let directory = Directory::new("stack-formats");
    let bundle = bundle(&directory);
    let run = |flags: &[&str]| {
        let Output { status, stderr, .. } =
            edge().arg("gen-cloudfront-policy").arg(&bundle).args(flags).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let (code, said) = run(&["--stack", "--format", "cli", "--out", "nowhere"]);
    assert!(code == Some(2) && said.contains("--format cloudformation or terraform"), "{code:?} {said}");
    let (code, said) = run(&["--stack", "--zones", "9"]);
    assert!(code == Some(2) && said.contains("--zones"), "{code:?} {said}");
    let (code, said) = run(&["--efs"]);
    assert!(code == Some(2) && said.contains("--stack"), "{code:?} {said}");
}
