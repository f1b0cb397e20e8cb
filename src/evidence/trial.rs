//! One cycle as the statistics see it: did it fail, how far did the board get, and what kind of failure was it.

use crate::observation::cycle::Cycle;
use crate::observation::failure::{Failure, FailureClass};
use crate::observation::step::{Outcome, Phase, StepRecord};

/// What the first unexpected failure of a cycle shows. A cycle can carry several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mark {
    /// Not seen on the bus, or seen without a usable address.
    AtEnumerate,
    /// The port was watched and showed nothing at all.
    NothingOnPort,
    /// Something showed on the port that did not come onto the bus.
    ShowedOnPort,
    /// The board had answered in this cycle before it failed.
    AfterAnswer,
    /// On the bus, or at least on the port, and no answer to anything in this cycle.
    Silent,
    /// An answer stayed out after others had come.
    LateTimeout,
    Stall,
    Disconnect,
    /// It showed on the port and was gone again before it was on the bus.
    LeftEarly,
    /// Failed on the wire.
    BusError,
    DataDiffers,
}

impl Mark {
    pub const ALL: [Self; 11] = [
        Self::AtEnumerate,
        Self::NothingOnPort,
        Self::ShowedOnPort,
        Self::AfterAnswer,
        Self::Silent,
        Self::LateTimeout,
        Self::Stall,
        Self::Disconnect,
        Self::LeftEarly,
        Self::BusError,
        Self::DataDiffers,
    ];
}

/// A set of marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u16);

impl Marks {
    pub fn insert(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u8;
    }

    pub fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u8) != 0
    }

    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    pub cycle: &'a Cycle,
    pub failure: Option<&'a Failure>,
    /// The board was on the bus.
    pub present: bool,
    /// The board answered at least one request.
    pub answered: bool,
    pub marks: Marks,
}

impl<'a> Trial<'a> {
    pub fn of(cycle: &'a Cycle) -> Self {
        let failure = cycle.failure();
        let answered = cycle.steps.iter().any(is_answer);
        let present =
            answered || cycle.steps.iter().any(|step| step.outcome == Outcome::Done && is_presence(step.phase));
        // After a failure the cycle goes on where that makes sense, so what answered before it is asked apart.
        let before = cycle.steps.iter().take_while(|step| step.failure().is_none_or(Failure::is_expected));
        let answered_before = before.into_iter().any(is_answer);
        let over_probe = cycle.steps.iter().any(|step| step.phase == Phase::ProbeOpen);
        let marks = match failure {
            // The other marks tell of USB; what a debug probe says is told by the class of the failure.
            Some(failure) if over_probe => data_marks(failure),
            Some(failure) => marks_of(failure, present, answered_before),
            None => Marks::default(),
        };
        Self { cycle, failure, present, answered, marks }
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }
}

fn data_marks(failure: &Failure) -> Marks {
    let mut marks = Marks::default();
    if failure.class == FailureClass::DataMismatch {
        marks.insert(Mark::DataDiffers);
    }
    marks
}

fn marks_of(failure: &Failure, present: bool, answered_before: bool) -> Marks {
    let mut marks = Marks::default();
    if failure.phase == Phase::Enumerate || !present && is_absence(failure.class) {
        marks.insert(Mark::AtEnumerate);
    }
    if answered_before {
        marks.insert(Mark::AfterAnswer);
    }
    match failure.class {
        FailureClass::Timeout | FailureClass::Hang if answered_before => marks.insert(Mark::LateTimeout),
        FailureClass::Timeout | FailureClass::Hang if present => marks.insert(Mark::Silent),
        FailureClass::Stall => marks.insert(Mark::Stall),
        FailureClass::Disconnected if present => marks.insert(Mark::Disconnect),
        FailureClass::BusError | FailureClass::Parity => marks.insert(Mark::BusError),
        FailureClass::DescriptorFailed => marks.merge(descriptor_marks(failure)),
        FailureClass::NotEnumerated => marks.insert(Mark::NothingOnPort),
        FailureClass::DataMismatch => marks.insert(Mark::DataDiffers),
        _ => {}
    }
    marks
}

