//! The one Huffman code of HTTP/2 and HTTP/3 (RFC 7541 Appendix B), read only: what we send is short enough.
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and shorter ones come
//! first. So the lengths say all of it.

use super::qpack::Unreadable;

/// Of the code of each byte, in bits, and of the end of string behind them.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6,
    6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8,
    13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15,
    11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23,
    23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26,
    26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21,
    22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27,
    27, 26, 30,
];
/// The longest code, in bits.
const LENGTH_MAX: usize = 30;
/// The shortest.
const LENGTH_MIN: usize = 5;

/// The same, as it is read.
struct Code {
    /// For each length: its first code, and the place of that one's symbol among all.
    first: [(u32, usize); LENGTH_MAX + 1],
    /// How many codes have that length.
    count: [u32; LENGTH_MAX + 1],
    /// By their codes.
    symbols: [u16; 257],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut code =
            Self { first: [(0, 0); LENGTH_MAX + 1], count: [0; LENGTH_MAX + 1], symbols: [0; 257] };
        let (mut length, mut next, mut place) = (1, 0, 0);
        while length <= LENGTH_MAX {
            next <<= 1;
            code.first[length] = (next, place);
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[place] = symbol as u16;
                    code.count[length] += 1;
                    place += 1;
                    next += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        code
    }

    /// The symbol at the front of these bits, the first of which is the highest, and how long its code is.
    fn symbol(&self, bits: u32, known: usize) -> Option<(u16, usize)> {
        (LENGTH_MIN..=known.min(LENGTH_MAX)).find_map(|length| {
            let (first, place) = self.first[length];
            let offset = (bits >> (32 - length)).checked_sub(first)?;
            (offset < self.count[length]).then(|| (self.symbols[place + offset as usize], length))
        })
    }
}

/// What these bytes stand for.
pub(super) fn decode(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
    let mut text = Vec::with_capacity((bytes.len() * 8 / LENGTH_MIN).min(bytes_max));
    let (mut window, mut known, mut rest) = (0u64, 0usize, bytes.iter());
    loop {
        while known <= 56
            && let Some(&byte) = rest.next()
        {
            window |= u64::from(byte) << (56 - known);
            known += 8;
        }
        let Some((symbol, length)) = CODE.symbol((window >> 32) as u32, known) else { break };
        // The end of string is never sent (RFC 7541 §5.2).
        text.push(u8::try_from(symbol).map_err(|_| Unreadable::Broken)?);
        if text.len() > bytes_max {
            return Err(Unreadable::TooLarge);
        }
        window <<= length;
        known -= length;
    }
    // What is left is the front of the end of string, which is ones, and less than a byte.
    let padding = known < 8 && window == !(u64::MAX.checked_shr(known as u32).unwrap_or(0));
    padding.then_some(text).ok_or(Unreadable::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the examples of RFC 7541 §C.4 and §C.6.
    #[test]
    fn examples_are_read() {
        let examples: [(&[u8], &str); 4] = [
            (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff], "www.example.com"),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x64, 0x02], "302"),
            (
                &[
                    0x9d, 0x29, 0xad, 0x17, 0x18, 0x63, 0xc7, 0x8f, 0x0b, 0x97, 0xc8, 0xe9, 0xae, 0x82, 0xae,
                    0x43, 0xd3,
                ],
                "https://www.example.com",
            ),
        ];
        for (bytes, text) in examples {
            assert_eq!(decode(bytes, 100).as_deref(), Ok(text.as_bytes()));
            assert_eq!(decode(bytes, text.len() - 1), Err(Unreadable::TooLarge));
        }
        assert_eq!(decode(&[], 10).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn bad_ends_are_refused() {
        let bad = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbe];
        assert_eq!(decode(&bad, 10), Err(Unreadable::Broken), "padding that is not ones");
        assert_eq!(decode(&[0x64, 0x02, 0xff], 10), Err(Unreadable::Broken), "a byte of padding");
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff], 10), Err(Unreadable::Broken), "the end of string");
    }

    /// Every byte there is, written by the code's own lengths.
    #[test]
    fn every_byte_is_read() {
        let mut bits = String::new();
        for wanted in 0..256 {
            let place = CODE.symbols.iter().position(|&symbol| symbol == wanted).unwrap();
            let length = LENGTHS[wanted as usize] as usize;
            let (first, at) = CODE.first[length];
            bits.push_str(&format!("{:0length$b}", first as usize + place - at));
        }
        bits.push_str(&"1".repeat((8 - bits.len() % 8) % 8));
        let bytes: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect();
        assert_eq!(decode(&bytes, 256).unwrap(), (0..=255).collect::<Vec<u8>>());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_dealt_with(bytes: Vec<u8>) {
            if let Ok(text) = decode(&bytes, 64) {
                proptest::prop_assert!(text.len() <= 64);
            }
        }
    }
}
