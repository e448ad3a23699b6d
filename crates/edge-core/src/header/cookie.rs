//! `Cookie` of a request (§4.3): pairs, and the selected ones sorted by name.
//!
//! Names and values are bytes, compared exactly; nothing is decoded or unquoted. It refuses to know what a cookie
//! means: sessions, signatures and device choices are read elsewhere.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;

use crate::header::names::Names;

/// The `Cookie` fields of a request as one, joined with `; ` (threats.md M8); `None` if there is none.
pub fn joined(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let mut lines = headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes);
    let first = lines.next()?;
    let Some(second) = lines.next() else {
        return Some(Cow::Borrowed(first));
    };
    let mut all = [first, b"; ", second].concat();
    for line in lines {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(line);
    }
    Some(Cow::Owned(all))
}

/// One `name=value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// What is before the first `=`; never empty, never begins with `$`.
    pub name: &'a [u8],
    /// What is after it.
    pub value: &'a [u8],
    /// The pair as sent, without the white space around it.
    pub raw: &'a [u8],
}

/// The pairs of a `Cookie` field in their order.
///
/// Left out are parts without `=` or without a name, and those whose name begins with `$` (§4.3).
pub fn pairs(header: &[u8]) -> Pairs<'_> {
    Pairs { rest: Some(header) }
}

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        while let Some(header) = self.rest {
            let part = match header.iter().position(|byte| *byte == b';') {
                Some(end) => {
                    self.rest = Some(&header[end + 1..]);
                    &header[..end]
                }
                None => {
                    self.rest = None;
                    header
                }
            };
            let raw = super::trim(part);
            if let Some(equals) = raw.iter().position(|byte| *byte == b'=')
                && equals > 0
                && raw[0] != b'$'
            {
                return Some(Pair { name: &raw[..equals], value: &raw[equals + 1..], raw });
            }
        }
        None
    }
}

/// Whether the field is "standard": what is not, CloudFront does not forward (§4.3).
///
/// The guide does not say where it draws the line (unsure). Here: at least one pair, and no control byte other than a
/// tab. Spaces, commas, quotes and bytes above 0x7F in values are common and pass.
pub fn is_standard(header: &[u8]) -> bool {
    !header.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') && pairs(header).next().is_some()
}

/// How many selected pairs are sorted without the heap.
const FEW: usize = 32;

/// Appends the selected pairs to `out` as `a=1; b=2`, sorted by name, those of one name in their order; whether there
/// were any. A field that is not standard has none.
pub fn select(header: &[u8], names: &Names, out: &mut Vec<u8>) -> bool {
    if names.is_none() || !is_standard(header) {
        return false;
    }
    let mut few: [&[u8]; FEW] = [&[]; FEW];
    let mut count = 0;
    let mut selected = pairs(header).filter(|pair| names.select(pair.name));
    for pair in selected.by_ref() {
        // An insertion sort: stable, and quick for a handful that is mostly in order.
        let mut at = count;
        while at > 0 && name_of(few[at - 1]) > pair.name {
            few[at] = few[at - 1];
            at -= 1;
        }
        few[at] = pair.raw;
        count += 1;
        if count == FEW {
            break;
        }
    }
    let mut rest = selected.map(|pair| pair.raw).peekable();
    if rest.peek().is_none() {
        write(&few[..count], out);
    } else {
        let mut many = few[..count].to_vec();
        many.extend(rest);
        many.sort_by_key(|raw| name_of(raw));
        write(&many, out);
    }
    count > 0
}

/// The name in a pair's raw form.
fn name_of(raw: &[u8]) -> &[u8] {
    raw.split(|byte| *byte == b'=').next().unwrap_or(raw)
}

