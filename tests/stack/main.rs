//! What runs in surroundings that a machine may lack: flakescope and unmodified third parties on a real Linux USB stack, against virtual
//! boards, in emulated computers (the guest lane); and the screen in a real terminal.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod cases;
mod guest;
mod in_process;
mod said;
mod screen;

use std::sync::{Arc, OnceLock};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use guest::{Case, Transcript};

/// What each guest said, once they have run.
type Said = OnceLock<Vec<Result<Transcript, String>>>;

fn main() {
    let arguments = Arguments::from_args();
    let missing = guest::what_is_missing();
    // Only what was asked for is run in the guests.
    let chosen = |cases: Vec<Case>| cases.into_iter().filter(|case| is_chosen(&arguments, &case.name)).collect();
    let guests: Arc<Vec<Vec<Case>>> = Arc::new(cases::guests().into_iter().map(chosen).collect());
    let said: Arc<Said> = Arc::default();
    let numbers = guests.iter().enumerate().flat_map(|(guest, cases)| (0..cases.len()).map(move |case| (guest, case)));
    let trials = numbers.map(|(guest, case)| {
        let (guests, said) = (Arc::clone(&guests), Arc::clone(&said));
        let trial = Trial::test(guests[guest][case].name.clone(), move || {
            let said = said.get_or_init(|| boot_all(&guests));
            judge(&guests[guest][case], &said[guest])
        });
        match &missing {
            None => trial,
            Some(missing) => trial.with_kind(format!("needs {missing}")).with_ignored_flag(true),
        }
    });
    let trials = trials.chain(screen::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// All guests at once, each on a processor of its own as far as there are any.
fn boot_all(guests: &[Vec<Case>]) -> Vec<Result<Transcript, String>> {
    thread::scope(|scope| {
        let boots: Vec<_> = (0..guests.len())
            .map(|number| scope.spawn(move || guest::boot(number, &guests[number], &cases::given())))
            .collect();
        boots.into_iter().map(|boot| boot.join().unwrap_or_else(|_| Err("the boot panicked".to_owned()))).collect()
    })
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
