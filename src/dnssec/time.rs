//! Times of keys and signatures.
//!
//! Signatures are made for windows of time, so that the same records have the same signature for days:
//!
//! ```text
//!   inception    the window begins                   it ends        expiration
//!       ├───1 h──┼───────── validity - refresh ─────────┼──── refresh ────┤
//! ```
//!
//! Within its window a signature is valid for at least `refresh` more, which is longer than caches keep the records.
//! The windows of different names begin at different times, so that they are not all signed anew at once.

/// A signature begins to be valid this long before its window, in seconds, because clocks differ.
const MARGIN: u64 = 3600;

const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// How long signatures are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Seconds from the beginning of a signature's window to its expiration.
    validity: u64,
    /// Seconds that a signature is valid for at least when it is served.
    refresh: u64,
}

/// Least difference of validity and refresh in seconds: the length of a window.
pub const MIN_WINDOW: u64 = HOUR;

impl Default for Policy {
    /// Returns 14 days, of which 7 are left at least: a node that can sign no more is noticed before that.
    fn default() -> Self {
        Self { validity: 14 * DAY, refresh: 7 * DAY }
    }
}

impl Policy {
    /// Returns a policy of these seconds; `None` if the difference is below [`MIN_WINDOW`].
    pub fn try_new(validity: u64, refresh: u64) -> Option<Self> {
        (validity >= refresh.saturating_add(MIN_WINDOW)).then_some(Self { validity, refresh })
    }

    /// Returns the seconds that a signature is valid for at least when it is served.
    pub fn refresh(self) -> u64 {
        self.refresh
    }

    /// Returns the seconds from the beginning of a signature's window to its expiration.
    pub fn validity(self) -> u64 {
        self.validity
    }

    /// Returns inception and expiration of the signature that is served at the time `now`. `spread` is the same number
    /// for all signatures of an RRset. Times are in Unix seconds; signatures hold them modulo 2^32 (RFC 4034, section
    /// 3.1.5).
    pub(super) fn window(self, now: u64, spread: u64) -> (u32, u32) {
        let length = self.validity - self.refresh;
        let offset = spread % length;
        let begin = (now + length - offset) / length * length + offset - length;
        ((begin.saturating_sub(MARGIN)) as u32, (begin + self.validity) as u32)
    }
}

/// The times of a key, in Unix seconds, as its files give them; `None` sets no bound.
///
/// They are the earliest times: a [plan](super::Plan) waits longer where caches need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Its DNSKEY record is published from then on. `None` means from `activate` on.
    pub publish: Option<u64>,
    /// It signs from then on.
    pub activate: Option<u64>,
    /// It signs until then.
    pub inactive: Option<u64>,
    /// Its DNSKEY record is published until then.
    pub delete: Option<u64>,
    /// The CDS and CDNSKEY records ask the parent for its DS record from then on.
    pub sync_publish: Option<u64>,
    /// They ask for it until then.
    pub sync_delete: Option<u64>,
    /// Its DS record was seen at the parent then, and none of the keys that it replaces.
    pub ds_publish: Option<u64>,
}

/// How long caches may hold what was served, in seconds. It bounds how soon one key can follow another (RFC 7583,
/// section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// TTL of the DNSKEY RRset.
    pub keys: u64,
    /// Greatest TTL of all other records of the zone, those of proofs included.
    pub zone: u64,
    /// TTL of the DS records that the parent holds.
    pub ds: u64,
    /// Time for all nodes to serve a change: their clocks differ, and files are copied.
    pub propagation: u64,
}

impl Default for Delays {
    /// Returns a day for the zone and its parent, and an hour for keys and nodes.
    fn default() -> Self {
        Self { keys: super::KEY_TTL.into(), zone: DAY, ds: DAY, propagation: HOUR }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_one_another_and_leave_the_refresh() {
        use proptest::prelude::*;
        proptest!(|(now in 1_000_000_000u64..4_000_000_000, spread: u64, window in MIN_WINDOW..30 * DAY, refresh in 0..30 * DAY)| {
            let policy = Policy::try_new(window + refresh, refresh).unwrap();
            let (inception, expiration) = policy.window(now, spread);
            let begin = u64::from(inception) + MARGIN;
            prop_assert!(begin <= now && now < begin + window);
            prop_assert_eq!(begin % window, spread % window);
            prop_assert_eq!(u64::from(expiration), begin + window + refresh);
            prop_assert_eq!(policy.window(begin + window - 1, spread), (inception, expiration));
        });
        assert_eq!(Policy::try_new(MIN_WINDOW + 6, 7), None);
    }
}
