//! Any bytes are a report: reading and diagnosing them ends, without a panic.
#![no_main]

use std::sync::LazyLock;

use flakescope::investigation::triage::Triage;

static TRIAGE: LazyLock<Triage> = LazyLock::new(|| Triage::load().expect("the built-in profiles are sound"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let triaged = TRIAGE.report("fuzz", &mut &bytes[..]).expect("a slice can be read");
    let total: f64 = triaged.verdict.causes.iter().map(|cause| cause.probability).sum();
    assert!(total <= 1.0 + 1e-6);
});
