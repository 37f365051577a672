#![no_main]

#[path = "../../tests/hostile/properties/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each target has one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::document(bytes));
