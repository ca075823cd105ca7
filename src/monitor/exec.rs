//! Programs that look at an endpoint, as Nagios' plug-ins do.
//!
//! ```text
//!   wait for a turn ──► run ──► exit code
//!                        │       0 success   1 success, asks for half of its clients   other: failure
//!                        └─ timeout: the whole process group is killed
//! ```
//!
//! A program leads a process group of its own. When the probe is over, however it ends, all of the group is killed, so that
//! nothing that programs leave behind adds up; only what makes itself the leader of another group gets away.

mod output;
mod program;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Budget, said};
use crate::health::{ExecCheck, Failure, Finding, Monitor, Share, Stage, Target};
use program::Program;

/// Programs that run at once at most, over all exec monitors: enough for hundreds of endpoints whose programs take a
/// second, and few enough that a small machine goes on answering.
const AT_ONCE: usize = 32;

/// What an endpoint keeps of its clients while its program warns.
const WARNING: Share = Share::from_thousandths(500);

/// Runs programs, not too many at once.
pub(super) struct Programs(Semaphore);

impl Default for Programs {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Programs {
    /// Runs the check's program and judges how it ends. The time counts from when it has its turn.
    pub(super) async fn probe(&self, target: &Target, check: &ExecCheck) -> Result<Finding, Failure> {
        let _turn = self.turn(&target.monitor).await?;
        let budget = Budget { started: Instant::now(), timeout: target.monitor.timeout };
        let mut program = Program::start(check, target)?;
        let Ok(ended) = budget.within(Stage::Exit, program.end()).await else {
            program.kill().await;
            return Err(Failure::TimedOut(Stage::Exit));
        };
        if ended.is_err() {
            program.kill().await;
        }
        let share = judge(ended?, program.said())?;
        Ok(Finding { share, ..Finding::full(budget.started.elapsed()) })
    }

    /// Waits for a turn, but not so long that the target's next probe would begin before this one is over.
    async fn turn(&self, monitor: &Monitor) -> Result<SemaphorePermit<'_>, Failure> {
        let patience = shortest(monitor.interval).saturating_sub(monitor.timeout);
        match tokio::time::timeout(patience, self.0.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Failure::NoTurn),
        }
    }
}

/// What jitter leaves of an interval at least: it shortens it by up to a tenth.
fn shortest(interval: Duration) -> Duration {
    interval * 9 / 10
}

/// The share that a success asks for.
fn judge(status: ExitStatus, said: &[u8]) -> Result<Share, Failure> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(Share::FULL),
        (Some(1), _) => Ok(WARNING),
        (Some(code), _) => Err(Failure::Exit(code, said::first_line(said))),
        (None, Some(signal)) => Err(Failure::Signal(signal)),
        (None, None) => Err(Failure::Io(status.to_string())),
    }
}
