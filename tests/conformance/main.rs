//! What the RFCs say, section by section: each test stands under the sentence that it holds.

mod message;
mod rfc1035_messages;
mod rfc3225;
mod rfc4892;
mod rfc5001;
mod rfc5936;
mod rfc6891;
mod rfc6895;
mod rfc7828;
mod rfc7830;
mod rfc7871;
mod rfc7873;
mod rfc8914;
mod rfc8945;
mod rfc9018;
mod rfc9619;
#[path = "../scene/mod.rs"]
mod scene;
