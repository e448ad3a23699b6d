//! What `serve` and `demo` share: threads, logs, signals, and where an edge keeps its files.

use std::io::IsTerminal;
use std::path::PathBuf;

use edge_core::distribution::Credentials;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A runtime for `threads` threads that serve; `None` is one for each core.
pub(crate) fn build(threads: Option<usize>) -> std::io::Result<Runtime> {
    match threads {
        // One thread needs no one to wake it and nobody to steal from.
        Some(1) => Builder::new_current_thread().enable_all().build(),
        Some(threads) => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
        None => Builder::new_multi_thread().enable_all().build(),
    }
}

/// Logs to stderr: what the guard did and how origins fail, unless `RUST_LOG` says otherwise.
pub(crate) fn start_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,edge=info"));
    // A second call (in tests) keeps the first one's logs.
    _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// `$XDG_DATA_HOME/edge`, or `~/.local/share/edge`.
pub(crate) fn data_directory() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("edge"))
        .ok_or_else(|| {
            anyhow::anyhow!(
                "neither HOME nor XDG_DATA_HOME is set\n  hint: say where to keep files with --data-dir"
            )
        })
}

/// The AWS credentials of the environment, as AWS's own clients name them.
pub(crate) fn credentials() -> Result<Credentials, String> {
    let set = |name| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let filled = |name| set(name).filter(|value| !value.is_empty());
    let needed = |name| {
        filled(name)
            .ok_or_else(|| format!("--sign-origins needs {name} in the environment, as the AWS CLI does"))
    };
    Ok(Credentials {
        access_key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
        session_token: filled("AWS_SESSION_TOKEN"),
    })
}

/// The signals an edge listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM or Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    /// From now on, these.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
