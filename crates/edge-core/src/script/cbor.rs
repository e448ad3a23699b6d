//! CBOR (RFC 8949) as far as tokens need it: read strictly, written in its shortest form.
//!
//! A token comes from anybody, so reading is total: every length is checked against what is there before anything is
//! made of it, nesting ends, and what a function could not tell apart (a label twice, `1` beside `"1"`) is refused, as is
//! what no issuer needs (lengths left open). A crate would do the heads alone, a page of code: of the two that are well
//! known one is no longer released, the other's licence is none of ours, and neither knows these refusals. It refuses to
//! know what a token is.

use std::collections::HashSet;
use std::fmt;

/// Arrays, maps and tags inside each other.
pub(super) const DEPTH_MAX: usize = 16;
/// Beyond this a number of JavaScript is no longer exact.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// One data item.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Integer(i64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    /// No label twice.
    Map(Vec<(Label, Item)>),
    Tagged(u64, Box<Item>),
    Bool(bool),
    Null,
    Undefined,
}

/// A key of a map, of the two kinds COSE has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Integer(i64),
    Text(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Label {
    /// Of a name of JavaScript, where labels that are numbers are written so.
    pub(super) fn of(name: &str) -> Self {
        match name.parse::<i64>() {
            Ok(number) if number.to_string() == name && number.unsigned_abs() <= INTEGER_MAX => {
                Self::Integer(number)
            }
            _ => Self::Text(name.to_owned()),
        }
    }
}

/// What is wrong with bytes, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// In bytes from the start.
    pub(super) at: usize,
    pub(super) what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.what)
    }
}

/// The one item the bytes are, to the last.
pub(super) fn read(bytes: &[u8]) -> Result<Item, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    let item = reader.item(DEPTH_MAX)?;
    if reader.at == bytes.len() { Ok(item) } else { Err(reader.malformed("something follows the item")) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.malformed("it ends too early"))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// The kind of the next item, its five bits, and its number: a length, a count, a tag, a value.
    fn head(&mut self) -> Result<(u8, u8, u64), Malformed> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let short = first & 0b1_1111;
        let number = match short {
            0..24 => u64::from(short),
            24..28 => {
                self.take(1 << (short - 24))?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            31 => return Err(self.malformed("lengths left open are not read")),
            _ => return Err(self.malformed("no such length")),
        };
        Ok((first >> 5, short, number))
    }

    fn item(&mut self, depth: usize) -> Result<Item, Malformed> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.malformed("too much is nested"));
        };
        let (kind, short, number) = self.head()?;
        Ok(match kind {
            0 => Item::Integer(self.integer(number)?),
            1 => Item::Integer(-1 - self.integer(number)?),
            2 => Item::Bytes(self.take(number)?.to_vec()),
            3 => Item::Text(self.text(number)?),
            4 => {
                // Each element is a byte at least, so the bytes end it whatever it says.
                let mut items = Vec::new();
                for _ in 0..number {
                    items.push(self.item(depth)?);
                }
                Item::Array(items)
            }
            5 => self.map(number, depth)?,
            6 => Item::Tagged(number, Box::new(self.item(depth)?)),
            _ => self.simple(short, number)?,
        })
    }

    fn integer(&self, number: u64) -> Result<i64, Malformed> {
        let exact = (number < INTEGER_MAX).then(|| i64::try_from(number).ok()).flatten();
        exact.ok_or_else(|| self.malformed("an integer beyond what a number holds"))
    }

    fn text(&mut self, length: u64) -> Result<String, Malformed> {
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.malformed("text that is not UTF-8"))
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Item, Malformed> {
        let (mut entries, mut names) = (Vec::new(), HashSet::new());
        for _ in 0..count {
            let (kind, _, number) = self.head()?;
            let label = match kind {
                0 => Label::Integer(self.integer(number)?),
                1 => Label::Integer(-1 - self.integer(number)?),
                3 => Label::Text(self.text(number)?),
                _ => return Err(self.malformed("a label that is neither an integer nor text")),
            };
            if !names.insert(label.to_string()) {
                return Err(self.malformed("a label twice"));
            }
            entries.push((label, self.item(depth)?));
        }
        Ok(Item::Map(entries))
    }

    fn simple(&self, short: u8, number: u64) -> Result<Item, Malformed> {
        Ok(match (short, number) {
            (20, _) => Item::Bool(false),
            (21, _) => Item::Bool(true),
            (22, _) => Item::Null,
            (23, _) => Item::Undefined,
            (25, bits) => Item::Float(half(bits)),
            (26, bits) => Item::Float(f32::from_bits(u32::try_from(bits).unwrap_or_default()).into()),
            (27, bits) => Item::Float(f64::from_bits(bits)),
            _ => return Err(self.malformed("a simple value nobody knows")),
        })
    }
}

/// A float of 16 bits (RFC 8949 appendix D).
fn half(bits: u64) -> f64 {
    let (exponent, fraction) = ((bits >> 10) & 31, (bits & 0x3ff) as f64);
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(i32::try_from(exponent).unwrap_or_default() - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// The item as bytes.
pub(super) fn write(item: &Item) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, item);
    out
}

fn put(out: &mut Vec<u8>, item: &Item) {
    match item {
        Item::Integer(number) => integer(out, *number),
        Item::Float(number) => {
            out.push(0xfb);
            out.extend(number.to_bits().to_be_bytes());
        }
        Item::Bytes(bytes) => {
            head(out, 2, bytes.len() as u64);
            out.extend(bytes);
        }
        Item::Text(text) => words(out, text),
        Item::Array(items) => {
            head(out, 4, items.len() as u64);
            items.iter().for_each(|item| put(out, item));
        }
        Item::Map(entries) => {
            head(out, 5, entries.len() as u64);
            for (label, item) in entries {
                match label {
                    Label::Integer(number) => integer(out, *number),
                    Label::Text(text) => words(out, text),
                }
                put(out, item);
            }
        }
        Item::Tagged(tag, item) => {
            head(out, 6, *tag);
            put(out, item);
        }
        Item::Bool(value) => out.push(0xf4 + u8::from(*value)),
        Item::Null => out.push(0xf6),
        Item::Undefined => out.push(0xf7),
    }
}

