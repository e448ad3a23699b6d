//! `edge-bin classify-ua`: what the edge takes User-Agents for, one a line.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use edge_core::viewer::device::Device;

/// Read User-Agents, one a line, and print for each `mobile|tablet|desktop|tv` and its system.
///
/// Example: echo "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X)" | edge-bin classify-ua
#[derive(clap::Args, Debug)]
#[command(name = "classify-ua", verbatim_doc_comment)]
pub(crate) struct ClassifyUa {}

/// Reads to the end.
pub(crate) fn run(_: &ClassifyUa) -> anyhow::Result<ExitCode> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let agent = line.strip_suffix(b"\n").unwrap_or(&line);
        let agent = agent.strip_suffix(b"\r").unwrap_or(agent);
        writeln!(output, "{}", Device::of(agent))?;
        line.clear();
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}
