//! `truenorth schema`: the JSON Schemas of the TOML files. Editors use them to complete and check the files, and their
//! manual pages are made from them.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output;

pub(super) const SERVER: &str = include_str!("../../schemas/server.schema.json");
pub(super) const ZONE: &str = include_str!("../../schemas/zone.schema.json");
const OVERRIDES: &str = include_str!("../../schemas/overrides.schema.json");

/// A file that has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// truenorth.toml
    Server,
    /// zones/NAME.toml
    Zone,
    /// The file that `overrides` in truenorth.toml names
    Overrides,
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
        File::Overrides => OVERRIDES,
    };
    output::print(schema.trim_end(), ExitCode::SUCCESS)
}
