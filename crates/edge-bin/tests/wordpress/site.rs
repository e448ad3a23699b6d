//! The fixture: one real WordPress for the whole process, and what its access logs say.
//!
//! It ends with this process, because its standard input does. Tests hold [`Site`] one after the other.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, interval};

use super::client::{Ask, Door, Viewer};

/// Waits for what must happen soon and is announced by nobody: a line in a log, an instance that is back.
pub(crate) async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut beat = interval(Duration::from_millis(5));
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        beat.tick().await;
    }
}

/// A running WordPress; whoever holds it is the only test that runs.
pub(crate) struct Site {
    run_dir: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// The fixture's process; its standard input stays open as long as this process lives.
struct Owner {
    run_dir: PathBuf,
    _process: Child,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wordpress/wordpress.py")
}

fn start() -> Owner {
    let process = Command::new(script()).arg("up").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = process.expect("fixtures/wordpress/wordpress.py does not run: is Python installed?");
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let file = line.strip_prefix("ready ").map(|path| PathBuf::from(path.trim_end()));
    let file =
        file.expect("WordPress did not start; for its packages: fixtures/wordpress/wordpress.py install");
    Owner { run_dir: file.parent().unwrap().to_owned(), _process: process }
}

/// A line of an access log: a request that reached WordPress.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reached {
    pub(crate) instance: String,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) status: u16,
    pub(crate) host: String,
    pub(crate) cookie: String,
    pub(crate) x_viewer_device: String,
    pub(crate) cloudfront_forwarded_proto: String,
}

/// A place in the access logs.
#[derive(Clone, Copy)]
pub(crate) struct Mark([u64; 2]);

const INSTANCES: [&str; 2] = ["a", "b"];
const FENCE: &str = "fixture-fence";

impl Site {
    /// Waits for its turn; the first starts WordPress.
    pub(crate) fn take() -> Self {
        static OWNER: OnceLock<Owner> = OnceLock::new();
        static TURN: Mutex<()> = Mutex::new(());
        // A test that failed leaves the next one a WordPress as good as before.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { run_dir: OWNER.get_or_init(start).run_dir.clone(), _turn: turn }
    }

    /// site.json as it is now.
    pub(crate) fn facts(&self) -> Value {
        let text = std::fs::read_to_string(self.run_dir.join("site.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Text of site.json: `text("/protected_post/secret")`.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let facts = self.facts();
        let found = facts.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("site.json has no text {pointer}")).to_owned()
    }

    /// Everything an anonymous GET gets a 200 for: path and kind.
    pub(crate) fn crawl(&self) -> Vec<(String, String)> {
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let facts = self.facts();
        facts["crawl"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (text(entry, "path"), text(entry, "kind")))
            .collect()
    }

    /// The URLs of both instances.
    pub(crate) fn instances(&self) -> [String; 2] {
        INSTANCES.map(|name| self.text(&format!("/instances/{name}/url")))
    }

    /// Steers the fixture: `control(&["kill", "nginx-a"])`.
    pub(crate) async fn control(&self, words: &[&str]) {
        let mut command = tokio::process::Command::new(script());
        let output = command.arg("control").arg(&self.run_dir).args(words).output().await.unwrap();
        assert!(output.status.success(), "control {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// An instance without the edge before it, as the edge would ask it.
    pub(crate) async fn instance(&self, name: &str) -> Viewer {
        let port = self.facts()["instances"][name]["port"].as_u64().unwrap();
        let addr = ([127, 0, 0, 1], u16::try_from(port).unwrap()).into();
        Viewer::new(Door::plain(addr), &self.text("/host"))
    }

    /// Here the logs end now. Requests that are answered already are before it.
    pub(crate) async fn mark(&self) -> Mark {
        self.fence().await;
        self.ends()
    }

    fn ends(&self) -> Mark {
        Mark(INSTANCES.map(|name| std::fs::metadata(self.log(name)).map_or(0, |data| data.len())))
    }

    fn log(&self, instance: &str) -> String {
        self.text(&format!("/instances/{instance}/access_log"))
    }

    /// What reached WordPress since then, in the order it was answered by each instance.
    pub(crate) async fn since(&self, mark: Mark) -> Vec<Reached> {
        self.fence().await;
        let mut reached = Vec::new();
        for (name, from) in INSTANCES.into_iter().zip(mark.0) {
            let whole = self.read(name, from);
            let lines = whole.lines().map(|line| serde_json::from_str::<Reached>(line).unwrap());
            reached.extend(lines.filter(|line| !line.uri.contains(FENCE)));
        }
        reached
    }

    /// The whole lines of a log from here on.
    fn read(&self, instance: &str, from: u64) -> String {
        let mut text = String::new();
        let Ok(mut file) = std::fs::File::open(self.log(instance)) else { return text };
        file.seek(SeekFrom::Start(from)).unwrap();
        file.read_to_string(&mut text).unwrap();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        text
    }

    /// nginx writes a line after the answer, and its one worker does so in order: when a request of ours is in the
    /// log, so is all that was answered before.
    async fn fence(&self) {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        for name in INSTANCES {
            let from = self.ends().0[usize::from(name == "b")];
            let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let target = format!("/wp-includes/js/jquery/jquery.min.js?{FENCE}={number}-");
            if self.instance(name).await.try_send(Ask::get(&target)).await.is_err() {
                continue; // it is down, and was told so: nothing is under way there
            }
            let what = format!("a line for {target} in the access log of {name}");
            soon(&what, async || self.read(name, from).contains(&target)).await;
        }
    }
}
