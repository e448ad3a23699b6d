//! edge: a CloudFront that runs anywhere.

use std::process::ExitCode;

use clap::Parser;

mod load;

#[derive(Parser)]
#[command(name = "edge-bin", version, about)]
enum Command {
    /// Ask a server for pages as fast as it can answer, and report how it did.
    Load(load::Load),
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Load(args) => load::run(args),
    }
}
