//! Dates and times of day in the Gregorian calendar, and the time since the Unix epoch.

use std::ops::Range;
use std::time::Duration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A date and a time of day, `offset` minutes ahead of UTC. Every field is in the range of RFC 3339, section 5.6. A
/// leap second counts as the second after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the length of the month.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Minutes by which the local time is ahead of UTC.
    pub offset: i16,
}

impl Civil {
    /// The time since the Unix epoch; `None` for a time before it.
    pub fn since_epoch(&self) -> Option<Duration> {
        let Self { year, month, day, hour, minute, second, offset } = *self;
        let of_day = i64::from(hour) * HOUR + i64::from(minute) * MINUTE + i64::from(second);
        let local = days_before(year, month, day) * DAY + of_day;
        u64::try_from(local - i64::from(offset) * MINUTE).ok().map(Duration::from_secs)
    }

    /// Reads fourteen digits as DNSSEC writes times (RFC 4034, section 3.2): `20261201020000`, in UTC. `None` for
    /// anything else, and for a date that no calendar has.
    pub fn parse_digits(text: &str) -> Option<Self> {
        let number = |range: Range<usize>| text.get(range)?.parse::<u16>().ok();
        let octet = |range| u8::try_from(number(range)?).ok();
        let civil = Self {
            year: number(0..4)?,
            month: octet(4..6)?,
            day: octet(6..8)?,
            hour: octet(8..10)?,
            minute: octet(10..12)?,
            second: octet(12..14)?,
            offset: 0,
        };
        let digits = civil.since_epoch().map(digits);
        digits.is_some_and(|digits| digits == text).then_some(civil)
    }
}

/// The parts of a moment in UTC: year, month, day, hour, minute and second.
fn parts(since_epoch: Duration) -> [i64; 6] {
    let seconds = since_epoch.as_secs().cast_signed();
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let seconds = seconds.rem_euclid(DAY);
    [year, month, day, seconds / HOUR, seconds % HOUR / MINUTE, seconds % MINUTE]
}

/// A moment in RFC 3339, in UTC and whole seconds: `2026-12-01T02:00:00Z`.
pub fn rfc3339(since_epoch: Duration) -> String {
    let [year, month, day, hour, minute, second] = parts(since_epoch);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A moment in fourteen digits (RFC 4034, section 3.2), in UTC: `20261201020000`.
pub fn digits(since_epoch: Duration) -> String {
    let [year, month, day, hour, minute, second] = parts(since_epoch);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// Days in 400 years, after which the Gregorian calendar repeats.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Days from the Unix epoch to a date. Years are counted from March on, so that a leap day is a year's last (Howard Hinnant,
/// chrono-Compatible Low-Level Date Algorithms).
fn days_before(year: u16, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (i64::from(month) + 9) % 12;
    let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH
}

/// The date this many days after the Unix epoch.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAINTENANCE: Civil = Civil { year: 2026, month: 12, day: 1, hour: 2, minute: 0, second: 0, offset: 0 };

    #[test]
    fn moments_are_counted_from_the_epoch() {
        let at = |civil: Civil| civil.since_epoch().map(|at| at.as_secs());
        assert_eq!(at(MAINTENANCE), Some(1_796_090_400));
        assert_eq!(at(Civil { offset: 120, ..MAINTENANCE }), Some(1_796_083_200));
        assert_eq!(at(Civil { year: 2024, month: 2, day: 29, ..MAINTENANCE }), Some(1_709_172_000));
        assert_eq!(at(Civil { year: 1970, month: 1, day: 1, hour: 0, ..MAINTENANCE }), Some(0));
        assert_eq!(at(Civil { year: 1970, month: 1, day: 1, hour: 0, offset: 1, ..MAINTENANCE }), None);
        assert_eq!(rfc3339(Duration::from_secs(1_796_090_400)), "2026-12-01T02:00:00Z");
        assert_eq!(rfc3339(Duration::from_secs(951_782_399)), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(Duration::from_secs(951_782_400)), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn digits_are_a_moment_of_the_calendar() {
        let at = |text| Civil::parse_digits(text).and_then(|civil| civil.since_epoch()).map(|at| at.as_secs());
        assert_eq!(at("19700101000000"), Some(0));
        assert_eq!(at("20000229235959"), Some(951_868_799));
        assert_eq!(at("21000301000000"), Some(4_107_542_400));
        assert_eq!(digits(Duration::from_secs(951_868_799)), "20000229235959");
        let bad = ["", "20261301000000", "20260102", "2026010203040x", "20260102240000", "19691231235959"];
        for bad in bad.into_iter().chain(["20260230000000", "20260101000060", "202601010000+1", "020260101000000"]) {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_the_same_moment(seconds in 0_u64..253_402_300_800) {
            let text = rfc3339(Duration::from_secs(seconds));
            let number = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap();
            let civil = Civil {
                year: number(0..4),
                month: number(5..7) as u8,
                day: number(8..10) as u8,
                hour: number(11..13) as u8,
                minute: number(14..16) as u8,
                second: number(17..19) as u8,
                offset: 0,
            };
            prop_assert_eq!(civil.since_epoch(), Some(Duration::from_secs(seconds)));
        }
    }
}
