//! The whole program in front of a real WordPress: what viewers get, and what reaches WordPress.
//!
//! `make wordpress` runs these. One WordPress serves them all ([`wordpress::site`]); each test has an edge of its own,
//! so each begins with an empty cache ([`wordpress::edge`]). Tests take turns, because they share WordPress.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; clippy knows #[test], not its helpers"
)]

mod wordpress {
    mod agents;
    mod bundle;
    mod caching;
    mod client;
    mod edge;
    mod generated;
    mod jar;
    mod leak;
    mod outages;
    mod people;
    mod sessions;
    mod site;
    mod template;
    mod throughput;
    mod tricks;
    mod uploads;
}
