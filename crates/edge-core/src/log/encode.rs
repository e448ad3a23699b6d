//! Values as the logs write them (§15.1): percent-encoded where a byte could be mistaken, `-` where there is none.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::header::date::civil;

/// What an empty value looks like.
const NOTHING: &[u8] = b"-";

/// Bytes that stand for themselves; a `%` does not, so that what was encoded is told from what was sent so.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 33;
    while byte < 127 {
        plain[byte] = true;
        byte += 1;
    }
    let others = b"<>\"#%{}|\\^~[]`'";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = false;
        at += 1;
    }
    plain
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Takes the value of one field. What it takes needs no escaping in JSON.
pub struct Out<'a> {
    bytes: &'a mut Vec<u8>,
    before: usize,
}

impl<'a> Out<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { before: bytes.len(), bytes }
    }

    /// The end of the value.
    pub(super) fn close(self) {
        if self.bytes.len() == self.before {
            self.bytes.extend_from_slice(NOTHING);
        }
    }

    /// Appends text, encoded.
    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        let mut rest = text.as_ref();
        while !rest.is_empty() {
            let plain = rest.iter().take_while(|&&byte| PLAIN[usize::from(byte)]).count();
            self.bytes.extend_from_slice(&rest[..plain]);
            rest = &rest[plain..];
            if let Some((&byte, after)) = rest.split_first() {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                self.bytes.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
                rest = after;
            }
        }
    }

    /// Appends text, if there is any.
    pub fn maybe(&mut self, text: Option<impl AsRef<[u8]>>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    /// Appends a number.
    pub fn number(&mut self, number: impl Into<u64>) {
        self.write(format_args!("{}", number.into()));
    }

    /// Appends seconds with three decimals.
    pub fn seconds(&mut self, time: Duration) {
        self.write(format_args!("{}.{:03}", time.as_secs(), time.subsec_millis()));
    }

    /// Appends `2026-11-28` (UTC).
    pub fn date(&mut self, time: SystemTime) {
        let (year, month, day) = civil(since_1970(time).as_secs() / 86_400);
        self.write(format_args!("{year:04}-{month:02}-{day:02}"));
    }

    /// Appends `07:30:00` (UTC).
    pub fn time(&mut self, time: SystemTime) {
        let seconds = since_1970(time).as_secs() % 86_400;
        self.write(format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    }

    /// Appends milliseconds since 1970.
    pub fn timestamp(&mut self, time: SystemTime) {
        self.write(format_args!("{}", since_1970(time).as_millis()));
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        _ = self.bytes.write_fmt(text);
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Out<'_>)) -> String {
        let mut bytes = Vec::new();
        let mut out = Out::new(&mut bytes);
        write(&mut out);
        out.close();
        String::from_utf8(bytes).unwrap()
    }

    /// Each byte, against the list of §15.1.
    #[test]
    fn what_could_be_mistaken_is_encoded() {
        let encoded = |byte: u8| byte <= 32 || byte >= 127 || b"<>\"#%{}|\\^~[]`'".contains(&byte);
        for byte in 0..=255_u8 {
            let expected = if encoded(byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() };
            assert_eq!(written(|out| out.text([byte])), expected);
        }
        assert_eq!(written(|out| out.text("/a%20b c\t'ü")), "/a%2520b%20c%09%27%C3%BC");
    }

    #[test]
    fn nothing_is_a_dash() {
        assert_eq!(written(|_| ()), "-");
        assert_eq!(written(|out| out.maybe(None::<&str>)), "-");
        assert_eq!(written(|out| out.text("")), "-");
        assert_eq!(written(|out| out.number(0_u64)), "0");
    }

    #[test]
    fn times_are_utc() {
        let at = |seconds: u64, millis: u64| {
            let time = UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + millis);
            [written(|out| out.date(time)), written(|out| out.time(time)), written(|out| out.timestamp(time))]
        };
        assert_eq!(at(0, 0), ["1970-01-01", "00:00:00", "0"]);
        assert_eq!(at(784_111_777, 5), ["1994-11-06", "08:49:37", "784111777005"]);
        assert_eq!(at(951_782_399, 0), ["2000-02-28", "23:59:59", "951782399000"]);
        assert_eq!(at(951_782_400, 0), ["2000-02-29", "00:00:00", "951782400000"]);
        assert_eq!(at(951_868_800, 0), ["2000-03-01", "00:00:00", "951868800000"]);
        assert_eq!(written(|out| out.date(UNIX_EPOCH - Duration::from_secs(1))), "1970-01-01");
        assert_eq!(written(|out| out.seconds(Duration::from_micros(1_002_999))), "1.002");
    }
}
