//! The signed zones of a configuration, and their keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::Counted;
use crate::dnssec::{SigningKey, ZoneKeys};
use crate::duration::Written;
use crate::snapshot::World;
use crate::wire::Rtype;

/// The signed zones of a configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Signing {
    /// The zones, in the order of the configuration.
    pub(super) zones: Vec<SignedZone>,
}

/// A signed zone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SignedZone {
    zone: String,
    keys: Vec<Key>,
    /// Seconds for which a signature is valid.
    validity: u64,
    /// Seconds for which a signature is valid at least when it is served.
    refresh: u64,
}

/// A published key.
#[derive(Debug, Serialize, Deserialize)]
struct Key {
    tag: u16,
    algorithm: String,
    /// 257 for a key that the parent's DS record refers to, else 256.
    flags: u16,
    signs: Signs,
}

/// The records that a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signs {
    Everything,
    /// DNSKEY, CDS and CDNSKEY.
    Keys,
    /// Everything else.
    Records,
    Nothing,
}

impl fmt::Display for Signs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everything => "signs all records",
            Self::Keys => "signs the keys",
            Self::Records => "signs all records but the keys",
            Self::Nothing => "is published and signs nothing",
        })
    }
}

/// Maximum number of signed zones in a summary.
const MAX_LISTED: usize = 3;

impl Signing {
    /// Returns the signed zones of a world.
    pub fn of(world: &World) -> Self {
        Self {
            zones: world.zones.iter().filter_map(|zone| zone.keys.as_ref()).map(|keys| SignedZone::of(keys)).collect(),
        }
    }

    /// Returns lines for a summary: the tags of the keys of the first zones.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let listed = self.zones.iter().take(MAX_LISTED).map(SignedZone::line);
        let more = self.zones.len().saturating_sub(MAX_LISTED);
        let more = (more > 0)
            .then(|| format!("{} more signed: `truenorth dnssec status` lists their keys", Counted(more, "zone")));
        listed.chain(more)
    }
}

impl SignedZone {
    fn of(keys: &ZoneKeys) -> Self {
        let has =
            |rtype, key: &SigningKey| keys.signing(rtype).iter().any(|other| std::ptr::eq(Arc::as_ptr(other), key));
        let key = |key: &SigningKey| Key {
            tag: key.public().tag(),
            algorithm: key.public().algorithm().to_string(),
            flags: key.public().flags(),
            signs: match (has(Rtype::DNSKEY, key), has(Rtype::A, key)) {
                (true, true) => Signs::Everything,
                (true, false) => Signs::Keys,
                (false, true) => Signs::Records,
                (false, false) => Signs::Nothing,
            },
        };
        Self {
            zone: keys.apex().to_string(),
            keys: keys.published().iter().map(|published| key(published)).collect(),
            validity: keys.policy().validity(),
            refresh: keys.policy().refresh(),
        }
    }

    fn line(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("{} ({})", key.tag, key.algorithm)).collect();
        format!("{} is signed, key {}", self.zone, keys.join(", "))
    }
}

impl fmt::Display for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.zones.is_empty() {
            return f.write_str("no zone is signed");
        }
        for (number, SignedZone { zone, keys, validity, refresh }) in self.zones.iter().enumerate() {
            let [validity, refresh] = [validity, refresh].map(|seconds| Written(Duration::from_secs(*seconds)));
            let line = if number > 0 { "\n" } else { "" };
            write!(f, "{line}{zone} signatures are valid for {validity}, at least {refresh} when they are served")?;
            for Key { tag, algorithm, flags, signs } in keys {
                write!(f, "\n  key {tag:<5}  {algorithm}  flags {flags}  {signs}")?;
            }
        }
        Ok(())
    }
}
