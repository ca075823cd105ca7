//! What the command prints, as shapes for `--json` and as text.

mod audience;
mod census;
mod check;
mod comparison;
mod diff;
mod explain;
mod network;
mod owners;
mod places;
mod query_log;
mod simulate;
mod split;
mod text;

use std::fmt::Display;

use serde::Serialize;

pub use audience::Audience;
pub use check::{Check, Summary};
pub use diff::Diff;
pub use explain::{Explanation, Question, standing_without};
pub use network::Network;
pub use simulate::Simulation;

/// Pretty JSON. The shapes here always have one.
pub fn to_json(shape: &impl Serialize) -> String {
    serde_json::to_string_pretty(shape).expect("shapes have string keys and finite numbers")
}

/// For a machine or for a person.
pub fn render(shape: &(impl Serialize + Display), json: bool) -> String {
    if json { to_json(shape) } else { shape.to_string() }
}
