//! Re-entry: how a new boot is brought about, and how we know that it was one.

use super::attend::{Sensor, power_seen_off};
use super::program::{Program, ProgramError};
use super::question::{Answer, Question, Wanted};
use crate::link::Link;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::units::Micros;

/// Brings about the next boot.
pub trait Reenter {
    fn reenter(&mut self, link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError>;
}

#[derive(Debug, thiserror::Error)]
pub enum ReentryError {
    #[error("this link cannot switch the board's power; use --reenter manual or --reenter command='...'")]
    LinkHasNoPower,
    #[error("the re-entry command failed: {0}")]
    Command(#[from] ProgramError),
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
}

/// A program of the user's does it, for example one that switches a relay. Its exit code is not proof that the board was off;
/// a sensor that saw the supply gone while it ran is.
#[derive(Debug)]
pub struct ByCommand {
    pub command: String,
    pub sensors: Vec<Sensor>,
}

/// A relay and its pauses take seconds; a program that never ends must not end the campaign.
const COMMAND_LIMIT: Micros = Micros::from_secs(120);

impl Reenter for ByCommand {
    fn reenter(&mut self, _link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        let mut seen_off = false;
        let variables = [("FLAKESCOPE_BOOT", boot.to_string())];
        let program = Program::start(&self.command, &variables)?;
        program.finish(COMMAND_LIMIT, || seen_off = seen_off || power_seen_off(&self.sensors))?;
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
        assert_eq!(proof("sleep 0.2", &["vdd=echo 0.02 V"]).unwrap(), BootProof::Commanded);
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = proof("exit 4", &[]).unwrap_err().to_string();
        assert!(error.starts_with("the re-entry command failed: `exit 4` ended with"), "{error}");
    }
}
