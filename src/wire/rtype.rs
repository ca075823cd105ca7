//! Record types.

use std::fmt;

/// A record type or question type by its number, known or not.
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
    pub const AAAA: Self = Self(28);
    pub const SRV: Self = Self(33);
    pub const DNAME: Self = Self(39);
    pub const OPT: Self = Self(41);
    pub const DS: Self = Self(43);
    pub const HTTPS: Self = Self(65);
    pub const TSIG: Self = Self(250);
    pub const IXFR: Self = Self(251);
    pub const AXFR: Self = Self(252);
    pub const ANY: Self = Self(255);
}

impl Rtype {
    /// Whether it asks for a copy of a zone.
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::AXFR | Self::IXFR)
    }

    /// Whether it stands for no records of its own: 128-255 are types of questions and of records about messages (RFC 6895,
    /// section 3.1), and OPT is one of the latter.
    pub fn is_meta(self) -> bool {
        self == Self::OPT || (128..=255).contains(&self.0)
    }
}

/// The mnemonic, or `TYPEnnn` (RFC 3597, section 5).
impl fmt::Display for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        domain::base::iana::Rtype::from_int(self.0).fmt(f)
    }
}
