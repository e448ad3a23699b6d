//! edge-core: what CloudFront would do with a request.
pub mod cache;
pub mod distribution;
pub mod function;
pub mod header;
pub mod viewer;
