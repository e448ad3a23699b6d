//! What a signature permits: a canned policy, written anew from the request, or a custom one as it was sent (§12.2).
//!
//! It refuses to know keys.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Denied;
use super::credential::{self, Credential, Field};
use super::resource::{self, Url};

/// The two ways to say what is permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// This URL until `Expires`.
    Canned,
    /// `Policy`.
    Custom,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canned => "canned",
            Self::Custom => "custom",
        })
    }
}

/// A policy, and the bytes that are signed.
#[derive(Debug)]
pub(super) enum Policy {
    /// Its URL is the request's: whether that was signed, the signature tells.
    Canned { until: u64, signed: String },
    /// As it was sent.
    Custom { statement: Statement, signed: Vec<u8> },
}

/// Times are 64-bit numbers (§12.2).
const TIME_MAX: u64 = i64::MAX as u64;

impl Policy {
    /// `Policy` wins over `Expires` *(unsure)*.
    pub(super) fn read(credential: &Credential<'_>, url: &Url<'_>) -> Result<Self, Denied> {
        match (credential.policy, credential.expires) {
            (Field::Once(text), _) => {
                let signed = credential::decode(text).ok_or(Denied::NotAPolicy)?;
                let statement = Statement::read(&signed).ok_or(Denied::NotAPolicy)?;
                Ok(Self::Custom { statement, signed })
            }
            (Field::Absent, Field::Once(text)) => {
                let until = time(text).ok_or(Denied::NotAPolicy)?;
                Ok(Self::Canned { until, signed: canned(url, until) })
            }
            (Field::Absent, Field::Absent) => Err(Denied::NoPolicy),
            (Field::Repeated, _) | (_, Field::Repeated) => Err(Denied::NotAPolicy),
        }
    }

    pub(super) fn form(&self) -> Form {
        match self {
            Self::Canned { .. } => Form::Canned,
            Self::Custom { .. } => Form::Custom,
        }
    }

    /// The bytes the signature is over.
    pub(super) fn signed(&self) -> &[u8] {
        match self {
            Self::Canned { signed, .. } => signed.as_bytes(),
            Self::Custom { signed, .. } => signed,
        }
    }

    /// Good before this second since 1970.
    pub(super) fn until(&self) -> u64 {
        match self {
            Self::Canned { until, .. } => *until,
            Self::Custom { statement, .. } => statement.condition.until.seconds,
        }
    }

    /// Whether it permits this, in the order of §12.2: resource, dates, address.
    pub(super) fn permits(&self, url: &Url<'_>, peer: IpAddr, now: SystemTime) -> Result<(), Denied> {
        // Whole seconds: a second that has come is not before itself, and one that lasts is not over.
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Self::Custom { statement: Statement { resource: Some(pattern), .. }, .. } = self
            && !resource::covers(pattern, url)
        {
            return Err(Denied::OtherResource);
        }
        if now >= self.until() {
            return Err(Denied::Expired);
        }
        let Self::Custom { statement: Statement { condition, .. }, .. } = self else { return Ok(()) };
        if condition.after.as_ref().is_some_and(|after| now <= after.seconds) {
            return Err(Denied::NotYet);
        }
        if condition.address.as_ref().is_some_and(|address| !address.range.contains(peer)) {
            return Err(Denied::OtherAddress);
        }
        Ok(())
    }
}

/// A time as a signer writes it: one spelling each.
fn time(text: &[u8]) -> Option<u64> {
    let digits =
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_plain = digits.len() == 1 || !digits.starts_with('0');
    digits.parse().ok().filter(|seconds| is_plain && *seconds <= TIME_MAX)
}

/// Exactly the text signers make, without white space.
fn canned(url: &Url<'_>, until: u64) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{url}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{until}}}}}}}]}}"#
    )
}

/// The one statement of a custom policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statement {
    /// Without it, everything.
    #[serde(rename = "Resource", default, deserialize_with = "present")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(rename = "DateLessThan")]
    until: Time,
    #[serde(rename = "DateGreaterThan", default, deserialize_with = "present")]
    after: Option<Time>,
    #[serde(rename = "IpAddress", default, deserialize_with = "present")]
    address: Option<Address>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    #[serde(rename = "AWS:EpochTime")]
    seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    #[serde(rename = "AWS:SourceIp")]
    range: Network,
}

