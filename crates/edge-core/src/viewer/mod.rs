//! What is known of a viewer's request before anything is decided about it.
pub mod device;
