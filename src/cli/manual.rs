//! `truenorth manual`: the manual pages, of commands made from their help, and of the TOML files made from their
//! schemas.

mod file_pages;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::{BAD, Cli, output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write the pages of all commands and files into this folder, instead of printing the first page
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Returns exit code 1 if the pages cannot be written.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let command = Cli::command();
    if let Some(folder) = &arguments.folder {
        return match clap_mangen::generate_to(command, folder).and_then(|()| file_pages::write_to(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(Some(folder), &error),
        };
    }
    let mut page = Vec::new();
    match Man::new(command).render(&mut page) {
        Ok(()) => output::print(String::from_utf8_lossy(&page).trim_end(), ExitCode::SUCCESS),
        Err(error) => failed(None, &error),
    }
}

fn failed(folder: Option<&Path>, error: &io::Error) -> ExitCode {
    let place = folder.map_or_else(String::new, |folder| format!(" into {}", folder.display()));
    output::complain(format_args!("truenorth: cannot write the manual{place}: {error}"));
    ExitCode::from(BAD)
}
