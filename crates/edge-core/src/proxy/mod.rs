//! The data path: it obeys the core's steps and decides nothing.
//!
//! Everything that waits, connects, spawns or reads a clock is in here, and only here do tokio, hyper and pingora
//! have names.

pub mod access_log;
pub mod body;
pub mod clock;
mod compress;
pub mod edge;
pub mod fetch;
pub mod fill;
pub mod flights;
pub mod geo;
mod ids;
pub mod invalidations;
pub mod journal;
pub mod listen;
pub mod local_ca;
pub mod pool;
pub mod resolve;
pub mod server;
pub mod store;
pub mod tls;
