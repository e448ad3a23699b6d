//! Path patterns (§2.1).
/// A path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {}
impl PathPattern { #[doc(hidden)] pub fn matches_bytes(&self, _b: &[u8]) -> bool { false } }
