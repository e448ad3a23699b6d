//! The program under test: `edge-bin serve` on ports of its own, in front of both instances.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::{Door, Viewer};
use super::site::Site;

/// The name of the site; its port is the edge's.
pub(crate) const NAME: &str = "blog.example.test";

/// What the generator prints, served instead of the preset: `EDGE_FORM` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A bundle: the rule, native.
    Bundle,
    /// A CloudFormation template: the function's JavaScript alone.
    JavaScript,
    /// A bundle without a function.
    Policies,
}

impl Form {
    /// Whether policies alone have to do for every test: a session has copies of its own then instead of none, ten
    /// trackers are dropped, and nobody names the device's class.
    pub(crate) fn is_policies_alone() -> bool {
        Self::asked_for() == Some(Self::Policies)
    }

    fn asked_for() -> Option<Self> {
        let asked = std::env::var_os("EDGE_FORM")?;
        match asked.to_str() {
            Some("bundle") => Some(Self::Bundle),
            Some("javascript") => Some(Self::JavaScript),
            Some("policies") => Some(Self::Policies),
            _ => panic!("EDGE_FORM={}: bundle, javascript or policies", asked.display()),
        }
    }
}

/// A running edge with an empty cache. It ends when dropped; if the test failed, what it said is printed.
pub(crate) struct Edge {
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) ca: PathBuf,
    /// `blog.example.test:PORT` as WordPress knows it.
    pub(crate) authority: String,
    process: Child,
    directory: PathBuf,
}

impl Edge {
    /// The preset in front of both instances, or what [`Form`] says. WordPress takes its address for its own.
    pub(crate) async fn start(site: &Site, arguments: &[&str]) -> Self {
        if let Some(form) = Form::asked_for() {
            return Self::start_generated(site, form, arguments).await;
        }
        let preset = ["--preset", "wordpress"].map(str::to_owned);
        let origins = site.instances().into_iter().flat_map(|url| ["--origin".to_owned(), url]);
        let arguments = arguments.iter().map(|&text| text.to_owned());
        Self::serve(site, preset.into_iter().chain(origins).chain(arguments)).await
    }

    /// The preset as the generator prints it, in front of both instances.
    pub(crate) async fn start_generated(site: &Site, form: Form, arguments: &[&str]) -> Self {
        const LOAD_BALANCER: &str = "alb.example.com";
        let directory = scratch().with_extension("generated");
        let (format, style, file) = match form {
            Form::Bundle => ("bundle", "function", "bundle.json"),
            Form::JavaScript => ("cloudformation", "function", "template.yaml"),
            Form::Policies => ("bundle", "policy", "bundle.json"),
        };
        let mut generator = std::process::Command::new(env!("CARGO_BIN_EXE_edge-bin"));
        generator.args([
            "gen-cloudfront-policy",
            "--preset",
            "wordpress",
            "--format",
            format,
            "--style",
            style,
        ]);
        generator.args(["--domain", NAME, "--origin", &format!("https://{LOAD_BALANCER}"), "--out"]);
        let output = generator.arg(&directory).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut all = vec![directory.join(file).display().to_string()];
        if form == Form::JavaScript {
            // Only in the template is there nothing but the code.
            let certificate =
                "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
            all.extend(["--parameter".to_owned(), format!("CertificateArn={certificate}")]);
        }
        for url in site.instances() {
            all.extend(["--map".to_owned(), format!("{LOAD_BALANCER}={url}")]);
        }
        all.extend(arguments.iter().map(|&text| text.to_owned()));
        let edge = Self::serve(site, all.into_iter()).await;
        std::fs::remove_dir_all(directory).unwrap();
        edge
    }

    /// A document of our own in front of both instances.
    pub(crate) async fn start_with(site: &Site, document: &Value, arguments: &[&str]) -> Self {
        let path = scratch().with_extension("json");
        std::fs::write(&path, document.to_string()).unwrap();
        let origins = site.instances().into_iter();
        let origins =
            origins.flat_map(|url| ["--map".to_owned(), format!("{}={url}", super::bundle::ORIGIN)]);
        let arguments = arguments.iter().map(|&text| text.to_owned());
        let edge =
            Self::serve(site, [path.display().to_string()].into_iter().chain(origins).chain(arguments)).await;
        std::fs::remove_file(path).unwrap();
        edge
    }