fn integer(out: &mut Vec<u8>, number: i64) {
    match u64::try_from(number) {
        Ok(number) => head(out, 0, number),
        Err(_) => head(out, 1, !number as u64),
    }
}

fn words(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len() as u64);
    out.extend(text.as_bytes());
}

fn head(out: &mut Vec<u8>, kind: u8, number: u64) {
    let bytes = number.to_be_bytes();
    let (short, length) = match number {
        0..24 => (bytes[7], 0),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(kind << 5 | short);
    out.extend(&bytes[8 - length..]);
}

/// A number of JavaScript.
pub(super) fn number(value: f64) -> Item {
    if value.fract() == 0.0 && value.abs() <= INTEGER_MAX as f64 {
        Item::Integer(value as i64)
    } else {
        Item::Float(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |c: char| u8::try_from(c.to_digit(16).unwrap()).unwrap();
        let digits: Vec<u8> = hex.chars().map(digit).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// Examples of RFC 8949 appendix A, and what each is.
    #[test]
    fn the_examples_of_the_rfc() {
        for (hex, expected) in [
            ("00", Item::Integer(0)),
            ("1818", Item::Integer(24)),
            ("1a000f4240", Item::Integer(1_000_000)),
            ("20", Item::Integer(-1)),
            ("3903e7", Item::Integer(-1000)),
            ("f90001", Item::Float(5.960_464_477_539_063e-8)),
            ("f93c00", Item::Float(1.0)),
            ("f9c400", Item::Float(-4.0)),
            ("f97c00", Item::Float(f64::INFINITY)),
            ("fa47c35000", Item::Float(100_000.0)),
            ("fbc010666666666666", Item::Float(-4.1)),
            ("f4", Item::Bool(false)),
            ("f6", Item::Null),
            ("f7", Item::Undefined),
            ("4401020304", Item::Bytes(vec![1, 2, 3, 4])),
            ("62c3bc", Item::Text("ü".to_owned())),
            ("820102", Item::Array(vec![Item::Integer(1), Item::Integer(2)])),
            ("c11a514b67b0", Item::Tagged(1, Box::new(Item::Integer(1_363_896_240)))),
            (
                "a201026161f5",
                Item::Map(vec![
                    (Label::Integer(1), Item::Integer(2)),
                    (Label::Text("a".to_owned()), Item::Bool(true)),
                ]),
            ),
        ] {
            assert_eq!(read(&bytes(hex)).as_ref(), Ok(&expected), "{hex}");
            if !matches!(expected, Item::Float(_)) {
                assert_eq!(write(&expected), bytes(hex), "{hex}");
            }
        }
        assert!(matches!(read(&bytes("f97e00")), Ok(Item::Float(number)) if number.is_nan()));
    }

    #[test]
    fn what_is_refused() {
        for hex in [
            "",                   // nothing
            "0000",               // something behind it
            "1c",                 // no such length
            "5f41014102ff",       // left open
            "9f01ff",             // so too
            "1b0020000000000000", // not exact
            "3b001fffffffffffff", // nor this
            "430102",             // shorter than it says
            "5bffffffffffffffff", // far shorter
            "9bffffffffffffffff", // with no element
            "61ff",               // no text
            "a201000102",         // a label twice
            "a20100613102",       // 1 and "1"
            "a1410001",           // bytes as a label
            "f820",               // a simple value
            "f0",                 // another
            &"81".repeat(17),     // too deep
            &format!("{}00", "81".repeat(16)),
        ] {
            assert!(read(&bytes(hex)).is_err(), "{hex}");
        }
        assert!(read(&bytes(&format!("{}00", "81".repeat(15)))).is_ok());
    }

    #[test]
    fn labels_are_numbers_where_they_are_written_so() {
        for (name, label) in [
            ("1", Label::Integer(1)),
            ("-65537", Label::Integer(-65537)),
            ("01", Label::Text("01".to_owned())),
            ("-0", Label::Text("-0".to_owned())),
            ("1e3", Label::Text("1e3".to_owned())),
            ("9007199254740993", Label::Text("9007199254740993".to_owned())),
        ] {
            assert_eq!(Label::of(name), label);
            assert_eq!(label.to_string(), name);
        }
    }

    fn items() -> impl Strategy<Value = Item> {
        let leaf = prop_oneof![
            (-(INTEGER_MAX as i64) + 1..INTEGER_MAX as i64).prop_map(Item::Integer),
            any::<f64>().prop_filter("it equals itself", |f| !f.is_nan()).prop_map(Item::Float),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Item::Bytes),
            ".{0,30}".prop_map(Item::Text),
            any::<bool>().prop_map(Item::Bool),
            Just(Item::Null),
            Just(Item::Undefined),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Item::Array),
                prop::collection::btree_map("[a-z0-9-]{0,4}", inner.clone(), 0..6).prop_map(|entries| {
                    Item::Map(entries.into_iter().map(|(name, item)| (Label::of(&name), item)).collect())
                }),
                (any::<u64>(), inner).prop_map(|(tag, item)| Item::Tagged(tag, Box::new(item))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(item in items()) {
            prop_assert_eq!(read(&write(&item)), Ok(item));
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(item) = read(&bytes) {
                prop_assert!(write(&item).len() <= bytes.len() * 5);
            }
        }
    }
}
