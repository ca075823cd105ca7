//! What the command prints and the admin server says, as shapes for JSON and as text.

mod check;
mod explain;
mod notice;
mod overrides;
mod problem;
mod reload;
mod status;
mod table;
mod txt;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use check::{Check, Summary};
pub use explain::{Explanation, Network, Question, standing_without};
pub use notice::{News, Notice};
pub use overrides::{OverrideList, OverrideOrder, OverrideSelector, OverrideShape};
pub use problem::{Problem, SelfCheck};
pub use reload::{Reload, ToldFault};
pub use status::{Filter, Status, When};
pub use txt::{TxtChange, TxtList, TxtShape};

/// Pretty JSON. The shapes here always have one.
pub fn to_json(shape: &impl Serialize) -> String {
    serde_json::to_string_pretty(shape).expect("shapes have string keys and finite numbers")
}

/// What JSON is made of and becomes again.
pub trait Shape: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Shape for T {}

/// A shape from JSON, or what is wrong with it.
pub fn from_json<T: Shape>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// JSON without a line break.
pub fn to_json_line(shape: &impl Serialize) -> String {
    serde_json::to_string(shape).expect("shapes have string keys and finite numbers")
}
