//! The thread of the query log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::counters::NodeCounters;
use crate::printable::Printable;
use crate::tap::{Consumer, Parts};

use super::encoder::Encoder;
use super::losses::Losses;
use super::sink::{Sink, Unwritten};
use super::{Ending, Order, Settings};

/// Time between two looks at the rings. A ring that is half full wakes the thread earlier.
const PERIOD: Duration = Duration::from_millis(100);

/// Time between two looks while nothing is logged: an order wakes the thread.
const IDLE: Duration = Duration::from_secs(3600);

/// Octets that are written with one call, about.
const CHUNK: usize = 256 << 10;

/// First and longest pause before a sink that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Time after which a sink that worked counts as sound.
const CALM: Duration = Duration::from_secs(30);

/// Longest time that other settings wait until the old sink has what was recorded.
const SWITCH: Duration = Duration::from_secs(1);

/// State of the thread.
pub(super) struct Writer {
    consumers: Vec<Consumer>,
    parts: Parts,
    counters: Arc<NodeCounters>,
    losses: Losses,
    ending: Arc<Ending>,
    /// True until a file was opened, if another process may still write it.
    displaces: bool,
    log: Option<Log>,
}

/// A log that is written.
struct Log {
    settings: Box<Settings>,
    encoder: Encoder,
    /// `None` if it is to be opened.
    sink: Option<Sink>,
    /// `None` if the sink works, as far as is known.
    trouble: Option<Trouble>,
    /// The trouble before: a sink that fails again soon after is left alone for longer.
    before: Option<Trouble>,
    buffer: Buffer,
}

/// A sink that failed.
#[derive(Clone, Copy)]
struct Trouble {
    /// When it is tried again.
    again: Instant,
    pause: Duration,
}

/// Encoded entries that are not written yet.
#[derive(Default)]
struct Buffer {
    octets: Vec<u8>,
    /// Where each entry ends.
    ends: Vec<usize>,
}

impl Buffer {
    /// Removes the entries that lie in the first `octets`. Returns their number.
    fn remove(&mut self, octets: usize) -> usize {
        let count = self.ends.partition_point(|end| *end <= octets);
        let start = count.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.octets.drain(..start);
        self.ends.drain(..count);
        self.ends.iter_mut().for_each(|end| *end -= start);
        count
    }
}

impl Writer {
    pub(super) fn new(
        consumers: Vec<Consumer>,
        counters: Arc<NodeCounters>,
        losses: Losses,
        ending: Arc<Ending>,
        displaces: bool,
    ) -> Self {
        Self { consumers, parts: Parts::default(), counters, losses, ending, displaces, log: None }
    }

    /// Works until it is told to finish.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.try_recv() {
                Ok(Order::Use(settings)) => self.use_settings(settings),
                Ok(Order::Finish(done)) => {
                    self.end();
                    // Nobody may wait any more.
                    let _ = done.send(());
                    return;
                }
                Err(TryRecvError::Disconnected) => return self.end(),
                Err(TryRecvError::Empty) => thread::park_timeout(self.turn()),
            }
        }
    }

    /// Writes some of what is recorded. Returns how long there is nothing more to do.
    fn turn(&mut self) -> Duration {
        let Some(log) = &mut self.log else { return IDLE };
        self.losses.tell();
        if let Some(trouble) = log.trouble {
            let left = trouble.again.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return left;
            }
        }
        if log.sink.is_none() {
            match Sink::open(&log.settings, self.displaces) {
                Ok(sink) => {
                    self.displaces = false;
                    self.counters.query_log.openings.fetch_add(1, Relaxed);
                    let sink = log.sink.insert(sink);
                    // A file is there; whether it can be written, the first entry shows.
                    if matches!(sink, Sink::Stream(_)) || log.trouble.is_none() {
                        log.works(&self.counters);
                    }
                }
                Err(error) => return log.fails(&error, &self.counters),
            }
        }
        log.fill(&mut self.consumers, &mut self.parts);
        if log.buffer.ends.is_empty() {
            return PERIOD;
        }
        log.write(&self.counters, &self.ending)
    }

    /// Writes what is recorded until nothing is left, the sink fails, or the time is over.
    fn catch_up(&mut self, end: Instant) {
        if let Some(log) = &mut self.log {
            // A last attempt.
            log.trouble = log.trouble.map(|trouble| Trouble { again: Instant::now(), ..trouble });
        }
        while Instant::now() < end && !self.ending.is_over() {
            if !self.turn().is_zero() {
                return;
            }
        }
    }

    fn use_settings(&mut self, settings: Option<Box<Settings>>) {
        if self.log.as_ref().map(|log| &log.settings) == settings.as_ref() {
            return;
        }
        self.catch_up(Instant::now() + SWITCH);
        let Some(settings) = settings else { return self.close() };
        if let Some(log) = self.log.as_mut().filter(|log| log.settings.leads_to(&settings)) {
            if let Some(sink) = &mut log.sink {
                sink.follow(&settings);
            }
            log.encoder = Encoder::new(&settings);
            log.settings = settings;
            return;
        }
        // The new sink gets the entries that are still in the rings.
        let lost = self.close_sink();
        self.tell_lost(lost);
        let (encoder, buffer) = (Encoder::new(&settings), Buffer::default());
        self.log = Some(Log { settings, encoder, sink: None, trouble: None, before: None, buffer });
        self.counters.query_log.is_on.store(true, Relaxed);
    }

    fn end(&mut self) {
        self.catch_up(Instant::now() + SWITCH);
        self.close();
    }

    /// Ends the log. What was not written is lost.
    fn close(&mut self) {
        let mut lost = self.close_sink();
        for consumer in &mut self.consumers {
            while consumer.take(&mut self.parts, |_| ()).is_some() {
                lost += 1;
            }
        }
        self.tell_lost(lost);
    }

    /// Closes the sink. Returns the number of entries that were encoded for it, and that it did not take.
    fn close_sink(&mut self) -> usize {
        let Some(Log { sink, buffer, .. }) = self.log.take() else { return 0 };
        self.counters.query_log.is_on.store(false, Relaxed);
        self.counters.query_log.is_written.store(false, Relaxed);
        if let Some(sink) = sink {
            sink.close();
        }
        buffer.ends.len()
    }

    fn tell_lost(&self, lost: usize) {
        if lost > 0 {
            self.counters.query_log.lost.fetch_add(lost as u64, Relaxed);
            warn!(lost, "entries of the query log were lost: it was closed before they were written");
        }
    }
}

