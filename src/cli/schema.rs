//! `truenorth schema`: the JSON Schemas of the two TOML files, with which editors complete and check them.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output;

const SERVER: &str = include_str!("../../schemas/server.schema.json");
const ZONE: &str = include_str!("../../schemas/zone.schema.json");

/// A file that has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// truenorth.toml
    Server,
    /// zones/NAME.toml
    Zone,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file whose schema is printed
    #[arg(value_name = "FILE")]
    file: File,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let schema = match arguments.file {
        File::Server => SERVER,
        File::Zone => ZONE,
    };
    output::print(schema.trim_end(), ExitCode::SUCCESS)
}
