//! edge-core: what CloudFront would do with a request.
pub mod cache;
pub mod distribution;
pub mod exchange;
pub mod function;
pub mod header;
pub mod origin;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod response;
pub mod site;
pub mod viewer;
