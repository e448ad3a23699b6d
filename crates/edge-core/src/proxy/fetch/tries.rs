//! Which server is asked, how often, and what may be asked twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::{Instant, timeout};

use super::body::OriginBody;
use super::connect::{Connected, Destination, Speaks};
use super::exchange::{Exchange, Heard, Interim, send_head};
use super::failure::OriginFailure;
use super::head::{self, Head, KeepAlive};
use super::upload::Upload;
use super::{Call, OriginResponse, RequestBody, Scheme, Server, Shared, Timings, Verification};
use crate::distribution::OriginKind;
use crate::proxy::pool::{Member, Pool};
use crate::viewer::traffic::Traffic;

impl Shared {
    pub(super) async fn tries(
        &self,
        call: Call<'_>,
        upload: Upload,
        completion: Option<Instant>,
        heard: Heard<'_>,
    ) -> Result<OriginResponse, OriginFailure> {
        let head = head::write_request(&call, self.listener(&call))?;
        let repeatable = matches!(*call.method, Method::GET | Method::HEAD) && call.body == RequestBody::None;
        let pool = self.pool(&call);
        let attempts = usize::from(call.origin.connection_attempts.max(1));
        let (mut left, mut silent) = (attempts + pool.len() - 1, 0);
        let (mut tried, mut upload, mut reuse) = (Vec::new(), Some(upload), Reuse::Idle);
        let start = self.addresses.draw();
        loop {
            let now = Instant::now();
            let again = if reuse == Reuse::Never { tried.last().cloned() } else { None };
            let Some(member) = again.or_else(|| pool.pick(&tried, now)) else {
                return Err(OriginFailure::Dns("no server".to_owned()));
            };
            let one = Try { shared: self, call: &call, member: &member, head: &head, completion, heard };
            let failed = match one.run(&mut upload, reuse, start + tried.len()).await {
                Ok(response) => {
                    member.answered(Instant::now());
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            let safe = match failed.stage {
                Stage::NotSent => true,
                Stage::Sent => repeatable,
                Stage::Answered => false,
            };
            // An idle connection that turns out dead says nothing about the server: the same one again, anew.
            let stale = failed.kept && failed.failure.server_is_gone();
            if !stale && failed.stage != Stage::Answered && failed.failure.server_is_gone() {
                member.failed(Instant::now());
            }
            if failed.failure == OriginFailure::ReadTimeout && failed.stage != Stage::Answered {
                member.silent(Instant::now());
            }
            left -= usize::from(!stale);
            let pointless = pool.len() == 1 && failed.failure.will_repeat();
            // Further servers are tried for free, but not at the price of their silence.
            silent += usize::from(failed.failure == OriginFailure::ReadTimeout);
            let over = left == 0 || silent == attempts;
            if !safe || over || pointless || upload.is_none() && !repeatable {
                return Err(failed.failure);
            }
            reuse = if stale { Reuse::Never } else { Reuse::Idle };
            tried.push(member);
            if repeatable {
                upload = Some(Upload::new(RequestBody::None, http_body_util::Empty::new()));
            }
        }
    }

    /// Of the load balancer that the origin is, where it is one: what would have been asked.
    pub(super) fn listener(&self, call: &Call<'_>) -> Option<(Scheme, u16)> {
        let is_one =
            self.load_balancers.iter().any(|name| name.eq_ignore_ascii_case(&call.origin.domain_name));
        is_one.then(|| (call.scheme, port(call)))
    }

    /// Where a server is, each time beginning with another address.
    pub(super) async fn addresses_of(
        &self,
        server: &Server,
        limit: Duration,
        start: usize,
    ) -> Result<Vec<SocketAddr>, OriginFailure> {
        let ips = match timeout(limit, self.resolver.addresses(&server.host)).await {
            Ok(found) => found.map_err(OriginFailure::Dns)?,
            Err(_) => return Err(OriginFailure::Dns(format!("{}: no answer in time", server.host))),
        };
        Ok(self.addresses.in_turn(ips, server.port, start, Instant::now()))
    }

    pub(super) fn pool(&self, call: &Call<'_>) -> Arc<Pool> {
        if let Some(pool) = self.pools.get(&call.origin.domain_name.to_ascii_lowercase()) {
            return Arc::clone(pool);
        }
        let port = port(call);
        let (scheme, verification) = (call.scheme, Verification::Strict);
        let host = call.origin.domain_name.clone();
        Arc::new(Pool::new([Server { scheme, host, port, verification }]))
    }
}

/// The origin's own, for the scheme it is asked by.
fn port(call: &Call<'_>) -> u16 {
    match (call.origin.kind, call.scheme) {
        (OriginKind::Custom { http_port, .. }, Scheme::Http) => http_port,
        (OriginKind::Custom { https_port, .. }, Scheme::Https) => https_port,
        (OriginKind::S3, Scheme::Http) => 80,
        (OriginKind::S3, Scheme::Https) => 443,
    }
}

/// Whether an idle connection may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Idle,
    Never,
}

/// How far a try came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The origin cannot have acted on the request.
    NotSent,
    /// It may have.
    Sent,
    /// It has begun to answer.
    Answered,
}

