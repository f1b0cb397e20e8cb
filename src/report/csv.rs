//! One row per step of every cycle, for spreadsheets and data frames.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use crate::investigation::snapshot::BootStrip;
use crate::observation::boot::Boot;
use crate::observation::cycle::Cycle;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Outcome, StepRecord};
use crate::observation::units::Micros;

/// The columns before those of the factors. Numbers carry their unit in the name.
const COLUMNS: [&str; 20] = [
    "cycle",
    "boot",
    "boot_kind",
    "boot_proof",
    "step",
    "phase",
    "outcome",
    "class",
    "code",
    "expected",
    "address",
    "started_us",
    "elapsed_us",
    "transfers",
    "bytes",
    "transfer_total_us",
    "transfer_max_us",
    "inferred_retries",
    "waits",
    "repeats",
];

/// Writes a header and the steps; every factor that was varied gets a column.
pub fn write(out: impl Write, boots: &[BootStrip], cycles: &[Cycle]) -> csv::Result<()> {
    let boots: BTreeMap<u32, &Boot> = boots.iter().map(|strip| (strip.boot.number, &strip.boot)).collect();
    let factors: BTreeSet<&String> = cycles.iter().flat_map(|cycle| cycle.levels.keys()).collect();
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let names = factors.iter().map(|factor| format!("factor_{}", safe(factor)));
    writer.write_record(COLUMNS.into_iter().map(str::to_owned).chain(names))?;
    for cycle in cycles {
        let boot = cycle.boot.and_then(|number| boots.get(&number).copied());
        for (step, number) in cycle.steps.iter().zip(1..) {
            let levels = factors.iter().map(|factor| cycle.levels.get(*factor).map_or(String::new(), |l| safe(l)));
            writer.write_record(row(cycle, boot, step, number).into_iter().chain(levels))?;
        }
    }
    writer.flush()?;
    Ok(())
}

fn row(cycle: &Cycle, boot: Option<&Boot>, step: &StepRecord, number: u32) -> [String; COLUMNS.len()] {
    let failure = step.failure();
    let sums = &step.summary;
    [
        cycle.number.to_string(),
        shown(cycle.boot),
        boot.map_or("", |boot| boot.kind.name()).to_owned(),
        boot.map_or("", |boot| boot.proof.name()).to_owned(),
        number.to_string(),
        step.phase.to_string(),
        outcome(&step.outcome).to_owned(),
        shown(failure.map(|failure| failure.class)),
        failure.and_then(|failure| failure.code.as_ref()).map_or(String::new(), FieldText::for_csv),
        failure.and_then(|failure| failure.expected.as_deref()).map_or(String::new(), safe),
        shown(failure.and_then(|failure| failure.address)),
        micros(step.started),
        micros(step.elapsed),
        sums.count.to_string(),
        sums.bytes.to_string(),
        micros(Some(sums.total)),
        micros(Some(sums.max)),
        sums.inferred_retries.to_string(),
        sums.waits.to_string(),
        sums.repeats.to_string(),
    ]
}

const fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed(_) => "failed",
        Outcome::Skipped => "skipped",
        Outcome::Interrupted => "interrupted",
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn micros(span: Option<Micros>) -> String {
    span.map_or(String::new(), |span| span.0.to_string())
}

fn safe(text: &str) -> String {
    FieldText::from(text).for_csv()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::is_unsafe_to_show;
    use crate::report::sample;

    fn table(cycles: &[Cycle]) -> String {
        let mut out = Vec::new();
        write(&mut out, &sample::campaign().boots, cycles).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_steps_of_a_good_a_failed_and_an_interrupted_cycle() {
        let cycles: Vec<_> =
            sample::cycles().into_iter().filter(|cycle| [1, 25, 55, 80].contains(&cycle.number)).collect();
        insta::assert_snapshot!(table(&cycles).replace("\r\n", "\n"));
    }

    #[test]
    fn a_spreadsheet_runs_nothing_and_reads_as_many_columns_in_every_row() {
        let text = table(&sample::hostile_cycles());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut rows = 0;
        for record in reader.records() {
            for cell in &record.unwrap() {
                assert!(!cell.starts_with(['=', '+', '@']), "{cell}");
                assert!(!cell.contains(is_unsafe_to_show), "{cell}");
            }
            rows += 1;
        }
        assert_eq!(rows, 160);
    }
}
