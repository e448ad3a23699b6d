//! Moments as people and programs write them: RFC 3339 and HTTP dates; and spans such as `90`, `1h`, `2d`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge_core::header::date::civil;

const DAY_SECONDS: u64 = 86_400;

/// `2026-11-23T06:55:09.120Z`.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / DAY_SECONDS);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// `2026-11-23T06:55:09Z`, `2026-11-23`, or the date of an HTTP header.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    rfc3339_seconds(text).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)).or_else(|| http_date(text)).ok_or_else(
        || format!("{text:?} is no time: expected 2026-11-23T06:55:09Z (UTC), 2026-11-23, or Mon, 23 Nov 2026 06:55:09 GMT"),
    )
}

/// `90` (seconds), `90s`, `15m`, `1h`, `2d`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.chars().last() {
        Some('s') => (&text[..text.len() - 1], 1),
        Some('m') => (&text[..text.len() - 1], 60),
        Some('h') => (&text[..text.len() - 1], 3_600),
        Some('d') => (&text[..text.len() - 1], DAY_SECONDS),
        _ => (text, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.parse::<u64>().ok().filter(|_| is_number).and_then(|count| count.checked_mul(unit));
    // As far as a clock of nanoseconds reaches.
    seconds
        .filter(|seconds| *seconds <= 400 * 366 * DAY_SECONDS)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is no span: expected seconds, or 90s, 15m, 1h, 2d"))
}

fn rfc3339_seconds(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time.strip_suffix(['Z', 'z'])?),
        None => (text, "00:00:00"),
    };
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())?
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let days = days(year, month, day)?;
    // Fractions of a second are not worth keeping.
    let time = time.split('.').next().unwrap_or_default();
    let parts: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    (hour < 24 && minute < 60 && second < 60)
        .then_some(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second)
}

fn http_date(text: &str) -> Option<SystemTime> {
    edge_core::header::date::parse(text.as_bytes())
}

/// The way back from [`civil`]; `None` where there is no such day from 1970 on.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = days.checked_sub(719_468)?;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn moments_there_and_back() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (784_111_777, "1994-11-06T08:49:37.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(at(seconds)), text);
            assert_eq!(parse(text), Ok(at(seconds)));
        }
        for days in 0..200_000 {
            let (year, month, day) = civil(days);
            assert_eq!(super::days(year, month, day), Some(days));
        }
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Ok(at(784_111_777)));
        assert_eq!(parse("2000-02-29"), Ok(at(951_782_400)));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "now",
            "2001-02-29",
            "1969-12-31",
            "2000-1-1",
            "2000-01-01T24:00:00Z",
            "2000-01-01T00:00:00",
            "2000-01-01T00:00:00+01:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        for (text, seconds) in [("90", 90), ("0", 0), ("5s", 5), ("15m", 900), ("1h", 3_600), ("2d", 172_800)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "-1", "+1", "1.5h", "1w", "99999999999999999999", "200000d", "ä"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
