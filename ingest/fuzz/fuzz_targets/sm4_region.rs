#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plume_ingest_fuzz::sm4_region(bytes));
