//! To come.
use std::process::ExitCode;
/// x
#[derive(clap::Args, Debug)]
pub(crate) struct Explain {}
pub(crate) fn run(_: &Explain) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
