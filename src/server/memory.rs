//! Gives memory back to the system after a peak.
//!
//! glibc keeps what was freed for what may come. After a flood of connections, or a reload of many zones, that is most of what
//! the process has. It gives pages back when it is asked to. That costs milliseconds and holds up those alone that allocate
//! meanwhile; whatever answers over UDP allocates nothing. Another allocator would give pages back by itself, but it is a
//! second one in the process, in C, and no faster for a query path that allocates nothing.

#![allow(unsafe_code, reason = "malloc_trim has no safe interface")]

use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// From one time to the next.
const EVERY: Duration = Duration::from_secs(30);

/// Gives back what is free, again and again, until the server stops.
pub(super) async fn give_back(mut stopping: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = stopping.changed() => return,
        }
        // On a thread of its own, and not on one of tokio's: those may all be waiting for a disk or a resolver. Where there is
        // no thread now, there may be one the next time.
        let _ = thread::Builder::new().name("memory".to_owned()).spawn(trim);
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it may be called at any time from any thread; it takes the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries decide by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
