//! What a command prints. A reader that has seen enough, such as `head`, is no failure; a disk that is full is one.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use super::BAD;

/// Prints to standard output, and ends the line. Gives the exit code: `code`, or that of what is bad if the text cannot
/// be written.
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

/// Prints to standard error, and ends the line. Where that cannot be written the exit code still tells.
pub(super) fn complain(text: impl Display) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}
