//! Durations in the form of files and commands: `500ms`, `1.5s`, `5m`, `1h` or `1d`.

use std::fmt;
use std::time::Duration;

/// The units in milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SECOND: u64 = 1000;

/// Parses digits, with or without a fraction, directly followed by a unit. Returns `None` for anything else, and if the
/// time is not a whole number of milliseconds.
pub fn parse(text: &str) -> Option<Duration> {
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(number);
    let &(_, milliseconds) = UNITS.iter().find(|&&(name, _)| name == unit)?;
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut total = u128::from(whole.parse::<u64>().ok()?) * u128::from(milliseconds);
    if let Some(fraction) = fraction {
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(milliseconds);
        total += (part % scale == 0).then_some(part / scale)?;
    }
    let seconds = u64::try_from(total / 1000).ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_millis((total % 1000) as u64))
}

/// Displays a duration in the largest unit of which it is a whole multiple. If there is none, times above a second are
/// shown as seconds with a fraction. A measured time that is not a whole number of milliseconds is rounded to a tenth
/// of one.
#[derive(Clone, Copy, Debug)]
pub struct Written(pub Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.subsec_nanos().is_multiple_of(1_000_000) {
            return write!(f, "{:.1}ms", self.0.as_secs_f64() * 1000.0);
        }
        let Ok(total) = u64::try_from(self.0.as_millis()) else { return write!(f, "{}s", self.0.as_secs()) };
        if total == 0 {
            return f.write_str("0s");
        }
        if total > SECOND && !total.is_multiple_of(SECOND) {
            let fraction = format!("{:03}", total % SECOND);
            return write!(f, "{}.{}s", total / SECOND, fraction.trim_end_matches('0'));
        }
        let (unit, milliseconds) = UNITS.into_iter().find(|&(_, unit)| total.is_multiple_of(unit)).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", total / milliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(milliseconds: u64) -> String {
        Written(Duration::from_millis(milliseconds)).to_string()
    }

    #[test]
    fn durations_are_written_in_the_largest_unit_that_they_fill() {
        let texts =
            ["0s", "1ms", "500ms", "1s", "1.5s", "1.001s", "90s", "90.25s", "5m", "90m", "1h", "36h", "1d", "30d"];
        let milliseconds = [
            0,
            1,
            500,
            1000,
            1500,
            1001,
            90_000,
            90_250,
            300_000,
            5_400_000,
            3_600_000,
            129_600_000,
            86_400_000,
            2_592_000_000,
        ];
        assert_eq!(milliseconds.map(written), texts);
        for text in texts {
            assert_eq!(Written(parse(text).unwrap()).to_string(), text, "what is written can be read");
        }
        assert_eq!(Written(Duration::from_micros(703)).to_string(), "0.7ms");
        assert_eq!(Written(Duration::from_micros(40_959)).to_string(), "41.0ms");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            ".5s",
            "5.s",
            "1.2.3s",
            "5 s",
            "-5s",
            "+5s",
            "1m30s",
            "5S",
            "0.5ms",
            "1.0001s",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("0.5h"), Some(Duration::from_secs(1800)));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse("18446744073709551615s"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(parse("18446744073709551615m"), None);
    }
}
