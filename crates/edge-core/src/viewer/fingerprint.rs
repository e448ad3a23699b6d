//! The fingerprints of a TLS viewer: JA3 and JA4 of its first message (§6).
//!
//! Both are public: JA3 by Salesforce, JA4 by FoxIO (of that family this is the part under a BSD licence). They depend on
//! the order in which a viewer writes things, which no TLS library tells: so the message is read here once more, after the
//! library has taken it. It refuses to know what a handshake is for; what it cannot read has no fingerprint.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest};

/// What is told of a viewer's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// 32 hexadecimal digits.
    pub ja3: String,
    /// As in `t13d1516h2_8daaf6152771_e5627efa2ab1`.
    pub ja4: String,
}

impl Fingerprint {
    /// Of what a viewer sent first, as it came over TCP: one TLS record or more. `None` where a ClientHello does not
    /// begin there, or does not end.
    pub fn of(records: &[u8]) -> Option<Self> {
        let message = handshake(records)?;
        let hello = Hello::read(&message)?;
        Some(Self { ja3: hello.ja3(), ja4: hello.ja4() })
    }
}

/// More than any viewer sends.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
const RECORD_OF_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// The body of the first handshake message, put together from its records (RFC 8446 §5.1).
fn handshake(records: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Bytes(records);
    let mut message = Vec::new();
    loop {
        let kind = rest.byte()?;
        rest.number()?; // the version of the record means nothing
        let fragment = rest.list16()?.0;
        if kind != RECORD_OF_HANDSHAKE || fragment.is_empty() {
            return None;
        }
        message.extend_from_slice(fragment);
        let mut read = Bytes(&message);
        if let (Some(kind), Some(high), Some(low)) = (read.byte(), read.byte(), read.number()) {
            let length = usize::from(high) << 16 | usize::from(low);
            if kind != CLIENT_HELLO || length > MESSAGE_BYTES_MAX {
                return None;
            }
            if let Some(body) = read.take(length) {
                return Some(body.to_vec());
            }
        }
    }
}

/// A ClientHello (RFC 8446 §4.1.2), as far as the fingerprints know it, in the viewer's order and without GREASE.
#[derive(Default)]
struct Hello {
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    groups: Vec<u16>,
    point_formats: Vec<u16>,
    signature_algorithms: Vec<u16>,
    versions: Vec<u16>,
    /// The first of them.
    alpn: Vec<u8>,
}

