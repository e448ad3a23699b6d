//! `edge-bin show`: the document a configuration comes to, as the API has it.

use std::path::PathBuf;
use std::process::ExitCode;

use edge_core::distribution::document;

use crate::BAD_CONFIGURATION;
use crate::configuration::ConfigArgs;

/// Print the distribution as the API's JSON: one bundle with its policies, functions and keys.
///
/// Whatever it is written in, this is what is served, and it loads again as the same. What is
/// remarkable goes to stderr, each with its place in the file. Example: edge-bin show cdk.out
/// --resource Site > bundle.json
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// The configuration of a staging distribution: print what promoting it would make of this one
    /// (`aws cloudfront update-distribution-with-staging-config`).
    #[arg(long, value_name = "STAGING")]
    promote: Option<PathBuf>,
}

/// Prints it.
pub(crate) fn run(args: &Show) -> anyhow::Result<ExitCode> {
    match shown(args) {
        Ok((document, remarks)) => {
            eprint!("{remarks}");
            println!("{}", serde_json::to_string_pretty(&document)?);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(BAD_CONFIGURATION))
        }
    }
}

fn shown(args: &Show) -> Result<(serde_json::Value, String), String> {
    let document = |config: &ConfigArgs| config.document().map_err(|error| error.to_string());
    let (primary, remarks) = document(&args.config)?;
    let Some(path) = &args.promote else { return Ok((primary.value().clone(), remarks)) };
    let config = Some(path.clone());
    let (staging, more) = document(&ConfigArgs { config, ..args.config.clone() })?;
    let promoted = primary.promoted(&staging).map_err(|why| format!("{}: {why}", path.display()))?;
    // Both loaded; together they have to as well.
    document::load_value(promoted.clone())
        .map_err(|problems| format!("what promotion makes of them does not load:\n{problems}"))?;
    Ok((promoted, remarks + &more))
}
