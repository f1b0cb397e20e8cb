//! How a campaign is led, who stands by, and who is asked.

use std::io::IsTerminal;

use clap::Args;

use crate::campaign::attend::Sensor;
use crate::cli::board_choice::Refusal;
use crate::cli::exit::ExitCode;
use crate::investigation::live::{Bench, Conduct};
use crate::profile::board::PassBand;
use crate::profile::measurement::Quantities;

#[derive(Debug, Args)]
pub struct ConductArgs {
    /// Do next what tells most about the cause per minute, ask for what needs a person, and stop when it is known
    #[arg(long)]
    pub guided: bool,
    /// Ask the person even where the bench of a virtual board could do it by itself
    #[arg(long, requires = "virtual_board")]
    pub ask: bool,
    /// Read a program before every cycle; it prints a number with a unit, such as 21.5 degC. NAME=PROGRAM gives it a name
    #[arg(long, value_name = "PROGRAM")]
    pub sensor: Vec<Sensor>,
    /// Hold the board as it failed, with nothing sent to it, until somebody has looked and goes on; where nobody is asked, while a program or
    /// the bench of a virtual board does the looking
    #[arg(long)]
    pub hold_on_failure: bool,
    /// Run a program at the moment of a failure; FLAKESCOPE_CLASS, _PHASE, _CODE, _PORT, _BOOT and _CYCLE tell it which
    #[arg(long, value_name = "PROGRAM", value_parser = program)]
    pub on_failure: Option<String>,
}

impl ConductArgs {
    /// `bands` are those of the board's profile.
    pub fn conduct(&self, virtual_board: bool, on_screen: bool, bands: &[PassBand]) -> Result<Conduct, Refusal> {
        if let Some(name) = named_twice(&self.sensor) {
            let text = format!("two sensors are called `{name}`; give one another name: --sensor NAME=PROGRAM");
            return Err(Refusal { code: ExitCode::Usage, text });
        }
        let bench = if virtual_board && !self.ask { Bench::Virtual } else { Bench::Operator };
        let somebody = on_screen || std::io::stdin().is_terminal();
        let looked_at = self.hold_on_failure && self.on_failure.is_none();
        if bench == Bench::Operator && !somebody && (self.guided || looked_at) {
            return Err(Refusal::of(ExitCode::Usage, &nobody_to_ask(self.guided)));
        }
        // Where a program looks at the held board and nobody is there, nobody is waited for.
        let bench = if somebody { bench } else { Bench::Virtual };
        let quantities =
            Quantities::load().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?.on_board(bands);
        Ok(Conduct {
            guided: self.guided,
            most_boots: None,
            bench,
            sensors: self.sensor.clone(),
            on_failure: self.on_failure.clone(),
            hold_on_failure: self.hold_on_failure,
            waits_for_person: bench == Bench::Operator || on_screen,
            quantities,
        })
    }
}

impl ConductArgs {
    /// What a held board is held for where nobody is waited for.
    pub fn held_for(&self, conduct: &Conduct) -> Option<&'static str> {
        match (self.hold_on_failure && !conduct.waits_for_person, &self.on_failure) {
            (false, _) => None,
            (true, Some(_)) => Some(
                "--hold-on-failure: nobody is asked here, so a board is held while the program of --on-failure runs",
            ),
            (true, None) => Some(
                "--hold-on-failure: nobody is asked here, so a virtual board is held only while its bench is measured, and the run goes on; without \
                 --headless it waits for you, and --ask asks at a terminal",
            ),
        }
    }

    /// What leads a campaign by itself does not alter.
    pub fn refuse_altering(&self) -> Result<(), Refusal> {
        if !self.guided {
            return Ok(());
        }
        let text = "--guided chooses its experiments by itself, and a recipe that alters the board is never among them"
            .to_owned();
        Err(Refusal { code: ExitCode::Usage, text })
    }
}

fn program(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("expected a program".to_owned()) } else { Ok(text.to_owned()) }
}

fn named_twice(sensors: &[Sensor]) -> Option<&str> {
    let mut names: Vec<&str> = sensors.iter().map(|sensor| sensor.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn nobody_to_ask(guided: bool) -> String {
    let (what, instead) = if guided {
        ("a guided campaign asks a person for changes and measurements", "use --until-decided instead")
    } else {
        ("--hold-on-failure waits for a person to look at the board", "let --on-failure PROGRAM do the looking")
    };
    format!("{what}, and standard input is no terminal, so nobody could answer; run it from a terminal, or {instead}")
}
