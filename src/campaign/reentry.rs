//! Re-entry: how a new boot is brought about, and how we know that it was one.

use std::process::{Command, Stdio};

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
    #[error("the re-entry command `{command}` could not be started: {source}")]
    NotStarted { command: String, source: std::io::Error },
    #[error("the re-entry command `{command}` ended with {status}")]
    CommandFailed { command: String, status: String },
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

/// Asks a person; `false` means that they want to stop.
pub trait Operator {
    fn ask(&mut self, request: &str) -> bool;
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
        if self.operator.ask(&request) {
            Ok((BootKind::ColdPowerOn { off_time: None }, BootProof::ToldByOperator))
        } else {
            Err(ReentryError::Declined)
        }
    }
}

/// A program of the user's does it, for example one that switches a relay. Its exit code is not proof that the board was off.
#[derive(Debug)]
pub struct ByCommand {
    pub command: String,
}

impl Reenter for ByCommand {
    fn reenter(&mut self, _link: &mut dyn Link, boot: u32) -> Result<(BootKind, BootProof), ReentryError> {
        let mut shell = if cfg!(windows) { Command::new("cmd") } else { Command::new("sh") };
        let status = shell
            .arg(if cfg!(windows) { "/C" } else { "-c" })
            .arg(&self.command)
            .env("FLAKESCOPE_BOOT", boot.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|source| ReentryError::NotStarted { command: self.command.clone(), source })?;
        if status.success() {
            Ok((BootKind::ColdPowerOn { off_time: None }, BootProof::Inferred))
        } else {
            Err(ReentryError::CommandFailed { command: self.command.clone(), status: status.to_string() })
        }
    }
}
