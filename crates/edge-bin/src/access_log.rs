//! `--access-log`: where the lines go, and what they look like.

use std::path::PathBuf;

use clap::ValueEnum;
use edge_core::log::{Format, Kind};
use edge_core::proxy::access_log::AccessLogSettings;
use edge_core::proxy::journal::Target;

/// A line for each request, as CloudFront's standard logging writes it.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct AccessLogArgs {
    /// Write a line for each request, as CloudFront's standard logs have it; - is standard output. SIGHUP opens the file
    /// anew, for log rotation. Cookies are in it where the distribution's Logging has IncludeCookies.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// How the lines are written: with tabs below two header lines, or as JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Standard, requires = "access_log")]
    access_log_format: LogFormat,
    /// Which fields, in which order [default: the 33 of a standard log]. docs/access-log.md has them all.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', requires = "access_log")]
    access_log_fields: Vec<String>,
}

/// CloudFront's two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Two header lines, then tabs between the values.
    Standard,
    /// One object a line, as version 2 of standard logging delivers them.
    Json,
}

impl AccessLogArgs {
    /// The settings; `None` where no log is wanted.
    pub(crate) fn settings(&self) -> Result<Option<AccessLogSettings>, String> {
        let Some(path) = &self.access_log else { return Ok(None) };
        let kind = match self.access_log_format {
            LogFormat::Standard => Kind::Standard,
            LogFormat::Json => Kind::Json,
        };
        let names = self.access_log_fields.iter().map(|name| name.trim());
        let format = if self.access_log_fields.is_empty() {
            Format::standard(kind)
        } else {
            Format::of(kind, names).map_err(|error| format!("--access-log-fields: {error}"))?
        };
        let target = Target::of(path);
        Ok(Some(AccessLogSettings::Lines { target, format }))
    }
}
