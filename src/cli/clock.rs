//! `flakescope clock`: what the ROM of a part makes of a crystal, and what that does to USB.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::clock_measure::{self, MeasureArgs};
use super::console::Console;
use super::exit::ExitCode;
use crate::clock::detection::{DetectionClock, HseDetection, Standing, Window};
use crate::clock::usb_clock::{self, FULL_SPEED_TOLERANCE};
use crate::observation::units::{Hertz, Ppm};
use crate::profile::device::{self, Device};
use crate::profile::rom::{Rom, UsbClock, version_name};
use crate::profile::sources::Confidence;

/// What the ROM bootloader of a part makes of its crystal: detection windows, believed against fitted, USB clock error
///
/// With --measure a debug probe counts the core clock of an attached board, without stopping it, and with it the crystal that runs.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope clock --part STM32F746 --hse 25MHz\n  flakescope clock --part STM32F407 --hse 8MHz --hsi-error=-3% --format json\n  flakescope clock --measure --probe 1-4.2 --repeat 10"
)]
pub struct ClockArgs {
    /// Order code or its beginning
    #[arg(long, required_unless_present = "measure", conflicts_with = "measure")]
    part: Option<String>,
    /// The crystal or oscillator that is fitted
    #[arg(long, value_parser = parse_frequency, value_name = "MHZ", required_unless_present = "measure", conflicts_with = "measure")]
    hse: Option<Hertz>,
    /// How far the internal oscillator (HSI) is off
    #[arg(long, value_parser = parse_percent, value_name = "PERCENT", allow_hyphen_values = true, conflicts_with = "measure")]
    hsi_error: Option<Ppm>,
    #[command(flatten)]
    measure: MeasureArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

fn parse_frequency(text: &str) -> Result<Hertz, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, scale) = match (lower.strip_suffix("mhz"), lower.strip_suffix("khz"), lower.strip_suffix("hz")) {
        (Some(number), ..) => (number, 1.0),
        (_, Some(number), _) => (number, 1e-3),
        (.., Some(number)) => (number, 1e-6),
        _ => (lower.as_str(), 1.0),
    };
    let mhz = number.trim().parse::<f64>().map_err(|_| "write it like 25MHz or 14.7456MHz".to_owned())? * scale;
    if !(0.1..=100.0).contains(&mhz) {
        return Err(format!("{mhz} MHz is no main crystal of an STM32 (0.1 to 100 MHz); write it like 25MHz"));
    }
    Ok(Hertz::from_mhz(mhz))
}

fn parse_percent(text: &str) -> Result<Ppm, String> {
    let number = text.trim().trim_end_matches('%').trim();
    let percent = number.parse::<f64>().map_err(|_| "write it like 1.5% or -2%".to_owned())?;
    if !(-20.0..=20.0).contains(&percent) {
        return Err(format!("{percent} % is beyond any internal oscillator (-20 to 20 %)"));
    }
    Ok(Ppm::from_percent(percent))
}

/// The answer, as JSON has it.
#[derive(Debug, Serialize)]
struct ClockSheet {
    schema: &'static str,
    device: String,
    fitted_mhz: f64,
    hsi_error_percent: f64,
    roms: Vec<RomClock>,
}

#[derive(Debug, Serialize)]
struct RomClock {
    rom: String,
    usb_clock: &'static str,
    /// Whether the documents list this crystal; absent where they list none.
    crystal_listed: Option<bool>,
    crystal_time_out_ms: Option<f64>,
    measurement: Option<Measurement>,
}

#[derive(Debug, Serialize)]
struct Measurement {
    detection_clock_mhz: u64,
    /// Absent where the algorithm was observed on this ROM.
    assumption: Option<&'static str>,
    /// HSI errors between which the crystal is always recognised; absent for a crystal of no whole megahertz.
    sure_percent: Option<(f64, f64)>,
    /// HSI errors beyond which it never is.
    possible_percent: Option<(f64, f64)>,
    outcomes: Vec<Belief>,
}

/// One value that the ROM may end up with.
#[derive(Debug, Serialize)]
struct Belief {
    believed_mhz: u32,
    /// How often, if the phase between the clocks is random.
    share: f64,
    usb_mhz: f64,
    usb_error_percent: f64,
    core_mhz: f64,
    within_tolerance: bool,
}

