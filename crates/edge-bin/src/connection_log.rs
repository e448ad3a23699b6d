//! `--connection-log`: where attempts to connect with a certificate are written (§15.2).

use std::path::PathBuf;
use std::sync::Arc;

use edge_core::proxy::journal::{Journal, Target};
use edge_core::proxy::server::Settings;
use edge_core::viewer::Attempt;

/// What to do with attempts to connect to distributions with viewer mTLS.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct ConnectionLogArgs {
    /// Append one line of JSON to FILE (- is standard output) for each connection to a distribution with viewer mTLS, with
    /// the fields of CloudFront's connection logs: handshakes that fail are told here alone, with the reason. SIGHUP opens
    /// FILE anew.
    #[arg(long, value_name = "FILE")]
    connection_log: Option<PathBuf>,
}

/// An open log, or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionLog(Option<Arc<Journal<Attempt>>>);

impl ConnectionLogArgs {
    /// Opens the log for these settings, and puts it into them. Says where nothing will ever be in it.
    pub(crate) fn open(&self, settings: &mut Settings) -> Result<ConnectionLog, String> {
        let Some(path) = &self.connection_log else { return Ok(ConnectionLog::default()) };
        if !settings.distributions().any(|distribution| distribution.viewer_tls.mtls.is_some()) {
            eprintln!(
                "warning: --connection-log: no distribution asks viewers for certificates (ViewerMtlsConfig), so nothing will \
                 be in it"
            );
        }
        let target = Target::of(path);
        let journal = Journal::open("connection log", target, Vec::new())
            .map_err(|error| format!("--connection-log {}: {error}", path.display()))?;
        let journal = Arc::new(journal);
        settings.connection_log = Some(Arc::clone(&journal));
        Ok(ConnectionLog(Some(journal)))
    }
}

impl ConnectionLog {
    /// Opens the file anew: what had its name may have been moved away.
    pub(crate) fn reopen(&self) {
        if let Some(journal) = &self.0 {
            journal.reopen();
        }
    }

    /// Waits, for a moment at most, until everything is written.
    pub(crate) async fn finish(&self) {
        if let Some(journal) = &self.0 {
            journal.finish().await;
        }
    }
}
