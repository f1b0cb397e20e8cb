//! The guest lane: flakescope and unmodified third parties on a real Linux USB stack, against virtual boards, in one emulated boot.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cases;
mod guest;
mod in_process;
mod said;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use guest::{Case, Transcript};

fn main() {
    let arguments = Arguments::from_args();
    let missing = guest::what_is_missing();
    // Only what was asked for is run in the guest.
    let chosen: Vec<Case> = cases::all().into_iter().filter(|case| is_chosen(&arguments, &case.name)).collect();
    let cases = Arc::new(chosen);
    let transcript: Arc<OnceLock<Result<Transcript, String>>> = Arc::default();
    let trials = (0..cases.len()).map(|number| {
        let (all, transcript) = (Arc::clone(&cases), Arc::clone(&transcript));
        let judge = move || {
            let transcript = transcript.get_or_init(|| guest::boot(&all, &cases::given()));
            judge(&all[number], transcript)
        };
        let trial = Trial::test(cases[number].name.clone(), judge);
        match &missing {
            None => trial,
            Some(missing) => trial.with_kind(format!("needs {missing}")).with_ignored_flag(true),
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn is_chosen(arguments: &Arguments, name: &str) -> bool {
    let fits = |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}

fn judge(case: &Case, transcript: &Result<Transcript, String>) -> Result<(), Failed> {
    let transcript = transcript.as_ref().map_err(Failed::from)?;
    let said = transcript.section(&case.name).ok_or("the guest never came to this case")?;
    (case.check)(said).map_err(|complaint| {
        format!("{complaint}\n--- the guest said (exit code {}):\n{}", said.code, said.text).into()
    })
}
