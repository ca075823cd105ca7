//! Reads the files of other servers, and writes what they say as files of truenorth.
//!
//! ```text
//!   gdnsd: config, zones ──► settings ──┐
//!   a master file ──────────► entries ──┼──► tables with comments ──► files of truenorth
//!   Route 53: JSON ─────────► records ──┘          notes ───────────► what was not carried over
//! ```
//!
//! Whatever has no equal here becomes a [note](Report::note), and a comment at the place where it would have been. Nothing
//! is read or written but through the caller: the same text always gives the same files.

mod bind;
mod gdnsd;
mod master;
mod names;
mod powerdns;
mod report;
mod route53;
mod tables;
mod text;

pub use bind::bind;
pub use gdnsd::gdnsd;
pub use powerdns::powerdns_lua;
pub use report::Report;
pub use route53::route53;

use std::net::IpAddr;

use text::File;

/// The files of truenorth that say what the files of another server said.
#[derive(Debug, Default)]
pub struct Imported {
    files: Vec<File>,
    /// What was carried over, and what was not.
    pub report: Report,
}

impl Imported {
    /// The files: a path below the folder of the server file, and the text.
    pub fn files(&self) -> impl Iterator<Item = (&str, String)> {
        self.files.iter().map(|file| (file.path.as_str(), file.render()))
    }
}

/// Reads a file by its path, as it is written in another file. Fails with the reason.
pub type Reader<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Returns the latitude and the longitude of an address; `None` if they are not known.
pub type Locate<'a> = &'a dyn Fn(IpAddr) -> Option<[f64; 2]>;

/// Returns a name without characters that names of pools, datacenters, regions and monitors cannot have.
fn word(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let word: String = text.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    if word.is_empty() { "_".to_owned() } else { word }
}
