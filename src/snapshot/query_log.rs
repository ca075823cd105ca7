//! Selects the answers that are logged.

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

/// Selects the answers that are logged: those of some classes and zones, and of these a random sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRule {
    /// One in this number of answers is logged, chosen at random.
    pub every: NonZeroU32,
    /// By [`LogClass`]: true if answers of the class are logged.
    pub classes: [bool; 3],
    /// By [`ZoneId`]: true if answers of the zone are logged. `None` if all answers are logged, also those of no zone.
    pub zones: Option<Box<[bool]>>,
}

impl LogRule {
    /// True if an answer of this class may be logged. `zone` is the zone that answers; `None` if no zone does.
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
