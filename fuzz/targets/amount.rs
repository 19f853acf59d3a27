#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| refundry_fuzz::amount::check(input));
