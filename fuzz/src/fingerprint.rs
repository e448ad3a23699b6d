//! Any first message of a TLS viewer: never a panic; a fingerprint has its form, and depends neither on how the message is
//! cut into records nor on what comes after it.

use edge_core::viewer::Fingerprint;

/// Bytes as they come over TCP.
pub fn check(data: &[u8]) {
    let told = Fingerprint::of(data);
    let Some(Fingerprint { ja3, ja4 }) = &told else { return };
    assert!(ja3.len() == 32 && ja3.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(ja4.len() == 36 && ja4.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(Fingerprint::of(&[data, b"more"].concat()), told);
    // The first record in two.
    let length = usize::from(u16::from_be_bytes([data[3], data[4]]));
    let (head, body) = (&data[..3], &data[5..5 + length]);
    let (one, other) = body.split_at(length / 2);
    let record = |part: &[u8]| [head, &(part.len() as u16).to_be_bytes(), part].concat();
    if !one.is_empty() {
        let cut = [record(one), record(other), data[5 + length..].to_vec()].concat();
        assert_eq!(Fingerprint::of(&cut), told);
    }
}

/// Small ones; bytes of a seed are letters of ASCII.
pub const SEEDS: &[&str] = &[
    "\x16\x03\x01\x00\x59\x01\x00\x00\x55\x03\x03rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\x00\x00\x04\x13\x01\x00\x2f\x01\x00\
     \x00\x28\x00\x00\x00\x00\x00\x10\x00\x05\x00\x03\x02h2\x00\x0a\x00\x04\x00\x02\x00\x1d\x00\x0d\x00\x04\x00\x02\x04\x03\
     \x00\x2b\x00\x03\x02\x03\x04\x00\x17\x00\x00",
    "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\x00\x00\x04\x13\x01\x0a\x0a\x01\x00",
];

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_are_messages() {
        for seed in super::SEEDS {
            assert!(edge_core::viewer::Fingerprint::of(seed.as_bytes()).is_some(), "{seed:?}");
        }
    }
}
