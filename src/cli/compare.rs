//! `flakescope compare`: two cases, arms or spans of boots against each other.

use clap::Args;

use super::compare_side::Selection;
use super::console::Console;
use super::exit::ExitCode;
use crate::evidence::compare::compare;
use crate::evidence::finding::Unit;

/// Test whether two cases, arms or spans differ
///
/// Each side is a case, narrowed by what follows an @: a level of a factor that was varied, or a span of boots. Boots are
/// compared, not cycles, where there are several. Boots under the changed conditions of a guided run are left out unless
/// @experiment=NAME asks for them. The sentence on standard output can be pasted as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope compare before.case after.case
  flakescope compare board.case@transfer-size=2048 board.case@transfer-size=64
  flakescope compare board.case@boots=1-20 board.case@boots=21-40
  flakescope compare board.case board.case@experiment=swap-cable")]
pub struct CompareArgs {
    /// CASE, CASE@FACTOR=LEVEL or CASE@boots=FROM-TO
    #[arg(value_name = "A")]
    a: Selection,
    /// The other side
    #[arg(value_name = "B")]
    b: Selection,
}

pub fn run(args: &CompareArgs, console: &mut Console) -> ExitCode {
    let other = u32::from(!args.a.is_of_the_case_of(&args.b));
    let sides = args.a.collect(0).and_then(|a| Ok((a, args.b.collect(other)?, args.a.shared_with(&args.b)?)));
    let (a, b) = match sides {
        Ok((.., shared)) if shared > 0 => {
            console.error(&format!(
                "both sides hold {}, and what is compared with itself shows nothing; narrow one of them with @boots=FROM-TO or @FACTOR=LEVEL",
                Unit::Cycle.count(shared)
            ));
            return ExitCode::Usage;
        }
        Ok((a, b, _)) => (a, b),
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    for (selection, side) in [(&args.a, &a), (&args.b, &b)] {
        if side.boots.is_empty() {
            let why = selection.why_empty().unwrap_or_else(|error| error.to_string());
            console.error(&why);
            return ExitCode::UnreadableInput;
        }
    }
    let Some(found) = compare(&a, &b) else { return ExitCode::UnreadableInput };
    console.deliver(format!("{}\n", found.sentence), ExitCode::Clean)
}
