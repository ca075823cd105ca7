//! The command `truenorth`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    truenorth::cli::run(truenorth::cli::Cli::parse())
}
