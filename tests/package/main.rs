//! What a newcomer and a packager get: `truenorth init`, schemas, completions, manual pages, the Debian package.

#[path = "../harness/mod.rs"]
mod harness;

mod artefacts;
mod debian;
mod init;
mod schema;
