#![no_main]

mod alone;

libfuzzer_sys::fuzz_target!(|input: &[u8]| refundry_fuzz::xml::check(alone::server(), input));
