//! Ctrl-C and a request to end: a campaign stops between two cycles and an alteration is finished first, with everything kept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::console::Console;
use super::exit::ExitCode;

/// From here on a signal asks for a stop; it is for whoever runs to heed it.
pub fn asks_to_stop(stop: &Arc<AtomicBool>, console: &mut Console) {
    if let Err(error) = register(stop) {
        console.note(&format!("signals cannot be caught ({error}); an interrupt will end the program at once"));
    }
}

fn register(stop: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends the program at once: the case is complete anyway.
        let code = i32::from(ExitCode::Interrupted.number());
        flag::register_conditional_shutdown(signal, code, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}
