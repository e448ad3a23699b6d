//! Query strings (§4.2): `&` is the only delimiter, nothing is decoded, order and repetition are data.
//!
//! It refuses to know what a parameter means; signed URLs take theirs out before this is asked.

use crate::header::names::Names;

/// One `name=value`, or a bare `name`, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// What is before the first `=`; case and percent-encoding as sent.
    pub name: &'a str,
    /// The whole parameter.
    pub raw: &'a str,
}

/// The parameters of a query string (without its `?`) in their order; empty ones, as in `a&&b`, are left out.
pub fn parameters(query: &str) -> impl Iterator<Item = Parameter<'_>> {
    query.split('&').filter(|raw| !raw.is_empty()).map(|raw| Parameter { name: before(raw, b'='), raw })
}

/// Appends the selected parameters to `out`, in their order and byte-exact; whether there were any.
///
/// With [`Names::All`] that is the query string as it came, empty parameters included.
pub fn select(query: &str, names: &Names, out: &mut Vec<u8>) -> bool {
    match names {
        Names::None => false,
        Names::All => {
            out.extend_from_slice(query.as_bytes());
            !query.is_empty()
        }
        Names::Only(_) | Names::AllExcept(_) => {
            let mut any = false;
            for parameter in parameters(query).filter(|parameter| names.select(parameter.name.as_bytes())) {
                if any {
                    out.push(b'&');
                }
                out.extend_from_slice(parameter.raw.as_bytes());
                any = true;
            }
            any
        }
    }
}

fn before(text: &str, byte: u8) -> &str {
    text.split_once(char::from(byte)).map_or(text, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::names::Name;

    fn list(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::Literal((*name).to_owned())).collect()
    }

    fn selected(query: &str, names: &Names) -> Option<String> {
        let mut out = Vec::new();
        let any = select(query, names, &mut out);
        assert_eq!(any, !out.is_empty());
        any.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn parameters_are_split_at_ampersands_only() {
        let all: Vec<_> =
            parameters("a=1&&b;c=2&d&=e&f=g=h").map(|parameter| (parameter.name, parameter.raw)).collect();
        assert_eq!(all, [("a", "a=1"), ("b;c", "b;c=2"), ("d", "d"), ("", "=e"), ("f", "f=g=h")]);
        assert_eq!(parameters("").count(), 0);
    }

    #[test]
    fn selections() {
        let only = |query: &str, names: &[&str]| selected(query, &Names::Only(list(names)));
        let except = |query: &str, names: &[&str]| selected(query, &Names::AllExcept(list(names)));
        let some = |text: &str| Some(text.to_owned());
        // §18 vectors 5 and 6
        assert_eq!(selected("color=red&size=large", &Names::All), some("color=red&size=large"));
        assert_eq!(selected("size=large&color=red", &Names::All), some("size=large&color=red"));
        assert_eq!(only("size=large;color=red", &["color"]), None);
        assert_eq!(only("b=2&c=3&a=1&b=4&b", &["a", "b"]), some("b=2&a=1&b=4&b"));
        assert_eq!(only("Color=red&col%6Fr=red", &["color"]), None);
        assert_eq!(only("*=1&ab=2", &["*"]), some("*=1"));
        assert_eq!(except("utm=1&b=2&&a=%41&utm=3", &["utm"]), some("b=2&a=%41"));
        assert_eq!(except("utm=1", &["utm"]), None);
        assert_eq!(selected("a&&b=&", &Names::All), some("a&&b=&"));
        assert_eq!(selected("a=1", &Names::None), None);
        for names in [Names::None, Names::All, Names::Only(list(&["a"])), Names::AllExcept(list(&["a"]))] {
            assert_eq!(selected("", &names), None);
        }
    }

    #[test]
    fn what_was_written_before_stays() {
        let mut out = b"before".to_vec();
        assert!(select("a=1&b=2", &Names::Only(list(&["a", "b"])), &mut out));
        assert_eq!(out, b"beforea=1&b=2");
        assert!(!select("", &Names::All, &mut out));
        assert_eq!(out, b"beforea=1&b=2");
    }

    proptest! {
        #[test]
        fn a_selection_is_a_subsequence(query in "[a-c=&;%]{0,24}", names in prop::collection::vec("[a-c]?", 0..3)) {
            let names: Vec<Name> = names.into_iter().map(Name::Literal).collect();
            let kept = selected(&query, &Names::Only(names.clone())).unwrap_or_default();
            let left = selected(&query, &Names::AllExcept(names.clone())).unwrap_or_default();
            prop_assert_eq!(selected(&kept, &Names::Only(names.clone())).unwrap_or_default(), kept.clone(), "idempotent");
            // Every parameter is in exactly one of the two, and in its order.
            let (mut kept, mut left) = (parameters(&kept).peekable(), parameters(&left).peekable());
            for parameter in parameters(&query) {
                let named = Names::Only(names.clone()).select(parameter.name.as_bytes());
                let from = if named { kept.next() } else { left.next() };
                prop_assert_eq!(from, Some(parameter));
            }
            prop_assert_eq!((kept.next(), left.next()), (None, None));
        }

        #[test]
        fn any_text_is_survived(query: String) {
            let _ = selected(&query, &Names::AllExcept(list(&["a"])));
            prop_assert_eq!(selected(&query, &Names::All).unwrap_or_default(), query);
        }
    }
}
