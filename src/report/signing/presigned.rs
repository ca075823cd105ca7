//! Zones that their files have signed, and keys of others.

use std::fmt;
use std::time::Duration;

use domain::base::iana::SecurityAlgorithm;
use serde::{Deserialize, Serialize};

use crate::clock::unix_time;
use crate::dnssec::{ForeignKey, published};
use crate::timestamp::rfc3339;
use crate::zone::Tree;

/// A zone that its file has signed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PresignedZone {
    zone: String,
    /// The keys that it publishes and that can sign.
    keys: Vec<PublishedKey>,
    /// The records that prove what does not exist: NSEC or NSEC3.
    proofs: String,
    /// When its first signature expires, in Unix seconds.
    expires: u64,
    /// The tag of the key that made that signature.
    expires_key: u16,
}

/// A key that is published here, and that others sign with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PublishedKey {
    tag: u16,
    algorithm: String,
    flags: u16,
}

/// Returns the mnemonic of an algorithm, or its number if it has none.
pub(in crate::report) fn mnemonic(number: u8) -> String {
    let mnemonic = SecurityAlgorithm::from_int(number).to_mnemonic_str();
    mnemonic.map_or_else(|| number.to_string(), str::to_owned)
}

impl PresignedZone {
    /// `None` if the zone is not signed by its file.
    pub(super) fn of(tree: &Tree) -> Option<Self> {
        let chain = tree.chain()?;
        let key = |(tag, flags, algorithm)| PublishedKey { tag, algorithm: mnemonic(algorithm), flags };
        Some(Self {
            zone: tree.apex().to_string(),
            keys: published(tree).into_iter().map(key).collect(),
            proofs: if chain.hashing().is_some() { "NSEC3" } else { "NSEC" }.to_owned(),
            expires: chain.validity().end_at(unix_time()),
            expires_key: chain.validity().tag(),
        })
    }

    /// Returns the line of a summary.
    pub(super) fn line(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| format!("{} ({})", key.tag, key.algorithm)).collect();
        let expires = rfc3339(Duration::from_secs(self.expires));
        format!("{} is signed by its file until {expires}, key {}", self.zone, keys.join(", "))
    }
}

impl fmt::Display for PresignedZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zone, keys, proofs, expires, expires_key } = self;
        let expires = rfc3339(Duration::from_secs(*expires));
        write!(
            f,
            "{zone} signed by its file, with {proofs}; the first signature expires at {expires}, by key {expires_key}"
        )?;
        keys.iter().try_for_each(|key| write!(f, "\n  {key}"))
    }
}

impl PublishedKey {
    /// A key of another provider.
    pub(super) fn foreign(key: &ForeignKey) -> Self {
        Self { tag: key.tag(), algorithm: mnemonic(key.algorithm()), flags: key.flags() }
    }
}

impl fmt::Display for PublishedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, algorithm, flags } = self;
        write!(f, "key {tag:<5}  {algorithm}  flags {flags}")
    }
}
