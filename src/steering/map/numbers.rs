//! Numbers of rankings in as few octets as they need.

/// The number of the ranking of each spot. A city database has hundreds of thousands of spots, and most maps have a few
/// dozen rankings.
#[derive(Debug)]
pub(super) enum Numbers {
    /// All are below 2^8.
    Narrow(Box<[u8]>),
    /// All are below 2^16.
    Wide(Box<[u16]>),
    /// Any.
    Full(Box<[u32]>),
}

impl Numbers {
    /// Keeps `numbers`. The numbers at or above `count` are those of spots that no address has; they are lost.
    pub(super) fn new(numbers: &[u32], count: usize) -> Self {
        if count <= 1 << u8::BITS {
            Self::Narrow(numbers.iter().map(|&number| number as u8).collect())
        } else if count <= 1 << u16::BITS {
            Self::Wide(numbers.iter().map(|&number| number as u16).collect())
        } else {
            Self::Full(numbers.into())
        }
    }

    /// The number of a spot.
    #[inline]
    pub(super) fn get(&self, spot: u32) -> u32 {
        let spot = spot as usize;
        match self {
            Self::Narrow(numbers) => numbers[spot].into(),
            Self::Wide(numbers) => numbers[spot].into(),
            Self::Full(numbers) => numbers[spot],
        }
    }
}