pub fn run(args: &ClockArgs, console: &mut Console) -> ExitCode {
    let (Some(part), Some(hse)) = (&args.part, args.hse) else {
        return clock_measure::run(&args.measure, args.format, console);
    };
    let devices = match device::catalogue() {
        Ok(devices) => devices,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let Some(device) = devices.by_part(part) else {
        let candidates: Vec<_> = devices.candidates(part).iter().map(|device| device.name.as_str()).collect();
        let advice = if candidates.is_empty() {
            "`flakescope profile list` shows the parts that are known".to_owned()
        } else {
            format!("it may be one of: {}", candidates.join("; "))
        };
        console.error(&format!("`{part}` does not name one part; {advice}"));
        return ExitCode::Usage;
    };
    let sheet = sheet(device, hse, args.hsi_error.unwrap_or_default());
    let written = match args.format {
        Format::Text => write_text(&sheet, &mut console.out),
        Format::Json => {
            let json = serde_json::to_string(&sheet).expect("a clock sheet has only strings and finite numbers");
            writeln!(console.out, "{json}")
        }
    };
    console.end(written, ExitCode::Clean)
}

fn sheet(device: &Device, fitted: Hertz, hsi_error: Ppm) -> ClockSheet {
    ClockSheet {
        schema: "flakescope.clock/1",
        device: device.name.clone(),
        fitted_mhz: fitted.as_mhz(),
        hsi_error_percent: hsi_error.as_percent(),
        roms: device.roms.iter().map(|rom| rom_clock(rom, fitted, hsi_error)).collect(),
    }
}

fn rom_clock(rom: &Rom, fitted: Hertz, hsi_error: Ppm) -> RomClock {
    let ids: Vec<_> = rom.ids.iter().filter_map(|&id| version_name(id)).collect();
    let name = match (&rom.generation, ids.as_slice()) {
        (Some(generation), []) => generation.clone(),
        (Some(generation), ids) => format!("{generation} ({})", ids.join(", ")),
        (None, []) => "the only ROM known".to_owned(),
        (None, ids) => ids.join(", "),
    };
    RomClock {
        rom: name,
        usb_clock: rom.usb_clock.meaning(),
        crystal_listed: rom.crystals.as_ref().map(|crystals| crystals.accepts(fitted.as_mhz())),
        crystal_time_out_ms: rom.hse_timeout_ms,
        measurement: detection(rom).map(|detection| measurement(detection, fitted, hsi_error)),
    }
}

/// The measurement of this ROM, where it makes one with a clock that is known.
fn detection(rom: &Rom) -> Option<HseDetection> {
    let stated = rom.hse_detection.as_ref().filter(|_| rom.usb_clock == UsbClock::HseMeasured)?;
    let clock = match stated.clock_mhz {
        24 => DetectionClock::Mhz24,
        60 => DetectionClock::Mhz60,
        _ => return None,
    };
    let standing = match stated.confidence {
        Confidence::Unverified => HseDetection::LATE.standing,
        _ => Standing::Observed,
    };
    Some(HseDetection { clock, standing })
}

fn measurement(detection: HseDetection, fitted: Hertz, hsi_error: Ppm) -> Measurement {
    let whole = fitted.as_mhz().round();
    let is_whole = (fitted.as_mhz() - whole).abs() < 1e-6;
    let window: Option<Window> = is_whole.then(|| detection.window(whole as u32));
    let outcomes = detection.outcomes(fitted.as_mhz(), hsi_error);
    let mut beliefs = vec![(outcomes.fewer_ticks, 1.0 - outcomes.more_ticks_share)];
    if outcomes.certain().is_some() {
        beliefs[0].1 = 1.0;
    } else {
        beliefs.push((outcomes.more_ticks, outcomes.more_ticks_share));
    }
    Measurement {
        detection_clock_mhz: detection.clock.hertz() / 1_000_000,
        assumption: match detection.standing {
            Standing::Observed => None,
            Standing::Assumed(why) => Some(why),
        },
        sure_percent: window.map(|window| (window.sure.0.as_percent(), window.sure.1.as_percent())),
        possible_percent: window.map(|window| (window.possible.0.as_percent(), window.possible.1.as_percent())),
        outcomes: beliefs.into_iter().map(|(believed, share)| belief(fitted.as_mhz(), believed, share)).collect(),
    }
}

fn belief(fitted_mhz: f64, believed_mhz: u32, share: f64) -> Belief {
    let error = usb_clock::usb_error(fitted_mhz, believed_mhz);
    Belief {
        believed_mhz,
        share,
        usb_mhz: usb_clock::usb_clock(fitted_mhz, believed_mhz).as_mhz(),
        usb_error_percent: error.as_percent(),
        core_mhz: usb_clock::core_clock(fitted_mhz, believed_mhz).as_mhz(),
        within_tolerance: usb_clock::within_tolerance(error),
    }
}

fn write_text(sheet: &ClockSheet, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} with {} fitted", sheet.device, Hertz::from_mhz(sheet.fitted_mhz))?;
    for rom in &sheet.roms {
        writeln!(out, "\nROM {}", rom.rom)?;
        writeln!(out, "  USB clock        {}", rom.usb_clock)?;
        match rom.crystal_listed {
            Some(true) => writeln!(out, "  crystal          listed as supported")?,
            Some(false) => writeln!(out, "  crystal          NOT supported by this ROM")?,
            None => {}
        }
        if let Some(time_out) = rom.crystal_time_out_ms {
            writeln!(out, "  crystal start    must be ready within {time_out} ms; a typical crystal takes about 2 ms")?;
        }
        if let Some(measurement) = &rom.measurement {
            write_measurement(sheet.hsi_error_percent, measurement, out)?;
        }
    }
    Ok(())
}

