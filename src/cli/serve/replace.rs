//! The end of a node that another process replaces.
//!
//! This process gives up nothing until the other one is ready to answer. Until then, control and the state folder only
//! pause: if the other process fails, they go on. Orders that arrive in the meantime wait. If the other process takes
//! over, they are refused, and their senders can try again there.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::{Node, beside, query_log};
use crate::admin;
use crate::cli::{BAD, output, systemd, version};
use crate::control::Pause;
use crate::handover::{HandoverError, Labelled, Parcel, Successor, Successors};
use crate::store::Store;

/// The environment variable that tells a program that is to replace a process to become an [`orphan`]. Programs that do
/// not know it replace the process all the same.
const ORPHAN: &str = "TRUENORTH_ORPHAN";

/// Maximum time that the start waits until the node can be replaced. A disk that hangs must not delay it longer.
const LISTENING: Duration = Duration::from_millis(500);

/// Waits for processes that ask to replace this one.
pub(super) enum Waiting {
    /// A thread is about to listen. It is not ready yet, because the file system of the state folder may hang.
    Soon(oneshot::Receiver<Successors>),
    Listening(Successors),
    /// No process can replace this one. That was logged.
    Never,
}

impl Waiting {
    /// Begins to listen in the state folder. Waits only briefly for that.
    pub(super) async fn start(folder: &Path) -> Self {
        let (ready, mut listening) = oneshot::channel();
        let folder = folder.to_owned();
        let listen = move || match Successors::listen(&folder, version::PROGRAM, systemd::address()) {
            // The node may have stopped.
            Ok(successors) => _ = ready.send(successors),
            Err(error) => not_listening(&error),
        };
        if let Err(error) = thread::Builder::new().name("handover".to_owned()).spawn(listen) {
            not_listening(&error);
            return Self::Never;
        }
        match timeout(LISTENING, &mut listening).await {
            Ok(begun) => begun.map_or(Self::Never, Self::Listening),
            Err(_) => Self::Soon(listening),
        }
    }

    /// Waits for the next process that is ready to replace this one.
    pub(super) async fn next(&mut self) -> Successor {
        loop {
            match self {
                Self::Soon(listening) => *self = listening.await.map_or(Self::Never, Self::Listening),
                Self::Listening(successors) => return successors.next().await,
                Self::Never => std::future::pending().await,
            }
        }
    }
}

fn not_listening(error: &io::Error) {
    warn!(%error, "no process can replace this one without a gap: cannot listen in the state folder");
}

/// The other process is ready to answer. Control and the state folder pause. If this is dropped, they go on.
pub(super) struct Ready {
    successor: Successor,
    pause: Pause,
    store: PausedStore,
}

/// The other process has taken over everything.
pub(super) struct HandedOver {
    successor: Successor,
    pause: Pause,
}

/// The closed state folder. It is opened again when this is dropped.
struct PausedStore(Option<Arc<Store>>);

impl PausedStore {
    /// Leaves the folder to the other process.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for PausedStore {
    fn drop(&mut self) {
        if let Some(store) = &self.0 {
            store.resume();
        }
    }
}

impl Node {
    /// Gives copies of the sockets and the rows to another process, and waits until it is ready to answer. Returns
    /// `None` if that failed. The reason was logged.
    pub(super) async fn prepare_hand_over(&mut self, successor: Successor) -> Option<Ready> {
        let (process, program) = (successor.pid(), successor.program().to_owned());
        info!(process, program, "another process replaces this one");
        let ready = self.try_to_prepare(successor).await;
        ready.inspect_err(|why| not_replaced(process, why)).ok()
    }

    /// Gives everything to the other process. Returns `None` if that failed; then this node goes on.
    pub(super) async fn hand_over(&self, ready: Ready) -> Option<HandedOver> {
        let Ready { successor, pause, store } = ready;
        let process = successor.pid();
        let successor = step(successor, Successor::release).await.inspect_err(|why| not_replaced(process, why)).ok()?;
        store.leave();
        Some(HandedOver { successor, pause })
    }

