#![no_main]

use audit_log_testing::properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::note(bytes));