impl Hello {
    fn read(body: &[u8]) -> Option<Self> {
        let mut rest = Bytes(body);
        let version = rest.number()?;
        rest.take(32)?; // random
        rest.list8()?; // session
        let ciphers = rest.list16()?.numbers();
        rest.list8()?; // compression
        let mut hello = Self { version, ciphers, ..Self::default() };
        if rest.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = rest.list16()?;
        while !extensions.0.is_empty() {
            let (kind, inside) = (extensions.number()?, extensions.list16()?);
            if !is_grease(kind) {
                hello.extensions.push(kind);
                hello.extension(kind, inside)?;
            }
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, mut inside: Bytes<'_>) -> Option<()> {
        match kind {
            SUPPORTED_GROUPS => self.groups = inside.list16()?.numbers(),
            EC_POINT_FORMATS => {
                self.point_formats = inside.list8()?.0.iter().copied().map(u16::from).collect();
            }
            SIGNATURE_ALGORITHMS => self.signature_algorithms = inside.list16()?.numbers(),
            ALPN => self.alpn = inside.list16()?.list8()?.0.to_vec(),
            SUPPORTED_VERSIONS => self.versions = inside.list8()?.numbers(),
            _ => {}
        }
        Some(())
    }

    fn ja3(&self) -> String {
        let list = |numbers: &[u16]| numbers.iter().map(u16::to_string).collect::<Vec<_>>().join("-");
        let lists = [&self.ciphers, &self.extensions, &self.groups, &self.point_formats];
        let text = format!("{},{}", self.version, lists.map(|numbers| list(numbers)).join(","));
        hex(&Md5::digest(text), 16)
    }

    fn ja4(&self) -> String {
        let version = match self.versions.iter().copied().max().unwrap_or(self.version) {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        };
        let name = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let count = |numbers: &[u16]| numbers.len().min(99);
        let (ciphers, extensions) = (count(&self.ciphers), count(&self.extensions));
        let told = self.extensions.iter().copied().filter(|kind| ![SERVER_NAME, ALPN].contains(kind));
        let mut text = sorted(told);
        if !self.signature_algorithms.is_empty() {
            text.push('_');
            text.push_str(&joined(&self.signature_algorithms));
        }
        let no_extension = self.extensions.is_empty();
        format!(
            "t{version}{name}{ciphers:02}{extensions:02}{}_{}_{}",
            self.protocol(),
            part(&sorted(self.ciphers.iter().copied()), self.ciphers.is_empty()),
            part(&text, no_extension),
        )
    }

    /// First and last letter of the first application protocol; of its hexadecimal form where they are none.
    fn protocol(&self) -> String {
        match (self.alpn.first(), self.alpn.last()) {
            (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
                [char::from(*first), char::from(*last)].iter().collect()
            }
            (Some(first), Some(last)) => format!("{:x}{:x}", first >> 4, last & 15),
            _ => "00".to_owned(),
        }
    }
}

/// RFC 8701: numbers that say nothing, so that nobody relies on knowing them all.
fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

fn sorted(numbers: impl Iterator<Item = u16>) -> String {
    let mut numbers: Vec<u16> = numbers.collect();
    numbers.sort_unstable();
    joined(&numbers)
}

fn joined(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

/// The first twelve digits of the hash, zeros for nothing.
fn part(text: &str, nothing: bool) -> String {
    if nothing { "0".repeat(12) } else { hex(digest(&SHA256, text.as_bytes()).as_ref(), 6) }
}

fn hex(bytes: &[u8], count: usize) -> String {
    bytes.iter().take(count).fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Bytes that are left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// What its own length says, in one byte.
    fn list8(&mut self) -> Option<Self> {
        let length = self.byte()?;
        self.take(length.into()).map(Bytes)
    }

    /// The same, in two.
    fn list16(&mut self) -> Option<Self> {
        let length = self.number()?;
        self.take(length.into()).map(Bytes)
    }

    /// All of it, without GREASE.
    fn numbers(mut self) -> Vec<u16> {
        let numbers = std::iter::from_fn(|| self.number());
        numbers.filter(|&number| !is_grease(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list16(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
    }

    fn list8(bytes: &[u8]) -> Vec<u8> {
        [&[bytes.len() as u8][..], bytes].concat()
    }

    fn numbers(numbers: &[u16]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// A ClientHello in records of at most this many bytes.
    fn records(version: u16, ciphers: &[u16], extensions: &[(u16, Vec<u8>)], most: usize) -> Vec<u8> {
        let mut body =
            [&version.to_be_bytes()[..], &[7; 32], &list8(&[]), &list16(&numbers(ciphers))].concat();
        body.extend(list8(&[0]));
        if !extensions.is_empty() {
            let all = extensions
                .iter()
                .flat_map(|(kind, inside)| [kind.to_be_bytes().to_vec(), list16(inside)].concat());
            body.extend(list16(&all.collect::<Vec<_>>()));
        }
        let length = (body.len() as u32).to_be_bytes();
        let message = [&[1], &length[1..], &body].concat();
        message.chunks(most).flat_map(|part| [vec![22, 3, 1], list16(part)].concat()).collect()
    }

    fn of(version: u16, ciphers: &[u16], extensions: &[(u16, Vec<u8>)]) -> Fingerprint {
        let whole = Fingerprint::of(&records(version, ciphers, extensions, 16_000)).unwrap();
        assert_eq!(Fingerprint::of(&records(version, ciphers, extensions, 3)), Some(whole.clone()));
        whole
    }

    /// The two of its authors (salesforce/ja3).
    #[test]
    fn ja3_is_as_published() {
        let ciphers = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let extensions = [(0, vec![]), (10, list16(&numbers(&[23, 24, 25]))), (11, list8(&[0]))];
        assert_eq!(of(769, &ciphers, &extensions).ja3, "ada70206e40642a3e4461f35503241d5");
        let ciphers = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99];
        assert_eq!(of(769, &ciphers, &[]).ja3, "de350869b8c85de67a350c8d186f11e6");
    }

    /// A browser's, in an order of its own and with GREASE.
    fn browser() -> (Vec<u16>, Vec<(u16, Vec<u8>)>) {
        let ciphers = vec![
            0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x9c, 0x9d, 0x2f, 0x35,
        ];
        let signatures = numbers(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]);
        let mut extensions: Vec<(u16, Vec<u8>)> =
            [0x1b, 0x00, 0x33, 0x4469, 0x17, 0x2d, 0x05, 0x23, 0x12, 0xff01, 0x15]
                .map(|kind| (kind, Vec::new()))
                .into();
        extensions.push((0x10, list16(&[list8(b"h2"), list8(b"http/1.1")].concat())));
        extensions.push((0x0d, list16(&signatures)));
        extensions.push((0x2b, list8(&numbers(&[0x7a7a, 0x0304, 0x0303]))));
        extensions.push((0x0a, list16(&numbers(&[0x5a5a, 29, 23, 24]))));
        extensions.push((0x0b, list8(&[0])));
        extensions.push((0x8a8a, vec![0]));
        (ciphers, extensions)
    }

    /// The one of its authors (FoxIO-LLC/ja4).
    #[test]
    fn ja4_is_as_published() {
        let (ciphers, extensions) = browser();
        assert_eq!(of(0x0303, &ciphers, &extensions).ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_says_what_is_missing() {
        let protocol = |name: &[u8]| vec![(0x10, list16(&list8(name)))];
        assert_eq!(of(0x0303, &[], &[]).ja4, "t12i000000_000000000000_000000000000");
        assert!(of(0x0301, &[1], &protocol(b"h3")).ja4.starts_with("t10i0101h3_"));
        assert!(of(0x0300, &[1, 0x0a0a], &protocol(b"")).ja4.starts_with("ts3i010100_"));
        assert!(of(0x0303, &[1], &protocol(&[0xab, 0xcd])).ja4.starts_with("t12i0101ad_"));
        assert!(of(0x0303, &(0x100..0x200).collect::<Vec<_>>(), &[]).ja4.starts_with("t12i9900"));
    }

    /// JA3 knows the order of extensions, JA4 does not.
    #[test]
    fn the_order_matters_to_one_of_them() {
        let (ciphers, mut extensions) = browser();
        let one = of(0x0303, &ciphers, &extensions);
        extensions.reverse();
        let other = of(0x0303, &ciphers, &extensions);
        assert_ne!(one.ja3, other.ja3);
        assert_eq!(one.ja4, other.ja4);
    }

    #[test]
    fn what_is_no_hello_has_none() {
        let (ciphers, extensions) = browser();
        let good = records(0x0303, &ciphers, &extensions, 16_000);
        for end in 0..good.len() {
            assert_eq!(Fingerprint::of(&good[..end]), None, "cut after {end}");
        }
        for (at, byte) in [(0, 23), (5, 2), (3, 0xff), (6, 0xff)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Fingerprint::of(&bad), None, "{at}");
        }
        let more = [good.clone(), vec![23, 3, 3, 0, 1, 0]].concat();
        assert_eq!(Fingerprint::of(&more), Fingerprint::of(&good), "what comes after does not count");
        assert_eq!(Fingerprint::of(&[22, 3, 1, 0, 0]), None);
    }

    proptest::proptest! {
        /// Any bytes are answered, and what has a fingerprint has both in their form.
        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>, at in 0usize..300, byte: u8) {
            let (ciphers, extensions) = browser();
            let mut changed = records(0x0303, &ciphers, &extensions, 100);
            let place = at % changed.len();
            changed[place] = byte;
            for input in [bytes, changed] {
                if let Some(Fingerprint { ja3, ja4 }) = Fingerprint::of(&input) {
                    proptest::prop_assert!(ja3.len() == 32 && ja3.bytes().all(|byte| byte.is_ascii_hexdigit()));
                    proptest::prop_assert!(ja4.len() == 36 && ja4.bytes().all(|byte| byte.is_ascii_graphic()), "{}", ja4);
                }
            }
        }
    }
}
