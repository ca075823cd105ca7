//! What an entry is about.

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::health::PoolKey;
use crate::lease::LeaseId;
use crate::name::Name;
use crate::overrides::TargetPattern;
use crate::rollout::RolloutId;
use crate::vantage::NodeName;

/// The key of the hash that names matters in subjects. All nodes have the same one, and it never changes.
const KEY: &[u8; 16] = b"truenorth matter";

/// Returns a number for a node, which most likely no other node of its fleet has.
pub fn tag(node: &NodeName) -> u16 {
    let mut hasher = SipHasher24::new_with_key(KEY);
    hasher.write(node.as_str().as_bytes());
    hasher.finish() as u16
}

/// The subject of an entry. Each has one latest entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matter {
    /// All overrides that are placed on exactly this target.
    Target(TargetPattern),
    /// A TXT record: its owner and its text.
    Txt(Name, Box<str>),
    /// The lease of an endpoint in a pool.
    Lease(PoolKey, LeaseId),
    /// A roll-out.
    Rollout(RolloutId),
    /// The versions of the zones.
    Zones,
}

/// The identity of a matter as text, the same on all nodes. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatterKey(Arc<str>);

/// A stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// Overrides and roll-outs, which last until they are taken back.
    Lasting,
    /// TXT records and leases, which end.
    Passing,
    /// The versions of the zones.
    Zones,
}

impl Book {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lasting, Self::Passing, Self::Zones];

    /// The streams that a node reads.
    pub fn read_by(observes: bool, takes_zones: bool) -> &'static [Self] {
        match (observes, takes_zones) {
            (false, true) => &Self::ALL,
            (false, false) => &[Self::Lasting, Self::Passing],
            (true, true) => &[Self::Zones],
            (true, false) => &[],
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lasting => "lasting",
            Self::Passing => "passing",
            Self::Zones => "zones",
        }
    }
}

impl Matter {
    /// The word for its kind, which is a part of its subject.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Target(_) => "override",
            Self::Txt(..) => "txt",
            Self::Lease(..) => "lease",
            Self::Rollout(_) => "rollout",
            Self::Zones => "current",
        }
    }

    /// The stream that holds it.
    pub fn book(&self) -> Book {
        match self {
            Self::Target(_) | Self::Rollout(_) => Book::Lasting,
            Self::Txt(..) | Self::Lease(..) => Book::Passing,
            Self::Zones => Book::Zones,
        }
    }

    /// Its identity.
    pub fn key(&self) -> MatterKey {
        let kind = self.kind();
        // A blank in a name is always written as an escape, and an id has none.
        let text = match self {
            Self::Target(target) => format!("{kind} {target}"),
            Self::Txt(name, value) => format!("{kind} {} {value}", name.to_string().to_ascii_lowercase()),
            Self::Lease(pool, id) => format!("{kind} {pool} {id}"),
            Self::Rollout(RolloutId { zone, owner }) => format!("{kind} {zone} {owner}"),
            Self::Zones => kind.to_owned(),
        };
        MatterKey(text.into())
    }
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(target) => write!(f, "the overrides of {target}"),
            Self::Txt(name, _) => write!(f, "a TXT record of {name}"),
            Self::Lease(pool, id) => write!(f, "the lease of {id} in {}", pool.to_string().trim_start()),
            Self::Rollout(RolloutId { owner, .. }) => write!(f, "the roll-out of {owner}"),
            Self::Zones => f.write_str("the version of the zones"),
        }
    }
}

impl MatterKey {
    /// The key of a row that an earlier run kept.
    pub fn from_kept(text: &str) -> Self {
        Self(text.into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash, for the last token of its subject: it may hold characters that a subject may not.
    pub fn hash(&self) -> u128 {
        let mut hasher = SipHasher24::new_with_key(KEY);
        hasher.write(self.0.as_bytes());
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matter_has_one_key_however_it_is_written() {
        let name = |text| Name::parse(text, &Name::root()).unwrap();
        let target = |text: &str| Matter::Target(text.parse().unwrap()).key();
        assert_eq!(target("endpoint:2001:DB8::1"), target("endpoint:2001:db8:0::1"));
        assert_eq!(
            Matter::Txt(name("_A.example."), "X y".into()).key(),
            Matter::Txt(name("_a.Example."), "X y".into()).key()
        );
        assert_ne!(Matter::Txt(name("a."), "x".into()).key(), Matter::Txt(name("a."), "X".into()).key());
        // This must never change: nodes of several versions find each other's entries by it.
        assert_eq!(target("dc:fra").as_str(), "override dc:fra");
        assert_eq!(format!("{:032x}", target("dc:fra").hash()), "baafce600c4d67e249d18c7956ae2259");
    }
}
