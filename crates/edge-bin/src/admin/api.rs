//! CloudFront's control API (§13.2), as the AWS CLI and the SDKs speak it: what there is of it here, and a clear answer
//! where there is nothing.
//!
//! Signatures are not checked: the listener is on loopback, and whoever reaches it may do what it offers.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_core::proxy::edge::Edge;
use edge_core::proxy::invalidations::{Batch, NotInvalidated, Page};
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::moment::rfc3339;
use super::xml::{self, Writer};

/// Where the API begins: its version.
pub(crate) const ROOT: &str = "/2020-05-31/";

/// How many invalidations a list has at most, and where the caller does not say.
const LIST_MAX: usize = 100;

/// What there is, for those who ask for something else.
const OPERATIONS: &str = "this edge answers CreateInvalidation, GetInvalidation and ListInvalidations";

/// An error of the API (§10.7).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    code: Code,
    message: String,
}

/// The errors there are, with their statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NoSuchDistribution,
    NoSuchInvalidation,
    InvalidArgument,
    InconsistentQuantities,
    MissingBody,
    MalformedXml,
    BatchTooLarge,
    TooManyInvalidationsInProgress,
    AccessDenied,
    NotImplemented,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::NoSuchDistribution | Self::NoSuchInvalidation => StatusCode::NOT_FOUND,
            Self::InvalidArgument
            | Self::InconsistentQuantities
            | Self::MissingBody
            | Self::MalformedXml
            | Self::TooManyInvalidationsInProgress => StatusCode::BAD_REQUEST,
            Self::BatchTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AccessDenied => StatusCode::FORBIDDEN,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedXml => f.write_str("MalformedXML"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn response(&self) -> Response<String> {
        let id = request_id();
        let text = Writer::document("ErrorResponse", |out| {
            out.element("Error", |out| {
                out.text("Type", "Sender");
                out.text("Code", self.code);
                out.text("Message", &self.message);
            });
            out.text("RequestId", &id);
        });
        response(self.code.status(), text, &id)
    }
}

impl From<NotInvalidated> for ApiError {
    fn from(why: NotInvalidated) -> Self {
        let code = match why {
            NotInvalidated::TooManyItems(_) => Code::BatchTooLarge,
            NotInvalidated::TooManyWildcards(_) => Code::TooManyInvalidationsInProgress,
            NotInvalidated::NoItems
            | NotInvalidated::Reference
            | NotInvalidated::Item(..)
            | NotInvalidated::ReferenceTaken(_) => Code::InvalidArgument,
        };
        Self::new(code, why.to_string())
    }
}

/// One call.
pub(super) fn answer(edge: &Edge, request: &Request<Vec<u8>>) -> Response<String> {
    called(edge, request).unwrap_or_else(|error| error.response())
}

fn called(edge: &Edge, request: &Request<Vec<u8>>) -> Result<Response<String>, ApiError> {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::POST, ["distribution", id, "invalidation"]) => {
            let distribution = ours(edge, id)?;
            let (reference, items) = batch(request.body())?;
            let batch = edge.invalidate(&distribution, &reference, items)?;
            let text = Writer::document("Invalidation", |out| describe(out, edge, &batch));
            let mut response = response(StatusCode::CREATED, text, &request_id());
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            let location = format!("http://{host}{ROOT}{path}/{}", batch.id);
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
        (&Method::GET, ["distribution", id, "invalidation"]) => {
            list(edge, &ours(edge, id)?, request.uri().query().unwrap_or_default())
        }
        (&Method::GET, ["distribution", id, "invalidation", invalidation]) => {
            let distribution = ours(edge, id)?;
            let batch = edge.invalidations().get(&distribution, invalidation).ok_or_else(|| {
                let message = format!("The specified invalidation does not exist: {invalidation}");
                ApiError::new(Code::NoSuchInvalidation, message)
            })?;
            let text = Writer::document("Invalidation", |out| describe(out, edge, &batch));
            Ok(response(StatusCode::OK, text, &request_id()))
        }
        (method, _) => {
            let message = format!("{method} {} is not here: {OPERATIONS}", request.uri().path());
            Err(ApiError::new(Code::NotImplemented, message))
        }
    }
}

/// The own domain name of the distribution with this id: an edge is one distribution, or several.
fn ours(edge: &Edge, id: &str) -> Result<String, ApiError> {
    let running = edge.running();
    let mut all = running.all().map(|rules| &rules.distribution);
    if let Some(distribution) = all.find(|distribution| distribution.id == id) {
        return Ok(distribution.domain_name.clone());
    }
    let ours: Vec<&str> = running.all().map(|rules| rules.distribution.id.as_str()).collect();
    let ours = ours.join(", ");
    let message = format!("The specified distribution does not exist: {id} (this edge is {ours})");
    Err(ApiError::new(Code::NoSuchDistribution, message))
}

/// The caller reference and the items of an `InvalidationBatch`.
fn batch(body: &[u8]) -> Result<(String, Vec<String>), ApiError> {
    if body.trim_ascii().is_empty() {
        return Err(ApiError::new(Code::MissingBody, "This operation requires a body: an InvalidationBatch"));
    }
    let malformed =
        |why: String| ApiError::new(Code::MalformedXml, format!("The XML is not well-formed: {why}"));
    let text = std::str::from_utf8(body).map_err(|error| malformed(error.to_string()))?;
    let (mut reference, mut quantity, mut items) = (None, None, Vec::new());
    for (place, text) in xml::read(text).map_err(malformed)? {
        match place.as_str() {
            "InvalidationBatch/CallerReference" => reference = Some(text),
            "InvalidationBatch/Paths/Quantity" => quantity = Some(text),
            "InvalidationBatch/Paths/Items/Path" => items.push(text),
            "InvalidationBatch" | "InvalidationBatch/Paths" | "InvalidationBatch/Paths/Items" => {}
            other => {
                return Err(ApiError::new(
                    Code::MalformedXml,
                    format!("An InvalidationBatch has no {other}"),
                ));
            }
        }
    }
    let missing = |what: &str| ApiError::new(Code::InvalidArgument, format!("{what} is missing"));
    let quantity = quantity.ok_or_else(|| missing("Paths.Quantity"))?;
    let quantity: usize = quantity.trim().parse().map_err(|_| {
        ApiError::new(Code::InvalidArgument, format!("Paths.Quantity {quantity:?} is no number"))
    })?;
    if quantity != items.len() {
        let message = format!("Paths.Quantity is {quantity}, and there are {} items", items.len());
        return Err(ApiError::new(Code::InconsistentQuantities, message));
    }
    Ok((reference.ok_or_else(|| missing("CallerReference"))?, items))
}

