//! edge: a CloudFront that runs anywhere. One arm per subcommand; each has a file.

use std::process::ExitCode;

use clap::Parser;

mod access_log;
mod admin;
mod classify;
mod configuration;
mod connection_log;
mod demo;
mod deployment;
mod diff;
mod explain;
mod generate;
mod init;
mod invalidate;
mod lambda;
mod lint;
mod load;
mod runtime;
mod serve;
mod show;
mod stack;
mod test_function;
mod trust;

/// A hit allocates little but often; this allocator makes that cheap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bad usage or a configuration that does not load.
const BAD_CONFIGURATION: u8 = 2;

/// A CloudFront that runs anywhere: serves your real origin by your real distribution.
#[derive(Parser)]
#[command(name = "edge-bin", version, about, max_term_width = 110)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Show(show::Show),
    Explain(explain::Explain),
    Init(init::Init),
    Lint(lint::Lint),
    Diff(diff::Diff),
    #[command(name = "gen-cloudfront-policy")]
    Generate(generate::Generate),
    Invalidate(invalidate::Invalidate),
    Load(load::Load),
    TestFunction(test_function::TestFunction),
    Trust(trust::Trust),
    ClassifyUa(classify::ClassifyUa),
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Invalidate(args) => invalidate::run(&args),
        Command::Load(args) => load::run(args),
        Command::TestFunction(args) => test_function::run(&args),
        Command::Trust(args) => trust::run(&args),
        Command::ClassifyUa(args) => classify::run(&args),
    }
}
