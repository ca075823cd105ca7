//! The signals that an operator sends.
//!
//! A thread of its own receives them, so that no work of the node keeps one waiting: a reload that reads from a hung file
//! system, a big zone that is compiled, an answer that nobody reads.

use std::io;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::warn;

use crate::cli::log::Log;

/// How long a node may take to end, drained or not, whatever is under way. Operators are promised two seconds; the rest is
/// for the last lines of the log.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// Signals that end a process unless it handles them, and that mean nothing here. An operator who is used to another
/// server may send one, or a script meant for another process. Their numbers are those of Linux; SIGXFSZ is a file that
/// grows too long, which its writer is told of as an error.
const MEANINGLESS: [i32; 10] = [
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// The requests that signals made.
pub(in crate::cli) struct Signals {
    reload: Arc<Notify>,
    stop: watch::Receiver<bool>,
}

/// The handlers, as the thread has them.
struct Handlers {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    /// Handles signals from now on. When the node is told to stop and is still there after [`LONGEST_END`], the process
    /// ends by force; what the log holds then is written.
    pub(in crate::cli) fn handle(log: Log) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handlers = {
            let _inside = runtime.enter();
            Handlers::install()?
        };
        let reload = Arc::new(Notify::new());
        let (stopping, stop) = watch::channel(false);
        let asked = reload.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(handlers.run(&asked));
            stopping.send_replace(true);
            thread::sleep(LONGEST_END);
            warn!("the node takes too long to end: it is ended by force");
            log.finish();
            process::exit(0);
        })?;
        Ok(Self { reload, stop })
    }

    /// Waits until a reload is asked for. Several signals before that are one.
    pub(super) async fn reload(&self) {
        self.reload.notified().await;
    }

    /// Waits until the node is told to stop.
    pub(in crate::cli) fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.clone();
        async move {
            // The thread is there as long as the process.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

impl Handlers {
    fn install() -> io::Result<Self> {
        let realtime = libc::SIGRTMIN()..=libc::SIGRTMAX();
        for number in MEANINGLESS.into_iter().chain(realtime) {
            // The handler stays when the stream of its signals is dropped.
            drop(signal(SignalKind::from_raw(number))?);
        }
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Tells of reloads until it is time to stop.
    async fn run(mut self, reload: &Notify) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => reload.notify_one(),
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
            }
        }
    }
}
