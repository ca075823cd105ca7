//! The command `truenorth`.

use std::process::ExitCode;

fn main() -> ExitCode {
    truenorth::cli::run()
}
