//! Any bytes may claim to be an archive: unpacking them ends, without a panic.
#![no_main]

use std::io::Read;

use flakescope::readers::archive;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    archive::each_in_stream("fuzz", &mut &bytes[..], &mut |_, source| {
        std::io::copy(&mut source.take(1 << 20), &mut std::io::sink()).map(|_| ())
    });
});
