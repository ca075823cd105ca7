//! How much of its part of the clients an endpoint keeps.

use std::fmt;

/// A share of what an endpoint would get, in thousandths: 0 is nothing, it does not answer; 1000 is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// It does not answer.
    pub const NONE: Self = Self(0);
    /// It answers as its weight says.
    pub const FULL: Self = Self(1000);

    /// A share in thousandths; what is above 1000 is all.
    pub const fn from_thousandths(thousandths: u16) -> Self {
        Self(if thousandths > Self::FULL.0 { Self::FULL.0 } else { thousandths })
    }

    /// The share that a part of 1 comes to; what is above 1 is all. A part above nothing is not rounded to nothing: an endpoint
    /// that asks for little is not drained.
    pub fn from_part(part: f64) -> Self {
        let rounded = Self::from_thousandths((part * f64::from(Self::FULL.0)).round() as u16);
        if part > 0.0 && !rounded.is_some() { Self(1) } else { rounded }
    }

    /// The share in thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// Whether anything is left.
    pub fn is_some(self) -> bool {
        self > Self::NONE
    }

    /// Whether nothing is taken away.
    pub fn is_full(self) -> bool {
        self == Self::FULL
    }

    /// The share of a share.
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
