//! The guest lane: flakescope and an unmodified dfu-util on a real Linux USB stack, against virtual boards, in one emulated boot.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cases;
mod guest;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use cases::Case;
use guest::Transcript;

fn main() {
    let arguments = Arguments::from_args();
    let missing = guest::what_is_missing();
    let transcript: Arc<OnceLock<Result<Transcript, String>>> = Arc::default();
    let trials = cases::all().into_iter().map(|case| {
        let transcript = Arc::clone(&transcript);
        let trial = Trial::test(case.name, move || judge(&case, transcript.get_or_init(guest::boot)));
        match &missing {
            None => trial,
            Some(missing) => trial.with_kind(format!("needs {missing}")).with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn judge(case: &Case, transcript: &Result<Transcript, String>) -> Result<(), Failed> {
    let transcript = transcript.as_ref().map_err(Failed::from)?;
    let section = transcript.section(case.name).ok_or("the guest never came to this case")?;
    (case.check)(section).map_err(|complaint| {
        format!("{complaint}\n--- the guest said (exit code {}):\n{}", section.code, section.text).into()
    })
}
