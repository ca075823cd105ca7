//! Round trip times, and when two of them count as equally good.

use std::fmt;

use crate::geo::Coordinates;

/// Units of an [`Rtt`] in a millisecond.
const UNITS_PER_MS: f64 = 10.0;

/// The constant part of any estimate, in milliseconds: the last mile, and delays that do not depend on distance.
const ESTIMATE_BASE_MS: f64 = 5.0;

/// Kilometres of distance between client and datacenter for a millisecond. Light in glass fibre travels 100 km and back
/// in that time, and no cable follows the great circle.
const ESTIMATE_KM_PER_MS: f64 = 80.0;

/// A round trip time in tenths of a millisecond, or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rtt(u16);

impl Rtt {
    /// Unknown. It is greater than every known one.
    pub const UNKNOWN: Self = Self(u16::MAX);

    /// From milliseconds. Rounds to tenths, and limits the value to 0.1 to 6,553.4 ms.
    pub fn from_ms(ms: f64) -> Self {
        Self((ms * UNITS_PER_MS).round().clamp(1.0, f64::from(u16::MAX - 1)) as u16)
    }

    /// The estimate for a client at this distance: 5 ms, and 1 ms more for every 80 km.
    pub fn estimate(client: Coordinates, datacenter: Coordinates) -> Self {
        Self::estimate_with_detour(client.distance_km(datacenter), 0.0)
    }

    /// The same for a path over this distance that takes `detour_ms` longer than other paths.
    pub(super) fn estimate_with_detour(km: f64, detour_ms: f64) -> Self {
        Self::from_ms(ESTIMATE_BASE_MS + Self::ms_of_km(km) + detour_ms)
    }

    /// The part of an estimate that the distance makes, in milliseconds.
    pub(super) fn ms_of_km(km: f64) -> f64 {
        km / ESTIMATE_KM_PER_MS
    }

    /// The median of these, which are sorted and known; unknown if there are none.
    pub fn median(sorted: &[Self]) -> Self {
        match sorted {
            [] => Self::UNKNOWN,
            _ => Self(u16::midpoint(sorted[(sorted.len() - 1) / 2].0, sorted[sorted.len() / 2].0)),
        }
    }

    /// True if it is known.
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// In milliseconds.
    pub fn ms(self) -> f64 {
        f64::from(self.0) / UNITS_PER_MS
    }

    /// In tenths of a millisecond, as it is kept.
    pub fn to_tenths(self) -> u16 {
        self.0
    }

    /// From tenths of a millisecond; `None` if the number is not a known round trip time.
    pub fn from_tenths(tenths: u16) -> Option<Self> {
        (1..u16::MAX).contains(&tenths).then_some(Self(tenths))
    }
}

impl fmt::Display for Rtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() { write!(f, "{:.1} ms", self.ms()) } else { f.write_str("unknown") }
    }
}

/// The amount by which a round trip time may exceed another one and still count as equally good: a share of it or a
/// time, whichever is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tolerance {
    per_mille: u16,
    tenths: u16,
}

impl Tolerance {
    /// The greatest share, in thousandths.
    pub const MAX_PER_MILLE: u16 = 1000;
    /// The greatest time, in tenths of a millisecond.
    pub const MAX_TENTHS: u16 = 10_000;

    /// From a share in thousandths and a time in tenths of a millisecond; whichever is more counts. Returns `None`
    /// above [`Self::MAX_PER_MILLE`] or [`Self::MAX_TENTHS`].
    pub fn try_new(per_mille: u16, tenths: u16) -> Option<Self> {
        let valid = per_mille <= Self::MAX_PER_MILLE && tenths <= Self::MAX_TENTHS;
        valid.then_some(Self { per_mille, tenths })
    }

    /// The highest round trip time that is as good as `rtt`.
    pub fn limit(self, rtt: Rtt) -> Rtt {
        if !rtt.is_known() {
            return rtt;
        }
        let share = u32::from(rtt.0) * u32::from(self.per_mille) / 1000;
        let limit = u32::from(rtt.0) + share.max(u32::from(self.tenths));
        Rtt(limit.min(u32::from(u16::MAX - 1)) as u16)
    }

    /// True if the two differ by more than this.
    pub fn tells_apart(self, one: Rtt, other: Rtt) -> bool {
        self.limit(one.min(other)) < one.max(other)
    }
}

impl Default for Tolerance {
    /// 15 % or 5 ms.
    fn default() -> Self {
        Self { per_mille: 150, tenths: 50 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::try_new(latitude, longitude).unwrap()
    }

    #[test]
    fn an_estimate_grows_with_the_great_circle_even_across_the_antimeridian() {
        assert_eq!(Rtt::estimate(at(50.0, 8.0), at(50.0, 8.0)), Rtt::from_ms(5.0));
        // A degree on the equator is 111.195 km.
        assert_eq!(Rtt::estimate(at(0.0, 10.0), at(0.0, 11.0)), Rtt::from_ms(5.0 + 111.195 / 80.0));
        assert_eq!(Rtt::estimate(at(0.0, 179.5), at(0.0, -179.5)), Rtt::estimate(at(0.0, 10.0), at(0.0, 11.0)));
        // Half around the Earth, 20,015 km.
        assert_eq!(Rtt::estimate(at(0.0, 90.0), at(0.0, -90.0)), Rtt::from_ms(5.0 + 20_015.1 / 80.0));
    }

    #[test]
    fn a_tolerance_is_a_share_or_a_time_whichever_is_more() {
        let tolerance = Tolerance::default();
        assert_eq!(tolerance.limit(Rtt::from_ms(10.0)), Rtt::from_ms(15.0));
        assert_eq!(tolerance.limit(Rtt::from_ms(100.0)), Rtt::from_ms(115.0));
        assert_eq!(tolerance.limit(Rtt::UNKNOWN), Rtt::UNKNOWN);
        assert!(
            tolerance.limit(Rtt::from_ms(6500.0)).is_known(),
            "a known one never counts as equal to an unknown one"
        );
        assert!(!tolerance.tells_apart(Rtt::from_ms(15.0), Rtt::from_ms(10.0)));
        assert!(tolerance.tells_apart(Rtt::from_ms(10.0), Rtt::from_ms(15.1)));
    }

    #[test]
    fn the_median_of_two_lies_between_them() {
        let ms = Rtt::from_ms;
        assert_eq!(Rtt::median(&[]), Rtt::UNKNOWN);
        assert_eq!(Rtt::median(&[ms(7.0)]), ms(7.0));
        assert_eq!(Rtt::median(&[ms(10.0), ms(20.0)]), ms(15.0));
        assert_eq!(Rtt::median(&[ms(10.0), ms(20.0), ms(90.0)]), ms(20.0));
    }
}
