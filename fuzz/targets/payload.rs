#![no_main]

#[path = "../../tests/hostile/properties/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each target has one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(
    // libFuzzer's own hook ends the process at any panic, and lambda_http's are caught. One that is not ends it all the same.
    init: std::panic::set_hook(Box::new(|panic| {
        if panic.location().is_some_and(|location| location.file().contains("properties")) {
            eprintln!("{panic}");
        }
    })),
    |bytes: &[u8]| properties::payload(bytes)
);