    /// Somebody's template in front of both instances, which are targets of the load balancer that is its origin.
    pub(crate) async fn start_with_template(
        site: &Site,
        template: &Path,
        origin: &str,
        arguments: &[String],
    ) -> Self {
        let maps =
            site.instances().into_iter().flat_map(|url| ["--map".to_owned(), format!("{origin}={url}")]);
        let balancer = ["--load-balancer", origin].map(str::to_owned);
        let arguments = arguments.iter().cloned().chain(maps).chain(balancer);
        Self::serve(site, [template.display().to_string()].into_iter().chain(arguments)).await
    }

    /// An `edge.toml` with these lines in front of both instances; they begin with `[origin]`.
    pub(crate) async fn start_with_policy(site: &Site, text: &str) -> Self {
        let path = scratch().with_extension("toml");
        let servers = format!("[origin]\nservers = {:?}\n", site.instances());
        let text = format!("preset = \"wordpress\"\n{}", text.replace("[origin]\n", &servers));
        std::fs::write(&path, text).unwrap();
        let edge = Self::serve(site, [path.display().to_string()].into_iter()).await;
        std::fs::remove_file(path).unwrap();
        edge
    }

    async fn serve(site: &Site, arguments: impl Iterator<Item = String>) -> Self {
        let edge = Self::run(arguments).await;
        site.control(&["site-url", &format!("https://{}", edge.authority)]).await;
        edge
    }

    async fn run(arguments: impl Iterator<Item = String>) -> Self {
        let directory = scratch();
        std::fs::create_dir_all(&directory).unwrap();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge-bin"));
        command.args(["serve", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(&directory).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut addrs, mut ca) = (Vec::new(), None);
        while let Some(line) = lines.next_line().await.unwrap() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["listening", what, addr] => {
                    addrs.push((what.to_owned(), addr.parse::<SocketAddr>().unwrap()));
                }
                ["local", "CA", path, ..] => ca = Some(PathBuf::from(path)),
                ["ready"] => break,
                _ => {}
            }
        }
        let at = |what: &str| {
            let found = addrs.iter().find(|(name, _)| name == what).map(|(_, addr)| *addr);
            found.unwrap_or_else(|| panic!("the edge did not start:\n{}", said(&directory)))
        };
        let (http, https, admin) = (at("http"), at("https"), at("admin"));
        let authority = format!("{NAME}:{}", https.port());
        Self { http, https, admin, ca: ca.unwrap(), authority, process, directory }
    }

    /// A viewer by HTTPS and HTTP/2, with a desktop's browser and no cookies.
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer::new(Door::tls(self.https, &self.ca, NAME), &self.authority)
    }

    /// A viewer by plain HTTP, who asks for the port that he connects to.
    pub(crate) fn plain_viewer(&self) -> Viewer {
        Viewer::new(Door::plain(self.http), &format!("{NAME}:{}", self.http.port()))
    }

    /// How many lines of its log say this.
    pub(crate) fn said(&self, text: &str) -> usize {
        said(&self.directory).lines().filter(|line| line.contains(text)).count()
    }

    /// `/metrics`: one counter.
    pub(crate) async fn counter(&self, name: &str) -> u64 {
        let admin = Viewer::new(Door::plain(self.admin), &self.admin.to_string());
        let text = admin.get("/metrics").await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

/// A path nobody else has.
fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("wordpress-{}-{number}", std::process::id()))
}

fn said(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("log")).unwrap_or_default()
}

impl Drop for Edge {
    fn drop(&mut self) {
        let text = said(&self.directory);
        let died = self.process.try_wait().ok().flatten();
        _ = self.process.start_kill();
        _ = std::fs::remove_dir_all(&self.directory);
        if std::thread::panicking() {
            let tail: Vec<&str> = text.lines().rev().take(12).collect();
            eprintln!("the edge said last:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
            return;
        }
        assert!(died.is_none(), "the edge ended by itself: {died:?}\n{text}");
        assert!(!text.contains("panicked at"), "something panicked in the edge:\n{text}");
    }
}
