//! The viewer-request rule of a site policy.
/// Placeholder until the rule lands.
#[derive(Debug, Clone)]
pub struct Rule {}
