//! The signals that an operator sends.
//!
//! A separate thread receives them, so that nothing can delay them, such as a reload from a file system that hangs, or
//! the compilation of a big zone.

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

/// Maximum time until the process ends after it was told to stop, even if it has not finished its work. The
/// documentation promises two seconds. The rest is for the last lines of the log.
const LONGEST_END: Duration = Duration::from_millis(1700);

/// Signals that have no meaning here, but would end a process that does not handle them. An operator who is used to
/// another server may send one, or a script that is meant for another process. These are signals of Linux. SIGXFSZ
/// means that a file has reached its maximum size; the code that writes the file also gets an error.
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

/// Requests that wait until the node has time for them. Several requests of one kind count as one.
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
    /// Handles signals from now on. If the node still runs [`LONGEST_END`] after it was told to stop, the process
    /// writes the waiting lines of the log, and ends. Fails if the system cannot start a thread or handle a signal.
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

    /// Waits until a replacement of this process by the installed program is requested.
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
            // This cannot fail: the thread with the sender runs as long as the process.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

impl Handlers {
    fn install() -> io::Result<Self> {
        let realtime = libc::SIGRTMIN()..=libc::SIGRTMAX();
        for number in MEANINGLESS.into_iter().chain(realtime) {
            // The handler stays installed when the stream of its signals is dropped. A tool that runs the process, such as
            // valgrind, may keep a signal for itself; then nobody else can send it.
            match signal(SignalKind::from_raw(number)) {
                Err(error) if error.raw_os_error() != Some(libc::EINVAL) => return Err(error),
                Ok(_) | Err(_) => {}
            }
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

    /// Passes requests on until the node is told to stop.
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
