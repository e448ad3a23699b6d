//! Viewers against a listener, over loopback: what reaches the service, what is refused, what is cut, what is finished.
//! Nothing sleeps: deadlines are made small, and tests wait for events.
#![cfg(feature = "proxy")]

mod framing;
mod http2;
mod limits;
mod stop;
mod support;
mod tls;
mod upgrade;
