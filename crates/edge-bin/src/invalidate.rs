//! `edge-bin invalidate`: CloudFront's own call, sent to the admin listener of an edge on this machine.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use edge_core::proxy::clock::Clock;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::ROOT;
use crate::admin::xml::{self, Writer};
use crate::runtime;

/// Remove objects from the cache of a running edge, as `aws cloudfront create-invalidation`
/// does.
///
/// Examples:
///   edge-bin invalidate '/*'                      everything
///   edge-bin invalidate /index.html '/images/*'   one object, and all that begins so
///   edge-bin invalidate '/search?q=tea'           one query; '/search*' takes all of them
///   edge-bin invalidate '#product:42'             what carries this cache tag
///
/// A * is a wildcard at the end only; quote it, or the shell replaces it. A path alone leaves
/// its copies with a query where the query is in the cache key. `/` is the root: where a
/// default root object stands for it, name that (/index.html). Variants by cookie, header and
/// encoding all go.
///
/// It is in force when this command ends; --wait also waits until it is Completed. The same
/// works with the AWS CLI (the id is what `edge-bin serve` prints):
///   aws cloudfront create-invalidation --endpoint-url http://127.0.0.1:9090 \
///     --distribution-id ELOCAL0000000 --paths '/*'
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Invalidate {
    /// Paths (/…), beginnings of paths (/…*), cache tags (#…).
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
    /// The admin listener of the edge.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// Wait until it is Completed: nothing it removes takes room in the cache any more.
    #[arg(long)]
    wait: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// For one call …
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// … and for `--wait`.
const WAIT_TIMEOUT: Duration = Duration::from_secs(600);
const WAIT_STEP: Duration = Duration::from_millis(50);

/// Invalidates.
pub(crate) fn run(args: &Invalidate) -> anyhow::Result<ExitCode> {
    if let Some(hint) = expanded(&args.paths) {
        eprintln!("error: {hint}");
        return Ok(ExitCode::from(crate::BAD_CONFIGURATION));
    }
    runtime::build(Some(1))?.block_on(async {
        match invalidate(args).await {
            Ok(done) => {
                println!("{}", if args.json { done.json() } else { done.line() });
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// What the shell makes of `/*`: a list of what is in the root of this machine.
fn expanded(paths: &[String]) -> Option<String> {
    let exist = paths.len() > 2 && paths.iter().all(|path| Path::new(path).exists());
    exist.then(|| {
        "all these paths are files of this machine: did the shell replace a *?\n  hint: quote it, as in '/*'".to_owned()
    })
}

/// An invalidation as the edge describes it.
struct Done {
    distribution: String,
    id: String,
    status: String,
    create_time: String,
    paths: Vec<String>,
}

impl Done {
    fn read(distribution: &str, text: &str) -> anyhow::Result<Self> {
        let leaves = xml::read(text).map_err(|why| anyhow::anyhow!("the answer is no XML: {why}"))?;
        let all = |place: &str| -> Vec<String> {
            leaves.iter().filter(|leaf| leaf.0 == place).map(|leaf| leaf.1.clone()).collect()
        };
        let one = |place: &str| all(place).pop().with_context(|| format!("the answer has no {place}"));
        Ok(Self {
            distribution: distribution.to_owned(),
            id: one("Invalidation/Id")?,
            status: one("Invalidation/Status")?,
            create_time: one("Invalidation/CreateTime")?,
            paths: all("Invalidation/InvalidationBatch/Paths/Items/Path"),
        })
    }

    fn line(&self) -> String {
        let plural = if self.paths.len() == 1 { "" } else { "s" };
        format!(
            "{} {}: {} path{plural} of distribution {}",
            self.id,
            self.status,
            self.paths.len(),
            self.distribution
        )
    }

    fn json(&self) -> String {
        json!({
            "Id": self.id,
            "Status": self.status,
            "CreateTime": self.create_time,
            "DistributionId": self.distribution,
            "Paths": self.paths,
        })
        .to_string()
    }
}

async fn invalidate(args: &Invalidate) -> anyhow::Result<Done> {
    let (status, text) = call(args.admin, Method::GET, "/distribution", String::new()).await?;
    let names: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(distribution) = names["Id"].as_str().filter(|_| status == StatusCode::OK) else {
        bail!("what listens on {} is not the admin listener of an edge", args.admin);
    };
    let place = format!("{ROOT}distribution/{distribution}/invalidation");
    let (status, text) = call(args.admin, Method::POST, &place, batch(&args.paths)).await?;
    if status != StatusCode::CREATED {
        bail!("{}", refusal(status, &text));
    }
    let mut done = Done::read(distribution, &text)?;
    let since = Instant::now();
    while args.wait && done.status != "Completed" {
        if since.elapsed() > WAIT_TIMEOUT {
            bail!("{} is in force, but still {} after {} s", done.id, done.status, WAIT_TIMEOUT.as_secs());
        }
        sleep(WAIT_STEP).await;
        let (status, text) =
            call(args.admin, Method::GET, &format!("{place}/{}", done.id), String::new()).await?;
        if status != StatusCode::OK {
            bail!("{}", refusal(status, &text));
        }
        done = Done::read(distribution, &text)?;
    }
    Ok(done)
}

fn batch(paths: &[String]) -> String {
    let nanos = Clock::system().now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Writer::document("InvalidationBatch", |out| {
        out.element("Paths", |out| {
            out.text("Quantity", paths.len());
            out.element("Items", |out| paths.iter().for_each(|path| out.text("Path", path)));
        });
        out.text("CallerReference", format!("edge-bin-{nanos}-{}", std::process::id()));
    })
}

/// The error of the API, in a line.
fn refusal(status: StatusCode, text: &str) -> String {
    let leaves = xml::read(text).unwrap_or_default();
    let find = |place: &str| leaves.iter().find(|leaf| leaf.0 == place).map(|leaf| leaf.1.as_str());
    match (find("ErrorResponse/Error/Code"), find("ErrorResponse/Error/Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => format!("the edge answers {status}"),
    }
}

/// One request on a connection of its own.
async fn call(
    addr: SocketAddr,
    method: Method,
    path: &str,
    body: String,
) -> anyhow::Result<(StatusCode, String)> {
    let exchange = async {
        let stream = TcpStream::connect(addr).await.with_context(|| {
            format!(
                "nothing listens on {addr}\n  hint: is `edge-bin serve` running? It prints `listening admin ADDR`: \
                 give that with --admin"
            )
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request =
            Request::builder().method(method).uri(path).header(http::header::HOST, addr.to_string());
        let response = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&text).into_owned()))
    };
    timeout(CALL_TIMEOUT, exchange).await.unwrap_or_else(|_| bail!("{addr} does not answer"))
}
