//! Pages that can tell whether they are whole.

/// Where a page is, how long it is and how it travels.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: &'static str,
    length: usize,
    pub(crate) chunked: bool,
    /// With an ETag, so that refreshes are conditional.
    pub(crate) tagged: bool,
}

const fn page(path: &'static str, length: usize, chunked: bool, tagged: bool) -> Page {
    Page { path, length, chunked, tagged }
}

/// Fresh for a second.
pub(crate) const PAGES: &[Page] = &[
    page("/p/0", 600, false, false),
    page("/p/1", 9_000, true, false),
    page("/p/2", 40_000, false, true),
    page("/p/3", 120_000, false, false),
    page("/p/4", 120_000, true, false),
    page("/p/5", 700, true, true),
    page("/p/6", 30_000, false, false),
    page("/p/7", 3_000, false, false),
];

/// Never cached.
pub(crate) const UNCACHED: &[Page] = &[page("/u/0", 5_000, false, false), page("/u/1", 50_000, true, false)];

pub(crate) fn find(path: &str) -> Option<&'static Page> {
    PAGES.iter().chain(UNCACHED).find(|page| page.path == path)
}

impl Page {
    /// The first line says which page of which generation this is, how long the rest is, and its checksum.
    pub(crate) fn body(&self, generation: u64) -> Vec<u8> {
        let seed = generation.wrapping_mul(31).wrapping_add(self.length as u64);
        let rest: Vec<u8> =
            (0..self.length as u64 / 8).flat_map(|n| (n ^ seed << 32).to_le_bytes()).collect();
        let line = format!("{} {generation} {} {:016x}\n", self.path, rest.len(), checksum(&rest));
        [line.into_bytes(), rest].concat()
    }

    /// The generation of a whole body of this page.
    pub(crate) fn check(&self, body: &[u8]) -> Result<u64, String> {
        let end = body.iter().position(|byte| *byte == b'\n').ok_or("no first line")?;
        let (line, rest) = (String::from_utf8_lossy(&body[..end]).into_owned(), &body[end + 1..]);
        let mut words = line.split(' ');
        let told = (words.next(), words.next(), words.next(), words.next());
        let (Some(path), Some(generation), Some(length), Some(sum)) = told else { return Err(line) };
        let right = path == self.path
            && length == rest.len().to_string()
            && sum == format!("{:016x}", checksum(rest));
        let generation = generation.parse().ok().filter(|_| right);
        generation.ok_or_else(|| format!("{} bytes that should be {line}", rest.len()))
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let word = |word: &[u8]| word.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    bytes
        .chunks(8)
        .fold(17, |sum: u64, bytes| (sum ^ word(bytes)).wrapping_mul(0x0100_0000_01b3).rotate_left(9))
}

#[test]
fn a_page_knows_whether_it_is_whole() {
    let page = &PAGES[1];
    let mut body = page.body(3);
    assert_eq!(page.check(&body), Ok(3));
    assert!(PAGES[0].check(&body).is_err());
    body[5_000] ^= 1;
    assert!(page.check(&body).is_err());
    body[5_000] ^= 1;
    body.pop();
    assert!(page.check(&body).is_err());
}
