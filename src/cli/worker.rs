//! `flakescope worker`: the program as its own worker process; hidden, for its own use.

use std::io;

use crate::link::hardware::worker;

use super::console::Console;
use super::exit::ExitCode;

pub fn run(console: &mut Console) -> ExitCode {
    match worker::run(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::Clean,
        Err(error) => {
            console
                .error(&format!("the worker cannot talk to its parent: {error}; `worker` is for flakescope's own use"));
            ExitCode::UnreadableInput
        }
    }
}
