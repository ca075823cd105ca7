//! DNS messages: what a query holds, and how a response is written.

mod rtype;

pub use rtype::Rtype;
