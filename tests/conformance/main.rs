//! Checks the RFCs section by section. Each test quotes the sentence that it checks.

#[path = "../scene/mod.rs"]
mod scene;

mod message;
mod rfc1034;
mod rfc1035_messages;
mod rfc2181;
mod rfc2308;
mod rfc3225;
mod rfc3597;
mod rfc4035;
mod rfc4343;
mod rfc4592;
mod rfc4892;
mod rfc5001;
mod rfc5936;
mod rfc6604;
mod rfc6672;
mod rfc6891;
mod rfc6895;
mod rfc7828;
mod rfc7830;
mod rfc7871;
mod rfc7873;
mod rfc8020;
mod rfc8482;
mod rfc8914;
mod rfc8945;
mod rfc9018;
mod rfc9460;
mod rfc9471;
mod rfc9619;
mod rfc9824;
