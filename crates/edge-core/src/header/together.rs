//! A header map for keeping: as small as it can be, with its values side by side.
//!
//! A head arrives as one small allocation for each value, in a map that has room for more. Of a million stored heads
//! few are in the processor's caches, so what a hit costs is how many places it has to touch. It refuses to know what
//! any field means.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The same fields, their values in one allocation; those of the fields in `apart` stay where they are, because they
/// are in one place already that many heads share.
pub(crate) fn together(headers: &HeaderMap, apart: &[HeaderName]) -> HeaderMap {
    // A map cannot shrink, but the list of fields of its copy has no room to spare.
    let mut kept = headers.clone();
    let moves = |name: &HeaderName| !apart.contains(name);
    let length = kept.iter().filter(|(name, _)| moves(name)).map(|(_, value)| value.len()).sum();
    let mut joined = BytesMut::with_capacity(length);
    for (_, value) in kept.iter().filter(|(name, _)| moves(name)) {
        joined.extend_from_slice(value.as_bytes());
    }
    let mut joined = joined.freeze();
    for (_, value) in kept.iter_mut().filter(|(name, _)| moves(name)) {
        let bytes = joined.split_to(value.len().min(joined.len()));
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(bytes)
            && copy == *value
        {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, SERVER, SET_COOKIE, VIA};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_side_by_side_and_those_apart_are_not_moved() {
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(VIA, HeaderValue::from_static("1.1 edge"));
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_static(""));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        headers.insert(AUTHORIZATION, secret);
        headers.insert(SERVER, HeaderValue::from_bytes(b"\xe4").unwrap());
        let kept = together(&headers, &[VIA]);
        assert_eq!(kept, headers);
        assert!(kept[AUTHORIZATION].is_sensitive());
        assert_eq!(kept[VIA].as_bytes().as_ptr(), headers[VIA].as_bytes().as_ptr());
        let mut places: Vec<_> =
            kept.iter().filter(|(name, _)| *name != VIA).map(|(_, value)| value.as_bytes()).collect();
        places.sort_by_key(|value| value.as_ptr());
        for pair in places.windows(2) {
            assert_eq!(pair[0].as_ptr_range().end, pair[1].as_ptr(), "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_changes(fields in prop::collection::vec(("[a-d]", "[ -~]{0,9}"), 0..40)) {
            let mut headers = HeaderMap::new();
            for (name, value) in &fields {
                headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
            }
            headers.insert(ETAG, HeaderValue::from_static("x"));
            prop_assert_eq!(together(&headers, &[ETAG]), headers);
        }
    }
}
