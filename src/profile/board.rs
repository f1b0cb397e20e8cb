//! Board profiles: what somebody said about a board (crystal, supply, wiring). Never a measurement.

use serde::Deserialize;

use crate::observation::board::PortPath;

use super::device::Devices;
use super::loader::{self, ProfileError};
use super::shelf::{self, Sheet};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Board {
    pub name: String,
    /// The order code, or as much of it as decides: `STM32F746ZG`.
    pub part: String,
    pub clock: Option<BoardClock>,
    pub supply: Option<Supply>,
    pub wiring: Option<Wiring>,
    /// The USB port it hangs on, as the kernel writes it: `1-4.2`.
    pub port: Option<PortPath>,
    #[serde(default)]
    pub notes: Vec<String>,
    /// What a measurement must give on this board to pass.
    #[serde(default, rename = "measurement")]
    pub measurements: Vec<PassBand>,
}

/// What drives the HSE input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BoardClock {
    pub kind: ClockKind,
    pub fitted_mhz: Option<f64>,
    /// Frequency tolerance over everything, as its data sheet says.
    pub tolerance_ppm: Option<f64>,
    /// The two load capacitors, each.
    pub load_capacitors_pf: Option<f64>,
    /// The load that the crystal is specified for.
    pub specified_load_pf: Option<f64>,
    /// A 32 kHz crystal is fitted too.
    #[serde(default)]
    pub lse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    Crystal,
    Resonator,
    Oscillator,
    None,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Supply {
    pub from: SupplySource,
    pub nominal_millivolts: Option<f64>,
    /// What the regulator can give.
    pub limit_milliamperes: Option<f64>,
    /// The capacitors at the core-voltage pins, each.
    pub vcap_microfarads: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupplySource {
    /// VBUS of the connector under test.
    Usb,
    External,
    Probe,
    Battery,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wiring {
    /// How BOOT0 is held: `10 kohm to ground, button to VDD`.
    pub boot0: Option<String>,
    pub boot1: Option<String>,
    pub nrst: Option<String>,
    /// Between connector and part: resistors, protection, length.
    pub usb_pair: Option<String>,
    pub vbus_sense: Option<String>,
    /// Receiving pins of the ROM's other interfaces that nothing drives: `PA10`.
    #[serde(default)]
    pub floating_pins: Vec<String>,
}

/// A quantity that an operator can measure, with the band in which it is as it should be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PassBand {
    /// `vdd-minimum`, `vcap`, `hse-frequency`.
    pub quantity: String,
    pub unit: String,
    pub low: f64,
    pub high: f64,
    /// When or where to measure.
    pub when: Option<String>,
}

impl PassBand {
    pub fn passes(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Reads every board profile of the shelf: name of the sheet and board.
pub fn boards() -> Result<Vec<(String, Board)>, ProfileError> {
    let read = |sheet: Sheet| Ok((sheet.name.clone(), parse(&sheet)?));
    shelf::sheets("boards")?.into_iter().map(read).collect()
}

/// Reads one board profile and refuses bands that nothing can pass.
pub fn parse(sheet: &Sheet) -> Result<Board, ProfileError> {
    let board: Board = loader::parse(&sheet.file, &sheet.text)?;
    for band in &board.measurements {
        if band.low > band.high {
            let message = format!("nothing can pass the band of `{}`: low is above high", band.quantity);
            let needle = format!("\"{}\"", band.quantity);
            return Err(loader::refuse(&sheet.file, &sheet.text, &needle, message, None));
        }
    }
    Ok(board)
}

/// A part that no device profile knows is reported with the nearest that it may mean.
pub fn check_part(sheet: &Sheet, board: &Board, devices: &Devices) -> Result<(), ProfileError> {
    if devices.by_part(&board.part).is_some() {
        return Ok(());
    }
    let candidates = devices.candidates(&board.part);
    let (message, hint) = if candidates.is_empty() {
        let names = devices.all().flat_map(|(_, device)| device.parts.iter().map(String::as_str));
        let near = loader::nearest(&board.part, names).map(|pattern| format!("did you mean `{pattern}`?"));
        (format!("no device profile knows the part `{}`", board.part), near)
    } else {
        let names: Vec<_> = candidates.iter().map(|device| device.name.as_str()).collect();
        (format!("the part `{}` does not decide between profiles", board.part), Some(names.join("; ")))
    };
    Err(loader::refuse(&sheet.file, &sheet.text, "part =", message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> Sheet {
        Sheet { name: "b".into(), file: "b.toml".into(), text: text.into() }
    }

    #[test]
    fn every_board_that_is_shipped_names_a_known_part() {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        let boards = shelf::built_in("boards");
        assert!(!boards.is_empty());
        for sheet in boards {
            check_part(&sheet, &parse(&sheet).unwrap(), &devices).unwrap();
        }
    }

    #[test]
    fn a_part_too_short_to_decide_is_answered_with_the_choice() {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        let sheet = sheet("name = \"mine\"\npart = \"STM32F070\"\n");
        let error = check_part(&sheet, &parse(&sheet).unwrap(), &devices).unwrap_err();
        assert_eq!(
            error.to_string(),
            "b.toml:2: the part `STM32F070` does not decide between profiles; STM32F070x6; STM32F070xB"
        );
    }

    #[test]
    fn a_band_upside_down_is_refused_with_its_line() {
        let text = "name = \"b\"\npart = \"STM32F407\"\n[[measurement]]\nquantity = \"vcap\"\nunit = \"V\"\nlow = 2.0\nhigh = 1.0\n";
        assert!(parse(&sheet(text)).unwrap_err().to_string().starts_with("b.toml:4: nothing can pass"));
    }
}