/// The host saw something on the port. Its error number tells silence (-110) from errors on the wire (-71, -84) and
/// from a device that has gone (-19).
fn descriptor_marks(failure: &Failure) -> Marks {
    let mut marks = Marks::default();
    marks.insert(Mark::ShowedOnPort);
    let mark = match failure.code.as_ref().and_then(|code| errno(code.raw())) {
        Some(110) => Some(Mark::Silent),
        Some(71 | 84) => Some(Mark::BusError),
        Some(19) => Some(Mark::LeftEarly),
        _ => None,
    };
    mark.into_iter().for_each(|mark| marks.insert(mark));
    marks
}

/// The first number after a minus, as the kernel writes its errors.
fn errno(code: &str) -> Option<u32> {
    let number = |after: &str| after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    code.split('-').skip(1).find_map(number)
}

fn is_absence(class: FailureClass) -> bool {
    matches!(class, FailureClass::NotEnumerated | FailureClass::DescriptorFailed | FailureClass::NotFound)
}

fn is_presence(phase: Phase) -> bool {
    let of_the_probe = matches!(phase, Phase::ProbeOpen | Phase::TargetVoltage | Phase::Speed | Phase::Disconnect);
    !matches!(phase, Phase::Wait | Phase::Reset | Phase::Close) && !of_the_probe
}

/// A finished step that needed the board to answer; opening and claiming ask the host only, and some steps the probe only.
pub fn is_answer(step: &StepRecord) -> bool {
    let host_only = matches!(
        step.phase,
        Phase::Enumerate
            | Phase::Open
            | Phase::Claim
            | Phase::Close
            | Phase::Wait
            | Phase::Reset
            | Phase::ProbeOpen
            | Phase::TargetVoltage
            | Phase::Speed
            | Phase::Disconnect
    );
    step.outcome == Outcome::Done && !host_only
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::synthetic::{cycle, failing};

    #[test]
    fn a_cycle_over_a_debug_probe_carries_no_mark_of_usb() {
        let mut over_swd = failing(1, 1, FailureClass::Parity, Phase::Read);
        let of_usb = Trial::of(&over_swd).marks;
        assert!(of_usb.has(Mark::BusError) && of_usb.has(Mark::AfterAnswer));
        over_swd.steps[1].phase = Phase::ProbeOpen;
        assert_eq!(Trial::of(&over_swd).marks, Marks::default());
    }

    #[test]
    fn a_good_cycle_carries_no_mark() {
        let cycle = cycle(1, 1);
        let trial = Trial::of(&cycle);
        assert!(trial.present && trial.answered && !trial.failed());
        assert_eq!(trial.marks, Marks::default());
    }

    #[test]
    fn the_same_time_out_means_another_thing_before_and_after_the_first_answer() {
        for (phase, mark) in [(Phase::Descriptors, Mark::Silent), (Phase::Read, Mark::LateTimeout)] {
            let cycle = failing(1, 1, FailureClass::Timeout, phase);
            let trial = Trial::of(&cycle);
            assert!(trial.marks.has(mark), "{phase}");
            assert_eq!(trial.marks.has(Mark::AfterAnswer), mark == Mark::LateTimeout);
        }
    }

    #[test]
    fn a_descriptor_that_could_not_be_read_is_silence_or_noise_or_a_loss_by_its_error_number() {
        for (code, mark) in [
            ("device descriptor read/64, error -110", Mark::Silent),
            ("device descriptor read/64, error -71", Mark::BusError),
            ("device not accepting address 9, error -19", Mark::LeftEarly),
        ] {
            let mut cycle = failing(1, 1, FailureClass::DescriptorFailed, Phase::Enumerate);
            cycle.steps[0].outcome =
                Outcome::Failed(Failure::new(FailureClass::DescriptorFailed, Phase::Enumerate).with_code(code));
            let marks = Trial::of(&cycle).marks;
            assert!(marks.has(mark) && marks.has(Mark::AtEnumerate), "{code}");
            let told = [Mark::Silent, Mark::BusError, Mark::LeftEarly].iter().filter(|mark| marks.has(**mark));
            assert_eq!(told.count(), 1, "{code}");
        }
    }

    #[test]
    fn a_board_that_is_not_there_fails_at_enumerate() {
        let cycle = failing(1, 1, FailureClass::NotEnumerated, Phase::Enumerate);
        let trial = Trial::of(&cycle);
        assert!(trial.marks.has(Mark::AtEnumerate) && !trial.present);
    }
}
