//! To come.
use std::process::ExitCode;
/// x
#[derive(clap::Args, Debug)]
pub(crate) struct Demo {}
pub(crate) fn run(_: &Demo) -> anyhow::Result<ExitCode> { Ok(ExitCode::SUCCESS) }
