//! How a request is framed, read before hyper reads it.
//!
//! Hyper is strict about most of a head and forgiving about the rest: it takes bare line feeds, drops one of two equal
//! lengths, and lets `chunked` win over a length without a trace (RFC 9112 §6.3 allows that, and every request smuggling
//! needs it). This file looks at line ends, the target, Host, Content-Length and Transfer-Encoding, refuses what could be
//! read in two ways, and leaves the grammar of everything else to hyper, which comes second and has the last word.
//!
//! It also follows bodies to their end, because only who knows where a body ends knows where the next head begins.
use memchr::{Memchr, memchr, memchr_iter};

use super::Limits;
use super::chunks::{Chunks, End};
use crate::viewer::Refusal;

/// Where in the stream of a viewer's bytes we are.
#[derive(Debug)]
pub(super) enum Place {
    /// Before or in a head.
    Head,
    /// In a body of which this many bytes are to come.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// Behind a request to upgrade that is not answered yet: what follows may be HTTP or not.
    Undecided,
    /// Behind an upgrade: no longer HTTP.
    Upgraded,
    /// Behind a head that was refused: nothing is read any more.
    Refused,
    /// In a body that breaks its own framing: there is no telling where it ends.
    Broken,
}

/// How much of `bytes` hyper may have: all that is whole and clear. What is refused ends it.
pub(super) fn approve(
    place: &mut Place,
    heads: &mut u64,
    bytes: &[u8],
    limits: &Limits,
) -> (usize, Option<Refusal>) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match place {
            Place::Head => match read_head(rest, limits) {
                Ok(Some((length, next))) => {
                    *place = next;
                    *heads += 1;
                    at += length;
                }
                Ok(None) => break,
                Err(refusal) => {
                    *place = Place::Refused;
                    return (at, Some(refusal));
                }
            },
            Place::Length(left) => {
                let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                at += taken;
                if *left == 0 {
                    *place = Place::Head;
                }
            }
            Place::Chunked(chunks) => match chunks.read(rest) {
                (taken, End::Reached) => {
                    *place = Place::Head;
                    at += taken;
                }
                (taken, End::ToCome) => at += taken,
                (taken, End::Lost) => {
                    *place = Place::Broken;
                    at += taken;
                }
            },
            Place::Upgraded => return (bytes.len(), None),
            Place::Undecided | Place::Refused | Place::Broken => break,
        }
    }
    (at, None)
}

/// The length of a whole head at the front of `bytes` and what follows it, or `None` if it is not whole yet.
fn read_head(bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Place)>, Refusal> {
    let mut lines = Lines { bytes, ends: memchr_iter(b'\n', bytes), at: 0, limit: limits.head_bytes_max };
    // RFC 9112 §2.2: an empty line before the request is an old mistake of clients, and harmless. Two are not.
    let first = match lines.next()? {
        Some([]) => lines.next()?,
        line => line,
    };
    let Some(first) = first else {
        let long = bytes.len() > limits.url_bytes_max + REQUEST_LINE_REST && memchr(b'\n', bytes).is_none();
        return if long { Err(Refusal::UrlTooLong) } else { lines.unfinished() };
    };
    let version = read_request_line(first, limits)?;
    let mut fields = Fields::default();
    loop {
        match lines.next()? {
            Some([]) => break,
            Some(line) => fields.add(line)?,
            None => return lines.unfinished(),
        }
    }
    if fields.count > limits.fields_max {
        return Err(Refusal::HeadTooLarge);
    }
    if lines.at > limits.head_bytes_max {
        return Err(Refusal::HeadTooLarge);
    }
    let connect = first.starts_with(b"CONNECT ");
    Ok(Some((lines.at, fields.what_follows(version, connect)?)))
}

/// What a request line has beside its target: method, spaces, version, and some.
const REQUEST_LINE_REST: usize = 64;