impl Drop for Writer {
    /// A bug that ends the thread must not look like a log that works.
    fn drop(&mut self) {
        self.counters.query_log.is_written.store(false, Relaxed);
    }
}

impl Log {
    /// Encodes entries from the rings, as many as fit in a chunk.
    fn fill(&mut self, consumers: &mut [Consumer], parts: &mut Parts) {
        let Self { encoder, buffer, .. } = self;
        let mut is_empty = false;
        while !is_empty && buffer.octets.len() < CHUNK {
            is_empty = true;
            for consumer in &mut *consumers {
                let Some(()) = consumer.take(parts, |entry| encoder.write(&entry, &mut buffer.octets)) else {
                    continue;
                };
                buffer.ends.push(buffer.octets.len());
                is_empty = false;
            }
        }
    }

    /// Writes the buffer. Returns how long there is nothing to do.
    fn write(&mut self, counters: &NodeCounters, ending: &Ending) -> Duration {
        let Some(sink) = &mut self.sink else { return Duration::ZERO };
        let (octets, failed) = match sink.write(&self.buffer.octets, ending) {
            Ok(()) => (self.buffer.octets.len(), None),
            Err(Unwritten { octets, error, is_open }) => (octets, Some((error, is_open))),
        };
        let written = self.buffer.remove(octets);
        counters.query_log.written.fetch_add(written as u64, Relaxed);
        counters.query_log.octets.fetch_add(octets as u64, Relaxed);
        match failed {
            None => {
                self.works(counters);
                Duration::ZERO
            }
            Some((error, is_open)) => {
                if !is_open {
                    self.sink = None;
                }
                self.fails(&error, counters)
            }
        }
    }

    /// Notes that the sink works.
    fn works(&mut self, counters: &NodeCounters) {
        let was_written = counters.query_log.is_written.swap(true, Relaxed);
        let trouble = self.trouble.take();
        self.before = trouble.or(self.before);
        if trouble.is_some() || !was_written {
            let format = self.settings.section.format.as_str();
            info!(sink = %self.settings.section.sink, format, "the query log is written");
        }
    }

    /// Notes that the sink does not work. Returns how long it is left alone.
    fn fails(&mut self, error: &io::Error, counters: &NodeCounters) -> Duration {
        counters.query_log.is_written.store(false, Relaxed);
        if self.trouble.is_none() {
            warn!(
                sink = %self.settings.section.sink,
                error = %Printable(error),
                "the query log cannot be written; answers go on. The node tries again, and keeps entries while there is room"
            );
        }
        let before = self.before.filter(|before| before.again.elapsed() < CALM);
        let pause = self.trouble.or(before).map_or(FIRST_PAUSE, |trouble| (2 * trouble.pause).min(LONGEST_PAUSE));
        self.trouble = Some(Trouble { again: Instant::now() + pause, pause });
        pause
    }
}
