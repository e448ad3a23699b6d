//! edge-core: what CloudFront would do with a request.
pub mod cache;
pub mod distribution;
pub mod function;
pub mod header;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod viewer;