fn write(pairs: &[&[u8]], out: &mut Vec<u8>) {
    for (index, raw) in pairs.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(raw);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::header::names::Name;

    fn list(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::Literal((*name).to_owned())).collect()
    }

    fn selected(header: &[u8], names: &Names) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let any = select(header, names, &mut out);
        assert_eq!(any, !out.is_empty());
        any.then_some(out)
    }

    fn all(header: &str) -> Option<String> {
        selected(header.as_bytes(), &Names::All).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn lines_are_joined() {
        let mut headers = HeaderMap::new();
        assert_eq!(joined(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        assert!(matches!(joined(&headers), Some(Cow::Borrowed(b"a=1"))));
        headers.append(COOKIE, HeaderValue::from_static("b=2; c=3"));
        assert_eq!(joined(&headers).unwrap(), &b"a=1; b=2; c=3"[..]);
        headers.append(COOKIE, HeaderValue::from_static("d=4"));
        assert_eq!(joined(&headers).unwrap(), &b"a=1; b=2; c=3; d=4"[..]);
    }

    #[test]
    fn pairs_as_sent() {
        let header = b"a=1;b = 2 ;; c=\"x=y\"; d=;=e; f; $Version=1; g=\xff;\t$=1";
        let found: Vec<_> = pairs(header).map(|pair| (pair.name, pair.value, pair.raw)).collect();
        let expected: [(&[u8], &[u8], &[u8]); 5] = [
            (b"a", b"1", b"a=1"),
            (b"b ", b" 2", b"b = 2"),
            (b"c", b"\"x=y\"", b"c=\"x=y\""),
            (b"d", b"", b"d="),
            (b"g", b"\xff", b"g=\xff"),
        ];
        assert_eq!(found, expected);
        assert_eq!(pairs(b"").count(), 0);
    }

    #[test]
    fn standard_or_not() {
        for header in
            ["a=1", "a=1; b", "a=1;;", " a=1", "a=\"x, y\"; b={\"c\":1}", "\u{fc}=\u{fc}", "a=1;\tb=2"]
        {
            assert!(is_standard(header.as_bytes()), "{header}");
        }
        for header in ["", ";", "a", "a; b", "=1", "$a=1", "a=1\0", "a=1\r\n", "a=\u{7f}", "a\u{1}=1; b=2"] {
            assert!(!is_standard(header.as_bytes()), "{header:?}");
            assert_eq!(all(header), None);
        }
    }

    #[test]
    fn selections() {
        // §18 vector 7
        assert_eq!(all("b=2; a=1").unwrap(), "a=1; b=2");
        assert_eq!(all("a=1; b=2").unwrap(), "a=1; b=2");
        assert_eq!(all("b=2;a=1").unwrap(), "a=1; b=2");
        assert_eq!(
            all("a=2; B=1; a=1; a-b=3").unwrap(),
            "B=1; a=2; a=1; a-b=3",
            "bytes decide, repeats keep their order"
        );
        let only = |header: &[u8], names: &[&str]| selected(header, &Names::Only(list(names)));
        assert_eq!(only(b"c=3; b=2; a=1; b=0", &["b", "c"]).unwrap(), b"b=2; b=0; c=3");
        assert_eq!(only(b"A=1; aa=2", &["a"]), None);
        let except = selected(b"c=3; b=2; a=1", &Names::AllExcept(list(&["b"])));
        assert_eq!(except.unwrap(), b"a=1; c=3");
        assert_eq!(selected(b"a=1", &Names::None), None);
        let mut out = b"before".to_vec();
        assert!(select(b"b=2; a=1", &Names::All, &mut out));
        assert_eq!(out, b"beforea=1; b=2");
    }

    #[test]
    fn few_and_many_are_sorted_alike() {
        for count in [FEW - 1, FEW, FEW + 1, 5000] {
            let header: Vec<String> =
                (0..count).map(|index| format!("n{}={index}", index * 7919 % 100)).collect();
            let mut sorted = header.clone();
            sorted.sort_by_key(|raw| raw.split('=').next().unwrap().to_owned());
            assert_eq!(all(&header.join("; ")).unwrap(), sorted.join("; "), "{count}");
        }
    }

    proptest! {
        #[test]
        fn a_selection_is_sorted_and_a_subset(
            header in "([a-c$]{0,2}=?[0-9]?[; ]{0,2}){0,60}", names in prop::collection::vec("[a-c]{1,2}", 0..3),
        ) {
            let names = Names::Only(names.into_iter().map(Name::Literal).collect());
            let out = selected(header.as_bytes(), &names).unwrap_or_default();
            let kept: Vec<Pair<'_>> = pairs(&out).collect();
            prop_assert!(kept.is_sorted_by_key(|pair| pair.name));
            let mut expected: Vec<Pair<'_>> = pairs(header.as_bytes()).filter(|pair| names.select(pair.name)).collect();
            expected.sort_by_key(|pair| pair.name);
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(selected(&out, &names).unwrap_or_default(), out, "idempotent");
        }

        #[test]
        fn any_bytes_are_survived(header: Vec<u8>) {
            for pair in pairs(&header) {
                prop_assert_eq!(&[pair.name, b"=", pair.value].concat(), pair.raw);
            }
            let _ = selected(&header, &Names::All);
        }
    }
}
