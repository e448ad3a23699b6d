//! How the fields of a head are written in HTTP/3 (RFC 9204), without the table that two sides build together.
//!
//! That table would save bytes, and cost memory for each connection and a stream's waiting for others; we offer none, so
//! no viewer may use one, and each head can be read by itself.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};

use super::fields::STATIC;
use super::huffman;

/// A field, by its bytes.
pub(super) type Field = (Bytes, Bytes);

/// What a field costs beside its bytes (RFC 9114 §4.2.2).
const FIELD_OVERHEAD: usize = 32;

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It has more bytes than it may have.
    TooLarge,
    /// It is not what the RFC says, and nothing after it could be trusted.
    Broken,
}

/// The fields of a head, which may have this size together.
pub(super) fn decode(block: &Bytes, size_max: usize) -> Result<Vec<Field>, Unreadable> {
    let mut rest = Rest { bytes: block, at: 0 };
    // Insertions it needs, which would be into our table; and a base, which says nothing then.
    let (required, _) = (rest.number(8)?, rest.number(7)?);
    if required != 0 {
        return Err(Unreadable::Broken);
    }
    let (mut fields, mut left) = (Vec::new(), size_max);
    while let Some(first) = rest.peek() {
        left = left.checked_sub(FIELD_OVERHEAD).ok_or(Unreadable::TooLarge)?;
        let (name, value) = match first {
            // Indexed, static.
            0b1100_0000.. => {
                let (name, value) = known(rest.number(6)?)?;
                (from(name), from(value))
            }
            // A literal with a name of the static table.
            0b0101_0000..=0b0101_1111 | 0b0111_0000..=0b0111_1111 => {
                let (name, _) = known(rest.number(4)?)?;
                (from(name), rest.text(7, left)?)
            }
            // A literal with a name of its own.
            0b0010_0000..=0b0011_1111 => (rest.text(3, left)?, rest.text(7, left)?),
            // All else is about the table that is not there.
            _ => return Err(Unreadable::Broken),
        };
        left = left.checked_sub(name.len() + value.len()).ok_or(Unreadable::TooLarge)?;
        fields.push((name, value));
    }
    Ok(fields)
}

fn known(index: usize) -> Result<(&'static str, &'static str), Unreadable> {
    STATIC.get(index).copied().ok_or(Unreadable::Broken)
}

fn from(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// What is left to read of a head.
struct Rest<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Rest<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let byte = self.peek().ok_or(Unreadable::Broken)?;
        self.at += 1;
        Ok(byte)
    }

    /// A number in the lowest bits of the next byte and those that follow (RFC 7541 §5.1).
    fn number(&mut self, bits: u32) -> Result<usize, Unreadable> {
        let mask = (1usize << bits) - 1;
        let mut value = usize::from(self.byte()?) & mask;
        if value < mask {
            return Ok(value);
        }
        // Four bytes more are enough for any head there may be.
        for shift in [0, 7, 14, 21] {
            let byte = usize::from(self.byte()?);
            value += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable::Broken)
    }

    /// A text whose length is in these bits; the bit above them says how it is written.
    fn text(&mut self, bits: u32, bytes_max: usize) -> Result<Bytes, Unreadable> {
        let is_huffman = self.peek().is_some_and(|first| first >> bits & 1 == 1);
        let length = self.number(bits)?;
        let end =
            self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or(Unreadable::Broken)?;
        let text = self.bytes.slice(self.at..end);
        self.at = end;
        if is_huffman { huffman::decode(&text, bytes_max).map(Bytes::from) } else { Ok(text) }
    }
}

/// The first index of each name.
static NAMES: LazyLock<HashMap<&str, usize>> =
    LazyLock::new(|| STATIC.iter().enumerate().rev().map(|(index, (name, _))| (*name, index)).collect());

/// What stands before the fields of a head: no insertions are needed.
pub(super) fn begin(out: &mut BytesMut) {
    out.put_slice(&[0, 0]);
}

