//! Versions of the zones that all nodes of a fleet serve.
//!
//! ```text
//!   files of a folder ─► Files ─► Bundle, with a serial for each zone ─► parts for a stream
//!                        checked   known by its digest                    and a folder of each node
//!   Releases: which version is for all nodes, which for some of them first, and which ones were before
//! ```
//!
//! A version never changes: its digest covers the contents of its files and the serials of its zones. So all nodes serve the
//! same, and a part that was damaged or forged is noticed. What is *current* is a small value beside it, [`Releases`],
//! about which the fleet's stream decides.

mod bundle;
mod files;
mod release;
mod serials;

pub use bundle::{Bundle, BundleError, Digest, PART, ZoneLine, parts_of};
pub use files::{FilePath, Files, FilesError, MAX_OCTETS};
pub use release::{Canary, KEPT, MAX_COMMENT, Release, Releases, ReleasesError};
pub use serials::{Counted, assign};

#[cfg(test)]
mod tests;
