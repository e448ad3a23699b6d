//! The fields of CloudFront's access logs, one row each (§15.1): code, the page for people and tests read this table.

use std::fmt::Write as _;

use super::{Out, Record};
use crate::distribution::CookieLogging;

/// A field.
#[derive(Debug)]
pub struct Field {
    /// As CloudFront writes it.
    pub name: &'static str,
    /// Whether a line has it.
    pub place: Place,
    /// What it says here.
    pub about: &'static str,
    /// Its value, from what is known of a request.
    pub(super) value: fn(&Record, &mut Out<'_>),
}

/// Where a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A standard log has it at this place, from 1.
    Standard(u8),
    /// A standard log of the second version has it, where it is asked for.
    Second,
    /// Only real-time logs have it; here it can be asked for all the same.
    RealTime,
}

/// All of them.
pub const FIELDS: &[Field] = &[
    Field {
        name: "date",
        place: Place::Standard(1),
        about: "The day on which the response was finished (UTC); of a WebSocket, on which it was closed.",
        value: |record, out| out.date(record.ended_at),
    },
    Field {
        name: "time",
        place: Place::Standard(2),
        about: "The time of day, likewise.",
        value: |record, out| out.time(record.ended_at),
    },
    Field {
        name: "x-edge-location",
        place: Place::Standard(3),
        about: "Who answered; here always `LOC50-P1`, as in `X-Amz-Cf-Pop`.",
        value: |record, out| out.text(&record.rules.place.pop),
    },
    Field {
        name: "sc-bytes",
        place: Place::Standard(4),
        about: "Bytes to the viewer, head and body, as HTTP/1.1 writes them. Of a WebSocket, all that went to him.",
        value: |record, out| out.number(record.sent),
    },
    Field {
        name: "c-ip",
        place: Place::Standard(5),
        about: "The viewer's address.",
        value: |record, out| out.text(record.viewer.ip().to_string()),
    },
    Field {
        name: "cs-method",
        place: Place::Standard(6),
        about: "The method.",
        value: |record, out| out.maybe(record.asked(|request| Some(request.method.as_str()))),
    },
    Field {
        name: "cs(Host)",
        place: Place::Standard(7),
        about: "The distribution's own domain name, whatever the viewer called it.",
        value: |record, out| out.text(&record.rules.distribution.domain_name),
    },
    Field {
        name: "cs-uri-stem",
        place: Place::Standard(8),
        about: "The path the viewer asked for, whatever a function made of it.",
        value: |record, out| out.maybe(record.asked(|request| Some(&request.path))),
    },
    Field {
        name: "sc-status",
        place: Place::Standard(9),
        about: "The status; `000` if the viewer left before the answer.",
        value: |record, out| out.text(record.answer.as_ref().map_or("000", |answer| answer.status.as_str())),
    },
    Field {
        name: "cs(Referer)",
        place: Place::Standard(10),
        about: "`Referer`.",
        value: |record, out| out.maybe(record.asked(|request| request.referer.as_ref())),
    },
    Field {
        name: "cs(User-Agent)",
        place: Place::Standard(11),
        about: "`User-Agent`.",
        value: |record, out| out.maybe(record.asked(|request| request.user_agent.as_ref())),
    },
    Field {
        name: "cs-uri-query",
        place: Place::Standard(12),
        about: "The whole query string, whatever the policies say, without the `?`.",
        value: |record, out| out.maybe(record.asked(|request| request.query.as_ref())),
    },
    Field {
        name: "cs(Cookie)",
        place: Place::Standard(13),
        about: "`Cookie`, where the distribution's `Logging` has `IncludeCookies`.",
        value: |record, out| {
            if record.rules.distribution.cookie_logging == CookieLogging::On {
                out.maybe(record.asked(|request| request.cookie.as_ref()));
            }
        },
    },
    Field {
        name: "x-edge-result-type",
        place: Place::Standard(14),
        about: "What came of it in the end: the word of `X-Cache`, or `Error` where the viewer did not get all of it.",
        value: |record, out| out.text(record.result()),
    },
    Field {
        name: "x-edge-request-id",
        place: Place::Standard(15),
        about: "`X-Amz-Cf-Id`.",
        value: |record, out| out.text(&record.id),
    },
    Field {
        name: "x-host-header",
        place: Place::Standard(16),
        about: "The viewer's `Host`.",
        value: |record, out| out.maybe(record.asked(|request| request.host.as_ref())),
    },
    Field {
        name: "cs-protocol",
        place: Place::Standard(17),
        about: "`http`, `https`, `ws`, `wss`, `grpcs`; and `grpc`, which CloudFront does not know: a call without TLS.",
        value: |record, out| out.text(record.protocol()),
    },
    Field {
        name: "cs-bytes",
        place: Place::Standard(18),
        about: "Bytes from the viewer, head and body, as HTTP/1.1 writes them. Of a WebSocket, all that came from him.",
        value: |record, out| out.number(record.received),
    },
    Field {
        name: "time-taken",
        place: Place::Standard(19),
        about: "Seconds from the request to the last byte of the answer.",
        value: |record, out| out.seconds(record.taken),
    },
    Field {
        name: "x-forwarded-for",
        place: Place::Standard(20),
        about: "`X-Forwarded-For`, as the viewer sent it.",
        value: |record, out| out.maybe(record.asked(|request| request.forwarded_for.as_ref())),
    },
    Field {
        name: "ssl-protocol",
        place: Place::Standard(21),
        about: "The TLS version.",
        value: |record, out| out.maybe(record.tls.map(|(version, _)| version)),
    },
    Field {
        name: "ssl-cipher",
        place: Place::Standard(22),
        about: "The cipher suite.",
        value: |record, out| out.maybe(record.tls.map(|(_, cipher)| cipher)),
    },
    Field {
        name: "x-edge-response-result-type",
        place: Place::Standard(23),
        about: "The word of `X-Cache`, as the response began.",
        value: |record, out| out.text(record.response_result()),
    },
    Field {
        name: "cs-protocol-version",
        place: Place::Standard(24),
        about: "The version of HTTP.",
        value: |record, out| out.maybe(record.asked(|request| super::told::version(request.version))),
    },
    Field {
        name: "fle-status",
        place: Place::Standard(25),
        about: "Always `-`: there is no field-level encryption here.",
        value: nothing,
    },
    Field {
        name: "fle-encrypted-fields",
        place: Place::Standard(26),
        about: "Always `-`, likewise.",
        value: nothing,
    },
    Field {
        name: "c-port",
        place: Place::Standard(27),
        about: "The viewer's port.",
        value: |record, out| out.number(record.viewer.port()),
    },
    Field {
        name: "time-to-first-byte",
        place: Place::Standard(28),
        about: "Seconds from the request to the head of the answer.",
        value: |record, out| out.seconds(record.first_byte),
    },
    Field {
        name: "x-edge-detailed-result-type",
        place: Place::Standard(29),
        about: "As `x-edge-result-type`; of an error, whose it was.",
        value: |record, out| out.text(record.detailed()),
    },
    Field {
        name: "sc-content-type",
        place: Place::Standard(30),
        about: "The response's `Content-Type`.",
        value: |record, out| out.maybe(record.answered(|answer| answer.content_type.as_ref())),
    },
    Field {
        name: "sc-content-len",
        place: Place::Standard(31),
        about: "Its `Content-Length`.",
        value: |record, out| {
            if let Some(length) = record.answered(|answer| answer.content_length) {
                out.number(length);
            }
        },
    },
    Field {
        name: "sc-range-start",
        place: Place::Standard(32),
        about: "The first byte of its `Content-Range`.",
        value: |record, out| {
            if let Some(range) = record.answered(|answer| answer.range) {
                out.number(range.first);
            }
        },
    },
    Field {
        name: "sc-range-end",
        place: Place::Standard(33),
        about: "The last one.",
        value: |record, out| {
            if let Some(range) = record.answered(|answer| answer.range) {
                out.number(range.last);
            }
        },
    },
    Field {
        name: "distribution-tenant-id",
        place: Place::Second,
        about: "Always `-`: there are no tenants here.",
        value: nothing,
    },
    Field {
        name: "connection-id",
        place: Place::Second,
        about: "Always `-`: connections have no ids here.",
        value: nothing,
    },
    Field {
        name: "timestamp(ms)",
        place: Place::Second,
        about: "When the response was finished, in milliseconds since 1970.",
        value: |record, out| out.timestamp(record.ended_at),
    },
    Field {
        name: "origin-fbl",
        place: Place::Second,
        about: "Seconds to the end of the origin's head, where this request was one to the origin.",
        value: |record, out| {
            if let Some(first_byte) = record.origin_first_byte() {
                out.seconds(first_byte);
            }
        },
    },
    Field {
        name: "origin-lbl",
        place: Place::Second,
        about: "Seconds to the origin's last byte, as its viewer saw it: a slow viewer makes it longer.",
        value: |record, out| {
            let body = record.taken.saturating_sub(record.first_byte);
            if let Some(first_byte) = record.origin_first_byte() {
                out.seconds(first_byte + body);
            }
        },
    },
    Field {
        name: "asn",
        place: Place::Second,
        about: "The number of the viewer's network, if a database has it (`--geo-db`).",
        value: |record, out| {
            if let Some(asn) = record.location.as_ref().and_then(|location| location.asn) {
                out.number(asn);
            }
        },
    },
    Field {
        name: "c-country",
        place: Place::Second,
        about: "The viewer's country, if it is known (`--geo-db`, `--country`).",
        value: |record, out| {
            let country = record.location.as_ref().and_then(|location| location.country);
            out.maybe(country.map(|country| country.to_string()));
        },
    },
    Field {
        name: "cache-behavior-path-pattern",
        place: Place::Second,
        about: "The path pattern of the cache behavior the request belongs to.",
        value: |record, out| {
            out.maybe(
                record.behavior().map(|id| record.rules.distribution.behavior(id).path_pattern.as_str()),
            );
        },
    },
    Field {
        name: "primary-distribution-id",
        place: Place::Second,
        about: "Where a staging distribution answered, the id of its primary.",
        value: |record, out| {
            out.maybe(record.rules.distribution.primary.as_ref().map(|primary| &primary.id));
        },
    },
    Field {
        name: "primary-distribution-dns-name",
        place: Place::Second,
        about: "Likewise, the primary's domain name.",
        value: |record, out| {
            out.maybe(record.rules.distribution.primary.as_ref().map(|primary| &primary.domain_name));
        },
    },
    Field {
        name: "sr-reason",
        place: Place::RealTime,
        about: "`Failover:` and a status, where the second origin of a group was asked: the first one's status, or the one that stands for its failure.",
        value: |record, out| {
            if let Some(status) = record.answered(|answer| answer.results.failed_over) {
                out.text("Failover:");
                out.text(status.as_str());
            }
        },
    },
];

fn nothing(_: &Record, _: &mut Out<'_>) {}

/// The page for people: a table of the fields.
pub fn page() -> String {
    let mut page = String::from("| # | field | what it says here |\n| --- | --- | --- |\n");
    for field in FIELDS {
        let place = match field.place {
            Place::Standard(number) => number.to_string(),
            Place::Second => "v2".to_owned(),
            Place::RealTime => "real-time".to_owned(),
        };
        // Writing to a String cannot fail.
        _ = writeln!(page, "| {place} | `{}` | {} |", field.name, field.about);
    }
    page
}
