//! Reports of debug probes classify into the classes that the live link knows, where they lie beside the project.

use std::fs;
use std::path::Path;

use flakescope::investigation::triage::Triage;
use flakescope::link::swd_probe::ProbeErrorKind;
use flakescope::observation::failure::FailureClass;
use flakescope::observation::step::Phase;

/// What a tool says when it does not know more; the live link always does.
const WITHOUT_SAYING_HOW: [FailureClass; 3] =
    [FailureClass::ConnectFailed, FailureClass::ReadFailed, FailureClass::ToolFailure];

/// Seen by the session itself, whatever probe is below it.
const OF_THE_SESSION: [FailureClass; 5] = [
    FailureClass::IdMismatch,
    FailureClass::DataMismatch,
    FailureClass::Protected,
    FailureClass::Hang,
    FailureClass::DriverMissing,
];

/// The phases of a session that only reads.
const READING: [Phase; 6] =
    [Phase::ProbeOpen, Phase::TargetVoltage, Phase::Connect, Phase::Identify, Phase::Halt, Phase::Registers];

#[test]
fn reports_over_swd_and_the_live_link_speak_of_the_same_classes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(folders) = fs::read_dir(&corpus) else { return };
    let live: Vec<_> = ProbeErrorKind::ALL.iter().map(|kind| kind.class()).collect();
    let triage = Triage::load().unwrap();
    let (mut reports, mut failures) = (0, 0);
    for folder in folders.map(|entry| entry.unwrap().path()) {
        let label = fs::read_to_string(folder.join("label.json")).unwrap_or_default();
        if !label.contains("\"transport\": \"swd\"") {
            continue;
        }
        let mut text = fs::File::open(folder.join("report.txt")).unwrap();
        let triaged = triage.report(&folder.to_string_lossy(), &mut text).unwrap();
        reports += 1;
        for failure in triaged.verdict.failures.iter().filter(|failure| READING.contains(&failure.phase)) {
            failures += 1;
            let known = [live.as_slice(), &WITHOUT_SAYING_HOW, &OF_THE_SESSION].concat();
            assert!(known.contains(&failure.class), "{}: {} in {}", folder.display(), failure.class, failure.phase);
        }
    }
    assert!(reports >= 10 && failures >= 10, "{failures} failures in {reports} reports");
}
