//! Parts of a node that run as long as it does: the node is told when one ends by itself, or panics.
//!
//! Each part holds a [`Part`] while it runs. However it ends, its `Part` is dropped, and [`Ends::next`] tells its name.
//! Without it a listener, a worker or the task that steers health could be gone while all that surrounds it looks well.

use std::fmt;
use std::thread;

use tokio::sync::mpsc;

/// In builds with debug assertions, the part of this name panics a second after it began: so tests see what becomes of
/// the node. Release builds do not look.
#[cfg(debug_assertions)]
const BREAK: &str = "TRUENORTH_BREAK";

/// Hands out [`Part`]s; cheap to clone.
#[derive(Clone, Debug)]
pub struct Alarm(mpsc::UnboundedSender<End>);

/// Where the ends of parts are told.
#[derive(Debug)]
pub struct Ends(mpsc::UnboundedReceiver<End>);

/// A part that runs.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    alarm: Alarm,
}

/// A part that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    name: &'static str,
    by_panic: bool,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, by_panic } = self;
        write!(f, "{name} {}", if *by_panic { "panicked" } else { "ended by itself" })
    }
}

/// An alarm, and where it is heard.
pub fn alarm() -> (Alarm, Ends) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Alarm(sender), Ends(receiver))
}

impl Alarm {
    /// A part that begins to run now.
    pub fn part(&self, name: &'static str) -> Part {
        Part { name, alarm: self.clone() }
    }
}

impl Part {
    /// Runs a task as this part.
    pub async fn run<T>(self, task: impl Future<Output = T>) -> T {
        #[cfg(debug_assertions)]
        if std::env::var(BREAK).is_ok_and(|name| name == self.name) {
            let task = std::pin::pin!(task);
            let second = std::time::Duration::from_secs(1);
            return tokio::time::timeout(second, task).await.unwrap_or_else(|_| panic!("asked to by {BREAK}"));
        }
        task.await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // While a node stops nobody listens any more.
        let _ = self.alarm.0.send(End { name: self.name, by_panic: thread::panicking() });
    }
}

impl Ends {
    /// Waits for the next end of a part; for ever if all have ended that were to.
    pub async fn next(&mut self) -> End {
        match self.0.recv().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_are_told_with_their_reason() {
        let (alarm, mut ends) = alarm();
        alarm.part("a task").run(async {}).await;
        assert_eq!(ends.next().await.to_string(), "a task ended by itself");
        let part = alarm.part("a thread");
        let ended = thread::spawn(move || {
            let _part = part;
            panic!("as the test wants");
        });
        assert!(ended.join().is_err());
        assert_eq!(ends.next().await.to_string(), "a thread panicked");
    }

    #[tokio::test]
    async fn a_task_that_is_dropped_has_ended_as_well() {
        let (alarm, mut ends) = alarm();
        let task = tokio::spawn(alarm.part("a task").run(std::future::pending::<()>()));
        tokio::task::yield_now().await;
        task.abort();
        assert_eq!(ends.next().await, End { name: "a task", by_panic: false });
    }
}
