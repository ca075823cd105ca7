//! What the command prints, as shapes for `--json` and as text.

mod check;
mod explain;
mod latency;
mod measurements;

use serde::Serialize;

pub use check::{Check, Summary};
pub use explain::{Explanation, Question, standing_without};
pub use measurements::Measurements;

/// Pretty JSON. The shapes here always have one.
pub fn to_json(shape: &impl Serialize) -> String {
    serde_json::to_string_pretty(shape).expect("shapes have string keys and finite numbers")
}