fn list(edge: &Edge, distribution: &str, query: &str) -> Result<Response<String>, ApiError> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    };
    let (marker, count) = (value("Marker"), value("MaxItems"));
    let invalid = |name: &str, value: &str| {
        ApiError::new(Code::InvalidArgument, format!("{name} {value:?} is not valid"))
    };
    let count = match count {
        None => LIST_MAX,
        Some(text) => match text.parse::<usize>() {
            Ok(count) if count > 0 => count.min(LIST_MAX),
            _ => return Err(invalid("MaxItems", text)),
        },
    };
    let page = edge.invalidations().list(distribution, marker, count);
    let Page { batches, is_truncated } = page.ok_or_else(|| invalid("Marker", marker.unwrap_or_default()))?;
    let text = Writer::document("InvalidationList", |out| {
        out.text("Marker", marker.unwrap_or_default());
        if let Some(last) = batches.last().filter(|_| is_truncated) {
            out.text("NextMarker", &last.id);
        }
        out.text("MaxItems", count);
        out.text("IsTruncated", is_truncated);
        out.text("Quantity", batches.len());
        if !batches.is_empty() {
            out.element("Items", |out| {
                for batch in &batches {
                    out.element("InvalidationSummary", |out| summary(out, edge, batch));
                }
            });
        }
    });
    Ok(response(StatusCode::OK, text, &request_id()))
}

fn describe(out: &mut Writer, edge: &Edge, batch: &Arc<Batch>) {
    summary(out, edge, batch);
    out.element("InvalidationBatch", |out| {
        out.element("Paths", |out| {
            out.text("Quantity", batch.items.len());
            out.element("Items", |out| batch.items.iter().for_each(|item| out.text("Path", item)));
        });
        out.text("CallerReference", &batch.caller_reference);
    });
}

fn summary(out: &mut Writer, edge: &Edge, batch: &Batch) {
    out.text("Id", &batch.id);
    out.text("CreateTime", rfc3339(batch.created));
    out.text("Status", edge.invalidations().status(batch));
}

fn response(status: StatusCode, text: String, id: &str) -> Response<String> {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A UUID (version 4) of this call; nothing depends on it.
fn request_id() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let (hasher, call) = (RandomState::new(), CALLS.fetch_add(1, Ordering::Relaxed));
    let (high, low) = (hasher.hash_one((call, 0)), hasher.hash_one((call, 1)));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(quantity: &str, items: &[&str], reference: &str) -> String {
        let items: String = items.iter().map(|item| format!("<Path>{item}</Path>")).collect();
        format!(
            "<InvalidationBatch xmlns=\"{}\"><Paths><Quantity>{quantity}</Quantity><Items>{items}</Items></Paths>\
             <CallerReference>{reference}</CallerReference></InvalidationBatch>",
            xml::NAMESPACE
        )
    }

    #[test]
    fn a_batch_as_the_clients_write_it() {
        let text = body("2", &["/a?x=1&amp;y=*", "#tag"], "ref");
        let items = vec!["/a?x=1&y=*".to_owned(), "#tag".to_owned()];
        assert_eq!(batch(text.as_bytes()), Ok(("ref".to_owned(), items)));
    }

    #[test]
    fn what_is_wrong_with_a_batch() {
        for (text, code, part) in [
            (String::new(), Code::MissingBody, "InvalidationBatch"),
            (" \n".to_owned(), Code::MissingBody, "body"),
            ("<InvalidationBatch>".to_owned(), Code::MalformedXml, "does not end"),
            ("{}".to_owned(), Code::MalformedXml, "outside"),
            (body("1", &["/a"], "r").replace("Path>", "Pfad>"), Code::MalformedXml, "Pfad"),
            (body("1", &["/<b>a</b>"], "r"), Code::MalformedXml, "Path/b"),
            (body("2", &["/a"], "r"), Code::InconsistentQuantities, "2"),
            (body("0", &["/a"], "r"), Code::InconsistentQuantities, "1 items"),
            (body("one", &["/a"], "r"), Code::InvalidArgument, "one"),
            (
                "<InvalidationBatch><CallerReference>r</CallerReference></InvalidationBatch>".to_owned(),
                Code::InvalidArgument,
                "Quantity",
            ),
            (
                "<InvalidationBatch><Paths><Quantity>0</Quantity></Paths></InvalidationBatch>".to_owned(),
                Code::InvalidArgument,
                "CallerReference",
            ),
        ] {
            let error = batch(text.as_bytes()).expect_err(&text);
            assert_eq!(error.code, code, "{text}");
            assert!(error.message.contains(part), "{text}: {}", error.message);
        }
        assert_eq!(batch(b"<a>\xff</a>").map_err(|error| error.code), Err(Code::MalformedXml));
    }

    #[test]
    fn request_ids_are_uuids() {
        let id = request_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_ne!(id, request_id());
    }
}
