//! `edge-bin explain`: what would be done with one request, decision by decision.
//!
//! It prints what [`edge_core::explain`] tells; it decides nothing. What the origin answers is read from a file, or the
//! real origin is asked, or the story ends where it would be needed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use edge_core::cache::Held;
use edge_core::cache::storing::Guard;
use edge_core::distribution::Country;
use edge_core::exchange::{Ask, Ending, Outcome};
use edge_core::explain::{self, Explanation, Part, Which, WhyMiss};
use edge_core::function::lambda::Invocation;
use edge_core::proxy::clock::Clock;
use edge_core::proxy::edge::Running;
use edge_core::proxy::server::Settings;
use edge_core::viewer::facts::FieldsSent;
use edge_core::viewer::geo::Location;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::BAD_CONFIGURATION;
use crate::configuration::{ConfigArgs, Warning};
use crate::lambda::{self, LambdaArgs, LambdaSays};
use crate::serve::parse_country;

/// Print, in order, each decision about one request: behavior, function, key, what goes to the
/// origin, storing.
///
/// Examples:
///   edge-bin explain --preset wordpress --origin http://127.0.0.1:8000 --url https://localhost/?utm_source=x
///   edge-bin explain distribution.json --url https://www.example.com/a.css -H 'Accept-Encoding: gzip' \
///       --origin-says response.txt --held 60
///   edge-bin explain distribution.json --url https://www.example.com/?id=1 --other-cookie lang=de --why-miss
///
/// The file of --origin-says is a response as HTTP/1.1 writes it: status line, headers, blank
/// line, body. Lambda@Edge functions are called where --lambda says, or return what
/// --lambda-says has; others are skipped.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(rustdoc::bare_urls, reason = "it is the text of --help")]
pub(crate) struct Explain {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    asked: Asked,
    /// Send `Accept-Encoding: gzip, deflate, br`.
    #[arg(long)]
    compressed: bool,
    /// The request comes over HTTP/2.
    #[arg(long)]
    http2: bool,
    /// The viewer's country, in two capital letters.
    #[arg(long, value_name = "XX", value_parser = parse_country)]
    country: Option<Country>,
    /// What the origin answers.
    #[arg(long, value_name = "FILE")]
    origin_says: Option<PathBuf>,
    /// Ask the real origin (as --origin or --map say), and go on with what it answers.
    #[arg(long, conflicts_with = "origin_says")]
    ask_origin: bool,
    #[command(flatten)]
    lambdas: LambdaArgs,
    #[command(flatten)]
    lambda_says: LambdaSays,
    /// The same request again, this many seconds after that answer was stored.
    #[arg(long, value_name = "SECONDS")]
    held: Option<u64>,
    /// Compare with a second request, and say which parts of their keys differ; the first is the reason of a miss.
    /// What the --other options do not say of it is as in the first.
    #[arg(long)]
    why_miss: bool,
    #[command(flatten)]
    other: Other,
    /// As CloudFront to the letter, without the guard.
    #[arg(long)]
    exact: bool,
    /// One JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// A request as curl's options describe it.
#[derive(clap::Args, Debug, Clone)]
struct Asked {
    /// The request's URL.
    #[arg(long, value_name = "URL")]
    url: http::Uri,
    /// Its method.
    #[arg(short = 'X', long, default_value = "GET")]
    request: http::Method,
    /// A header of the request.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Its cookies, as curl takes them.
    #[arg(short = 'b', long, value_name = "NAME=VALUE")]
    cookie: Option<String>,
    /// Its User-Agent.
    #[arg(short = 'A', long)]
    user_agent: Option<String>,
}

/// In what a second request differs.
#[derive(clap::Args, Debug)]
struct Other {
    /// The second request's URL.
    #[arg(long, value_name = "URL")]
    other_url: Option<http::Uri>,
    /// Its method.
    #[arg(long, value_name = "METHOD")]
    other_request: Option<http::Method>,
    /// Its headers, instead of the first's.
    #[arg(long, value_name = "NAME: VALUE")]
    other_header: Option<Vec<String>>,
    /// Its cookies; "" is none.
    #[arg(long, value_name = "NAME=VALUE")]
    other_cookie: Option<String>,
    /// Its User-Agent.
    #[arg(long, value_name = "USER_AGENT")]
    other_user_agent: Option<String>,
}

impl Other {
    fn is_given(&self) -> bool {
        let Self { other_url, other_request, other_header, other_cookie, other_user_agent } = self;
        other_url.is_some()
            || other_request.is_some()
            || other_header.is_some()
            || other_cookie.is_some()
            || other_user_agent.is_some()
    }

