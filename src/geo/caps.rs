//! The number of bits of a client's address that count.

/// The most bits of an address, by family, with which a client's network is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// 0-32.
    pub v4: u8,
    /// 0-128.
    pub v6: u8,
}

impl Caps {
    /// Every bit counts.
    pub const NONE: Self = Self { v4: 32, v6: 128 };
}
