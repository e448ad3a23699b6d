//! `edge-bin test-function`: one function, one event, and what the API's `TestFunction` would say of it.
//!
//! It prints what [`edge_core::function::trial`] tells; it decides nothing.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use edge_core::distribution::{Distribution, ViewerRequest};
use edge_core::function::trial::{self, Tested};
use edge_core::proxy::clock::Clock;
use edge_core::script::{CAN_RUN, Entry, KeyValueStore, Script, Version};
use serde_json::{Value, json};

use crate::BAD_CONFIGURATION;
use crate::configuration::ConfigArgs;

/// Run one CloudFront Function with an event, and print what CloudFront's TestFunction prints: what
/// it returned, what it wrote to the console, how much of its time it took.
///
/// Examples:
///   edge-bin test-function rewrite.js --event event.json
///   edge-bin test-function distribution.json --function rewrite --event event.json
///   edge-bin test-function cdk.out --function guard --event - --json < connection.json
///
/// The function is a file of JavaScript, or one of those a distribution runs. The event is what
/// CloudFront gives functions; the least there can be is
///   { "request": { "method": "GET", "uri": "/" } }
/// and with a "response" (its statusCode, at least) it is one of viewer-response. Connection
/// functions are given { "clientIp": …, "clientCertificate": … }.
///
/// As at CloudFront, headers are not checked in tests: what would be refused when it is served is
/// told beside. The exit code is 1 where the function fails, 2 where there is nothing to run.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct TestFunction {
    #[command(flatten)]
    config: ConfigArgs,
    /// Which of the distribution's functions, by its name, where there are several.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The event, in JSON; - is standard input.
    #[arg(long, value_name = "FILE")]
    event: std::path::PathBuf,
    /// The runtime of a file of JavaScript.
    #[arg(long, value_name = "RUNTIME", default_value = "cloudfront-js-2.0", value_parser = parse_runtime)]
    runtime: Version,
    /// What `cf.kvs()` reads, for a file of JavaScript: JSON as a key value store is imported, {"data": [{"key": …, "value": …}]}.
    #[arg(long, value_name = "FILE")]
    key_value_store: Option<std::path::PathBuf>,
    /// The API's TestResult in JSON instead of lines.
    #[arg(long)]
    json: bool,
}

fn parse_runtime(text: &str) -> Result<Version, String> {
    match text {
        "cloudfront-js-1.0" => Ok(Version::One),
        "cloudfront-js-2.0" => Ok(Version::Two),
        _ => Err("expected cloudfront-js-1.0 or cloudfront-js-2.0".to_owned()),
    }
}

