//! Any text as a master file: it is a zone that compiles, or its faults can be shown.
#![no_main]

mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| world::load("example.com.zone", text));
