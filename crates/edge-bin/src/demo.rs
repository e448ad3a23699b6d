//! `edge-bin demo`: a small site of our own behind an edge, to see one at work within a minute.
//!
//! The edge runs the wordpress preset, unchanged; only the site is ours.

mod site;

use std::net::SocketAddr;
use std::process::ExitCode;

use edge_core::proxy::server::{Server, Settings, StartError};

use crate::BAD_CONFIGURATION;
use crate::access_log::AccessLogArgs;
use crate::configuration::ConfigArgs;
use crate::runtime::{self, Signals};
use crate::serve::{self, Listeners};
use site::Site;

/// Start a small site with an edge before it, and print five curl lines that show what the edge does.
#[derive(clap::Args, Debug)]
pub(crate) struct Demo {
    #[command(flatten)]
    listeners: Listeners,
    #[command(flatten)]
    access_log: AccessLogArgs,
}

/// Serves until a signal ends it.
pub(crate) fn run(args: &Demo) -> anyhow::Result<ExitCode> {
    runtime::start_logs();
    let runtime = runtime::build(args.listeners.threads.map(usize::from))?;
    runtime.block_on(demo(args))
}

async fn demo(args: &Demo) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let site = Site::start()?;
    let config = ConfigArgs {
        config: None,
        preset: Some("wordpress".to_owned()),
        origin: vec![format!("http://{}", site.addr())],
        map: Vec::new(),
        parameter: Vec::new(),
        resource: None,
        javascript: false,
        style: None,
        domain: Vec::new(),
    };
    let configured = config.load().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut settings = Settings::new(configured.distribution);
    settings.servers = configured.servers;
    args.listeners.apply(&mut settings)?;
    settings.access_log = args.access_log.settings().map_err(anyhow::Error::msg)?;
    let server = match start(settings).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    serve::announce(&server, None);
    println!("listening origin {} (the site itself, without the edge)", site.addr());
    if let (Some(addr), Some(ca)) = (server.https().first(), server.local_ca()) {
        print!("\n{}\n", lines(*addr, &ca.display().to_string()));
    }
    println!("ready: Ctrl-C ends it");
    signals.next().await;
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// A demo works on any free port rather than not at all.
async fn start(settings: Settings) -> Result<Server, StartError> {
    let usual = |addrs: &[SocketAddr]| addrs.iter().all(|addr| addr.port() != 0);
    match Server::start(settings.clone()).await {
        Err(StartError::Listen(taken, error))
            if error.kind() == std::io::ErrorKind::AddrInUse
                && usual(&settings.http)
                && usual(&settings.https) =>
        {
            eprintln!("{taken} is taken: using free ports instead");
            let free = |addrs: Vec<SocketAddr>| {
                addrs.into_iter().map(|addr| SocketAddr::new(addr.ip(), 0)).collect::<Vec<_>>()
            };
            Server::start(Settings { http: free(settings.http), https: free(settings.https), ..settings })
                .await
        }
        outcome => outcome,
    }
}

/// Five lines to paste, each with what it shows.
fn lines(https: SocketAddr, ca: &str) -> String {
    let base = format!("https://localhost:{}", https.port());
    let curl = format!("curl -s --cacert '{ca}'");
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1";
    let shown = "| grep -iE 'x-cache|edition|hello'";
    format!(
        "# 1  the first view of a page: Miss\n{curl} -i {base}/ {shown}\n\
         # 2  the second, with tracking and an analytics cookie: Hit\n\
         {curl} -i -b _ga=1 '{base}/?utm_source=letter' {shown}\n\
         # 3  a phone has a copy of its own: Miss, then Hit\n{curl} -i -A '{phone}' {base}/ {shown}\n\
         # 4  log in; the page greets you and is never a Hit\n\
         {curl} -o /dev/null -c /tmp/edge-demo.jar -d log=ada {base}/wp-login.php; {curl} -i -b /tmp/edge-demo.jar {base}/ {shown}\n\
         # 5  and nobody else sees it\n{curl} -i {base}/ {shown}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_name_the_port_and_the_ca() {
        let text = lines("127.0.0.1:4711".parse().unwrap(), "/data/ca.pem");
        assert_eq!(text.matches("localhost:4711").count(), 6);
        assert!(text.contains("'/data/ca.pem'"));
    }
}