/// Addresses that begin alike.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Network {
    address: u32,
    mask: u32,
}

/// A field that is there has a value: `null` is none.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Statement {
    /// `None` where it is no policy: other keys, a key twice, another type, more than one statement.
    fn read(text: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            #[serde(rename = "Statement")]
            statement: [Statement; 1],
        }
        let text = with_json_escapes(text);
        // An object may be written as an array for serde, but not for CloudFront: the statements are the only one.
        let value: Value = serde_json::from_slice(&text).ok()?;
        let Document { statement: [statement] } = serde_json::from_slice(&text).ok()?;
        let condition = &statement.condition;
        let times = [Some(&condition.until), condition.after.as_ref()];
        let fits = times.into_iter().flatten().all(|time| time.seconds <= TIME_MAX);
        (fits && arrays(&value) == 1).then_some(statement)
    }
}

fn arrays(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(arrays).sum::<usize>(),
        Value::Object(fields) => fields.values().map(arrays).sum(),
        _ => 0,
    }
}

/// `\?` is written so in many policies, by an older text of the guide: JSON wants `\\?` *(unsure)*.
fn with_json_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 4);
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        out.push(byte);
        if byte == b'\\' {
            match bytes.peek() {
                Some(b'?') => out.push(b'\\'),
                _ => out.extend(bytes.next()), // an escape is two characters, the second may be a backslash too
            }
        }
    }
    out
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    /// `192.0.2.0/24`, or one address *(unsure)*.
    fn try_from(text: String) -> Result<Self, &'static str> {
        const WRONG: &str = "neither an IPv4 address nor a range of them";
        let (address, bits) = text.split_once('/').unwrap_or((&text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| WRONG)?;
        let bits = time(bits.as_bytes()).and_then(|bits| u32::try_from(bits).ok()).ok_or(WRONG)?;
        let zeros = 32_u32.checked_sub(bits).ok_or(WRONG)?;
        let mask = u32::MAX.checked_shl(zeros).unwrap_or(0);
        Ok(Self { address: address.to_bits() & mask, mask })
    }
}

impl Network {
    /// A viewer with an IPv6 address is in no range (§12.2).
    fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => address.to_bits() & self.mask == self.address,
            IpAddr::V6(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_spelling() {
        assert_eq!(time(b"0"), Some(0));
        assert_eq!(time(b"9223372036854775807"), Some(TIME_MAX));
        for bad in [
            "",
            "+1",
            "-1",
            "01",
            " 1",
            "1.0",
            "1e3",
            "9223372036854775808",
            "99999999999999999999",
            "\u{661}",
        ] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn networks() {
        let network = |text: &str| Network::try_from(text.to_owned());
        let contains = |text: &str, address: &str| network(text).unwrap().contains(address.parse().unwrap());
        for (range, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.77/24", "192.0.2.1", "192.0.1.77"),
            ("192.0.2.2/32", "192.0.2.2", "192.0.2.3"),
            ("192.0.2.2", "192.0.2.2", "192.0.2.3"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
            ("0.0.0.0/0", "198.51.100.1", "2001:db8::1"),
            ("192.0.2.2/32", "::ffff:192.0.2.2", "::ffff:192.0.2.3"),
        ] {
            assert!(contains(range, inside), "{inside} in {range}");
            assert!(!contains(range, outside), "{outside} not in {range}");
        }
        for bad in [
            "",
            "192.0.2",
            "192.0.2.0/",
            "192.0.2.0/33",
            "192.0.2.0/+8",
            "192.0.2.0/08",
            "2001:db8::/32",
            "*",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_bare_escape_is_mended() {
        for (text, mended) in [
            (r"a\?b", r"a\\?b"),
            (r"a\\?b", r"a\\?b"),
            (r"\?", r"\\?"),
            (r"\n\", r"\n\"),
            (r"\\\?", r"\\\\?"),
            ("", ""),
        ] {
            assert_eq!(with_json_escapes(text.as_bytes()), mended.as_bytes(), "{text}");
        }
    }
}
