//! Programs that check an endpoint, like Nagios plug-ins.
//!
//! ```text
//!   wait for a turn ──► run ──► exit code
//!                        │       0 success   1, or as configured: success of a degraded endpoint   other: failure
//!                        └─ timeout: the whole process group is killed
//! ```
//!
//! Each program leads its own process group. When the probe is over, for whatever reason, the whole group is killed, so
//! that no processes of programs accumulate. Only a process that makes itself the leader of another group escapes.

mod output;
mod program;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Budget, said};
use crate::health::{ExecCheck, ExitCodes, Failure, Finding, Monitor, Share, Stage, Target};
use program::Program;

/// Maximum number of programs that run at the same time, over all exec monitors. This is enough for hundreds of
/// endpoints whose programs take a second, and few enough that a small machine keeps answering.
const AT_ONCE: usize = 32;

/// Runs programs, a limited number at a time.
pub(super) struct Programs(Semaphore);

impl Default for Programs {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Programs {
    /// Runs the check's program and judges its exit. Time counts from when the program gets its turn.
    pub(super) async fn probe(&self, target: &Target, check: &ExecCheck) -> Result<Finding, Failure> {
        let _turn = self.turn(&target.monitor).await?;
        let budget = Budget { started: Instant::now(), timeout: target.monitor.pace.timeout() };
        let mut program = Program::start(check, target)?;
        let Ok(ended) = budget.within(Stage::Exit, program.end()).await else {
            program.kill().await;
            return Err(Failure::TimedOut(Stage::Exit));
        };
        if ended.is_err() {
            program.kill().await;
        }
        let share = judge(ended?, &check.degraded, program.said())?;
        Ok(Finding { share, ..Finding::full(budget.started.elapsed()) })
    }

    /// Waits for a turn. Fails if this takes so long that the probe could still be running when the target's next one
    /// is due.
    async fn turn(&self, monitor: &Monitor) -> Result<SemaphorePermit<'_>, Failure> {
        let patience = shortest(monitor.pace.interval()).saturating_sub(monitor.pace.timeout());
        match tokio::time::timeout(patience, self.0.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Failure::NoTurn),
        }
    }
}

/// The shortest interval with jitter, which shortens it by up to a tenth.
fn shortest(interval: Duration) -> Duration {
    interval * 9 / 10
}

/// The share that the exit status asks for, or the failure that it means.
fn judge(status: ExitStatus, degraded: &ExitCodes, said: &[u8]) -> Result<Share, Failure> {
    let is_degraded = |code: i32| degraded.codes.iter().any(|&other| i32::from(other) == code);
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(Share::FULL),
        (Some(code), _) if is_degraded(code) => Ok(degraded.share),
        (Some(code), _) => Err(Failure::Exit(code, said::first_line(said))),
        (None, Some(signal)) => Err(Failure::Signal(signal)),
        (None, None) => Err(Failure::Io(status.to_string())),
    }
}
