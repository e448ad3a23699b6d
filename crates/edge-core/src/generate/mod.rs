//! AWS documents → files that AWS takes: a bundle, CLI input, CloudFormation, Terraform, CDK.
//!
//! One compiler, many printers: what is printed here is what the proxy runs, in another spelling. Each printer takes
//! the same resources (`set`) and writes them in its form; names and shapes that differ from the API's are read
//! backwards from the tables of `distribution::form`, so what is printed loads as what it was printed from. Equal
//! documents give equal bytes. It refuses to know presets and site policies, files and clocks.

mod asked;
mod cdk;
mod cli;
mod cloudformation;
mod hcl;
mod part;
mod remarks;
mod set;
pub mod stack;
mod terraform;
mod typescript;
mod uncounted;
mod yaml;

use serde_json::Value;

use crate::distribution::document;
use crate::distribution::problem::codes::INVALID_ARGUMENT;
use crate::distribution::{Problem, Problems, Severity};
use set::Set;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own: one JSON document, the only one that carries the rule beside the function.
    Bundle,
    /// A template, in YAML and in JSON.
    CloudFormation,
    /// Input for the AWS CLI, and a script that sends it.
    Cli,
    /// A module for Terraform, and for OpenTofu.
    Terraform,
    /// A program for the AWS CDK, in TypeScript.
    Cdk,
}

/// A file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative, with `/`.
    pub path: String,
    /// All of it, with a line end at its end.
    pub text: String,
}

/// What the printed files say of themselves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What made them, for their first line: a command that makes them again.
    pub command: String,
}

/// Prints a document that loads; one that does not is refused with everything that is wrong with it, quotas among it.
pub fn print(document: &Value, format: Format, options: &Options) -> Result<Vec<File>, Problems> {
    let loaded = document::load_value(document.clone())?;
    if format == Format::Bundle {
        return Ok(vec![json_file("bundle.json", loaded.document.value())]);
    }
    let set = Set::of(loaded.document.value())?;
    Ok(match format {
        Format::Bundle => Vec::new(),
        Format::CloudFormation => cloudformation::print(&set, options),
        Format::Cli => cli::print(&set, options),
        Format::Cdk => cdk::print(&set, options),
        Format::Terraform => terraform::print(&set, options),
    })
}

fn json_file(path: &str, value: &Value) -> File {
    File { path: path.to_owned(), text: format!("{value:#}\n") }
}

fn refused(place: &str, message: String, hint: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        place: place.to_owned(),
        code: INVALID_ARGUMENT,
        message,
        hint: Some(hint.to_owned()),
    }
}
