//! Gives up privileges before the process does anything else.
//!
//! ```text
//!   root, or a user with capabilities
//!     ├─ a thread that keeps CAP_NET_BIND_SERVICE, binds the sockets, and ends
//!     └─ the user, no capabilities, the sandbox ──► all other threads
//! ```
//!
//! Capabilities and the sandbox belong to threads, and new threads inherit them. So this comes before all other
//! threads.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use nix::unistd::{User, initgroups, setgid, setuid};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_keep_capabilities,
    set_no_new_privs,
};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::config::{self, Early, Process};
use crate::monitor;

/// Folders that programs of exec monitors may write to in the sandbox.
const SCRATCH: [&str; 5] = ["/dev", "/proc", "/run", "/tmp", "/var/tmp"];

/// The version of Landlock that is asked for. A kernel with an older one restricts what it can.
const LANDLOCK: ABI = ABI::V3;

/// Work that needs privileges.
type Job = Box<dyn FnOnce() + Send>;

/// The privileges that the process still has.
pub(super) struct Privileges {
    /// The thread that may bind privileged ports; `None` if all threads have the same privileges.
    binder: Option<mpsc::Sender<Job>>,
    /// The parts of the sandbox that are in force, for the log.
    sandbox: &'static str,
}

impl Privileges {
    /// Returns the privileges of this process without a change.
    pub(super) fn unchanged() -> Self {
        Self { binder: None, sandbox: "off" }
    }

    /// Becomes the user of the server file, and gives up what the node does not need. Fails with the reason if the
    /// process cannot become that user. If the file has faults, nothing changes: reading all of it reports them.
    pub(super) fn settle(path: &Path) -> Result<Self, String> {
        let Ok(Early { state, process: Process { user, sandbox }, log: _, takes_zones: _, writable }) =
            config::load_early(path)
        else {
            return Ok(Self::unchanged());
        };
        if let Some(user) = user {
            become_user(&user, &state)?;
        }
        let mut privileges = Self::unchanged();
        if !geteuid().is_root() {
            privileges.binder =
                give_up_capabilities().map_err(|error| format!("cannot give up capabilities: {error}"))?;
        }
        if sandbox {
            privileges.sandbox =
                enter_sandbox(writable).map_err(|error| format!("cannot enter the sandbox: {error}"))?;
        }
        Ok(privileges)
    }

    /// Does work that may bind privileged ports, and gives up the capability for that. Fails if the thread for it
    /// ended.
    pub(super) async fn bind<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let Some(binder) = self.binder else { return Ok(work()) };
        let (done, result) = oneshot::channel();
        // The caller may have stopped waiting.
        let job = move || _ = done.send(work());
        let sent = binder.send(Box::new(job));
        sent.map_err(|_| "the thread that binds sockets has ended".to_owned())?;
        result.await.map_err(|_| "the thread that binds sockets panicked".to_owned())
    }

    /// Logs the privileges and the sandbox.
    pub(super) fn tell(&self) {
        let (user, sandbox) = (geteuid(), self.sandbox);
        let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        if user.is_root() {
            warn!(sandbox, "the process runs as root: give it a `user` in `[process]`");
        } else {
            info!(user = user.as_raw(), capabilities = ?held, sandbox, "privileges");
        }
    }
}

/// Becomes a user, and keeps the capabilities of root for now. Creates the state folder for that user.
fn become_user(name: &str, state: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot become the user `{name}`: {error}");
    let user = User::from_name(name).map_err(|error| failed(&error))?;
    let user = user.ok_or_else(|| failed(&"there is no such user"))?;
    if geteuid().as_raw() == user.uid.as_raw() {
        return Ok(());
    }
    if !geteuid().is_root() {
        return Err(failed(&"only root can do that"));
    }
    if !state.exists() {
        // If the folder cannot be created, the store reports that later.
        let _ = fs::create_dir_all(state).and_then(|()| chown(state, Some(user.uid.as_raw()), Some(user.gid.as_raw())));
    }
    set_keep_capabilities(true).map_err(|error| failed(&error))?;
    let name = std::ffi::CString::new(name).map_err(|error| failed(&error))?;
    let become_it = || {
        initgroups(&name, user.gid)?;
        setgid(user.gid)?;
        setuid(user.uid)
    };
    become_it().map_err(|error| failed(&error))
}

/// Gives up all capabilities of this thread, except for ICMP if the system requires one. Returns the thread that may
/// bind privileged ports, if this process may.
fn give_up_capabilities() -> std::io::Result<Option<mpsc::Sender<Job>>> {
    let sets = |held| CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() };
    let had = capabilities(None)?.permitted;
    if had.is_empty() {
        return Ok(None);
    }
    // Programs that this process starts get no capabilities.
    let _ = clear_ambient_capability_set();
    let to_bind = had & CapabilitySet::NET_BIND_SERVICE;
    let mut binder = None;
    if !to_bind.is_empty() {
        set_capabilities(None, sets(had & (CapabilitySet::NET_BIND_SERVICE | CapabilitySet::NET_RAW)))?;
        let (jobs, received) = mpsc::channel::<Job>();
        // The thread ends when the sender is dropped: when the sockets are bound, or the start fails.
        thread::Builder::new().name("binder".to_owned()).spawn(move || received.into_iter().for_each(|job| job()))?;
        binder = Some(jobs);
    }
    set_capabilities(None, sets(CapabilitySet::empty().union(had & CapabilitySet::NET_RAW)))?;
    let to_ping = had & CapabilitySet::NET_RAW;
    let inactive = CapabilitySets { effective: CapabilitySet::empty(), ..sets(to_ping) };
    set_capabilities(None, inactive)?;
    let is_needed = !monitor::icmp_is_allowed();
    set_capabilities(None, sets(if is_needed { to_ping } else { CapabilitySet::empty() }))?;
    Ok(binder)
}

/// Restricts this thread and all threads and programs that it starts: they can change files only in these folders, and
/// cannot gain privileges. Returns the parts that are in force, in words.
fn enter_sandbox(writable: Vec<PathBuf>) -> Result<&'static str, String> {
    set_no_new_privs(true).map_err(|error| error.to_string())?;
    let folders = writable.into_iter().chain(SCRATCH.map(PathBuf::from)).filter(|folder| folder.exists());
    let restrict = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_write(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(folders, AccessFs::from_all(LANDLOCK)))?
            .restrict_self()
    };
    // The number of Landlock layers is limited. A process that inherited so many layers that it cannot add one is
    // restricted already.
    Ok(match restrict().map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => "no new privileges, Landlock",
        Ok(RulesetStatus::PartiallyEnforced) => "no new privileges, Landlock in part",
        Ok(RulesetStatus::NotEnforced) | Err(_) => "no new privileges; this kernel has no Landlock for it",
    })
}
