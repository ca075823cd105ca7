//! A key with both halves, and the times of its files.

use std::fmt;

use ring::digest;

use super::algorithm::SIGNATURE;
use super::plan::KeyTimes;
use super::private::PrivateKey;
use super::time::Timing;
use super::{KEY_TTL, PublicKey};

/// Length in octets of a key's own number.
pub(super) const KEY_ID: usize = 16;

/// A key with both halves.
pub struct SigningKey {
    public: PublicKey,
    private: PrivateKey,
    timing: Timing,
    /// When it was made, in Unix seconds, if its file says so.
    created: Option<u64>,
    /// TTL of its DNSKEY record in seconds, if its file gives one.
    ttl: Option<u32>,
    /// A digest of the public key, because tags of different keys can be equal.
    id: [u8; KEY_ID],
}

impl SigningKey {
    pub(super) fn new(
        public: PublicKey,
        private: PrivateKey,
        timing: Timing,
        created: Option<u64>,
        ttl: Option<u32>,
    ) -> Self {
        let digest = digest::digest(&digest::SHA256, public.rdata());
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&digest.as_ref()[..KEY_ID]);
        Self { public, private, timing, created, ttl, id }
    }

    /// Returns the public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the times of its files.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Returns when it came into use, in Unix seconds, as its file tells it; `None` if the file does not.
    pub fn since(&self) -> Option<u64> {
        self.timing.activate.or(self.timing.publish).or(self.created)
    }

    /// Returns the TTL that its files want for DNSKEY records, in seconds.
    pub fn ttl(&self) -> u32 {
        self.ttl.unwrap_or(KEY_TTL)
    }

    /// Returns all that plans need to know.
    pub fn times(&self) -> KeyTimes {
        let (algorithm, is_entry) = (self.public.algorithm(), self.public.is_entry());
        KeyTimes { algorithm, is_entry, timing: self.timing }
    }

    pub(super) fn id(&self) -> &[u8; KEY_ID] {
        &self.id
    }

    /// Signs. Returns `None` if the system has no random octets.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE]> {
        self.private.sign(message)
    }
}

/// Shows the public half only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).field("timing", &self.timing).finish_non_exhaustive()
    }
}
