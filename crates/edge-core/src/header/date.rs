//! Dates of HTTP fields (RFC 9110 §5.6.7).
//!
//! All three forms are read: the preferred one, RFC 850's and asctime's. Case does not matter (RFC 9111 §4.2 asks
//! caches for that); everything else does: a zone other than GMT, a missing comma, a one-digit hour, `0` and `-1` are
//! not dates. What a missing or unreadable date means is for the reader of the field to say.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The longest form is RFC 850's with `Wednesday`.
const LENGTH_MAX: usize = 40;

/// The last second that the preferred form can write: 9999-12-31T23:59:59Z.
const SECOND_MAX: u64 = 253_402_300_799;

/// The instant `value` names.
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    let value = super::trim(value);
    let mut buffer = [0; LENGTH_MAX];
    let text = buffer.get_mut(..value.len())?;
    text.copy_from_slice(value);
    // RFC 9111 §4.2: "a cache recipient SHOULD match the field value case-insensitively".
    let mut inside_word = false;
    for byte in text.iter_mut() {
        let letter = byte.is_ascii_alphabetic();
        if inside_word {
            byte.make_ascii_lowercase();
        } else {
            byte.make_ascii_uppercase();
        }
        inside_word = letter;
    }
    if let Some(zone) = text.len().checked_sub(4).and_then(|at| text.get_mut(at..))
        && zone == b" Gmt"
    {
        zone.make_ascii_uppercase();
    }
    httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok().or_else(|| on_another_day(text))
}

/// The instant of a date whose weekday is a wrong one: the day of the month says which day it is.
fn on_another_day(text: &mut [u8]) -> Option<SystemTime> {
    const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    let said = text.first_chunk::<3>()?;
    if !DAYS.contains(&said) {
        return None;
    }
    DAYS.into_iter().find_map(|day| {
        text.first_chunk_mut::<3>()?.copy_from_slice(day);
        httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()
    })
}

/// Days since 1970 as year, month and day of the Gregorian calendar. Years begin in March here, so that the leap day is
/// the last, and 400 of them have 146,097 days.
pub fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// `time` in the preferred form, to the second; what is outside 1970–9999 becomes the nearer end.
pub fn format(time: SystemTime) -> HeaderValue {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(SECOND_MAX);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// `time` as `20261128T073000Z`, to the second, within the same bounds: ISO 8601's basic form, which AWS signs.
pub fn basic(time: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = format(time);
    let text = text.to_str().unwrap_or_default();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = MONTHS.iter().position(|name| *name == part(8, 11)).map_or(1, |at| at + 1);
    let (day, year) = (part(5, 7), part(12, 16));
    format!("{year}{month:02}{day}T{}{}{}Z", part(17, 19), part(20, 22), part(23, 25))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(value: &str) -> Option<u64> {
        parse(value.as_bytes()).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn the_three_forms_and_any_case() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 NOV 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gMt",
            "SUNDAY, 06-NOV-94 08:49:37 gmt",
            "sUN nOV  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT\t",
            // Another weekday than it was.
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Thu Nov  6 08:49:37 1994",
        ] {
            assert_eq!(seconds(date), Some(784_111_777), "{date}");
        }
    }

    #[test]
    fn what_is_not_a_date() {
        for text in [
            "",
            "0",
            "-1",
            "never",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun, 06  Nov  1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn format_is_total_and_reads_back() {
        assert_eq!(format(UNIX_EPOCH + Duration::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
        let late = UNIX_EPOCH + Duration::from_secs(1 << 50);
        assert_eq!(format(late), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(parse(format(late).as_bytes()), Some(UNIX_EPOCH + Duration::from_secs(SECOND_MAX)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_nearly_a_date_is_survived(
            start in "(Thu|Monday|WEDNESDAY)?,? ?", day in "[0-9]{0,2}[- ]?(Feb|AUG|x)?[- ]?[0-9]{0,4} ?",
            time in "[0-9]{0,2}:?[0-9]{0,2}:?[0-9]{0,2} ?", zone in "(GMT|gmt|UTC|[0-9]{4})?",
        ) {
            if let Some(time) = parse([start, day, time, zone].concat().as_bytes()) {
                assert_eq!(parse(format(time).as_bytes()), Some(time));
            }
        }

        #[test]
        fn a_second_survives_the_round_trip(second in 0..=SECOND_MAX) {
            let time = UNIX_EPOCH + Duration::from_secs(second);
            assert_eq!(parse(format(time).as_bytes()), Some(time));
        }
    }
}
