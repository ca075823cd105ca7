//! Which answers the query log has.

use std::num::NonZeroU32;

use crate::zone::ZoneId;

/// The class of an answer, as far as the query log distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// Records, or a referral.
    Success = 0,
    /// NXDOMAIN, or no records of the asked type.
    Denial = 1,
    /// Any other response code.
    Error = 2,
}

/// Which answers the query log has: those of some classes and zones, and of these a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRule {
    /// One answer of so many is logged, at random.
    pub every: NonZeroU32,
    /// Whether answers of each [`LogClass`] are logged.
    pub classes: [bool; 3],
    /// Whether answers of each zone are logged, by [`ZoneId`]; `None` for all answers, also those of no zone.
    pub zones: Option<Box<[bool]>>,
}

impl LogRule {
    /// True if an answer of this class is logged. `zone` answers the question's name; `None` if no zone does.
    pub fn admits(&self, class: LogClass, zone: Option<ZoneId>) -> bool {
        let is_listed = |zones: &[bool]| zone.is_some_and(|zone| zones.get(zone.index()).copied().unwrap_or_default());
        self.classes[class as usize] && self.zones.as_deref().is_none_or(is_listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_zones_both_count() {
        let all = LogRule { every: NonZeroU32::MIN, classes: [true; 3], zones: None };
        let some = LogRule { classes: [false, true, false], zones: Some([false, true].into()), ..all.clone() };
        let [first, second, third] = [0, 1, 2].map(|number| Some(ZoneId::from_index(number)));
        assert!(all.admits(LogClass::Error, None) && all.admits(LogClass::Success, third));
        assert!(some.admits(LogClass::Denial, second));
        for (class, zone) in [
            (LogClass::Success, second),
            (LogClass::Denial, first),
            (LogClass::Denial, third),
            (LogClass::Denial, None),
        ] {
            assert!(!some.admits(class, zone), "{class:?} {zone:?}");
        }
    }
}
