//! edge-core: what CloudFront would do with a request.
pub mod distribution;
pub mod function;
pub mod header;
pub mod viewer;
pub mod cache;
#[cfg(feature = "proxy")]
pub mod proxy;