struct Failed {
    failure: OriginFailure,
    stage: Stage,
    /// Whether it happened on a kept connection.
    kept: bool,
}

struct Try<'a> {
    shared: &'a Shared,
    call: &'a Call<'a>,
    member: &'a Arc<Member>,
    head: &'a [u8],
    completion: Option<Instant>,
    heard: Heard<'a>,
}

impl Try<'_> {
    async fn run(
        &self,
        upload: &mut Option<Upload>,
        reuse: Reuse,
        start: usize,
    ) -> Result<OriginResponse, Failed> {
        let lease = self.member.lease();
        let unsent = |failure| Failed { failure, stage: Stage::NotSent, kept: false };
        let (mut connected, kept, mut timings) = self.connect(reuse, start).await.map_err(unsent)?;
        let began = Instant::now();
        let origin = self.call.origin;
        let sent = send_head(&mut connected.stream, self.head, origin.read_timeout).await;
        sent.map_err(|failure| Failed { failure, stage: Stage::NotSent, kept })?;
        let Some(upload) = upload.take() else {
            return Err(Failed { failure: OriginFailure::ClosedBeforeResponse, stage: Stage::Sent, kept });
        };
        let Connected { stream, address, home } = connected;
        let mut exchange = Exchange::new(stream, upload, origin.read_timeout, self.completion);
        if self.call.traffic == Traffic::WebSocket {
            exchange = exchange.asked_to_switch();
        }
        let result = exchange.response(self.heard).await;
        let result = result.and_then(|(mut head, interim)| {
            let framing = head.framing(self.call.method)?;
            Ok((head, interim, framing))
        });
        let (head, interim, framing) = result.map_err(|failure| {
            let stage = if exchange.answered() { Stage::Answered } else { Stage::Sent };
            Failed { failure, stage, kept }
        })?;
        timings.first_byte = began.elapsed();
        let home = self.idle_time(&head, &interim).map(|idle| (home, idle));
        let Head { status, version, headers, .. } = head;
        let body = match status {
            StatusCode::SWITCHING_PROTOCOLS => OriginBody::of_tunnel(exchange, lease),
            _ => OriginBody::new(framing, exchange, home, lease),
        };
        Ok(OriginResponse { status, version, headers, body, server: address, timings, interim })
    }

    async fn connect(&self, reuse: Reuse, start: usize) -> Result<(Connected, bool, Timings), OriginFailure> {
        let (call, server) = (self.call, &self.member.server);
        let to = Destination::of(call, server, Speaks::Http1);
        let (began, limit) = (Instant::now(), call.origin.connection_timeout);
        let addresses = self.shared.addresses_of(server, limit, start).await?;
        let timings = Timings { dns: began.elapsed(), connect: Duration::ZERO, first_byte: Duration::ZERO };
        let deadline = began + limit;
        let connector = &self.shared.connector;
        if reuse == Reuse::Idle
            && let Some(connected) = connector.idle(&to, &addresses).await
        {
            return Ok((connected, true, timings));
        }
        let connecting = Instant::now();
        let connected = connector.fresh(&to, &addresses, &self.shared.addresses, deadline).await?;
        Ok((connected, false, Timings { connect: connecting.elapsed(), ..timings }))
    }

    /// How long the connection may wait for its next request, if it may at all.
    fn idle_time(&self, head: &Head, interim: &[Interim]) -> Option<Duration> {
        // No 100 was asked for: whoever sends one may be off by a message.
        if interim.iter().any(|interim| interim.status == StatusCode::CONTINUE) {
            return None;
        }
        let ours = self.call.origin.keepalive_timeout;
        let idle = match head.keep_alive() {
            KeepAlive::No => return None,
            KeepAlive::Yes => ours,
            // A second less than the origin waits: it should not close while we send.
            KeepAlive::Seconds(theirs) => ours.min(Duration::from_secs(theirs.saturating_sub(1))),
        };
        (!idle.is_zero()).then_some(idle)
    }
}
