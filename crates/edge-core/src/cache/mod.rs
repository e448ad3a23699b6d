//! What is kept, under which key, for how long, and whether it may be shared.

pub mod freshness;
