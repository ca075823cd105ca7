//! DNS cookies (RFC 7873), in the format that servers of all vendors share (RFC 9018).
//!
//! ```text
//!   COOKIE option      client cookie (8) │ server cookie (0, or 8-32)
//!   server cookie      version 1 │ reserved (3) │ timestamp (4) │ hash (8)
//!   hash               SipHash-2-4 of client cookie, version, reserved, timestamp, the client's address
//! ```

use std::fmt;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::Malformed;

/// Length of a client cookie in octets (RFC 7873, section 4.1).
const CLIENT_LENGTH: usize = 8;

/// Length in octets of an option with a server cookie of version 1 (RFC 9018, section 4).
pub const COOKIE_LENGTH: usize = 24;

/// Lengths in octets of an option with any server cookie (RFC 7873, section 4.2).
const WITH_SERVER: std::ops::RangeInclusive<usize> = 16..=40;

/// Number of octets before the hash; the hash covers all of them.
const HASHED: usize = 16;

/// Version of the server cookies (RFC 9018, section 4.1).
const VERSION: u8 = 1;

/// Seconds. RFC 9018, section 4.3: "The DNS server SHOULD allow cookies within a 1-hour period in the past and a
/// 5-minute period into the future".
const PAST: u32 = 3600;
const FUTURE: u32 = 300;

/// The secret for server cookies. Servers behind one address share it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret([u8; Self::LENGTH]);

/// A well-formed COOKIE option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie<'a> {
    client: [u8; CLIENT_LENGTH],
    octets: &'a [u8],
}

impl CookieSecret {
    /// Length of a secret in octets (RFC 9018, section 4.4: a key of SipHash).
    pub const LENGTH: usize = 16;

    /// Makes a secret from these octets.
    pub const fn new(octets: [u8; Self::LENGTH]) -> Self {
        Self(octets)
    }

    /// Returns its octets, for a process that replaces this one.
    pub const fn reveal(self) -> [u8; Self::LENGTH] {
        self.0
    }

    /// Returns the hash of these octets, which come before it in an option, and of the client's address, which has 4 or
    /// 16 octets.
    fn hash(&self, cookie: &[u8; HASHED], client: IpAddr) -> [u8; 8] {
        let mut input = [0; HASHED + 16];
        input[..HASHED].copy_from_slice(cookie);
        let length = match client.to_canonical() {
            IpAddr::V4(address) => {
                input[HASHED..HASHED + 4].copy_from_slice(&address.octets());
                HASHED + 4
            }
            IpAddr::V6(address) => {
                input[HASHED..].copy_from_slice(&address.octets());
                HASHED + 16
            }
        };
        SipHasher24::new_with_key(&self.0).hash(&input[..length]).to_le_bytes()
    }
}

/// Hides the secret, so that no log contains it.
impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}

impl<'a> Cookie<'a> {
    /// Reads an option. Fails if its length is invalid. RFC 7873, section 5.2.2: "valid cookie lengths are 8 and 16 to
    /// 40 inclusive."
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let client = *octets.first_chunk().ok_or(Malformed)?;
        let is_sound = octets.len() == CLIENT_LENGTH || WITH_SERVER.contains(&octets.len());
        is_sound.then_some(Self { client, octets }).ok_or(Malformed)
    }

    /// True if there is a server cookie, valid or not.
    pub fn has_server_cookie(&self) -> bool {
        self.octets.len() > CLIENT_LENGTH
    }

    /// True if the server cookie was made recently for this client with one of these secrets. `now` is in Unix seconds.
    pub fn is_valid(&self, client: IpAddr, now: u64, secrets: &[CookieSecret]) -> bool {
        let Ok(octets) = <&[u8; COOKIE_LENGTH]>::try_from(self.octets) else { return false };
        let Some((hashed, hash)) = octets.split_first_chunk::<HASHED>() else { return false };
        // RFC 9018, section 4.2: the reserved octets are not interpreted, but hashed as received.
        let [.., version, _, _, _, t0, t1, t2, t3] = *hashed;
        if version != VERSION || !is_recent(u32::from_be_bytes([t0, t1, t2, t3]), now as u32) {
            return false;
        }
        // The hashes are compared as numbers, so that the time does not reveal where they differ.
        let hash = hash.first_chunk().map(|hash| u64::from_ne_bytes(*hash));
        secrets.iter().any(|secret| hash == Some(u64::from_ne_bytes(secret.hash(hashed, client))))
    }

    /// Returns the option of the response, with a server cookie that is made now. `now` is in Unix seconds.
    pub fn renew(&self, client: IpAddr, now: u64, secret: &CookieSecret) -> [u8; COOKIE_LENGTH] {
        let mut hashed = [0; HASHED];
        hashed[..CLIENT_LENGTH].copy_from_slice(&self.client);
        hashed[CLIENT_LENGTH] = VERSION;
        hashed[HASHED - size_of::<u32>()..].copy_from_slice(&(now as u32).to_be_bytes());
        let mut option = [0; COOKIE_LENGTH];
        option[..HASHED].copy_from_slice(&hashed);
        option[HASHED..].copy_from_slice(&secret.hash(&hashed, client));
        option
    }
}

/// True if a server cookie with this timestamp is still valid. Both times are in Unix seconds. RFC 9018, section 4.3:
/// "All comparisons involving these fields MUST use "Serial number arithmetic"".
fn is_recent(timestamp: u32, now: u32) -> bool {
    now.wrapping_sub(timestamp) <= PAST || timestamp.wrapping_sub(now) <= FUTURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9018_4_3_timestamps_are_compared_round_the_corner() {
        for (timestamp, now, recent) in [
            (1000, 4600, true),
            (1000, 4601, false),
            (1300, 1000, true),
            (1301, 1000, false),
            (u32::MAX, 10, true),
            (u32::MAX - 3589, 10, true),
            (u32::MAX - 3590, 10, false),
            (10, u32::MAX, true),
        ] {
            assert_eq!(is_recent(timestamp, now), recent, "{timestamp} at {now}");
        }
    }

    #[test]
    fn rfc7873_5_2_2_lengths_are_8_and_16_to_40() {
        let sound = |length: &usize| Cookie::parse(&[7; 50][..*length]).is_ok();
        let lengths: Vec<usize> = (0..50).filter(sound).collect();
        assert_eq!(lengths, [8].into_iter().chain(16..=40).collect::<Vec<_>>());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", CookieSecret::new([0xab; 16])), "CookieSecret(..)");
    }
}