    async fn try_to_prepare(&mut self, successor: Successor) -> Result<Ready, String> {
        self.register.keep(&self.files.store, true);
        let of_dns = self.running.sockets().iter().map(Labelled::try_clone).collect::<io::Result<Vec<_>>>();
        let of_admin = self.admin.as_ref().map_or(Ok(Vec::new()), admin::Running::sockets);
        let [of_dns, of_admin] = [of_dns, of_admin].map(|sockets| sockets.map_err(|error| error.to_string()));
        let sockets: Vec<Labelled> = of_dns?.into_iter().chain(of_admin?).collect();
        let store = self.files.store.clone();
        let parcel = Parcel { lock: store.lock(), secret: self.latest.own_secret().reveal().to_vec() };
        let successor = step(successor, move |other| other.prepare(&sockets, &parcel, &store.pack())).await?;

        let pause = self.control.pause().await.ok_or("control has ended")?;
        let (store, latency) = (self.files.store.clone(), self.latency.clone());
        let closed = beside(move || {
            latency.finish();
            store.pause().map(|()| PausedStore(Some(store)))
        });
        let store = closed.await?.map_err(|hangs| hangs.to_string())?;
        let rows = self.files.store.pack();
        let successor = step(successor, move |other| other.hand_over(&rows)).await?;
        Ok(Ready { successor, pause, store })
    }

    /// Serves the open connections for a while, and ends.
    pub(super) async fn retire(self, handed_over: HandedOver) {
        let HandedOver { successor, pause } = handed_over;
        info!(process = successor.pid(), "replaced: this process serves its open connections, and ends");
        systemd::replaced_by(successor.pid());
        pause.end();
        if let Waiting::Listening(successors) = self.successors {
            successors.leave();
        }
        let admin = async {
            if let Some(admin) = self.admin {
                admin.retire().await;
            }
        };
        let running = self.running.retire(|| successor.free_quic());
        let store = self.files.store.clone();
        // The folder belongs to the other process, so nothing is written.
        let closed = beside(move || store.close());
        let ((), (), (), _) = tokio::join!(admin, running, self.notifier.stop(), closed);
        query_log::finish(self.query_log).await;
    }

    /// Starts the program that is installed now, to replace this process.
    pub(super) fn start_successor(&self) {
        let Some(program) = &self.program else {
            error!("not replaced: the path of this program is not known");
            return;
        };
        match spawn_successor(program, &self.files.path) {
            Ok(()) => info!(program = %program.display(), "started the program that replaces this process"),
            Err(error) => error!(program = %program.display(), %error, "not replaced: the program cannot be started"),
        }
    }
}

fn not_replaced(process: i32, why: &str) {
    warn!(process, why, "this process was not replaced, and goes on");
}

/// Does one blocking step of the exchange.
async fn step(
    mut successor: Successor,
    work: impl FnOnce(&mut Successor) -> Result<(), HandoverError> + Send + 'static,
) -> Result<Successor, String> {
    let done = beside(move || work(&mut successor).map(|()| successor));
    done.await?.map_err(|error| error.to_string())
}

/// Starts a program that replaces this process, as an [`orphan`]. Fails if the program cannot be started.
fn spawn_successor(program: &Path, config: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(["serve", "--replace", "--config"]).arg(config).env(ORPHAN, "1");
    systemd::prepare_successor(&mut command);
    let mut child = command.spawn()?;
    // It ends at once. If it fails, it says why.
    let wait = move || child.wait().map(drop);
    thread::Builder::new().name("successor".to_owned()).spawn(wait).map(drop)
}

/// Starts this program once more, if it is to replace the process that started it. Returns the exit code with which this
/// process must end at once then.
///
/// So the new process is a child of the init process. systemd does not notice the end of a main process that is another
/// one's child, and kills it where it should stop it.
pub(super) fn orphan() -> Option<ExitCode> {
    env::var_os(ORPHAN)?;
    let again = |program: PathBuf| Command::new(program).args(env::args_os().skip(1)).env_remove(ORPHAN).spawn();
    Some(match env::current_exe().and_then(again) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("truenorth: cannot start once more: {error}"));
            ExitCode::from(BAD)
        }
    })
}

/// Returns the path of this program. After an upgrade, it is the path of the new program.
pub(super) fn own_path() -> Option<PathBuf> {
    env::current_exe().ok()
}
