//! The output of commands. If a reader stops early, such as `head`, the command does not fail. If the disk is full, it
//! does.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::BAD;

/// Prints a line to standard output. Returns `code`, or the exit code for failures if the line cannot be written.
pub(super) fn print(text: impl Display, code: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            complain(format_args!("truenorth: cannot write to standard output: {error}"));
            ExitCode::from(BAD)
        }
    }
}

/// Prints a line to standard error. If that fails, the exit code still reports the failure.
pub(super) fn complain(text: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// True if standard output is a pipe whose reader is gone, so that nobody will ever read what is written.
pub(super) fn is_reader_gone() -> bool {
    let out = io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
