//! Watching a campaign without a screen: progress on standard error, and the operator's answers from standard input.

use std::io::Write;
use std::sync::mpsc::Sender;
use std::thread;

use crate::campaign::question::Question;
use crate::cli::console::Console;
use crate::cli::report::save_beside;
use crate::investigation::commands::{Command, SnapshotSource};
use crate::investigation::live::LiveRun;
use crate::investigation::snapshot::{RunState, Snapshot};
use crate::observation::units::Micros;
use crate::timebase::{HostTime, Timebase};
use crate::tui;
use crate::tui::run::ScreenOptions;

const LOOK_EVERY: Micros = Micros::from_millis(50);
/// On a terminal the line is rewritten; in a log a line now and then is enough.
const LOG_EVERY: Micros = Micros::from_secs(10);

/// Returns when the campaign has ended.
pub fn headless(run: &LiveRun, console: &mut Console) {
    let mut time = HostTime::new();
    let snapshots = run.snapshots();
    let mut asked: Option<Question> = None;
    let mut next_line = Micros::from_secs(1);
    let rewrites = console.err.is_terminal() && !console.quiet;
    while !run.is_finished() {
        let snapshot = snapshots.latest();
        match &snapshot.state {
            RunState::Waiting(question) if asked.as_ref() != Some(question) => {
                console.note(&format!("{}{}", if rewrites { "\r\x1b[K" } else { "" }, in_words(question)));
                answer_from_stdin(run.commands());
                asked = Some(question.clone());
            }
            RunState::Waiting(_) => {}
            _ if rewrites && time.now() > Micros::from_millis(500) => {
                // Nobody is told where standard error is closed.
                let _ = write!(console.err, "\r\x1b[K{}", progress(&snapshot)).and_then(|()| console.err.flush());
            }
            _ if !rewrites && time.now() >= next_line => {
                console.note(&progress(&snapshot));
                next_line += LOG_EVERY;
            }
            _ => {}
        }
        time.wait(LOOK_EVERY);
    }
    if rewrites {
        // As above.
        let _ = write!(console.err, "\r\x1b[K");
    }
}

/// The question, why the last answer could not be taken, and what may be typed.
fn in_words(question: &Question) -> String {
    let problem = question.problem.as_ref().map(|problem| format!("{problem}\n")).unwrap_or_default();
    format!("{problem}{}\n({}) ", question.text, question.wanted.hint())
}

/// Shows the screen until the operator leaves it.
pub fn on_screen(run: &LiveRun, pace: Option<f64>, console: &mut Console) {
    let report = |snapshot: &Snapshot| {
        let case = snapshot.case.as_deref().ok_or("this run keeps no case")?;
        save_beside(case, snapshot)
    };
    let options =
        ScreenOptions { report: Some(&report), ..ScreenOptions::for_this_terminal(console.colors_out(), pace) };
    if let Err(error) = tui::run::run(run.snapshots().as_ref(), &run.commands(), &options) {
        console.error(&error.to_string());
    }
}

fn progress(snapshot: &Snapshot) -> String {
    let cycles: usize = snapshot.boots.iter().map(|strip| strip.cycles.len()).sum();
    let number = snapshot.boots.iter().flat_map(|strip| &strip.cycles).map(|mark| mark.number).max().unwrap_or(0);
    let boot = snapshot.boots.last().map_or(0, |strip| strip.boot.number);
    let failed = snapshot.rates.iter().map(|rate| {
        let kind = rate.kind.map_or(String::new(), |kind| format!("{kind}: "));
        format!("{kind}{} of {} {}s failed", rate.failed, rate.n, rate.unit.name())
    });
    let failed = failed.collect::<Vec<_>>().join(", ");
    format!(
        "boot {boot} of {}, cycle {}; {failed}",
        snapshot.start.boots,
        number.max(u32::try_from(cycles).unwrap_or(u32::MAX))
    )
}

/// Reads one line beside the campaign; the end of standard input means that nobody will answer.
fn answer_from_stdin(commands: Sender<Command>) {
    thread::spawn(move || {
        let mut line = String::new();
        let command = match std::io::stdin().read_line(&mut line) {
            Ok(read) if read > 0 => Command::Answer(line.trim().to_owned()),
            _ => Command::Stop,
        };
        // A campaign that has ended meanwhile needs no answer.
        let _ = commands.send(command);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::question::{Unit, Wanted};

    #[test]
    fn a_question_says_what_may_be_typed_and_what_was_wrong_before() {
        let change = Question::new("Take another cable. (About 2 min.)", Wanted::DoneOrCannot);
        let again = Question {
            problem: Some("`low` does not begin with a number such as 3.31".to_owned()),
            ..Question::new(
                "Measure VCAP, while the ROM runs. It should be 1.08 to 1.4 V.",
                Wanted::Quantity(Unit::Volt),
            )
        };
        let outcome = Question::new("Try once as administrator or root. Is it so that it works?", Wanted::YesOrNo);
        let held =
            Question::new("Held in cycle 7: stall in read.", Wanted::Measurements(vec![("vcap".into(), Unit::Volt)]));
        let all: Vec<_> = [change, again, outcome, held].iter().map(in_words).collect();
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
