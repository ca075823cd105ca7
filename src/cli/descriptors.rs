//! How many descriptors this process may have, and what part of them is for probes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Probes take this part of all descriptors at most: the rest is for whoever asks, and for files.
const PART_FOR_PROBES: usize = 2;

/// Raises the soft limit to the hard one, and tells how many probes may be in flight.
///
/// Soft limits are 1024 by custom, for programs that select(2); this one does not.
pub(super) fn for_probes() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            warn!(%error, "the limit of descriptors stays as it is");
            current
        }
    };
    // None is no limit at all.
    raised.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX) / PART_FOR_PROBES
}
