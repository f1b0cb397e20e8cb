//! Exit codes, named once; the manual prints them from here.

use std::process::{ExitCode as ProcessExitCode, Termination};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Clean,
    Fault,
    Usage,
    NoSuchBoard,
    UnreadableInput,
    NotDecided,
    Bug,
    Interrupted,
}

impl ExitCode {
    pub const ALL: [Self; 8] = [
        Self::Clean,
        Self::Fault,
        Self::Usage,
        Self::NoSuchBoard,
        Self::UnreadableInput,
        Self::NotDecided,
        Self::Bug,
        Self::Interrupted,
    ];

    pub const fn number(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Fault => 1,
            Self::Usage => 2,
            Self::NoSuchBoard => 3,
            Self::UnreadableInput => 4,
            Self::NotDecided => 5,
            Self::Bug => 70,
            Self::Interrupted => 130,
        }
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "done; where a verdict was asked for, it is clean",
            Self::Fault => "a fault was found",
            Self::Usage => "wrong usage",
            Self::NoSuchBoard => "no such board or probe",
            Self::UnreadableInput => "input could not be read",
            Self::NotDecided => "a decision was demanded (--until-decided, --strict) and not reached",
            Self::Bug => "a defect of flakescope",
            Self::Interrupted => "interrupted; the case is complete up to there",
        }
    }
}

impl Termination for ExitCode {
    fn report(self) -> ProcessExitCode {
        ProcessExitCode::from(self.number())
    }
}
