//! The data path: it carries out what the core decides, and decides nothing itself.
pub mod fetch;
pub mod pool;
pub mod resolve;
