//! Runs the program as a person would, away from the home and settings of whoever runs the tests.

use std::process::{Command, Output};

/// The program without colour, user profiles or a terminal.
pub fn flakescope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flakescope"));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("FLAKESCOPE_PROFILES", "/nonexistent");
    command
}

/// What came of a command.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn answer(command: &mut Command) -> Answer {
    Answer::of(command.output().unwrap())
}

impl Answer {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Stops the test unless the program refused in its own words, with this exit code.
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing: {self:?}");
        }
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert_eq!(self.out, "", "data on standard output beside a refusal");
    }
}
