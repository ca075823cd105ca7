//! The parts of a release besides the server: `truenorth init`, schemas, completions, manual pages, the commands of the
//! pages, the Debian package, the unit for systemd.

#[path = "../harness/mod.rs"]
mod harness;

mod artefacts;
mod debian;
mod init;
mod pages;
mod schema;
mod systemd;
