//! The whole command: the real binary, real sockets, real HTTP endpoints, Debian's `dig`.
//!
//! All traffic stays on loopback: endpoints that are probed have addresses of 127.0.0.0/8, others have no monitor.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../recursive/mod.rs"]
mod recursive;

mod balance;
mod calculated;
mod command;
mod falls;
mod files;
mod floods;
mod health;
mod hostile;
mod limits;
mod load;
mod log;
mod many;
mod output;
mod parts;
mod process;
mod reload;
mod restart;
mod scale;
mod sick;
mod statics;
mod steering;
mod webhooks;
