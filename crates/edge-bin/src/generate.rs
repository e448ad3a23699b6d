//! `edge-bin gen-cloudfront-policy`: configuration that AWS takes, of the same documents that `serve` runs.
//!
//! edge-core prints; here is where the files go.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_core::distribution::problem::codes::{NEEDS_CREDENTIALS, NO_LOCAL_EFFECT, NOT_IN_FORCE};
use edge_core::generate::{self, File, Options};
use serde_json::{Value, json};

use crate::BAD_CONFIGURATION;
use crate::configuration::{BadConfiguration, ConfigArgs, Read, in_file};
use crate::stack::StackArgs;

/// Print configuration that AWS takes, from a site policy, a preset, or a distribution in any
/// form.
///
/// What is printed is what `edge-bin serve` runs with the same arguments: cache policies,
/// origin request policies, functions and the distribution itself, each choice with the fact it
/// rests on. Equal input gives equal bytes, so the files can be kept under version control and
/// their diff is the review.
///
///   edge-bin gen-cloudfront-policy edge.toml --format cloudformation > template.yaml
///   edge-bin gen-cloudfront-policy --preset wordpress --origin https://alb.example.com \
///     --domain www.example.com --certificate arn:aws:acm:… --format terraform --out infra
///   edge-bin gen-cloudfront-policy live.json --format cdk --out cdk    # a distribution you have
///
/// CloudFront takes names of yours only with a certificate for them; where none is given, the
/// output asks for it (a parameter, a variable). Afterwards `edge-bin diff edge.toml live.json`
/// says what differs from what is deployed.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(rustdoc::bare_urls, reason = "it is the text of --help")]
pub(crate) struct Generate {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Cloudformation)]
    format: Format,
    /// The ACM certificate of the site's names: an ARN of us-east-1.
    #[arg(long, value_name = "ARN", value_parser = certificate)]
    certificate: Option<String>,
    #[command(flatten)]
    stack: StackArgs,
    /// The folder the files go to; it is made where it is missing, and files of the same names are replaced. Without it
    /// the one file of a format goes to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A format, as the command line has it.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// A template, in YAML and in JSON.
    Cloudformation,
    /// JSON for the AWS CLI, and a shell script that makes it all or brings it up to date.
    Cli,
    /// A module for Terraform (aws provider 6) and OpenTofu.
    Terraform,
    /// A program for the AWS CDK, in TypeScript.
    Cdk,
    /// One JSON document with everything in it, as `edge-bin serve` takes it.
    Bundle,
}

impl Format {
    fn core(self) -> generate::Format {
        match self {
            Self::Cloudformation => generate::Format::CloudFormation,
            Self::Cli => generate::Format::Cli,
            Self::Terraform => generate::Format::Terraform,
            Self::Cdk => generate::Format::Cdk,
            Self::Bundle => generate::Format::Bundle,
        }
    }
}

/// Of us-east-1: CloudFront takes no others.
fn certificate(text: &str) -> Result<String, String> {
    let mut parts = text.split(':');
    let (arn, partition, service, region) = (parts.next(), parts.next(), parts.next(), parts.next());
    let is_one = arn == Some("arn")
        && partition.is_some_and(|partition| partition.starts_with("aws"))
        && service == Some("acm")
        && text.contains(":certificate/");
    match region {
        Some("us-east-1") if is_one => Ok(text.to_owned()),
        Some(region) if is_one => {
            Err(format!("this one is of {region}: CloudFront takes those of us-east-1"))
        }
        _ => Err("expected arn:aws:acm:us-east-1:ACCOUNT:certificate/ID".to_owned()),
    }
}

/// Prints.
pub(crate) fn run(args: &Generate) -> anyhow::Result<ExitCode> {
    match files(args) {
        Ok(files) => match (&args.out, &files[..]) {
            (Some(folder), files) => {
                for file in files {
                    write(folder, file)?;
                    println!("{}", folder.join(&file.path).display());
                }
            }
            // A template stands for itself; of several files each is needed.
            (None, [first, ..]) if matches!(args.format, Format::Cloudformation | Format::Bundle) => {
                print!("{}", first.text);
            }
            (None, _) => {
                eprintln!("error: these are several files\n  hint: --out DIR says where they go");
                return Ok(ExitCode::from(BAD_CONFIGURATION));
            }
        },
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn files(args: &Generate) -> Result<Vec<File>, BadConfiguration> {
    let Read { name, loaded, .. } = args.config.read()?;
    let bad =
        |problems: edge_core::distribution::Problems| BadConfiguration::new(in_file(&name, &problems.0));
    let loaded = loaded.map_err(bad)?;
    // What this machine cannot do is nothing to AWS.
    let ours = [NOT_IN_FORCE, NO_LOCAL_EFFECT, NEEDS_CREDENTIALS];
    let mut remarks = loaded.warnings.clone();
    remarks.retain(|problem| !ours.contains(&problem.code) && !problem.message.contains("here one is made"));
    eprint!("{}", in_file(&name, &remarks));
    let mut document = loaded.document.value().clone();
    if let Some(arn) = &args.certificate {
        set_certificate(&mut document, arn);
    }
    let options = Options { command: command(args) };
    match args.stack.core() {
        Some(stack) => generate::stack::print(&document, args.format.core(), &stack, &options),
        None => generate::print(&document, args.format.core(), &options),
    }
    .map_err(bad)
}

fn set_certificate(document: &mut Value, arn: &str) {
    let places = ["/Distribution/DistributionConfig", "/DistributionConfig", ""];
    let Some(place) = places.iter().find(|place| document.pointer(place).is_some()) else { return };
    if let Some(Value::Object(config)) = document.pointer_mut(place) {
        let certificate = json!({
            "ACMCertificateArn": arn,
            "SSLSupportMethod": "sni-only",
            "MinimumProtocolVersion": "TLSv1.2_2021",
        });
        config.insert("ViewerCertificate".to_owned(), certificate);
    }
}

/// What makes the files again: without the folders of this machine.
fn command(args: &Generate) -> String {
    let mut words = vec!["edge-bin gen-cloudfront-policy".to_owned()];
    if let Some(config) = &args.config.config {
        let name = config.file_name().unwrap_or(config.as_os_str());
        words.push(name.to_string_lossy().into_owned());
    }
    words.extend(args.config.preset.as_ref().map(|preset| format!("--preset {preset}")));
    let format = clap::ValueEnum::to_possible_value(&args.format);
    words.extend(format.map(|format| format!("--format {}", format.get_name())));
    words.extend(args.stack.words());
    words.join(" ")
}

fn write(folder: &Path, file: &File) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let path = folder.join(&file.path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    std::fs::write(&path, &file.text).with_context(|| path.display().to_string())?;
    #[cfg(unix)]
    if file.text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
