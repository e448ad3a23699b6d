//! Health checks of servers that share an origin's name.
//!
//! A loop of our own: pingora-load-balancing checks fixed addresses (ours are names too), loads the system's
//! certificate authorities once more for each check, takes 200 alone for health, and is stopped by its own server.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connect::{Destination, Speaks};
use super::exchange::{Exchange, send_head};
use super::head::write_probe;
use super::upload::Upload;
use super::{OriginFailure, RequestBody, Shared};
use crate::proxy::pool::{Member, Probed};

/// How and how often servers are looked after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// From one check to the next.
    pub every: Duration,
    /// For all of one check.
    pub timeout: Duration,
    /// What is done.
    pub probe: Probe,
}

/// What a health check does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Connects: TCP, and TLS where it is spoken.
    Connect,
    /// Gets this path: 2xx and 3xx are well.
    Get(String),
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self { every: Duration::from_secs(5), timeout: Duration::from_secs(2), probe: Probe::Connect }
    }
}

/// The running checks. They end when it is dropped.
pub(super) struct Probes(Vec<AbortHandle>);

impl Probes {
    /// One task for each server that is not alone.
    pub(super) fn start(shared: &Arc<Shared>, check: &HealthCheck) -> Self {
        let shared_names = shared.pools.iter().filter(|(_, pool)| pool.len() > 1);
        let members = shared_names.flat_map(|(name, pool)| pool.members().iter().map(move |m| (name, m)));
        let start = |(name, member): (&String, &Arc<Member>)| {
            let watch = watch(Arc::clone(shared), name.clone(), Arc::clone(member), check.clone());
            tokio::spawn(watch).abort_handle()
        };
        Self(members.map(start).collect())
    }
}

impl Probes {
    pub(super) fn stop(&self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn watch(shared: Arc<Shared>, name: String, member: Arc<Member>, check: HealthCheck) {
    let mut turn = interval(check.every.max(Duration::from_millis(10)));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let found = timeout(check.timeout, probe(&shared, &name, &member, &check)).await;
        let well = found.unwrap_or(Err(OriginFailure::ReadTimeout));
        if let Err(failure) = &well {
            tracing::debug!(origin = name, server = ?member.server, %failure, "health check failed");
        }
        member.probed(if well.is_ok() { Probed::Well } else { Probed::Unwell }, Instant::now());
    }
}

async fn probe(
    shared: &Shared,
    name: &str,
    member: &Member,
    check: &HealthCheck,
) -> Result<(), OriginFailure> {
    let server = &member.server;
    let ips = shared.resolver.addresses(&server.host).await.map_err(OriginFailure::Dns)?;
    let addresses = shared.addresses.in_turn(ips, server.port, 0, Instant::now());
    let speaks = Speaks::Http1;
    let to = Destination { server, host: name, domain_name: name, client_certificate: None, speaks };
    let deadline = Instant::now() + check.timeout;
    let mut connected = shared.connector.fresh(&to, &addresses, &shared.addresses, deadline).await?;
    let Probe::Get(path) = &check.probe else { return Ok(()) };
    send_head(&mut connected.stream, &write_probe(name, path), check.timeout).await?;
    let nothing = Upload::new(RequestBody::None, Empty::new());
    let (head, _) = Exchange::new(connected.stream, nothing, check.timeout, None).response(&|_| {}).await?;
    if head.status.is_success() || head.status.is_redirection() {
        return Ok(());
    }
    Err(OriginFailure::InvalidResponse(format!("health check: {}", head.status)))
}
