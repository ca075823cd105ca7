//! One run of a program, from its start to the end of its last process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;

use super::output::Output;
use crate::health::{ExecCheck, Failure, Target};

/// `PATH` for programs if this process has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The time to wait for a killed program. If it hangs in the kernel for longer, the runtime reaps it later.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// A running or finished program, with its whole process group.
pub(super) struct Program {
    child: Child,
    /// `None` once it was killed.
    group: Option<Pid>,
    output: Output,
}

impl Program {
    /// Starts the program with the target in its arguments and in its environment. The environment holds nothing else
    /// except `PATH`.
    pub(super) fn start(check: &ExecCheck, target: &Target) -> Result<Self, Failure> {
        let unrunnable = |error: io::Error| match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => Failure::NoDescriptors,
            _ => Failure::Unrunnable(format!("{}: {error}", check.program.display())),
        };
        let (output, input) = Output::pipe().map_err(unrunnable)?;
        let address = target.address.host();
        let port = target.address.port().to_string();
        let filled = |argument: &str| {
            argument.replace("{address}", &address).replace("{port}", &port).replace("{host}", &target.host)
        };
        let mut command = Command::new(&*check.program);
        command
            .args(check.arguments.iter().map(|argument| filled(argument)))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()))
            .env("TRUENORTH_ADDRESS", &address)
            .env("TRUENORTH_HOST", &*target.host)
            .stdin(Stdio::null())
            .stdout(input)
            .stderr(Stdio::null())
            .process_group(0);
        if target.address.port() != 0 {
            command.env("TRUENORTH_PORT", &port);
        }
        let child = tokio::process::Command::from(command).spawn().map_err(unrunnable)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group, output })
    }

    /// Waits until the program ends, and reads its output. Fails if waiting fails, or if the program writes too much.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, Failure> {
        let status = tokio::select! {
            status = self.child.wait() => status.map_err(|error| Failure::Local(error.to_string())),
            too_much = self.output.take_in() => Err(too_much.into()),
        };
        // Processes that it left behind could hold the pipe open for ever.
        self.kill_group();
        self.output.take_rest();
        status
    }

    /// The beginning of the program's output.
    pub(super) fn said(&self) -> &[u8] {
        self.output.beginning()
    }

    /// Kills the whole group, and reaps the program.
    pub(super) async fn kill(&mut self) {
        self.kill_group();
        // If it cannot be reaped now, the runtime reaps it later.
        let _ = tokio::time::timeout(LAST_BREATH, self.child.wait()).await;
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            // An error means that the group has no processes left, as intended. Its number cannot belong to another
            // group yet: the kernel assigns numbers in ascending order, and skips numbers that a group still has.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Program {
    /// Kills the group, so that a dropped probe leaves no process running.
    fn drop(&mut self) {
        self.kill_group();
    }
}
