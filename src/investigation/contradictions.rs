//! What a log claims against what it shows: success that rests on a failed step, and transfers faster than the link.

use crate::observation::cycle::Cycle;
use crate::observation::event::Transport;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, Phase, StepRecord};
use crate::observation::units::Micros;
use crate::readers::cubeprogrammer::ONE_WRITE_FAILED;

/// Full-speed USB carries 12 Mbit/s and no more; bytes per second before any protocol.
const FULL_SPEED_BYTES: f64 = 1_500_000.0;

/// The contradiction in one attempt, if there is one. `image_bytes` is the size of the file that was to be written.
pub fn of_attempt(cycle: &Cycle, transport: Option<Transport>, image_bytes: Option<f64>) -> Option<Fact> {
    let words = success_after_failure(&cycle.steps, image_bytes)
        .or_else(|| faster_than_usb(&cycle.steps, transport, image_bytes))?;
    let line = cycle.failures().find_map(|failure| failure.line).unwrap_or(1);
    Some(Fact {
        key: "success-after-failure".to_owned(),
        value: FactValue::Flag(true),
        origin: Origin::Line(line),
        quote: Some(FieldText::new(words)),
    })
}

/// A write that is reported as complete though the erase before it failed, or a good verification of a failed write.
fn success_after_failure(steps: &[StepRecord], image_bytes: Option<f64>) -> Option<String> {
    let of_one_write = |step: &StepRecord| {
        let code = step.failure().and_then(|failure| failure.code.as_ref());
        code.is_some_and(|code| code.raw() == ONE_WRITE_FAILED)
    };
    let needed = [(Phase::Erase, Phase::Write), (Phase::Write, Phase::Verify)];
    needed.into_iter().find_map(|(first, second)| {
        let last_of = |phase| steps.iter().rposition(|step| step.phase == phase);
        let (failed, claimed) = (last_of(first)?, last_of(second)?);
        let contradicts = failed < claimed
            && failed_badly(&steps[failed])
            && !of_one_write(&steps[failed])
            && steps[claimed].outcome == Outcome::Done;
        contradicts
            .then(|| format!("{first} failed, and {second} is reported as done{}", pace(&steps[claimed], image_bytes)))
    })
}

fn failed_badly(step: &StepRecord) -> bool {
    step.failure().is_some_and(|failure| !failure.is_expected())
}

fn faster_than_usb(steps: &[StepRecord], transport: Option<Transport>, image_bytes: Option<f64>) -> Option<String> {
    let bytes = image_bytes.filter(|_| transport == Some(Transport::Dfu))?;
    let write = steps.iter().find(|step| step.phase == Phase::Write && step.outcome == Outcome::Done)?;
    let seconds = write.elapsed?.as_millis_f64() / 1000.0;
    (seconds > 0.0 && bytes / seconds > FULL_SPEED_BYTES)
        .then(|| format!("the download is faster than full-speed USB{}", pace(write, image_bytes)))
}

/// `, 19.6 KB in 69 ms`
fn pace(step: &StepRecord, image_bytes: Option<f64>) -> String {
    match (image_bytes, step.elapsed.map(Micros::as_millis_f64)) {
        (Some(bytes), Some(ms)) => format!(", {:.1} KB in {ms:.0} ms", bytes / 1024.0),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::investigation::triage::Triage;

    fn contradiction(log: &str) -> Option<String> {
        let triage = Triage::load().unwrap();
        let triaged = triage.report("log", &mut log.as_bytes()).unwrap();
        let fact = triaged.facts.into_iter().find(|fact| fact.key == "success-after-failure")?;
        Some(fact.quote?.raw().to_owned())
    }

    #[test]
    fn a_download_on_a_flash_that_was_not_erased_is_a_contradiction() {
        let log = "USB speed   : Full Speed (12MBit/s)\nOpening and parsing file: a.hex\n  Size          : 19.56 KB\n\
                   Erasing internal memory sectors [0 1]\nError: failed to erase memory\nDownload in Progress:\n\
                   File download complete\nTime elapsed during download operation: 00:00:00.069\n";
        assert_eq!(contradiction(log).unwrap(), "erase failed, and write is reported as done, 19.6 KB in 69 ms");
    }

    #[test]
    fn a_second_erase_that_works_is_none() {
        let log = "USB speed   : Full Speed (12MBit/s)\nError: failed to erase memory\nMASS ERASE ...\n\
                   Mass erase successfully achieved\nDownload in Progress:\nFile download complete\n";
        assert_eq!(contradiction(log), None);
    }
}
