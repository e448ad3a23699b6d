//! Viewers against a listener, over loopback: what reaches the service, what is refused, what is cut, what is finished.
//! Nothing sleeps: deadlines are made small, and tests wait for events.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

#[cfg(feature = "functions")]
mod connection_functions;
mod connection_log;
mod fingerprints;
mod framing;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod interim;
mod limits;
mod mtls;
mod policies;
mod stop;
mod support;
mod tls;
mod upgrade;
