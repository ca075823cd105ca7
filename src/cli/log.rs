//! The log. Code that logs never waits for the reader of the log, and never fails because of it.
//!
//! ```text
//!   events, faults ─► queue, 4 MiB at most ─► a thread of its own ─► standard error, or standard output
//! ```
//!
//! If nobody reads the pipe, the disk is full or the reader is gone, lines are lost, and nothing else happens. Lost
//! lines are counted. The number is logged as soon as lines can be written again.

use std::collections::VecDeque;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFilter, LogFormat, LogSettings};
use crate::counters::NodeCounters;

/// Maximum number of octets of waiting lines: about twenty thousand lines. A line that does not fit is lost.
const QUEUE: usize = 4 << 20;

/// The events that are logged if nothing selects them.
const DEFAULT: &str = "info";

/// Libraries whose lines say what the node says itself, in other words. A filter may ask for them.
const QUIET: &str = "async_nats=off";

/// Pause before the writer tries again if the output takes nothing at the moment (`EAGAIN`).
const AGAIN: Duration = Duration::from_millis(50);

/// Maximum time that the process waits for the output to take a line, where it waits at all.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Maximum time that the process waits at its end for the lines in the queue, however steadily they are taken.
const ENDING: Duration = Duration::from_secs(1);

/// A handle to the writing thread.
#[derive(Clone, Debug)]
pub(super) struct Log {
    queue: Arc<LineQueue>,
}

#[derive(Debug, Default)]
struct LineQueue {
    lines: Mutex<Lines>,
    changed: Condvar,
    /// The counters of the node, once it has started.
    counters: OnceLock<Arc<NodeCounters>>,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<Box<[u8]>>,
    /// Octets of the waiting lines.
    octets: usize,
    /// True if the thread is writing a line.
    is_writing: bool,
    /// Lines lost since the start.
    lost: u64,
    /// How many of them were reported.
    reported: u64,
}

impl Log {
    /// Starts to write to `output`. Fails if the system cannot start a thread.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(LineQueue::default());
        let writer = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_to(output))?;
        Ok(Self { queue })
    }

    /// Puts a text with its line breaks into the queue.
    pub(super) fn write(&self, text: &[u8]) {
        let mut lines = self.queue.lines();
        if lines.octets + text.len() > QUEUE {
            self.queue.lose(&mut lines);
            return;
        }
        lines.octets += text.len();
        lines.waiting.push_back(text.into());
        drop(lines);
        self.queue.changed.notify_all();
    }

    /// Writes a text of any length. Waits for room in the queue while lines are taken out of it; if none is taken for
    /// [`LAST_LINES`], the rest is lost: nobody reads.
    pub(super) fn write_all(&self, text: &str) {
        for line in text.split_inclusive('\n') {
            let is_full = |lines: &mut Lines| lines.octets + line.len() > QUEUE && lines.octets > 0;
            let lines = self.queue.lines();
            let (lines, waited) = self
                .queue
                .changed
                .wait_timeout_while(lines, LAST_LINES, is_full)
                .unwrap_or_else(PoisonError::into_inner);
            drop(lines);
            if waited.timed_out() {
                return;
            }
            self.write(line.as_bytes());
        }
    }

    /// Also counts lost lines in these counters, unless others were set before.
    pub(super) fn count_in(&self, counters: &Arc<NodeCounters>) {
        // This fails if others were set before.
        let _ = self.queue.counters.set(counters.clone());
    }

    /// Waits until everything is written. Gives up if no line is taken for [`LAST_LINES`], because perhaps nobody reads,
    /// and after [`ENDING`] at the latest. Then there is no place to say so.
    pub(super) fn finish(&self) {
        let end = Instant::now() + ENDING;
        let mut lines = self.queue.lines();
        while (lines.is_writing || !lines.waiting.is_empty()) && Instant::now() < end {
            let (later, waited) =
                self.queue.changed.wait_timeout(lines, LAST_LINES).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return;
            }
            lines = later;
        }
    }
}

