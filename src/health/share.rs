//! The share of its clients that an endpoint keeps.

use std::fmt;

/// A share of the clients an endpoint would get, in thousandths: 0 is none (it does not answer), 1000 is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// No clients: it does not answer.
    pub const NONE: Self = Self(0);
    /// All clients: it answers according to its weight.
    pub const FULL: Self = Self(1000);

    /// A share in thousandths; more than 1000 counts as 1000.
    pub const fn from_thousandths(thousandths: u16) -> Self {
        Self(if thousandths > Self::FULL.0 { Self::FULL.0 } else { thousandths })
    }

    /// The share for a part of 1; more than 1 counts as 1. A part above 0 is never rounded to 0: an endpoint that asks
    /// for little is not drained.
    pub fn from_part(part: f64) -> Self {
        let rounded = Self::from_thousandths((part * f64::from(Self::FULL.0)).round() as u16);
        if part > 0.0 && !rounded.is_some() { Self(1) } else { rounded }
    }

    /// The share in thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// True if the share is above 0.
    pub fn is_some(self) -> bool {
        self > Self::NONE
    }

    /// True if the share is full.
    pub fn is_full(self) -> bool {
        self == Self::FULL
    }

    /// The product of both shares.
    pub fn of(self, other: Self) -> Self {
        Self((u32::from(self.0) * u32::from(other.0) / u32::from(Self::FULL.0)) as u16)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (percent, 0) => write!(f, "{percent} %"),
            (percent, tenths) => write!(f, "{percent}.{tenths} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_above_nothing_is_not_nothing() {
        for (part, thousandths) in
            [(0.0, 0), (0.000_004, 1), (0.0004, 1), (0.0016, 2), (0.5, 500), (1.0, 1000), (9.0, 1000)]
        {
            assert_eq!(Share::from_part(part).thousandths(), thousandths, "{part}");
        }
    }
}
