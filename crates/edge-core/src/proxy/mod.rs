//! The data path: sockets, TLS and clocks around the decisions. Nothing outside this module knows tokio or hyper.
pub mod clock;
pub mod listen;
pub mod local_ca;
pub mod tls;