/// Writes a field. The name is in lower case.
pub(super) fn encode(out: &mut BytesMut, name: &str, value: &[u8]) {
    match NAMES.get(name) {
        Some(&first) => {
            let same = STATIC.iter().enumerate().skip(first).take_while(|(_, (known, _))| *known == name);
            match same.map(|(index, (_, known))| (index, known)).find(|(_, known)| known.as_bytes() == value)
            {
                Some((index, _)) => return put_number(out, 0b1100_0000, 6, index),
                None => put_number(out, 0b0101_0000, 4, first),
            }
        }
        None => {
            put_number(out, 0b0010_0000, 3, name.len());
            out.put_slice(name.as_bytes());
        }
    }
    put_number(out, 0, 7, value.len());
    out.put_slice(value);
}

fn put_number(out: &mut BytesMut, pattern: u8, bits: u32, value: usize) {
    let mask = (1usize << bits) - 1;
    if value < mask {
        return out.put_u8(pattern | value as u8);
    }
    out.put_u8(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(block: &[u8], size_max: usize) -> Result<Vec<(String, String)>, Unreadable> {
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        let fields = decode(&Bytes::copy_from_slice(block), size_max)?;
        Ok(fields.into_iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// The first example of RFC 9204 Appendix B, and one of each kind.
    #[test]
    fn fields_are_read() {
        let path = b"\0\0\x51\x0b/index.html";
        assert_eq!(read(path, 100).unwrap(), [(":path".to_owned(), "/index.html".to_owned())]);
        assert_eq!(read(b"\0\0\xd1", 100).unwrap(), [(":method".to_owned(), "GET".to_owned())]);
        assert_eq!(read(b"\0\0\xff\x23", 200).unwrap()[0].0, "x-frame-options", "the last of the table");
        assert_eq!(read(b"\0\0\x21a\x01b", 100).unwrap(), [("a".to_owned(), "b".to_owned())]);
        let huffman = b"\0\0\x5f\x1d\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(read(huffman, 100).unwrap()[0].1, "www.example.com");
    }

    #[test]
    fn what_needs_a_table_or_ends_early_is_broken() {
        for block in [
            &b"\x01\0"[..],      // an insertion
            b"\0\0\x80",         // indexed, of the table
            b"\0\0\x10",         // behind the base
            b"\0\0\x40\x01a",    // a name of the table
            b"\0\0\x00\x01a",    // a name behind the base
            b"\0\0\xff\x24",     // beyond the static table
            b"\0\0\x51\x05/ind", // shorter than it says
            b"\0\0\xff\xff\xff\xff\xff\xff\x01",
            b"\0",
            b"",
        ] {
            assert_eq!(read(block, 1_000), Err(Unreadable::Broken), "{block:x?}");
        }
    }

    #[test]
    fn sizes_are_counted() {
        let block = b"\0\0\x21a\x03bcd\xd1";
        let whole = (32 + 4) + (32 + 7 + 3);
        assert!(read(block, whole).is_ok());
        assert_eq!(read(block, whole - 1), Err(Unreadable::TooLarge));
        // Of thousands of fields of two bytes each.
        let many = [&b"\0\0"[..], &[0xd1; 5_000]].concat();
        assert_eq!(read(&many, 10_000), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in prop::collection::vec((
            prop_oneof![prop::sample::select(STATIC.map(|(name, _)| name.to_owned()).to_vec()), "[a-z-]{1,300}"],
            prop_oneof![prop::sample::select(STATIC.map(|(_, value)| value.to_owned()).to_vec()), "[ -~]{0,300}"],
        ), 0..20)) {
            let mut out = BytesMut::new();
            begin(&mut out);
            fields.iter().for_each(|(name, value)| encode(&mut out, name, value.as_bytes()));
            prop_assert_eq!(read(&out, 100_000).unwrap(), fields);
        }

        #[test]
        fn any_bytes_are_dealt_with(bytes: Vec<u8>, size_max in 0usize..300) {
            if let Ok(fields) = decode(&Bytes::from([&b"\0\0"[..], &bytes].concat()), size_max) {
                let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
                prop_assert!(size <= size_max);
            }
        }
    }
}
