//! `flakescope clock --measure`: the core clock of an attached board, counted through a debug probe, and the crystal behind it.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::board_choice::{BoardChoice, Way};
use super::clock::Format;
use super::console::Console;
use super::exit::ExitCode;
use crate::link::Link;
use crate::link::link_used::LinkUsed;
use crate::link::witness::Sight;
use crate::observation::step::{Step, Touch};
use crate::observation::units::{Micros, Ppm};

#[derive(Debug, Args)]
#[command(next_help_heading = "Measuring an attached board")]
pub struct MeasureArgs {
    /// Count the core clock through a debug probe; the core keeps running, and two switches are put back afterwards
    #[arg(long)]
    measure: bool,
    /// The debug probe: a port path, a serial number, or VID:PID; the only one there is if not given
    #[arg(long, value_name = "SEL", requires = "measure")]
    probe: Option<String>,
    /// A virtual board by name, or the path of its TOML file
    #[arg(long = "virtual", value_name = "NAME|FILE", requires = "measure", conflicts_with = "probe")]
    virtual_board: Option<String>,
    /// How long cycles are counted for one measurement; twice as long is half as uncertain
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=30), requires = "measure")]
    seconds: u32,
    /// How often it is measured; more than once shows drift
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000), requires = "measure")]
    repeat: u32,
    /// Start of the random numbers of a virtual board
    #[arg(long, value_name = "S", default_value_t = 1, requires = "measure")]
    seed: u64,
}

/// A virtual board has just been switched on.
const BOOTS_WITHIN: Micros = Micros::from_secs(2);

/// The answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Measured {
    schema: &'static str,
    dev_id: Option<String>,
    measurements: Vec<Reading>,
    /// Of the core clock, from the first measurement to the last; absent where fewer than two succeeded.
    drift_ppm: Option<f64>,
    drift_uncertainty_ppm: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Reading {
    at_seconds: f64,
    core_mhz: Option<f64>,
    uncertainty_ppm: Option<f64>,
    /// Why there is no clock.
    refused: Option<String>,
    believed_crystal_mhz: Option<f64>,
    crystal_mhz: Option<f64>,
    /// How far USB is off.
    usb_error_percent: Option<f64>,
    /// Why nothing can be said of the crystal.
    silent: Option<String>,
}

pub fn run(args: &MeasureArgs, format: Format, console: &mut Console) -> ExitCode {
    let choice = BoardChoice {
        virtual_board: args.virtual_board.clone(),
        board: None,
        port: None,
        virtual_memory: None,
        probe: args.probe.clone(),
        through_probe_rs: None,
    };
    let way = Way { link: LinkUsed::Swd, touch: Touch::Observe };
    let (mut link, _) = match choice.reach(&way, args.seed, false, &Default::default()) {
        Ok(reached) => reached,
        Err(refusal) => {
            console.error(&refusal.text);
            return refusal.code;
        }
    };
    if args.virtual_board.is_some() {
        link.perform(&Step::Wait { span: BOOTS_WITHIN }, BOOTS_WITHIN + BOOTS_WITHIN);
    }
    let measured = measure(link.as_mut(), args);
    let written = match format {
        Format::Text => write_text(&measured, &mut console.out),
        Format::Json => {
            let json = serde_json::to_string(&measured).expect("a measurement has only strings and finite numbers");
            writeln!(console.out, "{json}")
        }
    };
    let is_known = measured.measurements.iter().any(|reading| reading.core_mhz.is_some());
    console.end(written, if is_known { ExitCode::Clean } else { ExitCode::NotDecided })
}

fn measure(link: &mut dyn Link, args: &MeasureArgs) -> Measured {
    let span = Micros::from_secs(u64::from(args.seconds));
    let mut dev_id = None;
    let mut measurements = Vec::new();
    for _ in 0..args.repeat {
        let sight = Sight::take(link, span, None);
        dev_id = dev_id.or(sight.dev_id());
        measurements.push(reading(link.now(), &sight));
    }
    let drift = drift(&measurements);
    Measured {
        schema: "flakescope.clock-measured/1",
        dev_id: dev_id.map(|id| format!("0x{id:03X}")),
        drift_ppm: drift.map(|(drift, _)| drift.0),
        drift_uncertainty_ppm: drift.map(|(_, uncertainty)| uncertainty.0),
        measurements,
    }
}

fn reading(at: Micros, sight: &Sight) -> Reading {
    let (clock, testimony) = (sight.core_clock(), sight.testimony());
    let seen = testimony.as_ref().ok();
    Reading {
        at_seconds: at.as_secs_f64(),
        core_mhz: clock.as_ref().ok().map(|clock| clock.frequency.as_mhz()),
        uncertainty_ppm: clock.as_ref().ok().map(|clock| clock.uncertainty.0),
        believed_crystal_mhz: seen.map(|seen| seen.believed.as_mhz()),
        crystal_mhz: seen.map(|seen| seen.measured.as_mhz()),
        // Adding zero turns a negative zero into a plain one.
        usb_error_percent: seen.map(|seen| (seen.difference().as_percent() * 1e4).round() / 1e4 + 0.0),
        refused: clock.err(),
        silent: testimony.err(),
    }
}

/// The host's own clock is off by the same amount in both, and counts all the same: it may have been slewed meanwhile.
fn drift(measurements: &[Reading]) -> Option<(Ppm, Ppm)> {
    let mut good = measurements.iter().filter_map(|reading| reading.core_mhz.zip(reading.uncertainty_ppm));
    let first = good.next()?;
    let last = good.next_back()?;
    Some((Ppm((last.0 / first.0 - 1.0) * 1e6), Ppm(first.1 + last.1)))
}

fn write_text(measured: &Measured, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "DEV_ID {}", measured.dev_id.as_deref().unwrap_or("not read"))?;
    for reading in &measured.measurements {
        write_reading(reading, out)?;
    }
    if let (Some(drift), Some(uncertainty)) = (measured.drift_ppm, measured.drift_uncertainty_ppm) {
        let verdict = if drift.abs() > uncertainty { "" } else { ", which is none that could be told" };
        writeln!(out, "drift        {} from first to last, within {uncertainty:.0} ppm{verdict}", Ppm(drift))?;
    }
    Ok(())
}

fn write_reading(reading: &Reading, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nat {:.1} s", reading.at_seconds)?;
    match (reading.core_mhz, reading.uncertainty_ppm, &reading.refused) {
        (Some(mhz), Some(ppm), _) => writeln!(out, "  core       {mhz:.4} MHz within {ppm:.0} ppm")?,
        (.., refused) => writeln!(out, "  core       refused: {}", refused.as_deref().unwrap_or("not counted"))?,
    }
    match (reading.believed_crystal_mhz, reading.crystal_mhz, reading.usb_error_percent) {
        (Some(believed), Some(mhz), Some(off)) => {
            writeln!(
                out,
                "  crystal    {mhz:.4} MHz runs; the ROM believes {believed:.1} MHz, so USB is off by {off:+.2} %"
            )
        }
        _ if reading.core_mhz.is_none() => Ok(()),
        _ => writeln!(out, "  crystal    cannot be told: {}", reading.silent.as_deref().unwrap_or("no clock tree")),
    }
}
