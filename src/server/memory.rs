//! Gives memory back to the system after a peak.
//!
//! glibc keeps freed memory for later allocations. After a flood of connections, or a reload of many zones, that is
//! most of the process's memory. It returns pages when asked to. That takes milliseconds and delays only threads that
//! allocate meanwhile; answering over UDP allocates nothing. Another allocator would return pages by itself, but it
//! would be a second one in the process, written in C, and no faster for a query path that allocates nothing.

#![allow(unsafe_code, reason = "malloc_trim has no safe interface")]

use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Time between two attempts.
const EVERY: Duration = Duration::from_secs(30);

/// Returns free memory to the system again and again, until the server stops.
pub(super) async fn give_back(mut stopping: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = stopping.changed() => return,
        }
        // It runs in a thread of its own, because all threads of tokio may be waiting for a disk or a resolver. If no
        // thread can be started now, the next attempt may succeed.
        let _ = thread::Builder::new().name("memory".to_owned()).spawn(trim);
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: it may be called at any time from any thread, and uses the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries return memory by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
