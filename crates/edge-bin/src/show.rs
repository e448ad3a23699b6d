//! `edge-bin show`: the document a configuration comes to, as the API has it.

use std::process::ExitCode;

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
}

/// Prints it.
pub(crate) fn run(args: &Show) -> anyhow::Result<ExitCode> {
    match args.config.document() {
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
