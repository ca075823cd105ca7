//! Signed zones: answers validate whatever happens, keys are protected, and nothing is signed or unsigned by accident.
//!
//! The validators are those that Debian ships: `delv`, a validating `named`, `unbound` and Knot Resolver. They trust
//! the key of the zone, and ask the real binary.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;

mod ahead;
mod answers;
mod budget;
mod dnsviz;
mod family;
mod keys;
mod nested;
mod presigned;
mod providers;
mod roller;
mod rolling;
mod rollovers;
mod validators;
mod validity;
mod world;
