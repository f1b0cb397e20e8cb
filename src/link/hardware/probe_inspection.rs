//! A look at a debug probe for the lists: its firmware, and the voltage it measures on its target. The target is not touched.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::observation::board::PortPath;
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::step::Touch;
use crate::observation::units::{Micros, Millivolts};
use crate::swd::stlink_firmware::{self, Minimum, ProbeFirmware};

use super::probe_real::RealProbe;
use super::worker::Subject;
use super::worker_client::WorkerLink;
use crate::link::board_selector::BoardSelector;
use crate::link::swd_probe::{ProbeError, SwdProbe};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    pub firmware: Option<FieldText>,
    /// Absent where the probe cannot measure it.
    pub target_voltage: Option<Millivolts>,
    /// Why there is no more.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub class: FailureClass,
    pub code: FieldText,
}

impl Trouble {
    pub fn new(class: FailureClass, code: impl Into<FieldText>) -> Self {
        Self { class, code: code.into() }
    }
}

impl From<ProbeError> for Trouble {
    fn from(error: ProbeError) -> Self {
        Self { class: error.kind.class(), code: FieldText::new(error.code) }
    }
}

/// Opens the probe in this process; only a worker process may wait for that.
pub fn here(selector: Option<BoardSelector>) -> Inspection {
    of(&mut RealProbe::new(selector))
}

fn of(probe: &mut RealProbe) -> Inspection {
    let opened = probe.open();
    // Known even where probe-rs refuses it.
    let firmware = probe.identity().firmware.clone();
    if let Err(error) = opened {
        return Inspection { firmware, target_voltage: None, trouble: Some(error.into()) };
    }
    let measured = probe.target_voltage();
    probe.close();
    match measured {
        Ok(target_voltage) => Inspection { firmware, target_voltage, trouble: None },
        Err(error) => Inspection { firmware, target_voltage: None, trouble: Some(error.into()) },
    }
}

/// Asks a worker process for it, and gives up on one that does not answer.
pub fn in_worker(port: &PortPath) -> Inspection {
    const PATIENCE: Micros = Micros::from_secs(6);
    let subject = Subject::Probe { selector: Some(BoardSelector::Port(port.clone())), touch: Touch::Observe };
    match WorkerLink::new(subject, Arc::new(AtomicBool::new(false))) {
        Ok(mut link) => link.inspect(PATIENCE),
        Err(error) => {
            let trouble = Some(Trouble::new(FailureClass::ToolFailure, error.to_string()));
            Inspection { trouble, ..Inspection::default() }
        }
    }
}

impl Inspection {
    /// The firmware as a version, where it is one of an ST-Link.
    pub fn version(&self) -> Option<ProbeFirmware> {
        self.firmware.as_ref()?.raw().parse().ok()
    }

    /// What probe-rs needs that this firmware does not reach.
    pub fn falls_short_of(&self) -> Option<&'static Minimum> {
        let version = self.version()?;
        stlink_firmware::needed_by_probe_rs(version.hardware).filter(|minimum| version.jtag < minimum.jtag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::hardware::plug_in::bench_wires::BenchWires;
    use crate::link::hardware::plug_in::driver::Level;

    #[test]
    fn a_probe_is_asked_and_its_target_left_alone() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        board.keep_write_log();
        let mut probe = RealProbe::before(BenchWires::new(board), Level::Transactions);
        let inspection = of(&mut probe);
        assert_eq!(inspection.trouble, None);
        assert!(inspection.target_voltage.unwrap().0 > 3_000.0);
    }

    #[test]
    fn a_probe_that_is_not_there_is_told() {
        let trouble = of(&mut RealProbe::new(Some("9-9".parse().unwrap()))).trouble.unwrap();
        assert_eq!(trouble.class, FailureClass::NoProbe);
    }

    #[test]
    fn an_old_firmware_falls_short_of_what_is_needed() {
        let of = |text: &str| Inspection { firmware: Some(text.into()), ..Inspection::default() };
        assert_eq!(of("V2J25S4").falls_short_of().unwrap().jtag, 26);
        assert_eq!(of("V2J29S7").falls_short_of(), None);
        assert_eq!(of("DAPLink 0256").falls_short_of(), None);
    }
}
