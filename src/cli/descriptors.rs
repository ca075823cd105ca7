//! The limit of file descriptors of this process, and its division among the parts of the node.
//!
//! No part can use the shares of the others. So a flood of connections cannot stop probes, and slow probes cannot keep
//! clients out.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// The descriptors that are left when all sockets are bound are divided into this number of equal parts.
const PARTS: usize = 8;
const PARTS_FOR_PROBES: usize = 4;
const PARTS_FOR_DNS: usize = 2;
const PARTS_FOR_ADMIN: usize = 1;

/// Assumed number of open descriptors if it cannot be read.
const USUALLY_OPEN: usize = 64;

/// The shares of the parts of the node. The remaining part is for files, webhooks and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Maximum number of simultaneous probes.
    pub(super) probes: usize,
    /// Maximum number of DNS connections over TCP, TLS and HTTPS.
    pub(super) dns: usize,
    /// Maximum number of connections to the admin server.
    pub(super) admin: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one, and divides the descriptors that are not open yet.
    ///
    /// The soft limit is usually 1024, for programs that use select(2). This program does not.
    pub(super) fn share() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => maximum,
            Err(error) => {
                warn!(%error, "cannot raise the limit of file descriptors; the present limit is used");
                current
            }
        };
        // `None` means no limit.
        let limit = raised.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let open = fs::read_dir("/proc/self/fd").map_or(USUALLY_OPEN, Iterator::count);
        Self::of(limit.saturating_sub(open))
    }

    fn of(left: usize) -> Self {
        let part = left / PARTS;
        let parts = |count: usize| (part * count).max(1);
        Self { probes: parts(PARTS_FOR_PROBES), dns: parts(PARTS_FOR_DNS), admin: parts(PARTS_FOR_ADMIN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_another_needs() {
        assert_eq!(Descriptors::of(1024), Descriptors { probes: 512, dns: 256, admin: 128 });
        assert_eq!(Descriptors::of(0), Descriptors { probes: 1, dns: 1, admin: 1 });
        let Descriptors { probes, dns, admin } = Descriptors::of(usize::MAX);
        assert!(probes > dns && dns > admin && probes.checked_add(dns + admin).is_some());
    }
}
