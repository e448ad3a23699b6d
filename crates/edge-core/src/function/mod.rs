//! The functions of a behavior: the rule a site policy compiles to, run natively, and scripts of the owner's (§14).
//!
//! A script is given an event made of the request ([`event`]), and what it returns is checked ([`validate`]) before it
//! changes anything. Both are functions of values; what runs in between is `script`'s affair. Nothing here knows what
//! is cached, and of an origin only what a function may ask for ([`reroute`]). One by itself is tested with an event somebody wrote ([`trial`]). A function of connections decides about a
//! viewer before his first request ([`connection`]).

pub mod connection;
pub mod event;
pub mod lambda;
pub mod reroute;
pub mod rule;
pub mod run;
pub mod trial;
pub mod validate;
