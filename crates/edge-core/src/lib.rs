//! edge-core: what CloudFront would do with a request.
pub mod cache;
pub mod distribution;
pub mod exchange;
pub mod function;
pub mod header;
pub mod origin;
pub mod response;
pub mod site;
pub mod viewer;
