//! One record of a chain.

use data_encoding::BASE32_DNSSEC;

use super::{BEFORE_SALT, LABEL, OPT_OUT};
use crate::name::make_key;
use crate::wire::Rtype;
use crate::zone::rdata::name_length;
use crate::zone::rrset::{FIXED_FIELDS, Rrset};

/// Length in octets of a hash.
const HASH: usize = 20;

/// A record of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Link<'z> {
    /// Its owner in wire format and lower case.
    pub owner: &'z [u8],
    /// The NSEC or NSEC3 record.
    pub record: &'z Rrset,
    /// The signatures of the owner; some may cover other records.
    pub signatures: Option<&'z Rrset>,
}

impl<'z> Link<'z> {
    fn rdata(&self) -> &'z [u8] {
        self.record.records().next().map_or(&[], |(record, _)| &record[FIXED_FIELDS..])
    }

    /// Returns the RDATA of an NSEC3 record behind its salt: the length of the hash, the hash, and the types.
    fn behind_salt(&self) -> &'z [u8] {
        let rdata = self.rdata();
        let salt = rdata.get(BEFORE_SALT - 1).map_or(0, |&length| usize::from(length));
        rdata.get(BEFORE_SALT + salt..).unwrap_or_default()
    }

    /// True if the record says that `next` follows.
    pub fn leads_to(&self, next: &Self) -> bool {
        if self.record.rtype() == Rtype::NSEC {
            let mut name = self.rdata().get(..name_length(self.rdata())).unwrap_or_default().to_vec();
            make_key(&mut name);
            return name == next.owner;
        }
        let hash = self.behind_salt().get(1..=HASH).unwrap_or_default();
        next.owner.get(1..LABEL) == Some(BASE32_DNSSEC.encode(hash).as_bytes())
    }

    /// True if names that it covers may exist, as delegations that are not signed (RFC 5155, section 6).
    pub fn is_opt_out(&self) -> bool {
        self.record.rtype() == Rtype::NSEC3 && self.rdata().get(1).is_some_and(|flags| flags & OPT_OUT != 0)
    }

    /// Returns the types that the record says its name has.
    pub fn types(&self) -> Vec<Rtype> {
        let mut rest = if self.record.rtype() == Rtype::NSEC {
            self.rdata().get(name_length(self.rdata())..).unwrap_or_default()
        } else {
            self.behind_salt().get(1 + HASH..).unwrap_or_default()
        };
        let mut types = Vec::new();
        while let [window, length, octets @ ..] = rest {
            let (bits, behind) = octets.split_at(octets.len().min(usize::from(*length)));
            for (place, octet) in (0..).zip(bits) {
                let set = (0..8).filter(|bit| octet & (0x80 >> bit) != 0);
                types.extend(set.map(|bit| Rtype(u16::from(*window) << 8 | place << 3 | bit)));
            }
            rest = behind;
        }
        types
    }
}
