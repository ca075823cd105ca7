//! Small numbers in as few octets as they need.
//!
//! A database of countries has a million runs and 250 locations. Numbers of one octet each stay in the processor's
//! caches, and take a quarter of the memory.

/// A list of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// All are below 2^8.
    Narrow(Box<[u8]>),
    /// All are below 2^16, and some are not below 2^8.
    Wide(Box<[u16]>),
    /// Some are not below 2^16.
    Full(Box<[u32]>),
}

impl Values {
    /// The number at this position.
    #[inline]
    pub fn get(&self, position: usize) -> u32 {
        match self {
            Self::Narrow(numbers) => numbers[position].into(),
            Self::Wide(numbers) => numbers[position].into(),
            Self::Full(numbers) => numbers[position],
        }
    }

    /// All numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.len()).map(|position| self.get(position))
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(numbers) => numbers.len(),
            Self::Wide(numbers) => numbers.len(),
            Self::Full(numbers) => numbers.len(),
        }
    }
}

impl From<Vec<u32>> for Values {
    fn from(numbers: Vec<u32>) -> Self {
        match numbers.iter().max() {
            Some(&highest) if highest > u16::MAX.into() => Self::Full(numbers.into()),
            Some(&highest) if highest > u8::MAX.into() => {
                Self::Wide(numbers.into_iter().map(|number| number as u16).collect())
            }
            _ => Self::Narrow(numbers.into_iter().map(|number| number as u8).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_are_kept() {
        for highest in [0, 255, 256, 65_535, 65_536, u32::MAX] {
            let values = Values::from(vec![7, highest, 0]);
            assert_eq!(values.iter().collect::<Vec<_>>(), [7, highest, 0]);
        }
        assert!(matches!(Values::from(vec![255]), Values::Narrow(_)));
        assert!(matches!(Values::from(vec![256]), Values::Wide(_)));
        assert_eq!(Values::from(Vec::new()).iter().count(), 0);
    }
}
