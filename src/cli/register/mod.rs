//! `truenorth register`: runs a service, and keeps its lease at one or more nodes for as long as it runs.
//!
//! ```text
//!   start CMD ─► claim ── renew three times in a term ──┬─ CMD ends ──────────────────────────► release ─► its status
//!                                                       └─ SIGTERM ─► release, drain ─► SIGTERM to CMD ─┘
//! ```
//!
//! The service comes first: whatever happens to its lease, it keeps running, and its exit status is that of the command.

mod holder;

use std::future::poll_fn;
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::task::Poll;
use std::time::Duration;

use clap::Args;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::ask::Ask;
use super::output;
use crate::duration;
use crate::lease::{LeaseId, MAX_TTL, MIN_TTL};
use crate::printable::Printable;
use crate::report::LeaseClaim;
use holder::Holder;

/// Exit codes of shells for a command that cannot be run, and for one that is not found.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Shells add this to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// The signals that the command gets too.
const FORWARDED: [SignalKind; 6] = [
    SignalKind::terminate(),
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::hangup(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The pool, such as web, or web/fra for one of its datacenters
    #[arg(long)]
    pool: String,
    /// The datacenter, if the pool has endpoints in several
    #[arg(long)]
    datacenter: Option<String>,
    /// The zone whose file defines the pool, if pools of several zones have the name
    #[arg(long)]
    zone: Option<String>,
    /// The name of the endpoint, unique in its pool. By default the name of this machine
    #[arg(long)]
    id: Option<LeaseId>,
    /// The address that is handed out. By default the one from which this machine reaches the first node
    #[arg(long)]
    address: Option<IpAddr>,
    /// The weight for draws
    #[arg(long, default_value_t = 1)]
    weight: u16,
    /// The maximum load
    #[arg(long)]
    capacity: Option<f64>,
    /// The term of the lease: 1s to 24h. It is renewed three times in a term
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_term)]
    lease: Duration,
    /// When a signal ends the command, drain the endpoint for this time first. By default the command gets the signal at
    /// once
    #[arg(long, value_name = "TIME", value_parser = parse_drain)]
    drain: Option<Duration>,
    #[command(flatten)]
    ask: Ask,
    /// The command that runs the service, with its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

fn parse_term(text: &str) -> Result<Duration, String> {
    let term = duration::parse(text).filter(|term| (MIN_TTL..=MAX_TTL).contains(term));
    term.ok_or_else(|| "takes a duration from 1s to 24h, such as 30s".to_owned())
}

fn parse_drain(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "takes a duration such as 30s".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(async {
        let links = match arguments.ask.links() {
            Ok(links) => links,
            Err(error) => return error.exit(),
        };
        let Some(id) = arguments.id.clone().or_else(own_id) else {
            return fail(&"the name of this machine is not known: give the endpoint a name with --id");
        };
        let address = match arguments.address {
            Some(address) => address,
            None => match holder::own_address(&links).await {
                Ok(address) => address,
                Err(why) => return fail(&format_args!("{why}: give the endpoint's address with --address")),
            },
        };
        let claim = LeaseClaim {
            address: address.to_string(),
            ttl: duration::Written(arguments.lease).to_string(),
            weight: arguments.weight,
            capacity: arguments.capacity,
            datacenter: arguments.datacenter.clone(),
            zone: arguments.zone.clone(),
        };
        let signals = FORWARDED.map(|kind| signal(kind).map(|signal| (kind, signal)));
        let signals = match signals.into_iter().collect::<io::Result<Vec<_>>>() {
            Ok(signals) => signals,
            Err(error) => return fail(&error),
        };
        let mut child = match spawn(&arguments.command) {
            Ok(child) => child,
            Err(code) => return code,
        };
        let mut holder = Holder::start(links, (&arguments.pool, &id), &claim, arguments.lease);
        let status = serve(&mut child, signals, &mut holder, arguments.drain).await;
        holder.release().await;
        match status {
            Ok(status) => code_of(status),
            Err(error) => fail(&error),
        }
    })
}

/// Waits until the command ends, and forwards signals to it. The first signal that asks it to end is forwarded after the
/// drain, if there is one; a second one at once.
async fn serve(
    child: &mut Child,
    mut signals: Vec<(SignalKind, Signal)>,
    holder: &mut Holder,
    mut drain: Option<Duration>,
) -> io::Result<ExitStatus> {
    let mut draining: Option<(SignalKind, Instant)> = None;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            kind = next(&mut signals) => {
                if let Some(time) = drain.take_if(|_| ends(kind)) {
                    holder.drain(time).await;
                    draining = Some((kind, Instant::now() + time));
                } else {
                    // A second signal of this kind does not wait for the drain.
                    draining.take_if(|_| ends(kind));
                    forward(child, kind);
                }
            },
            kind = over(draining) => {
                draining = None;
                forward(child, kind);
            }
        }
    }
}

/// Waits for the end of a drain.
async fn over(draining: Option<(SignalKind, Instant)>) -> SignalKind {
    match draining {
        Some((kind, at)) => {
            sleep_until(at).await;
            kind
        }
        None => std::future::pending().await,
    }
}

/// Waits for the next signal.
async fn next(signals: &mut [(SignalKind, Signal)]) -> SignalKind {
    poll_fn(|context| {
        for (kind, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(*kind);
            }
        }
        Poll::Pending
    })
    .await
}

/// True if a signal asks a process to end.
fn ends(kind: SignalKind) -> bool {
    [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()].contains(&kind)
}

fn forward(child: &Child, kind: SignalKind) {
    // A terminal sends the signals of its keys to the command too.
    let is_key = kind == SignalKind::interrupt() || kind == SignalKind::quit();
    if is_key && io::stdin().is_terminal() {
        return;
    }
    let process = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    let signal = rustix::process::Signal::from_named_raw(kind.as_raw_value());
    if let (Some(process), Some(signal)) = (process, signal) {
        // The command may just have ended.
        let _ = rustix::process::kill_process(process, signal);
    }
}

fn spawn(command: &[String]) -> Result<Child, ExitCode> {
    let (program, arguments) = command.split_first().expect("the command line requires a command");
    Command::new(program).args(arguments).spawn().map_err(|error| {
        output::complain(format_args!("truenorth: cannot run {}: {error}", Printable(program)));
        ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN })
    })
}

/// Returns the exit code that a shell gives for this status.
fn code_of(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(super::BAD))
}

fn fail(why: &dyn std::fmt::Display) -> ExitCode {
    output::complain(format_args!("truenorth: {}", Printable(why)));
    ExitCode::from(super::BAD)
}

/// Returns the name of this machine, if it can be an id.
fn own_id() -> Option<LeaseId> {
    std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().parse().ok()
}
