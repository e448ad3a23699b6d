//! edge-core: what CloudFront would do with a request.
//!
//! "What would CloudFront do?" is a function of five values: the distribution, the viewer's request, what the cache
//! holds, what the origin said, and now. [`exchange`] asks for them step by step and decides; nothing outside
//! [`proxy`] connects, waits, spawns or reads a clock. Read the modules in this order:
//!
//! | module | what it is about |
//! | --- | --- |
//! | [`header`] | headers as types: small total parsers |
//! | [`script`] | JavaScript within limits, and nothing of what it is for |
//! | [`distribution`] | the checked model, and AWS documents into it |
//! | [`viewer`] | the request, the gate, devices |
//! | [`function`] | the viewer-request rule, and functions: their events and what they may return |
//! | [`cache`] | key, freshness, reuse, storing and the guard |
//! | [`origin`] | the origin request |
//! | [`response`] | what viewers see |
//! | [`exchange`] | begin, found, answered: the conductor |
//! | [`log`] | what a request came to, as CloudFront's access logs tell it |
//! | [`explain`] | all of it for one request, with the places in the configuration |
//! | [`lint`] | what is likely wrong with a distribution that loads |
//! | [`site`] | `edge.toml` and presets into AWS documents |
//! | [`generate`] | AWS documents into templates, scripts and programs that AWS takes |
//! | [`compare`] | what two configurations differ in |
//! | `proxy` | the data path (feature `proxy`, on by default) |
//!
//! The features `functions` and `http3`, on by default too, bring the engine that runs scripts, and QUIC.
//!
//! What holds everywhere: time is an argument; a request is checked once, at the door; only the gate makes what key
//! and origin request accept; a verdict carries its reason; nothing from a wire or a file panics.

pub mod cache;
pub mod compare;
pub mod distribution;
pub mod exchange;
pub mod explain;
pub mod function;
pub mod generate;
pub mod header;
pub mod lint;
pub mod log;
pub mod origin;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod response;
pub mod script;
pub mod site;
pub mod viewer;

#[cfg(feature = "proxy")]
pub use proxy::edge::Edge;
