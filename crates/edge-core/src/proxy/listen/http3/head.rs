//! Heads of HTTP/3 as the http crate has them (RFC 9114 §4.2, §4.3): what cannot be read in one way is refused here, and
//! answered, where the RFC would let us reset the stream.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::frame::{kind, put_front};
use super::qpack::{self, Field};
use crate::proxy::listen::streams::too_large;
use crate::proxy::listen::{Limits, Refusal};

/// Fields about one connection of HTTP/1.1, which are in no message here (RFC 9114 §4.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The fields whose names begin with a colon.
#[derive(Default)]
struct Pseudo {
    method: Option<Bytes>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
}

impl Pseudo {
    fn add(&mut self, name: &[u8], value: Bytes) -> Result<(), Refusal> {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            _ => return Err(Refusal::Malformed("a field with a colon that is of no request")),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(Refusal::Malformed("a field with a colon is there twice")),
        }
    }
}

/// The request that these fields are.
pub(super) fn request(fields: Vec<Field>, limits: &Limits) -> Result<Request<()>, Refusal> {
    let (mut pseudo, mut headers) = (Pseudo::default(), HeaderMap::new());
    for (name, value) in fields {
        if name.first() == Some(&b':') {
            if !headers.is_empty() {
                return Err(Refusal::Malformed("a field with a colon behind one without"));
            }
            pseudo.add(&name, value)?;
        } else if headers.len() > limits.fields_max {
            return Err(Refusal::HeadTooLarge);
        } else {
            let (name, value) = field(&name, value)?;
            if OF_CONNECTIONS.contains(&name) || name == TE && value != "trailers" {
                return Err(Refusal::Malformed("a field about connections"));
            }
            headers.append(name, value);
        }
    }
    let bad = |what| Refusal::Malformed(what);
    let method = pseudo.method.as_deref().and_then(|method| Method::from_bytes(method).ok());
    let method = method.ok_or(bad("no method"))?;
    let long = pseudo.path.as_ref().is_some_and(|path| path.len() > limits.url_bytes_max);
    if long {
        return Err(Refusal::UrlTooLong);
    }
    let uri = target(&method, pseudo)?;
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
    *request.version_mut() = Version::HTTP_3;
    too_large(&request, limits).map_or(Ok(request), Err)
}

/// Names are in lower case, and values what HTTP has for values.
fn field(name: &[u8], value: Bytes) -> Result<(HeaderName, HeaderValue), Refusal> {
    let name = HeaderName::from_lowercase(name).map_err(|_| Refusal::Malformed("a name is none"))?;
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| Refusal::Malformed("a value is none"))?;
    Ok((name, value))
}

/// RFC 9114 §4.3.1, and §4.4 for CONNECT, which has an authority alone.
fn target(method: &Method, pseudo: Pseudo) -> Result<Uri, Refusal> {
    let bad = |what| Refusal::Malformed(what);
    let mut parts = http::uri::Parts::default();
    if let Some(authority) = pseudo.authority {
        let authority = http::uri::Authority::from_maybe_shared(authority);
        parts.authority = Some(authority.map_err(|_| bad("the authority is none"))?);
    }
    match (method == Method::CONNECT, pseudo.scheme, pseudo.path) {
        (true, None, None) => {}
        (false, Some(scheme), Some(path)) => {
            let path = PathAndQuery::from_maybe_shared(path).map_err(|_| bad("the path is none"))?;
            // With an authority, a target is whole; else it is told by Host, as in HTTP/1.1.
            if parts.authority.is_some() {
                let scheme =
                    http::uri::Scheme::try_from(&scheme[..]).map_err(|_| bad("the scheme is none"))?;
                parts.scheme = Some(scheme);
            }
            parts.path_and_query = Some(path);
        }
        _ => return Err(bad("a scheme and a path are there, or with CONNECT neither")),
    }
    Uri::from_parts(parts).map_err(|_| bad("the target is none"))
}

