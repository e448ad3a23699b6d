//! What the connection log says of handshakes, those that fail above all (§15.2).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use edge_core::distribution::Distribution;
use edge_core::proxy::journal::{Journal, Target};
use edge_core::proxy::listen::Limits;
use edge_core::viewer::Attempt;
use rcgen::KeyPair;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::mtls::{Authority, LONG_AGO, NOW, ONE_DAY, Shows, World, store, wants};
use crate::policies::distribution_with;
use crate::support::{SOON, in_time, read_to_end};

struct Logged {
    world: World,
    journal: Arc<Journal<Attempt>>,
    file: PathBuf,
}

impl Logged {
    fn new(name: &str, trusted: &[&Authority], limits: Limits, distributions: Vec<Distribution>) -> Self {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("attempts-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let journal =
            Arc::new(Journal::open("connection log", Target::File(file.clone()), Vec::new()).unwrap());
        let logs = Arc::clone(&journal);
        let world = World::with(name, trusted, limits, distributions, move |tls| tls.logging(logs));
        Self { world, journal, file }
    }

    /// Every line, once so many handshakes have failed; and nothing of those reached what answers requests, so that none is
    /// in an access log.
    async fn lines(mut self, failed: u64) -> Vec<Value> {
        let lines = self.some_lines(failed).await;
        let served = lines.iter().filter(|line| line["connectionStatus"] == "Success").count();
        assert_eq!(self.world.running.all_seen().len(), served);
        lines
    }

    async fn some_lines(&self, failed: u64) -> Vec<Value> {
        let counters = Arc::clone(&self.world.running.counters);
        in_time(async {
            while counters.handshakes_failed.load(Relaxed) < failed {
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.journal.finish().await;
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn statuses(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["connectionStatus"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_fails_is_there_with_its_reason() {
    let (one, stranger) = (Authority::new("one"), Authority::new("stranger"));
    let logged = Logged::new("reasons", &[&one], Limits::default(), vec![wants("required", &store(""))]);
    let good = one.viewer("some body", NOW);
    let stolen = Shows { key: Arc::new(KeyPair::generate().unwrap()), ..good.clone() };
    let shown = [
        Some(good),
        None,
        Some(stranger.viewer("a", NOW)),
        Some(one.viewer("a", LONG_AGO)),
        Some(one.viewer("a", ONE_DAY)),
        Some(one.server("a")),
        Some(stolen),
    ];
    for (number, shows) in shown.iter().enumerate() {
        assert_eq!(logged.world.lets_in(shows.as_ref()).await, number == 0, "{number}");
    }
    // Neither speaks TLS, nor stays.
    logged.world.running.raw(b"GET / HTTP/1.1\r\n\r\n").await;
    drop(logged.world.running.connect().await);
    let lines = logged.lines(8).await;
    assert_eq!(
        statuses(&lines),
        [
            "Success",
            "Failed:ClientCertMissing",
            "Failed:ClientCertUntrusted",
            "Failed:ClientCertExpired",
            "Failed:ClientCertNotYetValid",
            "Failed:ClientCertIntentInvalid",
            "Failed:ClientCertInvalid",
            "Failed:UnmappedConnectionError",
            "Failed:TcpError",
        ]
    );
    let (first, second) = (&lines[0], &lines[1]);
    assert_eq!(first["clientIp"], "127.0.0.1");
    assert_eq!(first["tlsSni"], "a.example.com");
    assert_eq!(first["tlsProtocol"], "TLSv1.3");
    assert_eq!(first["clientLeafCertSubject"], "CN=some body");
    assert_eq!(first["clientLeafCertIssuer"], "CN=one");
    assert!(first["distributionId"].as_str().unwrap().starts_with("ELOCAL"), "{first}");
    assert!(first["eventTimestamp"].as_u64().unwrap() > 1_700_000_000_000, "{first}");
    assert_ne!(first["connectionId"], second["connectionId"]);
    assert_eq!((&second["tlsSni"], &second["clientLeafCertSubject"]), (&"a.example.com".into(), &"-".into()));
    let fields = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(lines.iter().all(|line| fields(line) == fields(first)));
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let one = Authority::new("one");
    let limits = Limits { handshake_timeout: SOON, ..Limits::default() };
    let logged = Logged::new("silence", &[&one], limits, vec![wants("required", &store(""))]);
    let mut silent = logged.world.running.connect().await;
    assert_eq!(read_to_end(&mut silent).await, "");
    assert_eq!(statuses(&logged.lines(1).await), ["Failed:TcpTimeout"]);
}

#[tokio::test]
async fn who_is_not_asked_is_not_there() {
    let one = Authority::new("one");
    let others = vec![wants("optional", &store("")), distribution_with("b.example.com", "")];
    let logged = Logged::new("unasked", &[&one], Limits::default(), others);
    let viewer = logged.world.viewer(None);
    assert!(logged.world.seen(&viewer, "b.example.com").await.is_some());
    assert!(logged.world.seen(&viewer, "a.example.com").await.is_some());
    // Nobody knows whom he meant.
    let mut stream = logged.world.running.connect().await;
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    let _ = logged.world.running.raw(b"junk").await;
    let lines = logged.some_lines(2).await;
    assert_eq!(statuses(&lines), ["Success"]);
    assert_eq!(lines[0]["clientLeafCertSerialNumber"], "-");
}

#[cfg(feature = "functions")]
#[tokio::test]
async fn a_connection_function_has_its_say() {
    use crate::connection_functions::deciding;
    let one = Authority::new("one");
    let code = "function connectionHandler(connection) {
        const { subject } = connection.clientCertificate.certificates.leaf;
        connection.logCustomData(`${subject} ${connection.connectionId}`);
        if (subject === 'CN=bad') throw new Error('bad');
        return subject === 'CN=good' ? connection.allow() : connection.deny();
    }";
    let logged = Logged::new("say", &[&one], Limits::default(), vec![deciding("required", code, "00")]);
    for name in ["good", "other", "bad"] {
        assert_eq!(logged.world.lets_in(Some(&one.viewer(name, NOW))).await, name == "good", "{name}");
    }
    let lines = logged.lines(2).await;
    assert_eq!(
        statuses(&lines),
        ["Success", "Failed:ConnectionFunctionDenied", "Failed:ConnectionFunctionError"]
    );
    for (line, name) in lines.iter().zip(["CN=good", "CN=other"]) {
        assert_eq!(line["distributionId"], "E1");
        assert_eq!(line["clientLeafCertSubject"], name);
        let said = format!("{name} {}", line["connectionId"].as_str().unwrap());
        assert_eq!(line["connectionLogCustomData"], said);
    }
    assert_eq!(lines[2]["clientLeafCertSubject"], "CN=bad");
}
