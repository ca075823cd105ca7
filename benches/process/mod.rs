//! The resources of processes, as Linux tells them, and how benches print them.

// Each bench compiles this module and uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

/// User and system time of a process so far; `None` if it has ended.
pub(crate) fn cpu_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    // Clock ticks of 10 ms.
    let ticks: u64 = [11, 12].iter().filter_map(|&at: &usize| fields.get(at)?.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// A field of `/proc/PID/status` in KiB.
pub(crate) fn status_field(process: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A port that is free for UDP.
pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

pub(crate) fn mebibytes(kib: u64) -> String {
    format!("{} MiB", kib / 1024)
}
