//! Messages to systemd (`sd_notify(3)`). Without systemd, nothing is sent.
//!
//! systemd accepts messages only from the main process of a unit. So a process that is replaced tells systemd which
//! process is the main one now, and the other process sends messages only after that.
//!
//! A message is one datagram with a line for each assignment. The crates for it wait as long as the queue of systemd is
//! full, which could block a thread that other tasks need.

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

/// The environment variable with the address for messages.
const ADDRESS: &str = "NOTIFY_SOCKET";

/// The environment variable with the time in microseconds within which systemd expects a sign of life.
const WATCHDOG: &str = "WATCHDOG_USEC";

/// The environment variable with the id of the process that is to give it.
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

/// Maximum time that a message waits for room in the queue of systemd.
const PATIENCE: Duration = Duration::from_millis(100);

/// The time of the watchdog is divided by this number to get the interval of signs of life (`sd_watchdog_enabled(3)`
/// recommends a half).
const WATCHDOG_PART: u32 = 2;

/// Returns the address for messages to systemd; `None` if systemd expects none.
pub(super) fn address() -> Option<String> {
    env::var(ADDRESS).ok()
}

/// Tells systemd that the node answers. `systemctl status` shows `status`.
pub(super) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={status}"));
}

/// Tells systemd that a reload begins. [`ready`] ends it.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// Tells systemd that the node stops.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

/// Tells systemd that this process was replaced by another one, which is the main process now.
pub(super) fn replaced_by(process: i32) {
    tell(&format!("MAINPID={process}"));
}

/// Gives systemd signs of life from now on, if it expects any, as long as control and all workers for UDP are alive. If
/// there is no sign, systemd restarts the node. A node that answers nothing has no workers.
pub(super) fn watch(control: Handle, workers: Option<WorkerPulse>) {
    let Some(interval) = watchdog() else { return };
    tokio::spawn(async move {
        let mut is_ill = false;
        loop {
            let ailment = control.ailment().or_else(|| workers.as_ref().and_then(WorkerPulse::ailment));
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

/// Returns the interval for signs of life; `None` if systemd expects none from this process.
fn watchdog() -> Option<Duration> {
    let is_other = env::var(WATCHDOG_PROCESS).is_ok_and(|process| process != std::process::id().to_string());
    let microseconds = env::var(WATCHDOG).ok().filter(|_| !is_other)?.parse().ok()?;
    Some(Duration::from_micros(microseconds) / WATCHDOG_PART).filter(|interval| !interval.is_zero())
}

/// Prepares the start of a process that becomes the main process in place of this one.
pub(super) fn prepare_successor(command: &mut Command) {
    command.env_remove(WATCHDOG_PROCESS);
}

/// Sends a message with one assignment in each line. Waits only briefly, because systemd may hang.
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
