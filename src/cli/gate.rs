//! The gate of every command that alters: --write, the plan in words, and the board's name typed or given.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::board_choice::Refusal;
use super::console::Console;
use super::exit::ExitCode;
use crate::link::Link;
use crate::link::hardware::libusb_board;
use crate::observation::permit::{AlterClaim, AlterPermit, GateRefusal};

#[derive(Debug, Args)]
pub struct GateArgs {
    /// Alter the board's non-volatile memory; without it nothing is ever written
    #[arg(long)]
    pub write: bool,
    /// The serial number or port path of the board that may be altered, instead of typing it
    #[arg(long, value_name = "ID")]
    pub confirm: Option<String>,
}

impl GateArgs {
    /// Before the board is looked at: without --write there is nothing to plan.
    pub fn demand_write(&self) -> Result<(), Refusal> {
        if self.write { Ok(()) } else { Err(refused(&GateRefusal::NotAsked)) }
    }

    /// Shows what will happen, has the board confirmed, and tells the link. `is_virtual` boards have no neighbours.
    pub fn open(
        &self,
        link: &mut dyn Link,
        plan: &str,
        is_virtual: bool,
        console: &mut Console,
    ) -> Result<(), Refusal> {
        self.demand_write()?;
        // Told even where the user asked for quiet: this is what they confirm.
        let _ = write!(console.err, "{plan}");
        let board = link.identity();
        let typed = match &self.confirm {
            Some(id) => id.clone(),
            None => ask(console)?,
        };
        let claim = AlterClaim::new(self.write, &typed).map_err(|refusal| refused(&refusal))?;
        let present = if is_virtual { Ok(Vec::new()) } else { libusb_board::boards() };
        let present = present.map_err(|error| Refusal::of(ExitCode::NoSuchBoard, &error))?;
        AlterPermit::grant(&claim, &board, &present).map_err(|refusal| refused(&refusal))?;
        link.permit(&claim).map_err(|refusal| refused(&refusal))
    }
}

fn refused(refusal: &GateRefusal) -> Refusal {
    Refusal::of(ExitCode::Usage, refusal)
}

/// A person at a terminal types it; a program has to say it.
fn ask(console: &mut Console) -> Result<String, Refusal> {
    if !console.err.is_terminal() || !std::io::stdin().is_terminal() {
        return Err(refused(&GateRefusal::NothingTyped));
    }
    let prompt = "Type the serial number or the port path of this board to go on, or nothing to leave it as it is: ";
    let asked = write!(console.err, "{prompt}").and_then(|()| console.err.flush());
    let mut line = String::new();
    match asked.and_then(|()| std::io::stdin().read_line(&mut line)) {
        Ok(_) => Ok(line),
        Err(error) => Err(Refusal::of(ExitCode::Usage, &error)),
    }
}