    fn or(&self, first: &Asked) -> Asked {
        let cookie = self.other_cookie.clone().filter(|cookies| !cookies.is_empty());
        Asked {
            url: self.other_url.clone().unwrap_or_else(|| first.url.clone()),
            request: self.other_request.clone().unwrap_or_else(|| first.request.clone()),
            header: self.other_header.clone().unwrap_or_else(|| first.header.clone()),
            cookie: if self.other_cookie.is_some() { cookie } else { first.cookie.clone() },
            user_agent: self.other_user_agent.clone().or_else(|| first.user_agent.clone()),
        }
    }
}

/// The exchange's id, which is another for each in life.
const ID: &str = "EXPLAINED-REQUEST-ID-0000000000000000000000000000000000==";

/// Prints.
pub(crate) fn run(args: &Explain) -> anyhow::Result<ExitCode> {
    let configured = match args.config.load() {
        Ok(configured) => configured,
        Err(problems) => {
            eprintln!("error: {problems}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let endpoints = args.lambdas.endpoints().map_err(anyhow::Error::msg)?;
    let lambda_says = args.lambda_says.read().map_err(anyhow::Error::msg)?;
    let is_moot = |warning: &Warning| lambda::is_moot(warning, &endpoints);
    let warnings = configured.warnings.iter().filter(|warning| !is_moot(warning));
    warnings.for_each(|warning| eprint!("warning: {}", warning.text));
    let mut settings = Settings::new(configured.distribution);
    settings.lambdas = endpoints;
    settings.guard = if args.exact { Guard::Off } else { Guard::On };
    settings.servers = configured.servers;
    let running = Running::of(&settings)?;
    let rules = lambda::told_of(running.rules(), &lambda_says);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let says = match &args.origin_says {
        Some(path) => read_response(path).map(|(status, headers)| Says::File(status, headers))?,
        None if args.ask_origin => Says::Servers(&running, &runtime),
        None => Says::Nothing,
    };
    let called = |invocation: &Invocation| {
        let said = lambda_says.iter().find(|(event, _)| *event == invocation.event);
        Some(said.map_or_else(|| runtime.block_on(running.invoke(invocation)), |(_, says)| says.clone()))
    };
    let now = Clock::system().now();
    let tell = |request, held: Option<Held<'_>>, now| {
        let id = HeaderValue::from_static(ID);
        explain::tell(&rules, request, id, held, &mut |ask| says.outcome(ask), &mut { called }, now)
    };
    let first = tell(args.to_request(&args.asked)?, None, now);
    let again = match (args.held, &first.stored) {
        (Some(age), Some(stored)) => {
            let held = Held { head: stored, length: None };
            Some((age, tell(args.to_request(&args.asked)?, Some(held), now + Duration::from_secs(age))))
        }
        _ => None,
    };
    let other = if args.why_miss || args.other.is_given() {
        Some(tell(args.to_request(&args.other.or(&args.asked))?, None, now))
    } else {
        None
    };
    let why = other.as_ref().map(|other| explain::why_miss(first.key.as_ref(), other.key.as_ref()));
    print!(
        "{}",
        if args.json {
            json(&first, again.as_ref(), why.as_ref())?
        } else {
            text(&first, again.as_ref(), why.as_ref())
        }
    );
    Ok(ExitCode::SUCCESS)
}

fn text(first: &Explanation, again: Option<&(u64, Explanation)>, why: Option<&WhyMiss>) -> String {
    let mut text = first.text();
    if let Some((age, again)) = again {
        text.push_str(&format!("\n{age} s later, the same request:\n{}", again.text()));
    }
    for line in why.map(told).unwrap_or_default() {
        text.push_str(&format!("{:<12} {line}\n", "differs in"));
    }
    text
}

/// Fields are added, never changed: `schema` would say so.
fn json(
    first: &Explanation,
    again: Option<&(u64, Explanation)>,
    why: Option<&WhyMiss>,
) -> anyhow::Result<String> {
    let mut document = json!({ "schema": 1, "decisions": first.decisions });
    if let Some((age, again)) = again {
        document["later"] = json!({ "seconds": age, "decisions": again.decisions });
    }
    if let Some(why) = why {
        document["differs_in"] = json!(told(why));
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

impl Explain {
    fn to_request(&self, asked: &Asked) -> anyhow::Result<Request> {
        let version = if self.http2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        let target = asked.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut build = http::Request::builder().method(asked.request.clone()).uri(target).version(version);
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for field in &asked.header {
            let (name, value) = field
                .split_once(':')
                .ok_or_else(|| anyhow::anyhow!("-H {field:?}: expected 'Name: value'"))?;
            fields.push((name.trim(), value.trim()));
        }
        let given = |wanted: &str| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if !given("host") {
            let host = asked.url.authority().map_or("localhost", http::uri::Authority::as_str);
            build = build.header("host", host);
        }
        if self.compressed && !given("accept-encoding") {
            build = build.header("accept-encoding", "gzip, deflate, br");
        }
        for (name, value) in [("cookie", &asked.cookie), ("user-agent", &asked.user_agent)] {
            if let Some(value) = value {
                build = build.header(name, value);
            }
        }
        for (name, value) in fields {
            build = build.header(name, value);
        }
        let (parts, ()) = build.body(())?.into_parts();
        let scheme = if asked.url.scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
        let fields_sent = Some(Box::new(FieldsSent::of(&parts.headers)));
        let request = Request::read(parts, scheme, Stream::Ended, ([127, 0, 0, 1], 50_000).into())
            .map_err(|refusal| anyhow::anyhow!("CloudFront would refuse the request unread: {refusal:?}"))?;
        let location = self.country.map(|country| Arc::new(Location::in_country(country)));
        Ok(Request { location, fields_sent, ..request })
    }
}

/// The origin's answer as the file has it, a real origin's, or none.
enum Says<'a> {
    Nothing,
    File(StatusCode, HeaderMap),
    Servers(&'a Running, &'a tokio::runtime::Runtime),
}

impl Says<'_> {
    fn outcome(&self, ask: &Ask) -> Option<Outcome> {
        match self {
            Self::Nothing => None,
            Self::File(status, headers) => {
                let (status, headers) = (*status, headers.clone());
                Some(Outcome::Response { status, headers, ending: Ending::Provable })
            }
            Self::Servers(running, runtime) => Some(runtime.block_on(running.ask(ask))),
        }
    }
}

/// Why the second request is no hit on what the first one left, ready to print.
fn told(why: &WhyMiss) -> Vec<String> {
    let part = |part: &Option<Part>| part.as_ref().map_or("nothing".to_owned(), ToString::to_string);
    match why {
        WhyMiss::SameKey => vec!["nothing: both have the same key, so they share a copy".to_owned()],
        WhyMiss::NotLookedUp(which) => {
            let which = match which {
                Which::First => "the first request is",
                Which::Second => "the second request is",
                Which::Both => "both requests are",
            };
            vec![format!("{which} never answered from the cache")]
        }
        WhyMiss::Differ(parts) => {
            parts.iter().map(|(one, other)| format!("{}, in the second {}", part(one), part(other))).collect()
        }
    }
}

/// A response as HTTP/1.1 writes it; line ends may be bare.
fn read_response(path: &PathBuf) -> anyhow::Result<(StatusCode, HeaderMap)> {
    let text =
        std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let wrong = |line: usize, why: &str| anyhow::anyhow!("{}, line {line}: {why}", path.display());
    let mut lines = text.lines().enumerate();
    let status = lines
        .next()
        .and_then(|(_, line)| line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| wrong(1, "expected a status line, as in HTTP/1.1 200 OK"))?;
    let mut headers = HeaderMap::new();
    for (index, line) in lines.take_while(|(_, line)| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| wrong(index + 1, "expected Name: value"))?;
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(index + 1, "not a header name"))?;
        let value =
            HeaderValue::from_str(value.trim()).map_err(|_| wrong(index + 1, "not a header value"))?;
        headers.append(name, value);
    }
    Ok((status, headers))
}
