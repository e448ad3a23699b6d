//! `edge-bin init`: an `edge.toml` to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use edge_core::site::{Policy, Problems, template};

use crate::BAD_CONFIGURATION;

/// Write an `edge.toml` to begin with: each field of a preset with a comment, and where the
/// site's servers are.
///
/// Examples:
///   edge-bin init --preset wordpress --origin http://127.0.0.1:8000 --domain blog.example.com
///   edge-bin init --preset static --origin https://files.s3.eu-central-1.amazonaws.com --out -
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(rustdoc::bare_urls, reason = "it is the text of --help")]
pub(crate) struct Init {
    /// The kind of site: docs/presets.md has them all.
    #[arg(long, value_name = "NAME")]
    preset: String,
    /// Where the site's servers are: http://HOST:PORT; several share the load.
    #[arg(long, value_name = "URL", default_value = "https://origin.example.com")]
    origin: Vec<String>,
    /// Names the site is known by, the main one first.
    #[arg(long, value_name = "NAME")]
    domain: Vec<String>,
    /// Where to write it; `-` is the standard output.
    #[arg(long, value_name = "FILE", default_value = "edge.toml")]
    out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Init) -> anyhow::Result<ExitCode> {
    let policy = match policy(args) {
        Ok(policy) => policy,
        Err(problems) => {
            for problem in problems.iter() {
                eprintln!("--{problem}");
            }
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let text = template(&policy);
    if args.out == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let name = args.out.display();
    match options.open(&args.out) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).with_context(|| name.to_string())?;
            eprintln!("{name}: written; `edge-bin serve {name}` serves it");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            eprintln!("{name}: it is there already\n  hint: --force writes over it, --out FILE elsewhere");
            Ok(ExitCode::from(BAD_CONFIGURATION))
        }
        Err(error) => Err(error).with_context(|| name.to_string()),
    }
}

fn policy(args: &Init) -> Result<Policy, Problems> {
    let [servers, domains] = [&args.origin, &args.domain].map(|list| list.iter().map(String::as_str));
    let mut policy = Policy::from_preset(&args.preset, &servers.collect::<Vec<_>>())?;
    policy.add_domains(&domains.collect::<Vec<_>>())?;
    Ok(policy)
}
