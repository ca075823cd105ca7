//! What a newcomer and a packager get: `truenorth init`, schemas, completions, manual pages.

#[path = "../harness/mod.rs"]
mod harness;

mod artefacts;
mod init;
mod schema;
