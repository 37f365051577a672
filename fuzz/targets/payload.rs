#![no_main]

use std::panic::{PanicHookInfo, set_hook};

use audit_log_testing::properties;

libfuzzer_sys::fuzz_target!(
    // libFuzzer's own hook ends the process at any panic, and those of lambda_http are caught. A
    // panic that is not caught ends it anyway.
    init: set_hook(Box::new(report)),
    |bytes: &[u8]| properties::payload(bytes)
);

fn report(panic: &PanicHookInfo<'_>) {
    if panic
        .location()
        .is_some_and(|location| location.file().contains("properties"))
    {
        eprintln!("{panic}");
    }
}