/// Runs it, and prints.
pub(crate) fn run(args: &TestFunction) -> anyhow::Result<ExitCode> {
    let tested = args.script().and_then(|script| {
        let event = read_event(&args.event)?;
        let tested = trial::test(&script, event, Clock::system().now())
            .map_err(|wrong| format!("{}: {wrong}", args.event.display()))?;
        Ok((script, tested))
    });
    match tested {
        Ok((script, tested)) => {
            if args.json {
                println!("{}", serde_json::to_string_pretty(&result(&script, &tested))?);
            } else {
                print!("{}", told(&script, &tested));
            }
            Ok(if tested.error.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(wrong) => {
            eprintln!("error: {wrong}");
            Ok(ExitCode::from(BAD_CONFIGURATION))
        }
    }
}

impl TestFunction {
    /// What runs; what may be wrong with it is said.
    fn script(&self) -> Result<Arc<Script>, String> {
        if !CAN_RUN {
            return Err("this build runs no functions (it lacks the feature functions)".to_owned());
        }
        let is_code =
            |path: &&std::path::PathBuf| path.extension().is_some_and(|end| end == "js" || end == "mjs");
        if let Some(path) = self.config.config.as_ref().filter(is_code) {
            return self.of_file(path);
        }
        if self.key_value_store.is_some() {
            return Err(
                "--key-value-store is for a file of JavaScript: a distribution brings its own stores"
                    .to_owned(),
            );
        }
        let config = ConfigArgs { javascript: true, ..self.config.clone() };
        let configured = config.load().map_err(|error| error.to_string())?;
        choose(scripts(&configured.distribution), self.function.as_deref())
    }

    fn of_file(&self, path: &Path) -> Result<Arc<Script>, String> {
        let code = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        // A connection function is one by what it is called with.
        let entry =
            if code.contains(Entry::Connections.function()) { Entry::Connections } else { Entry::Requests };
        let store = self.key_value_store.as_deref().map(read_store).transpose()?.map(Arc::new);
        let script = Script { name, version: self.runtime, entry, code, store };
        for mistake in script.mistakes().iter().filter(|mistake| !mistake.is_error()) {
            eprintln!("warning: {}: {mistake}", path.display());
        }
        Ok(Arc::new(script))
    }
}

/// All the functions of a distribution, each once.
fn scripts(distribution: &Distribution) -> Vec<Arc<Script>> {
    let mut found: Vec<Arc<Script>> = Vec::new();
    let behaviors = distribution.behaviors.iter().chain([&distribution.default_behavior]);
    let of_behaviors = behaviors.flat_map(|behavior| {
        let request = match &behavior.viewer_request {
            Some(ViewerRequest::Script(script)) => Some(script),
            _ => None,
        };
        request.into_iter().chain(&behavior.viewer_response)
    });
    for script in of_behaviors.chain(&distribution.viewer_tls.function) {
        if !found.iter().any(|known| known.name == script.name && known.entry == script.entry) {
            found.push(Arc::clone(script));
        }
    }
    found
}

fn choose(found: Vec<Arc<Script>>, name: Option<&str>) -> Result<Arc<Script>, String> {
    let names: Vec<&str> = found.iter().map(|script| script.name.as_str()).collect();
    let chosen = match (name, &found[..]) {
        (Some(name), _) => found.iter().find(|script| script.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    chosen.map(Arc::clone).ok_or_else(|| match (name, names.join(", ")) {
        (_, none) if none.is_empty() => {
            "the distribution runs no function whose code is in the document".to_owned()
        }
        (Some(name), names) => format!("no function is called {name}\n  hint: there is {names}"),
        (None, names) => format!("there are several functions\n  hint: --function NAME, one of {names}"),
    })
}

fn read_event(path: &Path) -> Result<Value, String> {
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = read.map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: the event is not JSON: {error}", path.display()))
}

fn read_store(path: &Path) -> Result<KeyValueStore, String> {
    let bad = |why: String| {
        format!("{}: {why}\n  hint: {{\"data\": [{{\"key\": \"a\", \"value\": \"b\"}}]}}", path.display())
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let read: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let pairs = read["data"].as_array().ok_or_else(|| bad("data: a list is expected".to_owned()))?;
    let mut store = KeyValueStore { arn: path.display().to_string(), ..KeyValueStore::default() };
    for (number, pair) in pairs.iter().enumerate() {
        let (Some(key), Some(value)) = (pair["key"].as_str(), pair["value"].as_str()) else {
            return Err(bad(format!("data[{number}]: a key and a value, both texts, are expected")));
        };
        if store.items.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(bad(format!("data[{number}]: the key {key:?} is there twice")));
        }
    }
    Ok(store)
}

fn runtime(script: &Script) -> &'static str {
    match script.version {
        Version::One => "cloudfront-js-1.0",
        Version::Two => "cloudfront-js-2.0",
    }
}

/// As `aws cloudfront test-function` prints it: what the function returned is JSON in a text.
fn result(script: &Script, tested: &Tested) -> Value {
    let result = json!({
        "FunctionSummary": { "Name": script.name, "FunctionConfig": { "Comment": "", "Runtime": runtime(script) } },
        "ComputeUtilization": tested.utilisation.to_string(),
        "FunctionExecutionLogs": tested.log,
        "FunctionErrorMessage": tested.error.as_deref().unwrap_or_default(),
        "FunctionOutput": tested.output.as_ref().map(Value::to_string).unwrap_or_default(),
    });
    json!({ "TestResult": result })
}

/// For people.
fn told(script: &Script, tested: &Tested) -> String {
    let mut text = format!("function {} ({})\n", script.name, runtime(script));
    text.push_str(&format!("compute utilization {} %\n", tested.utilisation));
    for line in &tested.log {
        text.push_str(&format!("console {line}\n"));
    }
    if let Some(error) = &tested.error {
        text.push_str(&format!("error {error}\n"));
    }
    if let Some(origin) = &tested.origin {
        text.push_str(&format!("origin {origin}\n"));
    }
    if let Some(unchecked) = &tested.unchecked {
        text.push_str(&format!("warning: {unchecked}: tests do not check this; served, it is a 502\n"));
    }
    if let Some(output) = &tested.output {
        text.push_str(&format!("output {output:#}\n"));
    }
    text
}
