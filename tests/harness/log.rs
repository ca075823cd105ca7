//! A process's log, line by line as it comes.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

/// The lines that a process wrote. `wait_for` goes through them in order, and sees no line twice.
pub(crate) struct Log {
    coming: Receiver<String>,
    read: Vec<String>,
    /// Number of lines that `wait_for` does not see again.
    seen: usize,
}

impl Log {
    /// Reads until the process closes it.
    pub(crate) fn read(from: impl Read + Send + 'static) -> Self {
        let (lines, coming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                // The test may be over.
                let Ok(line) = line else { return };
                let _ = lines.send(line);
            }
        });
        Self { coming, read: Vec::new(), seen: 0 }
    }

    /// Waits for the next line with these words. Lines before it are skipped.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        let place = self.find(words);
        self.seen = place + 1;
        self.read[place].clone()
    }

    /// The same, but `wait_for` sees the line and those before it again: they may come in any order.
    #[track_caller]
    pub(crate) fn look_for(&mut self, words: &str) -> String {
        let place = self.find(words);
        self.read[place].clone()
    }

    #[track_caller]
    fn find(&mut self, words: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        for place in self.seen.. {
            if place == self.read.len() {
                match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(line) => self.read.push(line),
                    Err(RecvTimeoutError::Timeout) => panic!("no `{words}` within {PATIENCE:?} in:\n{}", self.text()),
                    Err(RecvTimeoutError::Disconnected) => {
                        panic!("the process ended without `{words}`:\n{}", self.text())
                    }
                }
            }
            if self.read[place].contains(words) {
                return place;
            }
        }
        unreachable!("a log has fewer lines than numbers")
    }

    /// All lines of a process that has ended.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> &[String] {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.coming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.read.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("the log did not end within {PATIENCE:?}:\n{}", self.text()),
                Err(RecvTimeoutError::Disconnected) => return &self.read,
            }
        }
    }

    /// All lines so far. `wait_for` sees none of them again.
    pub(crate) fn lines(&mut self) -> &[String] {
        self.read.extend(self.coming.try_iter());
        self.seen = self.read.len();
        &self.read
    }

    fn text(&self) -> String {
        self.read.join("\n")
    }
}
