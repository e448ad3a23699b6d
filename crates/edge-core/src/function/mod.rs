//! Viewer-request functions. Today: the rule the site policy compiles to, run natively.
pub mod rule;
