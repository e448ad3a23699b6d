//! The data path: it obeys the core's steps and decides nothing.
//!
//! Everything that waits, connects, spawns or reads a clock is in here, and only here do tokio, hyper and pingora
//! have names.

pub mod body;
pub mod edge;
pub mod fill;
pub mod flights;
pub mod store;
