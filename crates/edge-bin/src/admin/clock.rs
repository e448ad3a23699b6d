//! The clock, where `serve --virtual-clock` made it one to be moved: `GET /clock`, `POST /clock?advance=1h`,
//! `POST /clock?set=2026-11-23T06:55:09Z`.

use edge_core::proxy::clock::{Clock, Hand};
use http::{Method, StatusCode};

use super::moment::{parse, parse_span, rfc3339};

/// What time it is, and what moves it if anything does.
#[derive(Clone)]
pub(crate) struct Time {
    pub(crate) clock: Clock,
    pub(crate) hand: Option<Hand>,
}

/// Status and text for `/clock`.
pub(super) fn answer(time: &Time, method: &Method, query: &str) -> (StatusCode, String) {
    match *method {
        Method::GET => (StatusCode::OK, now(time)),
        Method::POST => match moved(time, query) {
            Ok(()) => (StatusCode::OK, now(time)),
            Err((status, why)) => (status, format!("{why}\n")),
        },
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET tells the time, POST moves it\n".to_owned()),
    }
}

fn now(time: &Time) -> String {
    format!("{}\n", rfc3339(time.clock.now()))
}

fn moved(time: &Time, query: &str) -> Result<(), (StatusCode, String)> {
    let Some(hand) = &time.hand else {
        let why = "this edge goes by the machine's clock: start it with --virtual-clock to move it";
        return Err((StatusCode::CONFLICT, why.to_owned()));
    };
    let bad = |why| (StatusCode::BAD_REQUEST, why);
    let usage = "expected ?advance=3600 (also 90s, 15m, 1h, 2d) or ?set=2026-11-23T06:55:09Z";
    let (name, value) = query.split_once('=').ok_or_else(|| bad(usage.to_owned()))?;
    let value = decoded(value).ok_or_else(|| bad(format!("{value:?} is not well encoded")))?;
    match name {
        "advance" => hand.advance(parse_span(&value).map_err(bad)?),
        "set" => hand.set(parse(&value).map_err(bad)?),
        _ => return Err(bad(usage.to_owned())),
    }
    Ok(())
}

/// A value of a query: `+` is a space, `%20` too.
fn decoded(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn it_is_moved_as_told() {
        let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(784_111_777));
        let time = Time { clock, hand: Some(hand) };
        let post = |query: &str| answer(&time, &Method::POST, query);
        let ok = |text: &str| (StatusCode::OK, format!("{text}\n"));
        assert_eq!(answer(&time, &Method::GET, ""), ok("1994-11-06T08:49:37.000Z"));
        assert_eq!(post("advance=1h"), ok("1994-11-06T09:49:37.000Z"));
        assert_eq!(post("set=2026-11-23T06:55:09Z"), ok("2026-11-23T06:55:09.000Z"));
        assert_eq!(post("set=Sun,+06%20Nov+1994+08:49:37+GMT"), ok("1994-11-06T08:49:37.000Z"));
        for query in ["", "advance", "advance=soon", "set=later", "set=%zz", "set=%", "go=1h"] {
            let (status, why) = post(query);
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
            assert!(why.contains("expected") || why.contains("encoded"), "{why}");
        }
        assert_eq!(answer(&time, &Method::PUT, "").0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&time, &Method::GET, ""), ok("1994-11-06T08:49:37.000Z"));
    }

    #[test]
    fn the_machines_clock_is_not_moved() {
        let time = Time { clock: Clock::system(), hand: None };
        let (status, why) = answer(&time, &Method::POST, "advance=1h");
        assert_eq!(status, StatusCode::CONFLICT);
        assert!(why.contains("--virtual-clock"));
        assert_eq!(answer(&time, &Method::GET, "").0, StatusCode::OK);
    }
}
