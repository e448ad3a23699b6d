//! To come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class { Mobile, Tablet, Desktop, SmartTv }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os { Ios, Android, Other }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device { pub class: Class, pub os: Os }
impl Device { pub const UNKNOWN: Self = Self { class: Class::Desktop, os: Os::Other };
 pub fn header(self, _n: &http::HeaderName) -> Option<bool> { None } }
#[derive(Debug)]
pub struct Memo {}
impl Memo { pub fn new(_c: usize) -> Self { Self {} } pub fn device(&self, _ua: &[u8]) -> Device { Device::UNKNOWN } }