/// How long the request says its body is. More than one length, or none that is a number, the service refuses.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The trailers of a request: without what is about messages or connections.
pub(super) fn trailers(fields: Vec<Field>, limits: &Limits) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if fields.len() > limits.fields_max {
        return None;
    }
    for (name, value) in fields {
        let (name, value) = field(&name, value).ok()?;
        headers.append(name, value);
    }
    Some(headers)
}

/// The head of a response, as a frame.
pub(super) fn response(status: StatusCode, headers: &HeaderMap) -> Bytes {
    whole(|block| {
        qpack::encode(block, ":status", status.as_str().as_bytes());
        put(block, headers);
    })
}

/// Its trailers.
pub(super) fn trailing(headers: &HeaderMap) -> Bytes {
    whole(|block| put(block, headers))
}

fn put(block: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers.iter().filter(|(name, _)| !OF_CONNECTIONS.contains(name)) {
        qpack::encode(block, name.as_str(), value.as_bytes());
    }
}

fn whole(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut block = BytesMut::with_capacity(512);
    qpack::begin(&mut block);
    write(&mut block);
    let mut frame = BytesMut::with_capacity(block.len() + super::frame::FRONT_BYTES_MAX);
    put_front(&mut frame, kind::HEADERS, block.len());
    frame.extend_from_slice(&block);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Request<()>, Refusal> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        request(fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect(), &Limits::default())
    }

    const GET: [(&str, &str); 4] =
        [(":method", "GET"), (":scheme", "https"), (":authority", "a.example"), (":path", "/x?y")];

    #[test]
    fn a_request_is_read() {
        let read =
            read(&[&GET[..], &[("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")]].concat()).unwrap();
        assert_eq!(
            (read.uri().to_string(), read.version()),
            ("https://a.example/x?y".into(), Version::HTTP_3)
        );
        assert_eq!(read.headers().get_all("cookie").iter().count(), 2);
    }

    #[test]
    fn a_host_stands_for_an_authority() {
        let read = read(&[GET[0], GET[1], GET[3], ("host", "a.example")]).unwrap();
        assert_eq!(read.uri().to_string(), "/x?y");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let with = |more: &[(&'static str, &'static str)]| [&GET[..], more].concat();
        for bad in [
            with(&[(":path", "/z")]),
            with(&[(":status", "200")]),
            with(&[("a", "b"), (":authority", "b.example")]),
            with(&[("connection", "close")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("te", "gzip")]),
            with(&[("Upper", "case")]),
            with(&[("a b", "c")]),
            with(&[("a", "b\r\nc: d")]),
            with(&[("", "b")]),
            GET[1..].to_vec(),
            GET[..3].to_vec(),
            vec![GET[0], GET[2], GET[3]],
            vec![GET[0], GET[1], GET[2], (":path", "")],
            vec![GET[0], GET[1], GET[2], (":path", "/a b")],
            vec![(":method", "CONNECT"), GET[1], GET[2], GET[3]],
            vec![],
        ] {
            assert!(matches!(read(&bad), Err(Refusal::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_other_versions() {
        let long = format!("/{}", "a".repeat(8_192));
        assert_eq!(read(&[GET[0], GET[1], GET[2], (":path", &long)]).unwrap_err(), Refusal::UrlTooLong);
        let big = "x".repeat(32_768);
        assert_eq!(read(&[&GET[..], &[("a", &big)]].concat()).unwrap_err(), Refusal::HeadTooLarge);
        let many: Vec<_> = GET.into_iter().chain(std::iter::repeat_n(("a", "b"), 101)).collect();
        assert_eq!(read(&many).unwrap_err(), Refusal::HeadTooLarge);
    }

    #[test]
    fn connect_has_an_authority_alone() {
        let read = read(&[(":method", "CONNECT"), (":authority", "a.example:443")]).unwrap();
        assert_eq!(read.uri().authority().unwrap(), "a.example:443");
    }
}
