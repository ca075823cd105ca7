//! The signals that an operator sends.
//!
//! A separate thread receives them, so that nothing delays them: a reload from a hung file system, a big zone that is
//! compiled, or an answer that nobody reads.

use std::io;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::cli::log::Log;

/// Longest time that a node may take to end, whether it has drained or not. Operators are promised two seconds; the
/// difference is for the last lines of the log.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// Signals that end a process unless it handles them, and that have no meaning here. An operator who is used to another
/// server may send one, or a script meant for another process. Their numbers are those of Linux. SIGXFSZ means that a
/// file grows too long, which its writer also gets as an error.
const MEANINGLESS: [i32; 8] = [
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// The requests that arrived as signals.
pub(in crate::cli) struct Signals {
    asked: Arc<Asked>,
    stop: watch::Receiver<bool>,
}

/// Requests that wait until the node has time. Several of a kind count as one.
#[derive(Default)]
struct Asked {
    reload: Notify,
    replace: Notify,
    summary: Notify,
}

/// The handlers of the thread.
struct Handlers {
    hangup: Signal,
    user_1: Signal,
    user_2: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// Handles signals from now on. If the node is told to stop and still runs after [`LONGEST_END`], the process
    /// writes the lines that the log holds and ends by force.
    pub(in crate::cli) fn handle(log: Log) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handlers = {
            let _inside = runtime.enter();
            Handlers::install()?
        };
        let asked = Arc::new(Asked::default());
        let (stopping, stop) = watch::channel(false);
        let asking = asked.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(handlers.run(&asking));
            stopping.send_replace(true);
            thread::sleep(LONGEST_END);
            warn!("the node takes too long to stop: the process ends now");
            log.finish();
            process::exit(0);
        })?;
        Ok(Self { asked, stop })
    }

    /// Waits until a reload is requested. Several signals before that count as one.
    pub(super) async fn reload(&self) {
        self.asked.reload.notified().await;
    }

    /// Waits until the program that is installed now is to replace this process.
    pub(super) async fn replace(&self) {
        self.asked.replace.notified().await;
    }

    /// Waits until a summary is requested.
    pub(super) async fn summary(&self) {
        self.asked.summary.notified().await;
    }

    /// Waits until the node is told to stop.
    pub(in crate::cli) fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.clone();
        async move {
            // The thread lives as long as the process.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

impl Handlers {
    fn install() -> io::Result<Self> {
        let realtime = libc::SIGRTMIN()..=libc::SIGRTMAX();
        for number in MEANINGLESS.into_iter().chain(realtime) {
            // The handler remains when the stream of its signals is dropped.
            drop(signal(SignalKind::from_raw(number))?);
        }
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Reports reload requests until it is time to stop.
    async fn run(mut self, asked: &Asked) {
        let name = loop {
            tokio::select! {
                _ = self.hangup.recv() => asked.reload.notify_one(),
                _ = self.user_1.recv() => asked.summary.notify_one(),
                _ = self.user_2.recv() => asked.replace.notify_one(),
                _ = self.terminate.recv() => break "SIGTERM",
                _ = self.interrupt.recv() => break "SIGINT",
                _ = self.quit.recv() => break "SIGQUIT",
            }
        };
        info!("received {name}");
    }
}
