//! Hashes of names (RFC 5155, section 5).

use data_encoding::BASE32_DNSSEC;
use ring::digest;

use super::{BEFORE_SALT, MAX_ITERATIONS, NoChain, SHA1};

/// Length in octets of the first label of an NSEC3 record's owner, with its length octet: a hash in Base32.
pub(super) const LABEL: usize = 33;

/// The way in which the names of a zone are hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Number of times that a hash is hashed again.
    iterations: u16,
    salt: Box<[u8]>,
}

impl Hashing {
    /// Reads the RDATA of an NSEC3PARAM record. Fails if names are not hashed so here.
    pub(super) fn read(rdata: &[u8]) -> Result<Self, NoChain> {
        let [algorithm, flags, high, low, length, rest @ ..] = rdata else { return Err(NoChain::Unhashed) };
        // RFC 5155, section 4.1.2: "NSEC3PARAM RRs with a Flags field value other than zero MUST be ignored."
        let salt = rest.get(..usize::from(*length)).filter(|_| *flags == 0).ok_or(NoChain::Unhashed)?;
        let iterations = u16::from_be_bytes([*high, *low]);
        match *algorithm {
            SHA1 if iterations > MAX_ITERATIONS => Err(NoChain::Iterations(iterations)),
            SHA1 => Ok(Self { iterations, salt: salt.into() }),
            other => Err(NoChain::Algorithm(other)),
        }
    }

    /// Returns the number of additional iterations.
    pub fn iterations(&self) -> u16 {
        self.iterations
    }

    /// True if the RDATA of an NSEC3 record has these parameters.
    pub(super) fn is_of(&self, rdata: &[u8]) -> bool {
        let [algorithm, _, high, low, length, ..] = rdata else { return false };
        *algorithm == SHA1
            && u16::from_be_bytes([*high, *low]) == self.iterations
            && rdata.get(BEFORE_SALT..BEFORE_SALT + usize::from(*length)) == Some(&*self.salt)
    }

    /// Returns the hash of a name in wire format and lower case, as the first label of an NSEC3 record's owner.
    pub fn label(&self, key: &[u8]) -> [u8; LABEL] {
        let once = |octets: &[u8]| {
            let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
            context.update(octets);
            context.update(&self.salt);
            context.finish()
        };
        let hash = (0..self.iterations).fold(once(key), |hash, _| once(hash.as_ref()));
        let mut label = [LABEL as u8 - 1; LABEL];
        // Twenty octets fill exactly 32 characters, and their order is that of the octets.
        BASE32_DNSSEC.encode_mut(hash.as_ref(), &mut label[1..]);
        label
    }
}
