//! Durations as people write them: `"90s"`, `"12h"`, `"1h30m"`.

use std::time::Duration;

use super::problem::{Fault, nearest};

/// The units, longest first, with their seconds.
const UNITS: [(&str, u64); 6] =
    [("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Longer words people use for them.
const WORDS: [(&str, &str); 12] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("year", "y"),
];

/// The longest CloudFront takes: 100 years (§7.1).
pub const LONGEST: Duration = Duration::from_secs(100 * 31_536_000);

const EXAMPLES: &str = "as in \"30s\", \"5m\", \"12h\", \"7d\", \"1h30m\"";

/// Reads whole numbers, each with its unit, longest unit first. Zero is `"0s"`.
pub(super) fn parse(text: &str) -> Result<Duration, Fault> {
    if text.is_empty() {
        return Err(Fault::new("the duration is empty").hint(EXAMPLES));
    }
    let (mut rest, mut seconds, mut next_unit) = (text, 0_u64, 0);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len()));
        if number.is_empty() || unit.is_empty() && !after.is_empty() {
            return Err(Fault::new(format!("{text:?} is no duration: whole numbers with units, no spaces"))
                .hint(EXAMPLES));
        }
        if unit.is_empty() {
            let hint = format!("did you mean \"{text}s\"?");
            return Err(Fault::new(format!("{text:?} has no unit")).hint(hint));
        }
        let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(unknown_unit(text, number, unit));
        };
        if index < next_unit {
            return Err(
                Fault::new(format!("in {text:?} the units are not in order, longest first")).hint(EXAMPLES)
            );
        }
        next_unit = index + 1;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(UNITS[index].1));
        seconds = part
            .and_then(|part| seconds.checked_add(part))
            .filter(|seconds| *seconds <= LONGEST.as_secs())
            .ok_or_else(|| {
                let fault = Fault::new(format!("{text:?} is more than CloudFront's 100 years"));
                fault.hint("\"1y\" is as good as for ever")
            })?;
        rest = after;
    }
    Ok(Duration::from_secs(seconds))
}

/// As it is written: the fewest units that say it.
pub(super) fn written(duration: Duration) -> String {
    let (mut rest, mut text) = (duration.as_secs(), String::new());
    for (unit, seconds) in UNITS {
        if rest >= seconds {
            text.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> Fault {
    let fault = Fault::new(format!("{unit:?} in {text:?} is no unit: s, m, h, d, w or y"));
    let word = nearest(unit, WORDS.iter().map(|(word, _)| *word));
    match WORDS.iter().find(|(known, _)| Some(*known) == word) {
        Some((_, short)) if unit.len() > 1 => fault.hint(format!("did you mean \"{number}{short}\"?")),
        _ => fault.hint(EXAMPLES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0s", 0),
            ("1s", 1),
            ("90s", 90),
            ("5m", 300),
            ("12h", 43_200),
            ("1d", 86_400),
            ("2w", 1_209_600),
            ("1y", 31_536_000),
            ("1h30m", 5_400),
            ("1y1w1d1h1m1s", 31_536_000 + 604_800 + 86_400 + 3_661),
            ("007s", 7),
            ("100y", 3_153_600_000),
            ("3153600000s", 3_153_600_000),
        ] {
            assert_eq!(parse(text).map(|duration| duration.as_secs()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (seconds, text) in [(0, "0s"), (60, "1m"), (5_400, "1h30m"), (86_400, "1d"), (2_592_000, "4w2d")]
        {
            let duration = Duration::from_secs(seconds);
            assert_eq!(written(duration), text);
            assert_eq!(parse(text), Ok(duration));
        }
    }

    #[test]
    fn no_durations() {
        for (text, says) in [
            ("", "empty"),
            ("10", "did you mean \"10s\"?"),
            ("h", "no duration"),
            ("1.5h", "no duration"),
            ("-1s", "no duration"),
            ("+1s", "no duration"),
            ("1 h", "no duration"),
            (" 1h", "no duration"),
            ("1h ", "no duration"),
            ("1h 30m", "no duration"),
            ("1h30", "no unit"),
            ("30m1h", "longest first"),
            ("1h1h", "longest first"),
            ("1H", "is no unit"),
            ("1ms", "is no unit"),
            ("5min", "did you mean \"5m\"?"),
            ("2 days", "no duration"),
            ("2days", "did you mean \"2d\"?"),
            ("101y", "100 years"),
            ("100y1s", "100 years"),
            ("99999999999999999999s", "100 years"),
            ("18446744073709551615y", "100 years"),
            ("١s", "no duration"),
            ("1µ", "is no unit"),
        ] {
            let fault = parse(text).unwrap_err();
            let all = format!("{} {}", fault.message, fault.hint.unwrap_or_default());
            assert!(all.contains(says), "{text:?}: {all}");
        }
    }
}