/// The lines of a head. Each ends with CRLF.
struct Lines<'a> {
    bytes: &'a [u8],
    ends: Memchr<'a>,
    at: usize,
    limit: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, Refusal> {
        let Some(end) = self.ends.next() else { return Ok(None) };
        let line = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = end + 1;
        match line {
            [line @ .., b'\r'] => Ok(Some(line)),
            _ => Err(Refusal::Malformed("a line ends without a carriage return")),
        }
    }

    fn unfinished<T>(&self) -> Result<Option<T>, Refusal> {
        if self.bytes.len() > self.limit { Err(Refusal::HeadTooLarge) } else { Ok(None) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn read_request_line(line: &[u8], limits: &Limits) -> Result<Version, Refusal> {
    let target_at = memchr(b' ', line).ok_or(Refusal::Malformed("no target"))? + 1;
    let rest = line.get(target_at..).unwrap_or_default();
    let target_end = memchr(b' ', rest).ok_or(Refusal::Malformed("no version"))?;
    let (target, version) = rest.split_at(target_end);
    if target.len() > limits.url_bytes_max {
        return Err(Refusal::UrlTooLong);
    }
    // RFC 9110 §7.1: a fragment is never sent. Raw bytes beyond ASCII are read differently by different servers.
    // Every byte is looked at, so that they can be looked at many at a time.
    let raw = target.iter().fold(false, |raw, &byte| raw | (byte <= b' ') | (byte >= 0x7f) | (byte == b'#'));
    if raw || target.is_empty() {
        return Err(Refusal::Malformed("a byte in the target that must be escaped"));
    }
    match version {
        b" HTTP/1.1" => Ok(Version::Http11),
        b" HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Refusal::Malformed("not HTTP/1.0 or HTTP/1.1")),
    }
}

/// What the fields of a head say about its framing.
#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Fields {
    fn add(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.count += 1;
        match line {
            // RFC 9112 §5.2
            [b' ' | b'\t', ..] => return Err(Refusal::Malformed("a folded field")),
            [b'h' | b'H', ..] if value_of(line, b"host").is_some() => self.hosts += 1,
            [b'u' | b'U', ..] if value_of(line, b"upgrade").is_some() => self.upgrade = true,
            [b'c' | b'C', ..] => {
                if let Some(value) = value_of(line, b"content-length") {
                    let length =
                        decimal(value).ok_or(Refusal::Malformed("Content-Length is not a number"))?;
                    if self.length.replace(length).is_some() {
                        return Err(Refusal::Malformed("two Content-Length fields"));
                    }
                }
            }
            [b't' | b'T', ..] => {
                if let Some(value) = value_of(line, b"transfer-encoding") {
                    if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Refusal::Malformed("Transfer-Encoding is not just chunked"));
                    }
                    self.chunked = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn what_follows(&self, version: Version, connect: bool) -> Result<Place, Refusal> {
        match (version, self.hosts) {
            (_, 1) | (Version::Http10, 0) => {}
            (_, 0) => return Err(Refusal::Malformed("no Host")),
            _ => return Err(Refusal::Malformed("two Host fields")),
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::Malformed("both Content-Length and Transfer-Encoding")),
            (true, None) if version == Version::Http10 => {
                Err(Refusal::Malformed("Transfer-Encoding in HTTP/1.0"))
            }
            (true, None) => Ok(Place::Chunked(Chunks::default())),
            (false, Some(length)) if length > 0 => Ok(Place::Length(length)),
            // Hyper offers an upgrade for CONNECT, and for HTTP/1.1 with the field.
            _ if connect || (self.upgrade && version == Version::Http11) => Ok(Place::Undecided),
            _ => Ok(Place::Head),
        }
    }
}

/// The value of a field line that has this name (given in lower case), without the white space around it.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":").filter(|_| start.eq_ignore_ascii_case(name))?;
    let from = value.iter().position(|&byte| byte != b' ' && byte != b'\t').unwrap_or(value.len());
    let until = value.iter().rposition(|&byte| byte != b' ' && byte != b'\t').map_or(from, |last| last + 1);
    value.get(from..until)
}

/// Digits and nothing else, below 2^63: what is larger is nobody's body.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value
        .iter()
        .try_fold(0, |sum: u64, &byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PIECES: &[&str] = &[
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nGET / H",
        "POST /c HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: 1\r\n\r\n",
        "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
        "GET /e HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /f HTTP/1.0\n\n",
        "GET /g HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "\r\n",
        "junk",
    ];

    /// Offers `bytes` in pieces that end at `cuts`, as a socket would; what is not approved is offered again with more.
    fn approved_in_pieces(bytes: &[u8], cuts: &[usize]) -> (usize, u64, Option<Refusal>) {
        let (mut place, mut heads, mut at) = (Place::Head, 0, 0);
        for &cut in cuts {
            if cut < at {
                continue;
            }
            let (approved, refusal) = approve(&mut place, &mut heads, &bytes[at..cut], &Limits::default());
            at += approved;
            if refusal.is_some() {
                return (at, heads, refusal);
            }
        }
        (at, heads, None)
    }

    proptest! {
        #[test]
        fn what_is_approved_does_not_depend_on_how_it_comes(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 1..6),
            mut cuts in prop::collection::vec(0_usize..600, 0..8),
        ) {
            let bytes = pieces.concat().into_bytes();
            cuts.retain(|&cut| cut < bytes.len());
            cuts.sort_unstable();
            cuts.push(bytes.len());
            prop_assert_eq!(approved_in_pieces(&bytes, &cuts), approved_in_pieces(&bytes, &[bytes.len()]));
        }

        #[test]
        fn any_bytes_at_all_are_dealt_with(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (approved, ..) = approved_in_pieces(&bytes, &[bytes.len()]);
            prop_assert!(approved <= bytes.len());
        }
    }
}
