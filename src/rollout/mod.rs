//! Roll-outs: how clients move from the pools that serve them to new ones, and back.
//!
//! ```text
//!   Spec      the configuration: `active` (blue-green) or `canary`
//!   Switch    blue-green: which pool answers, by the file or by an operator
//!   Progress  a canary's way from step to step, or back      ◄── Evidence: health, errors, latency, over a window
//!   Store     all of them by name; returns changes to publish, to report and to keep
//! ```
//!
//! This module has no clock, no probes and no pools: the caller brings observations with their time.

mod canary;
mod evidence;
mod order;
mod progress;
mod store;
mod switch;
mod window;

pub use canary::{Bounds, Canary, LatencyBound, MAX_STEPS, Spec, Steps, StepsError};
pub use evidence::{Breach, MIN_PROBES, MIN_REQUESTS, PATIENCE, Side, Signals, WINDOW};
pub use order::{
    Change, Command, Draft, Exposure, Happening, Kept, Order, RolloutId, RolloutRefusal, Rows, View, ViewKind,
};
pub use progress::{Action, KeptCanary, Phase};
pub use store::RolloutStore;
pub use switch::KeptSwitch;

#[cfg(test)]
mod tests;