fn write_measurement(hsi_error_percent: f64, measurement: &Measurement, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "  measured with    HSI at {} MHz against HSE/31", measurement.detection_clock_mhz)?;
    if let (Some(sure), Some(possible)) = (measurement.sure_percent, measurement.possible_percent) {
        writeln!(out, "  recognised       while HSI is off by {:+.2} % to {:+.2} %", sure.0, sure.1)?;
        writeln!(out, "  never recognised below {:+.2} % or above {:+.2} %", possible.0, possible.1)?;
    }
    for belief in &measurement.outcomes {
        let share =
            if belief.share < 1.0 { format!(" ({:.0} % of starts)", belief.share * 100.0) } else { String::new() };
        let verdict = if belief.within_tolerance { "within" } else { "OUTSIDE" };
        writeln!(out, "  HSI {hsi_error_percent:+.2} %      believed {} MHz{share}", belief.believed_mhz)?;
        writeln!(
            out,
            "                   USB {:.3} MHz ({:+.2} %, {verdict} the {:.2} % of full speed), core {:.2} MHz in DFU",
            belief.usb_mhz,
            belief.usb_error_percent,
            FULL_SPEED_TOLERANCE.as_percent(),
            belief.core_mhz
        )?;
    }
    if let Some(assumption) = measurement.assumption {
        writeln!(out, "  assumption       {assumption}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(part: &str, mhz: f64, percent: f64) -> ClockSheet {
        let devices = device::catalogue().unwrap();
        sheet(devices.by_part(part).unwrap(), Hertz::from_mhz(mhz), Ppm::from_percent(percent))
    }

    fn text(sheet: &ClockSheet) -> String {
        let mut out = Vec::new();
        write_text(sheet, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_misread_crystal_is_spelled_out_with_its_assumption() {
        insta::assert_snapshot!(text(&of("STM32F746", 25.0, 3.0)));
    }

    #[test]
    fn both_generations_of_the_f407_are_shown() {
        insta::assert_snapshot!(text(&of("STM32F407", 8.0, 0.0)));
    }

    #[test]
    fn a_part_without_crystal_says_so() {
        insta::assert_snapshot!(text(&of("STM32G474", 24.0, 0.0)));
    }

    #[test]
    fn where_the_phase_decides_both_beliefs_have_their_share() {
        let sheet = of("STM32F746", 25.0, 2.1);
        let outcomes = &sheet.roms[0].measurement.as_ref().unwrap().outcomes;
        let beliefs: Vec<_> = outcomes.iter().map(|belief| belief.believed_mhz).collect();
        assert_eq!(beliefs, [25, 24]);
        assert!((outcomes.iter().map(|belief| belief.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn frequencies_and_percentages_are_read_as_people_write_them() {
        assert_eq!(parse_frequency("25MHz"), Ok(Hertz::from_mhz(25.0)));
        assert_eq!(parse_frequency("14.7456 mhz"), Ok(Hertz::from_mhz(14.7456)));
        assert_eq!(parse_frequency("8"), Ok(Hertz::from_mhz(8.0)));
        assert!(parse_frequency("25000000").is_err() && parse_frequency("fast").is_err());
        assert_eq!(parse_percent("-2%"), Ok(Ppm::from_percent(-2.0)));
        assert!(parse_percent("90%").is_err());
    }
}
