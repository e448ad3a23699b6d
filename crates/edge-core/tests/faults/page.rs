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
    /// The first line says which page of which generation this is, and how long the rest is; the rest follows from
    /// that, byte by byte.
    pub(crate) fn body(&self, generation: u64) -> Vec<u8> {
        let line = format!("{} {generation} {}\n", self.path, self.length);
        let mut body = line.clone().into_bytes();
        body.extend_from_slice(&line.as_bytes().repeat(self.length / line.len() + 1)[..self.length]);
        body
    }

    /// The generation of a whole body of this page.
    pub(crate) fn check(&self, body: &[u8]) -> Result<u64, String> {
        let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let generation = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let whole = generation.filter(|generation| self.body(*generation) == body);
        whole.ok_or_else(|| format!("{} bytes that should be {}: {line}", body.len(), self.path))
    }
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
