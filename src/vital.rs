//! Parts of a node that run as long as the node does. The node is notified if one ends by itself or panics.
//!
//! Each part holds a [`Part`] while it runs. However it ends, its `Part` is dropped, and [`Ends::next`] returns its
//! name. Otherwise a listener, a worker or the task that steers health could be gone while everything else looks
//! healthy.
//!
//! In builds with debug assertions, environment variables break parts, so that tests can check the reaction of the
//! node. `TRUENORTH_BREAK` names a part that panics one second after its start. `TRUENORTH_STALL` names a part that
//! does nothing for twelve seconds, three seconds after its start. `TRUENORTH_HOLD` names a point of the start where a
//! process waits for ever, to be killed there. Release builds ignore all three.

use std::fmt;
use std::thread;

use tokio::sync::mpsc;

/// Creates [`Part`]s; cheap to clone.
#[derive(Clone, Debug)]
pub struct Alarm(mpsc::UnboundedSender<End>);

/// Receives the ends of parts.
#[derive(Debug)]
pub struct Ends(mpsc::UnboundedReceiver<End>);

/// A running part.
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

/// Creates an alarm and its receiver.
pub fn alarm() -> (Alarm, Ends) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Alarm(sender), Ends(receiver))
}

impl Alarm {
    /// Marks the beginning of a part.
    pub fn part(&self, name: &'static str) -> Part {
        Part { name, alarm: self.clone() }
    }
}

impl Part {
    /// Runs a task as this part.
    pub async fn run<T>(self, task: impl Future<Output = T>) -> T {
        #[cfg(debug_assertions)]
        let task = broken::disturb(self.name, task);
        task.await
    }
}

/// Panics here if `TRUENORTH_BREAK` names this part: once, and not before the first second has passed. For threads, and
/// for parts that are restarted after a panic.
pub fn breaking_point(name: &str) {
    #[cfg(debug_assertions)]
    broken::maybe_panic(name);
    let _ = name;
}

/// Waits here for ever if `TRUENORTH_HOLD` names this point.
pub fn holding_point(name: &str) {
    #[cfg(debug_assertions)]
    broken::maybe_hold(name);
    let _ = name;
}

/// The code that breaks parts.
#[cfg(debug_assertions)]
mod broken {
    use std::env;
    use std::pin::pin;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, sleep, timeout};

    const BREAK: &str = "TRUENORTH_BREAK";
    const STALL: &str = "TRUENORTH_STALL";
    const HOLD: &str = "TRUENORTH_HOLD";

    /// How long a part runs before it panics.
    const WHOLE: Duration = Duration::from_secs(1);

    /// How long a stalled part does nothing: longer than the node tolerates.
    const SILENCE: Duration = Duration::from_secs(12);

    static BROKEN: LazyLock<Option<String>> = LazyLock::new(|| env::var(BREAK).ok());
    static STALLED: LazyLock<Option<String>> = LazyLock::new(|| env::var(STALL).ok());
    /// The time of the first check.
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static IS_DONE: AtomicBool = AtomicBool::new(false);

    pub(super) async fn disturb<T>(name: &str, task: impl Future<Output = T>) -> T {
        let [breaks, stalls] = [&BROKEN, &STALLED].map(|asked| asked.as_deref() == Some(name));
        if !breaks && !stalls {
            return task.await;
        }
        let mut task = pin!(task);
        // A stalling part begins later, so that the node answers before it stalls, however busy the machine is.
        let whole = if breaks { WHOLE } else { WHOLE * 3 };
        if let Ok(result) = timeout(whole, &mut task).await {
            return result;
        }
        assert!(!breaks, "asked to by {BREAK}");
        sleep(SILENCE).await;
        task.await
    }

    pub(super) fn maybe_hold(name: &str) {
        if env::var(HOLD).is_ok_and(|point| point == name) {
            eprintln!("holding: {name}");
            loop {
                std::thread::sleep(SILENCE);
            }
        }
    }

    pub(super) fn maybe_panic(name: &str) {
        let is_whole = BROKEN.as_deref() != Some(name) || BEGAN.elapsed() < WHOLE;
        assert!(is_whole || IS_DONE.swap(true, Ordering::Relaxed), "asked to by {BREAK}");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nobody receives while the node stops.
        let _ = self.alarm.0.send(End { name: self.name, by_panic: thread::panicking() });
    }
}

impl Ends {
    /// Waits for the next end of a part. Waits for ever if no part is left.
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
