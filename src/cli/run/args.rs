//! The arguments of `flakescope run` and the small words they are written in.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::altering::AlterArgs;
use super::conduct::ConductArgs;
use crate::campaign::plan::Factor;
use crate::cli::board_choice::BoardChoice;
use crate::cli::result::Format;
use crate::link::link_used::LinkUsed;
use crate::observation::step::{ConnectMode, Step};
use crate::observation::units::Micros;

/// Cycle a board, time and classify every step, and find out why it fails
///
/// Reads only, unless the recipe alters the board and --write is given. Without --reenter the whole run is one boot of the board.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flakescope run --virtual f746-25mhz-warm-hsi
  flakescope run --port 1-4.2 --reenter manual --boots 10 --report board.html
  flakescope run --virtual healthy-f407 --headless --boots 40 --cycles 5 --seed 7 --format json
  flakescope run --virtual swd-long-wires-f407 --link swd --vary speed=480kHz,1.8MHz,4MHz")]
pub struct RunArgs {
    #[command(flatten)]
    pub choice: BoardChoice,
    /// The board profile: crystal, supply and wiring as somebody said
    #[arg(long, value_name = "BOARD", conflicts_with = "virtual_board")]
    pub profile: Option<String>,
    /// The way to the board: dfu (USB), swd (debug probe), both in turn, or witnessed (USB, and a probe looks when a cycle fails)
    #[arg(long, value_name = "dfu|swd|both|witnessed", default_value = "dfu")]
    pub link: LinkUsed,
    /// The steps of a cycle; dfu-read or swd-read where it is not given
    #[arg(long, value_name = "RECIPE")]
    pub recipe: Option<String>,
    /// What a debug probe may do beyond reading: halt (stop the core), reset
    #[arg(long, value_name = "DEED", value_delimiter = ',')]
    pub allow: Vec<Deed>,
    /// Clear the sticky reset flags through the probe at the beginning of each boot, so that they tell of this boot; disturbs the board
    #[arg(long)]
    pub clear_reset_flags: bool,
    /// How often a probe beside the board also looks when nothing fails, for comparison; once a minute where nothing is said, 0s for failures
    /// only; a look takes 1.2 s
    #[arg(long, value_name = "TIME")]
    pub look_every: Option<Span>,
    /// How the next boot is brought about: none, manual, hub (power of its port), swd (a probe resets it and sends it into its ROM, which disturbs and
    /// bypasses straps, power and a cold oscillator), or command='PROGRAM ...'
    #[arg(long, value_name = "HOW")]
    pub reenter: Option<ReentryChoice>,
    /// How long the board stays without power between boots, where a virtual board or a hub is switched
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub off_time: Span,
    /// Vary a factor, in random blocks: transfer-size=2048,1024; over swd speed=480kHz,4MHz, connect=hotplug,under-reset, block=64,1024;
    /// between boots probe=attached,detached, for which somebody is asked
    #[arg(long, value_name = "FACTOR=A,B")]
    pub vary: Vec<Factor>,
    /// Whether a debug probe hangs on the board beside a campaign over USB; a campaign that uses one knows it
    #[arg(long, value_name = "yes|no")]
    pub probe_attached: Option<YesNo>,
    /// How many boots; 40 where nothing is said, 1 for a recipe that alters the board. With --guided, at most so many in all, those under
    /// changed conditions included; where nothing is said, 40 of the board as found and what each experiment needs
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub boots: Option<u32>,
    /// How many cycles in each boot; 5 where nothing is said, 1 for a recipe that alters the board
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: Option<u32>,
    /// Begin no new cycle after this time on the link's clock; for example 90s, 10min, 2h
    #[arg(long, value_name = "T")]
    pub duration: Option<Span>,
    /// End as soon as one cause has stayed above the threshold while the boots grew by half
    #[arg(long)]
    pub until_decided: bool,
    /// Demand that the share of failing boots is proven to be below RATE, between 0 and 1
    #[arg(long, value_name = "RATE", value_parser = share, allow_negative_numbers = true)]
    pub strict: Option<f64>,
    #[command(flatten)]
    pub conduct: ConductArgs,
    /// Something to remember with the case
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Start of the random numbers: virtual boards and the order of arms
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The case file to write; an existing one is continued, on the same part over the same link
    #[arg(long, value_name = "FILE")]
    pub case: Option<PathBuf>,
    /// No screen: progress on standard error, the result on standard output
    #[arg(long)]
    pub headless: bool,
    /// The form of the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "F")]
    pub format: Format,
    /// Write a report; the extension says which: html, md, json, csv, xml
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    #[command(flatten)]
    pub alter: AlterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

/// What a debug probe can do to the running board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Halt,
    Reset,
}

impl Deed {
    pub const ALL: [Self; 2] = [Self::Halt, Self::Reset];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Reset => "reset",
        }
    }

    /// Whether a step does it.
    pub const fn is_done_by(self, step: &Step) -> bool {
        match self {
            Self::Halt => matches!(step, Step::Connect { mode: ConnectMode::Normal | ConnectMode::UnderReset }),
            Self::Reset => matches!(step, Step::Connect { mode: ConnectMode::UnderReset } | Step::Reset { .. }),
        }
    }
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|deed| deed.name() == text);
        known.ok_or_else(|| "expected halt or reset".to_owned())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReentryChoice {
    None,
    Manual,
    Hub,
    Swd,
    Command(String),
}

impl FromStr for ReentryChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "manual" => Ok(Self::Manual),
            "hub" => Ok(Self::Hub),
            "swd" => Ok(Self::Swd),
            _ => match text.strip_prefix("command=") {
                Some(command) if !command.trim().is_empty() => Ok(Self::Command(command.to_owned())),
                _ => Err("expected none, manual, hub, swd or command='PROGRAM ...'".to_owned()),
            },
        }
    }
}

/// A span of time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Micros);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds_per_unit = match &text[digits.len()..] {
            "ms" => 1e-3,
            "s" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err("expected a number with ms, s, min or h, such as 90s".to_owned()),
        };
        match digits.trim().parse::<f64>() {
            Ok(value) if value >= 0.0 && value.is_finite() => Ok(Self(Micros::from_secs_f64(value * seconds_per_unit))),
            _ => Err(format!("`{digits}` is not a number")),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a share between 0 and 1, such as 0.01".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_people_write_it() {
        for (text, micros) in [("250ms", 250_000), ("90s", 90_000_000), ("1.5min", 90_000_000), ("2h", 7_200_000_000)] {
            assert_eq!(text.parse::<Span>(), Ok(Span(Micros(micros))));
        }
        for text in ["", "90", "s", "-1s", "1 day", "infs"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_empty_reentry_command_is_refused() {
        assert!("command= ".parse::<ReentryChoice>().is_err());
        assert_eq!("command=relay 1".parse(), Ok(ReentryChoice::Command("relay 1".to_owned())));
    }
}