impl LineQueue {
    /// Counts a lost line.
    fn lose(&self, lines: &mut Lines) {
        lines.lost += 1;
        if let Some(counters) = self.counters.get() {
            counters.lost_log_lines.store(lines.lost, Ordering::Relaxed);
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        // No statement leaves the queue in an inconsistent state, so a poisoned lock is harmless.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lines to this output, for as long as the process runs.
    fn write_to(&self, mut output: impl Write) {
        let mut is_torn = false;
        loop {
            let line = self.next();
            let written = write_line(&mut output, &line, &mut is_torn);
            let mut lines = self.lines();
            lines.is_writing = false;
            if written.is_err() {
                self.lose(&mut lines);
            }
            let (lost, is_news) = (lines.lost, lines.lost != lines.reported);
            // If the line with the number is lost too, the number of lost lines grows, so it is logged again.
            if written.is_ok() && is_news {
                lines.reported = lost;
            }
            drop(lines);
            self.changed.notify_all();
            if written.is_ok() && is_news {
                warn!(
                    lost,
                    "log lines were lost, because nobody read the log or it could not be written; \
                     the count is since the start"
                );
            }
        }
    }

    /// Waits for the next line and takes it.
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

/// Writes a whole line. If the line before was cut off, ends that one first.
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
    // Standard output buffers text that does not end a line.
    output.flush()
}

/// The line of one event.
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

/// The environment variable that selects events.
const VARIABLE: &str = "RUST_LOG";

/// Returns which events are logged: those that `RUST_LOG` selects, else those of the server file's filter. Fails with
/// the reason if `RUST_LOG` is not a filter.
pub(super) fn filter(of_file: Option<&LogFilter>) -> Result<EnvFilter, String> {
    let named = env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let named = named.map(|text| text.parse::<LogFilter>().map_err(|why| format!("{VARIABLE}: {why}"))).transpose()?;
    let text = named.as_ref().or(of_file).map_or(DEFAULT, LogFilter::as_str);
    EnvFilter::try_new(format!("{QUIET},{text}")).map_err(|why| format!("`{text}` is not a filter of the log: {why}"))
}

/// True if lines to this output have colours: on a terminal, unless `NO_COLOR` is set and not empty
/// (<https://no-color.org>).
pub(super) fn has_colours(output: &impl IsTerminal) -> bool {
    output.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Logs each event as one line to standard error from now on, panics included. Fails with the reason if `RUST_LOG` is
/// not a filter.
pub(super) fn log_to_stderr(log: &Log, settings: &LogSettings) -> Result<(), String> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(settings.filter.as_ref())?)
        .with_target(false)
        .with_ansi(has_colours(&io::stderr()))
        .with_writer(log.clone())
        .log_internal_errors(false);
    match settings.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
    }
    log_panics();
    Ok(())
}

/// Logs panics as events from now on. The standard library would write them to standard error, and would wait for its
/// reader.
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

    /// Accepts as many octets as the test permits.
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

    /// The octets that were written so far.
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
        // The thread is blocked in the first line. The rest fills the queue and overflows it.
        let line = vec![b'x'; 1 << 20];
        (0..8).for_each(|_| log.write(&line));
        let lost = log.queue.lines().lost;
        assert!((3..=4).contains(&lost), "one is being written, or not yet, and four wait: {lost}");
        drop(verdict);
        wait_until_idle(&log);
        assert_eq!(written.lock().unwrap().len() as u64, (8 - lost) << 20);
        assert_eq!(log.queue.lines().reported, lost);
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
        assert_eq!((lines.lost, lines.reported), (1, 1));
    }

    #[test]
    fn a_text_that_is_longer_than_the_queue_is_written_whole() {
        let (log, verdict, written) = log();
        let text = "a line of a long list of faults\n".repeat(3 * QUEUE / 32);
        let reader = thread::spawn(move || {
            // It is slow at first.
            thread::sleep(LAST_LINES / 4);
            drop(verdict);
        });
        log.write_all(&text);
        log.finish();
        reader.join().unwrap();
        assert!(*written.lock().unwrap() == text.as_bytes());
        assert_eq!(log.queue.lines().lost, 0);
    }

    #[test]
    fn an_end_does_not_wait_for_who_never_reads() {
        let (log, _verdict, written) = log();
        log.write(b"first\n");
        log.finish();
        assert_eq!(*written.lock().unwrap(), b"");
    }
}
