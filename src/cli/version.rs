//! The version of this program.

/// The version, with the commit that it was built from if that is known.
pub(super) const VERSION: &str = env!("TRUENORTH_VERSION");

/// The name and the version.
pub(super) const PROGRAM: &str = concat!("truenorth ", env!("TRUENORTH_VERSION"));
