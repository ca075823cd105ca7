//! The log. Whoever writes to it never waits for its reader, and never dies with it.
//!
//! ```text
//!   events, faults ─► queue, 4 MiB at most ─► a thread of its own ─► standard error, or standard output
//! ```
//!
//! A pipe that nobody reads, a full disk or a reader that is gone costs lines and nothing else. Lines that are lost are
//! counted, and the count is logged with the next line that can be written.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{error, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Octets of lines that wait at most: some twenty thousand lines. A line that comes when the queue is full is lost.
const QUEUE: usize = 4 << 20;

/// How long the writer waits before it tries again where the output takes nothing for the moment (`EAGAIN`).
const AGAIN: Duration = Duration::from_millis(50);

/// How long the end of the process waits for the lines that are still in the queue.
const LAST_LINES: Duration = Duration::from_millis(200);

/// The way to the thread that writes.
#[derive(Clone, Debug)]
pub(super) struct Log {
    queue: Arc<LineQueue>,
}

#[derive(Debug, Default)]
struct LineQueue {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<Box<[u8]>>,
    /// Octets of those that wait.
    octets: usize,
    /// Whether the thread is writing one.
    is_writing: bool,
    /// Lines lost since the start.
    lost: u64,
    /// How many of them were told.
    told: u64,
}

impl Log {
    /// Begins to write to `output`. Fails when the system has no thread for it.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(LineQueue::default());
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(output))?;
        Ok(Self { queue })
    }

    /// Puts a text into the queue, with its line breaks.
    pub(super) fn write(&self, text: &[u8]) {
        let mut lines = self.queue.lines();
        if lines.octets + text.len() > QUEUE {
            lines.lost += 1;
            return;
        }
        lines.octets += text.len();
        lines.waiting.push_back(text.into());
        drop(lines);
        self.queue.changed.notify_all();
    }

    /// Waits until all is written, but not for long: nobody may read it.
    pub(super) fn finish(&self) {
        let is_busy = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        // Whether the time ran out does not matter: there is nobody to tell.
        let _ = self.queue.changed.wait_timeout_while(self.queue.lines(), LAST_LINES, is_busy);
    }
}

impl LineQueue {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // A queue is whole between any two statements that change it.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        let mut is_torn = false;
        loop {
            let line = self.next();
            let written = write_line(&mut output, &line, &mut is_torn);
            let mut lines = self.lines();
            lines.is_writing = false;
            if written.is_err() {
                lines.lost += 1;
            }
            let (lost, is_news) = (lines.lost, lines.lost != lines.told);
            // A line that tells of it and is lost itself makes the count news again.
            if written.is_ok() && is_news {
                lines.told = lost;
            }
            drop(lines);
            self.changed.notify_all();
            if written.is_ok() && is_news {
                warn!(
                    lost,
                    "log lines were lost: nobody read the log, or it could not be written; this counts all since the start"
                );
            }
        }
    }

    /// Waits for the next line.
    fn next(&self) -> Box<[u8]> {
        let mut lines = self.lines();
        loop {
            if let Some(line) = lines.waiting.pop_front() {
                lines.octets -= line.len();
                lines.is_writing = true;
                return line;
            }
            lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes a whole line. A line that breaks off is ended before the next one begins.
fn write_line(output: &mut impl Write, line: &[u8], is_torn: &mut bool) -> io::Result<()> {
    let ended: &[u8] = if *is_torn { b"\n" } else { b"" };
    for part in [ended, line] {
        let mut left = part;
        while !left.is_empty() {
            match output.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    left = &left[length..];
                    *is_torn = !left.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
                Err(error) => return Err(error),
            }
        }
    }
    // Standard output keeps what does not end a line.
    output.flush()
}

/// One event.
pub(super) struct Line<'a>(&'a Log);

impl Write for Line<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

/// Which events are logged: `RUST_LOG` chooses.
pub(super) fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Logs one line an event to standard error from now on, panics included.
pub(super) fn log_to_stderr(log: &Log) {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(log.clone())
        .log_internal_errors(false)
        .init();
    log_panics();
}

/// Logs panics as events from now on. The standard library would write them to standard error, and wait for its reader.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
        let at = panic.location().map(tracing::field::display);
        let thread = thread::current();
        error!(thread = thread.name(), at, "a thread panicked, which is a bug of truenorth: {}", text.escape_debug());
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what is written as the test lets it.
    struct Output {
        verdicts: mpsc::Receiver<io::Result<usize>>,
        written: Written,
    }

    impl Write for Output {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let length = self.verdicts.recv().unwrap_or(Ok(usize::MAX))?.min(octets.len());
            self.written.lock().unwrap().extend_from_slice(&octets[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written, as far as the test let it.
    type Written = Arc<Mutex<Vec<u8>>>;

    fn log() -> (Log, mpsc::Sender<io::Result<usize>>, Written) {
        let (verdict, verdicts) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        (Log::start(Output { verdicts, written: written.clone() }).unwrap(), verdict, written)
    }

    fn wait_until_idle(log: &Log) {
        while {
            let lines = log.queue.lines();
            lines.is_writing || !lines.waiting.is_empty()
        } {
            thread::yield_now();
        }
    }

    #[test]
    fn who_writes_waits_for_nobody_and_what_is_lost_is_counted() {
        let (log, verdict, written) = log();
        // The thread waits within the first line; the rest fills the queue and more.
        let line = vec![b'x'; 1 << 20];
        (0..8).for_each(|_| log.write(&line));
        let lost = log.queue.lines().lost;
        assert!((3..=4).contains(&lost), "one is being written, or not yet, and four wait: {lost}");
        drop(verdict);
        wait_until_idle(&log);
        assert_eq!(written.lock().unwrap().len() as u64, (8 - lost) << 20);
        assert_eq!(log.queue.lines().told, lost);
    }

    #[test]
    fn a_line_that_breaks_off_is_ended_before_the_next_one() {
        let (log, verdict, written) = log();
        verdict.send(Ok(2)).unwrap();
        verdict.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        drop(verdict);
        log.write(b"first\n");
        log.write(b"second\n");
        wait_until_idle(&log);
        assert_eq!(*written.lock().unwrap(), b"fi\nsecond\n");
        let lines = log.queue.lines();
        assert_eq!((lines.lost, lines.told), (1, 1));
    }

    #[test]
    fn an_end_does_not_wait_for_who_never_reads() {
        let (log, _verdict, written) = log();
        log.write(b"first\n");
        log.finish();
        assert_eq!(*written.lock().unwrap(), b"");
    }
}
