//! Round trip times between clients and datacenters, in milliseconds.
//!
//! ```text
//!   samples ─► LatencyTable ── a settled value changed ─► ClientRtts ─► maps
//!              rows of measures: network, area            runs of equal round trip times
//!              the matrix of a fleet's vantage points
//! ```
//!
//! The hysteresis is in the table: a row's *settled* round trip times change only when a margin is crossed. Everything
//! after that is a pure function of them, so an answer's scope is exact.

mod client_rtt;
mod matrix;
mod measure;
mod reading;
mod rows;
mod rtt;
mod sample;
mod table;

pub use client_rtt::{ClientRtt, ClientRtts};
pub use matrix::{MAX_PLACES, VantageRtts};
pub use measure::{MIN_SAMPLES, Measured};
pub use reading::{Area, Clients, Reading, ReadingSource};
pub use rtt::{Rtt, Tolerance};
pub use sample::{MAX_SAMPLE_MS, Sample, SampleError, Widths};
pub use table::{CAPACITY, LatencyTable, Record};
