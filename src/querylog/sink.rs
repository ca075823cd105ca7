//! Where the log goes.

use std::io;

use crate::config::QueryLogSink;

use super::file::{FileSettings, LogFile};
use super::stream::Stream;
use super::{Ending, Settings};

/// An open sink.
#[derive(Debug)]
pub(super) enum Sink {
    File(LogFile),
    Stream(Stream),
}

/// The part of the log that a sink did not take.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// Octets that it took before.
    pub(super) octets: usize,
    pub(super) error: io::Error,
    /// True if the sink can be tried again as it is.
    pub(super) is_open: bool,
}

impl Sink {
    /// Opens the sink. With `displaces`, a file that another process writes is put aside.
    pub(super) fn open(settings: &Settings, displaces: bool) -> io::Result<Self> {
        let section = &settings.section;
        match &section.sink {
            QueryLogSink::File { path, size, versions } => {
                let file =
                    FileSettings { path: path.clone(), size: *size, versions: *versions, format: section.format };
                LogFile::open(&file, displaces).map(Self::File)
            }
            sink => Stream::open(sink, section.format).map(Self::Stream),
        }
    }

    /// Writes whole entries.
    pub(super) fn write(&mut self, octets: &[u8], ending: &Ending) -> Result<(), Unwritten> {
        match self {
            Self::File(file) => file.write(octets),
            Self::Stream(stream) => stream.write(octets, ending),
        }
    }

    /// Uses the bounds of other settings that lead to the same place.
    pub(super) fn follow(&mut self, settings: &Settings) {
        if let (Self::File(file), QueryLogSink::File { size, versions, .. }) = (self, &settings.section.sink) {
            file.set_bounds(*size, *versions);
        }
    }

    /// Ends the log in an orderly way.
    pub(super) fn close(self) {
        match self {
            Self::File(file) => file.close(),
            Self::Stream(stream) => stream.close(),
        }
    }
}
