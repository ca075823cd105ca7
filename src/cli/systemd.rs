//! Messages to systemd (`sd_notify(3)`). Without systemd they go nowhere.
//!
//! Only the main process of a unit is heard. So the process that is replaced tells who the main process is from then
//! on, and the other one speaks for itself only after that.
//!
//! The messages are lines in one datagram. The crates for them wait for as long as the queue of systemd is full, which
//! would stop a thread that other tasks need.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep;
use tracing::{error, warn};

use crate::control::Handle;
use crate::server::WorkerPulse;

/// Where systemd hears this process.
const ADDRESS: &str = "NOTIFY_SOCKET";

/// Microseconds within which systemd wants a sign of life.
const WATCHDOG: &str = "WATCHDOG_USEC";

/// The process that systemd wants it from.
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

/// Longest time that a message waits for room in the queue of systemd.
const PATIENCE: Duration = Duration::from_millis(100);

/// Part of the time of the watchdog after which the next sign of life is given (`sd_watchdog_enabled(3)`).
const WATCHDOG_PART: u32 = 2;

/// Where systemd hears this process; `None` if systemd does not wait for its messages.
pub(super) fn address() -> Option<String> {
    env::var(ADDRESS).ok()
}

/// The node answers. `status` says what it serves, for `systemctl status`.
pub(super) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={status}"));
}

/// A reload begins; [`ready`] ends it.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// The node stops.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

/// This process was replaced.
pub(super) fn replaced_by(process: i32) {
    tell(&format!("MAINPID={process}"));
}

/// Gives systemd signs of life from now on, if it wants any: as long as control and all workers for UDP are alive. When
/// the signs stay away, systemd restarts the node.
pub(super) fn watch(control: Handle, workers: WorkerPulse) {
    let Some(interval) = watchdog() else { return };
    tokio::spawn(async move {
        let mut is_ill = false;
        loop {
            let ailment = control.ailment().or_else(|| workers.ailment());
            match &ailment {
                None => tell("WATCHDOG=1"),
                Some(ailment) if !is_ill => error!(ailment, "systemd gets no sign of life"),
                Some(_) => {}
            }
            is_ill = ailment.is_some();
            sleep(interval).await;
        }
    });
}

/// The interval at which systemd wants a sign of life; `None` if it wants none from this process.
fn watchdog() -> Option<Duration> {
    let is_other = env::var(WATCHDOG_PROCESS).is_ok_and(|process| process != std::process::id().to_string());
    let microseconds = env::var(WATCHDOG).ok().filter(|_| !is_other)?.parse().ok()?;
    Some(Duration::from_micros(microseconds) / WATCHDOG_PART).filter(|interval| !interval.is_zero())
}

/// Prepares the start of a process that becomes the main process in place of this one.
pub(super) fn prepare_successor(command: &mut Command) {
    command.env_remove(WATCHDOG_PROCESS);
}

/// Sends a message, one assignment for each line. Waits only briefly: systemd may hang.
fn tell(message: &str) {
    let Some(address) = address() else { return };
    if let Err(error) = send(&address, message) {
        warn!(%error, "systemd cannot be told about the state of the node");
    }
}

fn send(address: &str, message: &str) -> io::Result<()> {
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), &address).map(drop)
}
