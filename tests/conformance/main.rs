//! What the RFCs ask of an authoritative server, by RFC and section, each sentence above the test that holds it.

#[path = "../scene/mod.rs"]
mod scene;

mod rfc1034;
mod rfc2181;
mod rfc2308;
mod rfc3597;
mod rfc4035;
mod rfc4343;
mod rfc4592;
mod rfc6604;
mod rfc6672;
mod rfc8020;
mod rfc8482;
mod rfc9471;
