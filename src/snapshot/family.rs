//! Address families.

/// An address family, as an index into pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, asked for by type A.
    V4 = 0,
    /// IPv6, asked for by type AAAA.
    V6 = 1,
}

/// Something for each address family, indexed by [`Family`].
pub type PerFamily<T> = [T; 2];
