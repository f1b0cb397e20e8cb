//! Re-entry: how a new boot is brought about, and how we know that it was one.

use super::attend::{OFF_BELOW_VOLTS, Sensor, Supplies};
use super::program::{Program, ProgramError};
use super::question::{Answer, Question, Wanted};
use crate::link::{Link, witness};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::fact::{Fact, FactValue};
use crate::observation::factor::{FactorName, PROBE_ATTACHED};
use crate::observation::step::{ConnectMode, Step};
use crate::observation::units::Micros;

/// What a bench calls the experiment of attaching a probe.
const ATTACH_PROBE: &str = "attach-probe";

/// Brings about the next boot.
pub trait Reenter {
    fn reenter(&mut self, link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError>;

    /// Changes what stands on the bench, before the boot.
    fn arrange(&mut self, _link: &mut dyn Link, factor: FactorName, _level: &str) -> Result<(), ReentryError> {
        Err(ReentryError::NobodyAtTheBench { factor: factor.name() })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReentryError {
    #[error("this link cannot switch the board's power; use --reenter manual or --reenter command='...'")]
    LinkHasNoPower,
    #[error("the re-entry command failed: {0}")]
    Command(#[from] ProgramError),
    #[error("the power of the board's port cannot be switched: {0}")]
    Hub(String),
    #[error(
        "the hub was told to take the port's power away, and the board is still there: it has another supply, or the hub does not switch what it says; a USB 3 hub keeps the power on until its SuperSpeed half is switched off too"
    )]
    StillThere,
    #[error("the probe could not send the board into its ROM: {what}")]
    Probe { what: String },
    #[error("nobody is at the bench to change {factor}; use --reenter manual")]
    NobodyAtTheBench { factor: &'static str },
    #[error("the operator ended the campaign")]
    Declined,
}

/// The board stays in the boot in which it was found.
#[derive(Debug)]
pub struct AsFound;

impl Reenter for AsFound {
    fn reenter(&mut self, _link: &mut dyn Link, _boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        Ok((BootKind::Unknown, BootProof::None))
    }
}

/// The link itself switches the power, as a virtual board's does.
#[derive(Debug)]
pub struct LinkPower {
    pub off_time: Micros,
}

impl Reenter for LinkPower {
    fn reenter(&mut self, link: &mut dyn Link, _boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        link.power_cycle(self.off_time).ok_or(ReentryError::LinkHasNoPower)
    }

    /// Where the link itself has power, the board is a virtual one, whose bench does what it is told. It was found without a probe.
    fn arrange(&mut self, link: &mut dyn Link, factor: FactorName, level: &str) -> Result<(), ReentryError> {
        const TAKES: Micros = Micros::from_secs(60);
        let change = (level == PROBE_ATTACHED).then_some(ATTACH_PROBE);
        let done = link.rearrange(change, TAKES);
        if done { Ok(()) } else { Err(ReentryError::NobodyAtTheBench { factor: factor.name() }) }
    }
}

/// The hub above the board takes the power of its port away. A port that is empty is not a board without power: that takes a
/// sensor, or a probe, that saw its voltage before and sees it gone.
#[derive(Debug)]
pub struct HubPower {
    pub off_time: Micros,
    pub sensors: Vec<Sensor>,
}

impl Reenter for HubPower {
    fn reenter(&mut self, link: &mut dyn Link, _boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        let supplies = Supplies::of(&self.sensors);
        let probe_sees_power = volts_at_probe(link).is_some_and(|volts| volts >= OFF_BELOW_VOLTS);
        let off = link.port_power(false).map_err(ReentryError::Hub)?;
        if off.powered || off.connected {
            // Nobody wants a port that was left off by mistake.
            link.port_power(true).map_err(ReentryError::Hub)?;
            return Err(ReentryError::StillThere);
        }
        let wait = Step::Wait { span: self.off_time };
        link.perform(&wait, self.off_time + Micros::from_secs(1));
        let seen_off = supplies.is_one_off() || probe_sees_power && probe_sees_no_power(link);
        link.port_power(true).map_err(ReentryError::Hub)?;
        let proof = if seen_off { BootProof::Commanded } else { BootProof::Inferred };
        Ok((BootKind::ColdPowerOn { off_time: Some(self.off_time) }, proof))
    }
}

fn probe_sees_no_power(link: &mut dyn Link) -> bool {
    volts_at_probe(link).is_some_and(|volts| volts < OFF_BELOW_VOLTS)
}

/// A probe whose reference is not wired to the board's supply shows none at any time.
fn volts_at_probe(link: &mut dyn Link) -> Option<f64> {
    link.look().iter().find_map(|fact| match fact {
        Fact { key, value: FactValue::Volts(volts), .. } if key == witness::VOLTAGE => Some(*volts),
        _ => None,
    })
}

/// Asks a person; `None` means that they want to stop.
pub trait Operator {
    fn ask(&mut self, question: &Question) -> Option<Answer>;
}

/// The operator cycles the power. That is what they say, not something we saw.
#[derive(Debug)]
pub struct Manual<O> {
    pub operator: O,
}

impl<O: Operator> Reenter for Manual<O> {
    fn reenter(&mut self, _link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        let request = format!(
            "Boot {boot}: disconnect the board from all power, wait until it is surely off, and connect it again in bootloader mode."
        );
        match self.operator.ask(&Question::new(request, Wanted::Done)) {
            Some(_) => Ok((BootKind::ColdPowerOn { off_time: None }, BootProof::ToldByOperator)),
            None => Err(ReentryError::Declined),
        }
    }

    fn arrange(&mut self, _link: &mut dyn Link, _factor: FactorName, level: &str) -> Result<(), ReentryError> {
        let request = if level == PROBE_ATTACHED {
            "Attach the debug probe to the board, with ground, SWDIO, SWCLK, NRST and VTref, and plug it into this computer."
        } else {
            "Take the debug probe off the board, all of its wires and its ground too."
        };
        let answer = self.operator.ask(&Question::new(request.to_owned(), Wanted::Done));
        answer.map(drop).ok_or(ReentryError::Declined)
    }
}

/// A debug probe resets the board and sends it into its ROM. Nobody has to be at the bench, and nothing of what straps, a power
/// ramp and a cold oscillator do is tried.
#[derive(Debug)]
pub struct ByProbe;

impl Reenter for ByProbe {
    fn reenter(&mut self, link: &mut dyn Link, _boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        const SPEED_KILOHERTZ: u32 = 1_800;
        const PATIENCE: Micros = Micros::from_secs(5);
        let steps = [
            Step::OpenProbe,
            Step::Speed { kilohertz: SPEED_KILOHERTZ },
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Identify,
            Step::EnterRom,
            Step::Disconnect,
        ];
        let failed = steps.iter().find_map(|step| link.perform(step, PATIENCE).failure().cloned());
        link.perform(&Step::Close, PATIENCE);
        match failed {
            // The reset was caught at the first instruction, which is proof that there was one.
            None => Ok((BootKind::SoftwareJump, BootProof::Commanded)),
            Some(failure) => Err(ReentryError::Probe { what: failure.in_words() }),
        }
    }
}

/// A program of the user's does it, for example one that switches a relay. Its exit code is not proof that the board was off;
/// a sensor or a probe that saw the supply before and saw it gone while it ran is.
#[derive(Debug)]
pub struct ByCommand {
    pub command: String,
    pub sensors: Vec<Sensor>,
}

/// A relay and its pauses take seconds; a program that never ends must not end the campaign.
const COMMAND_LIMIT: Micros = Micros::from_secs(120);

impl Reenter for ByCommand {
    fn reenter(&mut self, link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        let supplies = Supplies::of(&self.sensors);
        let probe_sees_power = volts_at_probe(link).is_some_and(|volts| volts >= OFF_BELOW_VOLTS);
        let mut seen_off = false;
        let variables = [("FLAKESCOPE_BOOT", boot.to_string())];
        let program = Program::start(&self.command, &variables)?;
        program.finish(COMMAND_LIMIT, || {
            seen_off = seen_off || supplies.is_one_off() || probe_sees_power && probe_sees_no_power(link);
        })?;
        let proof = if seen_off { BootProof::Commanded } else { BootProof::Inferred };
        Ok((BootKind::ColdPowerOn { off_time: None }, proof))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::link::dfu_link::DfuLink;
    use crate::link::scripted_board::ScriptedBoard;
    use crate::observation::board::{BoardIdentity, PortPower};
    use crate::observation::step::StepRecord;

    fn proof(command: &str, sensors: &[&str]) -> Result<BootProof, ReentryError> {
        let sensors = sensors.iter().map(|sensor| sensor.parse().unwrap()).collect();
        let mut reenter = ByCommand { command: command.to_owned(), sensors };
        let mut link = DfuLink::new(ScriptedBoard::default());
        reenter.reenter(&mut link, 1).map(|(_, proof)| proof)
    }

    #[test]
    fn a_command_proves_a_boot_only_with_a_sensor_that_saw_the_power_gone() {
        assert_eq!(proof("true", &[]).unwrap(), BootProof::Inferred);
        assert_eq!(proof("sleep 0.2", &["vdd=echo 3.3 V"]).unwrap(), BootProof::Inferred);
        assert_eq!(proof("sleep 0.2", &["shunt=echo 12 mV"]).unwrap(), BootProof::Inferred);
        let folder = tempfile::tempdir().unwrap();
        let vdd = folder.path().join("vdd").display().to_string();
        std::fs::write(&vdd, "3.3 V\n").unwrap();
        let relay = format!("echo 0.02 V > '{vdd}'; sleep 0.2");
        assert_eq!(proof(&relay, &[&format!("vdd=cat '{vdd}'")]).unwrap(), BootProof::Commanded);
    }

    /// A link whose port can be switched, at a board that may have another supply.
    struct Switched {
        inner: DfuLink<ScriptedBoard>,
        stays: bool,
        /// With the port on, and with it off.
        target_volts: Option<[f64; 2]>,
        switched: Vec<bool>,
    }

    impl Link for Switched {
        fn now(&self) -> Micros {
            self.inner.now()
        }

        fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord {
            self.inner.perform(step, deadline)
        }

        fn identity(&self) -> BoardIdentity {
            self.inner.identity()
        }

        fn power_cycle(&mut self, _off_time: Micros) -> Option<(BootKind, BootProof)> {
            None
        }

        fn look(&mut self) -> Vec<Fact> {
            let is_off = self.switched.last() == Some(&false);
            self.target_volts
                .map(|volts| volts[usize::from(is_off)])
                .map(|volts| Fact::measured(witness::VOLTAGE, FactValue::Volts(volts)))
                .into_iter()
                .collect()
        }

        fn port_power(&mut self, on: bool) -> Result<PortPower, String> {
            self.switched.push(on);
            Ok(PortPower { powered: on, connected: on || self.stays })
        }
    }

    fn by_hub(
        stays: bool,
        target_volts: Option<[f64; 2]>,
        sensor: &str,
    ) -> (Result<BootProof, ReentryError>, Vec<bool>) {
        let inner = DfuLink::new(ScriptedBoard::default());
        let mut link = Switched { inner, stays, target_volts, switched: Vec::new() };
        let sensors = vec![sensor.parse().unwrap()];
        let boot = HubPower { off_time: Micros::from_secs(1), sensors }.reenter(&mut link, 1);
        (boot.map(|(_, proof)| proof), link.switched)
    }

    #[test]
    fn an_empty_port_is_inferred_and_a_voltage_that_goes_is_proof() {
        assert_eq!(by_hub(false, None, "air=echo 20 C").0.unwrap(), BootProof::Inferred);
        assert_eq!(by_hub(false, Some([3.2, 3.2]), "air=echo 20 C").0.unwrap(), BootProof::Inferred);
        assert_eq!(by_hub(false, Some([3.3, 0.1]), "air=echo 20 C").0.unwrap(), BootProof::Commanded);
        assert_eq!(by_hub(false, Some([0.1, 0.1]), "air=echo 20 C").0.unwrap(), BootProof::Inferred);
        assert_eq!(by_hub(false, None, "shunt=echo 30 mV").0.unwrap(), BootProof::Inferred);
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen").display().to_string();
        let falls = format!("vdd=if test -e '{seen}'; then echo 30 mV; else touch '{seen}'; echo 3.3 V; fi");
        assert_eq!(by_hub(false, None, &falls).0.unwrap(), BootProof::Commanded);
    }

    #[test]
    fn a_board_that_stays_has_another_supply_and_its_port_is_switched_on_again() {
        let (boot, switched) = by_hub(true, None, "vdd=echo 30 mV");
        assert!(matches!(boot, Err(ReentryError::StillThere)));
        assert_eq!(switched, [false, true]);
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = proof("exit 4", &[]).unwrap_err().to_string();
        assert!(error.starts_with("the re-entry command failed: `exit 4` ended with"), "{error}");
    }
}
