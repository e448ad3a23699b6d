//! `edge-bin explain`: what would be done with one request, decision by decision.
//!
//! It drives the same steps as the proxy and prints what they carry; it decides nothing. No server is asked: the
//! origin's answer is read from a file, or the story ends where it would be needed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::key::Kind;
use edge_core::cache::storing::Guard;
use edge_core::cache::{Epoch, Held, Stored};
use edge_core::exchange::{self, Answer, Ask, Ending, LookUp, Outcome, Rules, Step, Storing, Trace};
use edge_core::function::run::Ran;
use edge_core::proxy::clock::Clock;
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::BAD_CONFIGURATION;
use crate::configuration::ConfigArgs;

/// Print, in order, each decision about one request: behavior, function, key, what goes to the origin, storing.
///
/// Examples:
///   edge-bin explain --preset wordpress --origin http://127.0.0.1:8000 --url https://localhost/?utm_source=x
///   edge-bin explain distribution.json --url https://www.example.com/a.css -H 'Accept-Encoding: gzip' \
///       --origin-says response.txt --held 60
///
/// The file of --origin-says is a response as HTTP/1.1 writes it: status line, headers, blank line, body.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(rustdoc::bare_urls, reason = "it is the text of --help")]
pub(crate) struct Explain {
    #[command(flatten)]
    config: ConfigArgs,
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
    /// Send `Accept-Encoding: gzip, deflate, br`.
    #[arg(long)]
    compressed: bool,
    /// The request comes over HTTP/2.
    #[arg(long)]
    http2: bool,
    /// What the origin answers.
    #[arg(long, value_name = "FILE")]
    origin_says: Option<PathBuf>,
    /// The same request again, this many seconds after that answer was stored.
    #[arg(long, value_name = "SECONDS", requires = "origin_says")]
    held: Option<u64>,
    /// As CloudFront to the letter, without the guard.
    #[arg(long)]
    exact: bool,
    /// One JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

/// Prints.
pub(crate) fn run(args: &Explain) -> anyhow::Result<ExitCode> {
    let configured = match args.config.load() {
        Ok(configured) => configured,
        Err(problems) => {
            eprintln!("error: {problems}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let rules = Arc::new(Rules {
        distribution: configured.distribution,
        guard: if args.exact { Guard::Off } else { Guard::On },
        place: Place::new(0, None),
        devices: Memo::new(16),
    });
    let said = args.origin_says.as_ref().map(read_response).transpose()?;
    let now = Clock::system().now();
    let mut story = Story::default();
    let stored = story.tell(&rules, args.to_request()?, said.as_ref(), None, now);
    if let (Some(age), Some(stored)) = (args.held, stored) {
        story.say("again", format!("the same request {age} s later"));
        story.tell(&rules, args.to_request()?, said.as_ref(), Some(&stored), now + Duration::from_secs(age));
    }
    print!("{}", if args.json { story.json()? } else { story.text() });
    Ok(ExitCode::SUCCESS)
}

impl Explain {
    fn to_request(&self) -> anyhow::Result<Request> {
        let version = if self.http2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        let target = self.url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut build = http::Request::builder().method(self.request.clone()).uri(target).version(version);
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for field in &self.header {
            let (name, value) = field
                .split_once(':')
                .ok_or_else(|| anyhow::anyhow!("-H {field:?}: expected 'Name: value'"))?;
            fields.push((name.trim(), value.trim()));
        }
        let given = |wanted: &str| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if !given("host") {
            let host = self.url.authority().map_or("localhost", http::uri::Authority::as_str);
            build = build.header("host", host);
        }
        if self.compressed && !given("accept-encoding") {
            build = build.header("accept-encoding", "gzip, deflate, br");
        }
        for (name, value) in [("cookie", &self.cookie), ("user-agent", &self.user_agent)] {
            if let Some(value) = value {
                build = build.header(name, value);
            }
        }
        for (name, value) in fields {
            build = build.header(name, value);
        }
        let (parts, ()) = build.body(())?.into_parts();
        let scheme = if self.url.scheme_str() == Some("http") { Scheme::Http } else { Scheme::Https };
        Request::read(parts, scheme, Stream::Ended, ([127, 0, 0, 1], 50_000).into())
            .map_err(|refusal| anyhow::anyhow!("CloudFront would refuse the request unread: {refusal:?}"))
    }
}

/// What is printed: lines with a subject each.
#[derive(Default)]
struct Story(Vec<(&'static str, String)>);

impl Story {
    fn say(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push((subject, text.into()));
    }

    /// Drives the steps; returns what was stored.
    fn tell(
        &mut self,
        rules: &Arc<Rules>,
        request: Request,
        said: Option<&(StatusCode, HeaderMap)>,
        held: Option<&Arc<Stored>>,
        now: SystemTime,
    ) -> Option<Arc<Stored>> {
        self.say("request", format!("{} {} for {}", request.method, request.target, request.host_name()));
        let id = HeaderValue::from_static("EXPLAINED-REQUEST-ID-0000000000000000000000000000000000==");
        let mut step = exchange::begin(rules, request, id, now);
        let mut stored = None;
        // A second look-up or question is about the custom error page, or the group's second origin: nothing is held of
        // the one, and the other says the same.
        let mut held = held.map(|head| Held { head, length: None });
        loop {
            step = match step {
                Step::Answer(answer) => return self.answer(rules, answer).or(stored),
                Step::LookUp(look_up) => {
                    self.entered(rules, look_up.trace());
                    self.key(&look_up);
                    look_up.found(held.take(), Epoch::default(), now)
                }
                Step::Instead { storing, trace, page } => {
                    stored = head_of(storing);
                    self.failed(&trace);
                    *page
                }
                Step::Ask(ask) => {
                    self.asked(rules, &ask);
                    let Some((status, headers)) = said else {
                        self.say("origin", "not asked (give its answer with --origin-says FILE)");
                        return stored;
                    };
                    self.say("origin", format!("answers {status}"));
                    let (status, headers) = (*status, headers.clone());
                    ask.answered(Outcome::Response { status, headers, ending: Ending::Provable }, now)
                }
            };
        }
    }

    /// What a custom error page is shown for.
    fn failed(&mut self, trace: &Trace) {
        if let Some(refused) = trace.refused {
            self.say("gate", refused.to_string());
        }
        if let Some(failure) = trace.failure {
            self.say("origin", failure.to_string());
        }
        if let Some(lifetime) = &trace.lifetime {
            self.say("storing", format!("that it failed: {lifetime}"));
        }
        if let Some(withheld) = &trace.withheld {
            self.say("guard", withheld.to_string());
        }
        self.say("error page", "the viewer gets a page of its own (§10.1)");
    }

    fn asked(&mut self, rules: &Rules, ask: &Ask) {
        match (ask.key(), &ask.trace().found) {
            (Some(_), Some(found)) => self.say("look-up", found.to_string()),
            _ => {
                self.entered(rules, ask.trace());
                self.say("key", "none: nothing is looked up for this behavior or method");
            }
        }
        if let Some(because) = &ask.trace().failed_over {
            self.say("failover", because.to_string());
        }
        self.call(rules, ask);
    }

    fn entered(&mut self, rules: &Rules, trace: &Trace) {
        if let Some(id) = trace.behavior {
            let behavior = rules.distribution.behavior(id);
            self.say("behavior", format!("{} ({})", behavior.path_pattern.as_str(), behavior.names.cache));
        }
        if let Some(device) = trace.device {
            self.say("device", device.to_string());
        }
        if let Some(applied) = trace.applied {
            self.say("function", applied.to_string());
        }
        self.ran(trace.ran_at_request.as_deref());
    }

    /// What a function changed and said.
    fn ran(&mut self, ran: Option<&Ran>) {
        let Some(ran) = ran else { return };
        self.say(
            "function",
            format!("{} at {}, {} % of its time", ran.name, ran.moment.as_str(), ran.utilisation),
        );
        for line in ran.changes() {
            self.say("function", format!("  {line}"));
        }
        for line in &ran.log {
            self.say("console", line.as_str());
        }
        if let Some(failed) = &ran.failed {
            self.say("function", failed.to_string());
        }
    }

    fn key(&mut self, look_up: &LookUp) {
        for (kind, part) in look_up.key().parts() {
            let part = String::from_utf8_lossy(part);
            self.say(
                "key",
                match kind {
                    Kind::Unguarded => "without the guard".to_owned(),
                    Kind::Distribution => format!("distribution {part}"),
                    Kind::Method => format!("method {part}"),
                    Kind::Path => format!("path {part}"),
                    Kind::AcceptEncoding => format!("accept-encoding {part}"),
                    Kind::HeaderName => format!("header {part}"),
                    Kind::HeaderValue => format!("  = {part}"),
                    Kind::Cookies => format!("cookies {part}"),
                    Kind::Query => format!("query {part}"),
                },
            );
        }
    }

    fn call(&mut self, rules: &Rules, ask: &Ask) {
        let call = ask.call();
        let origin =
            rules.distribution.origins.get(call.origin).map_or("?", |origin| origin.domain_name.as_str());
        self.say("to origin", format!("{} {}://{origin}{}", call.method, call.scheme.as_str(), call.target));
        for (name, value) in &call.headers {
            self.say("to origin", format!("  {name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        self.say("sharing", ask.sharing().to_string());
    }

    fn answer(&mut self, rules: &Rules, answer: Answer) -> Option<Arc<Stored>> {
        let Answer { response, storing, compress, refresh, trace } = answer;
        if let Some(refused) = trace.refused {
            self.say("gate", refused.to_string());
        }
        if trace.ran_at_request.is_some() && !self.0.iter().any(|(subject, _)| *subject == "behavior") {
            self.entered(rules, &trace); // it ended with the function
        }
        self.ran(trace.ran_at_response.as_deref());
        match (&trace.found, &trace.stood_in) {
            (Some(found), None) if trace.lifetime.is_none() => {
                if !self.0.iter().any(|(subject, _)| *subject == "behavior") {
                    self.entered(rules, &trace);
                }
                self.say("look-up", found.to_string());
            }
            (_, Some(stood_in)) => self.say("stale", stood_in.to_string()),
            _ => {}
        }
        if let Some(lifetime) = &trace.lifetime {
            self.say("storing", lifetime.to_string());
        }
        if let Some(withheld) = &trace.withheld {
            self.say("guard", withheld.to_string());
        }
        if let Some(coding) = compress {
            self.say("compress", format!("{coding:?}"));
        }
        if let Some(status) = trace.page_for {
            self.say("error page", format!("instead of {} (§10.1)", status.as_str()));
        }
        if let Some(refresh) = refresh {
            self.say("refresh", "in the background, for everybody (§7.5)");
            self.call(rules, &refresh);
        }
        self.say("viewer gets", response.status.to_string());
        for (name, value) in &response.headers {
            self.say("viewer gets", format!("  {name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
        head_of(storing)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for (subject, line) in &self.0 {
            let shown = if *subject == last { "" } else { subject };
            _ = writeln!(text, "{shown:<12} {line}");
            last = subject;
        }
        text
    }

    fn json(&self) -> anyhow::Result<String> {
        let lines: Vec<Value> =
            self.0.iter().map(|(subject, line)| json!({ "subject": subject, "text": line })).collect();
        Ok(serde_json::to_string_pretty(&json!({ "decisions": lines }))? + "\n")
    }
}

fn head_of(storing: Option<Storing>) -> Option<Arc<Stored>> {
    match storing? {
        Storing::Whole { stored, .. } | Storing::Head { stored, .. } => Some(stored),
        Storing::Forget { .. } => None,
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
