//! How many bits of a client's address a look-up uses.

/// Maximum number of address bits, by family, that the look-up of a client's network uses.
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
