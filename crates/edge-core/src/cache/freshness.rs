//! Placeholder.
use std::time::{Duration, SystemTime};
use http::{HeaderMap, StatusCode};
use crate::{distribution::Ttl, header::cache_control::CacheControl};
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Rule { Default }
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum NotStored { X }
#[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum Reuse { WhileFresh, RevalidateEachTime }
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifetime { Store { ttl: Duration, rule: Rule, reuse: Reuse }, DoNotStore { because: NotStored } }
pub fn lifetime(_status: StatusCode, _headers: &HeaderMap, _cc: &CacheControl, _ttl: &Ttl, _e: Duration, _now: SystemTime) -> Lifetime { Lifetime::DoNotStore{because: NotStored::X} }
pub fn initial_age(_h: &HeaderMap, _a: SystemTime, _b: SystemTime) -> Duration { Duration::ZERO }
