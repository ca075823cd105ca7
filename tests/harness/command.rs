//! The command, run to its end.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use super::{PATIENCE, POLL};

/// The output of a command, and its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end with this as standard output.
pub(crate) fn run_to<'a>(words: impl IntoIterator<Item = &'a str>, stdout: impl Into<Stdio>) -> Ran {
    let mut command = truenorth();
    let child = command.args(words).stdout(stdout).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary runs");
    let err = child.stderr.take().expect("it is piped");
    let stderr = thread::spawn(move || read(err));
    let code = wait(&mut child).code();
    Ran { code, stdout: String::new(), stderr: stderr.join().expect("reading does not panic") }
}

/// Runs a command to its end.
pub(crate) fn run<'a>(words: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = truenorth();
    let child = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary runs");
    let (out, err) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    let stderr = thread::spawn(move || read(err));
    let stdout = thread::spawn(move || read(out));
    let code = wait(&mut child).code();
    let text = |thread: thread::JoinHandle<String>| thread.join().expect("reading does not panic");
    Ran { code, stdout: text(stdout), stderr: text(stderr) }
}

pub(super) fn read(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("it writes UTF-8");
    text
}

pub(super) fn truenorth() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_truenorth"));
    command.env("RUST_LOG", "info").stdin(Stdio::null());
    command
}

/// Waits for a process to end; kills it if it does not.
pub(super) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is a child of ours") {
            return status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the process did not end within {PATIENCE:?}");
        }
        thread::sleep(POLL);
    }
}
