//! Any text may be a profile: refusing it ends with a message, without a panic.
#![no_main]

use flakescope::profile::device;
use flakescope::profile::shelf::Sheet;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let sheet = Sheet { name: "fuzz".to_owned(), file: "fuzz.toml".to_owned(), text: text.to_owned() };
    if let Err(error) = device::parse(&sheet) {
        assert!(!error.to_string().is_empty());
    }
});
