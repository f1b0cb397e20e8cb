//! The command line: one file per subcommand; parse, call, render, exit code.

pub mod exit;

/// Runs the program with the arguments of the process and says how it ended.
pub fn run() -> exit::ExitCode {
    exit::ExitCode::Usage
}
