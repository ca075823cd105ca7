//! Record types.

use std::fmt;

/// A record type or question type by its number, known or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rtype(pub u16);

#[allow(missing_docs, reason = "the mnemonics of IANA's registry")]
impl Rtype {
    pub const A: Self = Self(1);
    pub const NS: Self = Self(2);
    pub const CNAME: Self = Self(5);
    pub const SOA: Self = Self(6);
    pub const PTR: Self = Self(12);
    pub const HINFO: Self = Self(13);
    pub const MX: Self = Self(15);
    pub const TXT: Self = Self(16);
    pub const AFSDB: Self = Self(18);
    pub const RT: Self = Self(21);
    pub const NSAP_PTR: Self = Self(23);
    pub const SIG: Self = Self(24);
    pub const KEY: Self = Self(25);
    pub const AAAA: Self = Self(28);
    pub const NXT: Self = Self(30);
    pub const SRV: Self = Self(33);
    pub const KX: Self = Self(36);
    pub const DNAME: Self = Self(39);
    pub const OPT: Self = Self(41);
    pub const DS: Self = Self(43);
    pub const RRSIG: Self = Self(46);
    pub const NSEC: Self = Self(47);
    pub const DNSKEY: Self = Self(48);
    pub const NSEC3: Self = Self(50);
    pub const NSEC3PARAM: Self = Self(51);
    pub const CDS: Self = Self(59);
    pub const CDNSKEY: Self = Self(60);
    pub const SVCB: Self = Self(64);
    pub const HTTPS: Self = Self(65);
    pub const NXNAME: Self = Self(128);
    pub const TSIG: Self = Self(250);
    pub const IXFR: Self = Self(251);
    pub const AXFR: Self = Self(252);
    pub const ANY: Self = Self(255);
}

impl Rtype {
    /// True if a question of this type asks for a copy of a zone.
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::AXFR | Self::IXFR)
    }

    /// True if answers with records of this type also contain the addresses of the names in them: NS and MX (RFC 1035),
    /// AFSDB and RT (RFC 1183), SRV (RFC 2782), KX (RFC 2230), SVCB and HTTPS (RFC 9460, section 4.1).
    pub fn has_additional(self) -> bool {
        self.is_service_binding() || matches!(self, Self::NS | Self::MX | Self::AFSDB | Self::RT | Self::SRV | Self::KX)
    }

    /// True for SVCB and types of the same format (RFC 9460, section 6).
    pub fn is_service_binding(self) -> bool {
        matches!(self, Self::SVCB | Self::HTTPS)
    }

    /// True if records of this type are allowed beside a CNAME: signatures, denials and keys of DNSSEC (RFC 2181,
    /// section 10.1, and RFC 4034, sections 3 and 4). Questions for them do not follow the CNAME.
    pub fn stands_beside_cname(self) -> bool {
        matches!(self, Self::SIG | Self::KEY | Self::NXT | Self::RRSIG | Self::NSEC)
    }

    /// True if no records of this type can exist in a zone: 128-255 are types of questions and of records about
    /// messages (RFC 6895, section 3.1), and OPT is a record about a message.
    pub fn is_meta(self) -> bool {
        self == Self::OPT || (128..=255).contains(&self.0)
    }
}

/// Writes the mnemonic, or `TYPEnnn` (RFC 3597, section 5).
impl fmt::Display for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        domain::base::iana::Rtype::from_int(self.0).fmt(f)
    }
}
