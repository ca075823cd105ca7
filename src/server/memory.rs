//! Keeps the memory of the process near what it needs.
//!
//! glibc gives threads heaps of their own, up to eight for each processor. A configuration is read by one thread, compiled
//! by another one and freed by a third one, and each reload leaves holes in all of these heaps. So all threads share one.
//! They seldom wait for each other: each thread keeps small blocks at hand, and answering over UDP allocates nothing.
//!
//! glibc keeps freed memory for later allocations. After a flood of connections, or a reload of many zones, that can be
//! most of the process's memory. glibc returns it when it is asked to. That takes milliseconds, and delays only threads
//! that allocate in the meantime; answering over UDP allocates nothing. Another allocator would return memory by
//! itself, but it would be a second allocator in the process, written in C, and the query path would not be faster.

#![allow(unsafe_code, reason = "mallopt and malloc_trim have no safe interface")]

use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Time between two attempts.
const EVERY: Duration = Duration::from_secs(30);

/// Number of heaps that all threads share.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 1;

/// Makes all threads that start later share one heap. Other C libraries have one anyway.
pub fn share_heap() {
    // SAFETY: it only sets a parameter of the allocator, under the allocator's own locks.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS)
    };
}

/// Returns unused memory to the system at regular intervals, until the server stops.
pub(super) async fn give_back(mut stopping: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = stopping.changed() => return,
        }
        // This blocks, and all threads of tokio for such work may be waiting for a disk or a resolver. So it has a
        // thread of its own. If no thread can be started now, the next attempt may succeed.
        let _ = thread::Builder::new().name("memory".to_owned()).spawn(trim);
    }
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: malloc_trim may be called at any time from any thread, because it takes the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries return memory by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}
