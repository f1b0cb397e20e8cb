//! A virtual board as its file describes it: part, crystal, wiring, host, and the mechanisms that trouble it.

use serde::Deserialize;

use super::mechanism::{Impossible, Mechanisms};
use super::place::Places;
use super::rom::serial::Uid;
use super::rom::sheet::{self, RomModel, UsbClock};
use super::swd::setup::SwdSetup;
use super::wire::Pace;
use crate::observation::units::{Address, Micros};
use crate::profile::loader::{self, ProfileError};

/// One file of `profiles/benches`, or of the user's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blueprint {
    /// What it is, in a sentence or two; physics only.
    pub text: String,
    /// The part as its marking says.
    pub part: String,
    /// A sheet of `profiles/benches/roms`.
    pub rom: String,
    pub crystal_mhz: Option<f64>,
    /// Whether a 32 kHz crystal is fitted.
    #[serde(default)]
    pub lse_fitted: bool,
    #[serde(default = "some_uid")]
    pub uid: Uid,
    /// Size of the application in flash.
    #[serde(default = "some_application")]
    pub application_bytes: u32,
    /// What the application runs its core at, from the crystal; the internal oscillator where absent.
    pub application_core_mhz: Option<u32>,
    #[serde(default)]
    pub read_out_protected: bool,
    #[serde(default)]
    pub write_protected: Vec<ProtectedArea>,
    #[serde(default)]
    pub host: Host,
    #[serde(default)]
    pub mechanism: Mechanisms,
    /// Where those mechanisms sit that can sit in more than one place.
    #[serde(default)]
    pub place: Places,
    #[serde(default)]
    pub swd: SwdSetup,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProtectedArea {
    pub address: Address,
    pub length_bytes: u32,
}

/// The computer that the board is plugged into.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Host {
    /// Transactions of one control transfer in a frame; depends on controller and hubs.
    pub transactions_per_frame: u32,
    pub jitter_us: u64,
    /// The device node cannot be opened by this user.
    pub node_closed: bool,
    /// Another program holds the interface.
    pub interface_held: bool,
}

impl Default for Host {
    fn default() -> Self {
        let pace = Pace::default();
        Self {
            transactions_per_frame: pace.transactions_per_frame,
            jitter_us: pace.jitter.0,
            node_closed: false,
            interface_held: false,
        }
    }
}

impl Host {
    pub const fn pace(&self) -> Pace {
        Pace { transactions_per_frame: self.transactions_per_frame, jitter: Micros(self.jitter_us) }
    }
}

fn some_uid() -> Uid {
    [0x002d_0030, 0x3334_510b, 0x3231_3533]
}

fn some_application() -> u32 {
    64 * 1024
}

impl Blueprint {
    /// Reads a board file and refuses what no board can be, with file and line.
    pub fn parse(file: &str, text: &str) -> Result<(Self, RomModel), ProfileError> {
        let blueprint: Self = loader::parse(file, text)?;
        let refuse = |needle: &str, message: String, hint| loader::refuse(file, text, needle, message, hint);
        let rom = match sheet::by_name(&blueprint.rom, blueprint.lse_fitted) {
            Some(rom) => rom?,
            None => {
                let names = sheet::names();
                let hint = loader::nearest(&blueprint.rom, names.iter().map(String::as_str))
                    .map(|name| format!("did you mean `{name}`?"));
                let known = names.join(", ");
                return Err(refuse("rom", format!("there is no ROM `{}`; known are {known}", blueprint.rom), hint));
            }
        };
        blueprint.check(&rom).map_err(|impossible| refuse(impossible.key, impossible.to_string(), None))?;
        Ok((blueprint, rom))
    }

    fn check(&self, rom: &RomModel) -> Result<(), Impossible> {
        self.mechanism.check()?;
        self.place.check(&self.mechanism)?;
        self.swd.check()?;
        self.check_clock(rom)?;
        if !(1..=19).contains(&self.host.transactions_per_frame) {
            let why = "must lie between 1 and 19, which is all that fits in a frame at full speed";
            return Err(Impossible::new("transactions-per-frame", why));
        }
        Ok(())
    }

    /// Mechanisms of an oscillator that the ROM does not use would do nothing, and that is surely not what was meant.
    fn check_clock(&self, rom: &RomModel) -> Result<(), Impossible> {
        let of_crystal = matches!(rom.clock, UsbClock::HseMeasured { .. } | UsbClock::HseListed { .. } | UsbClock::Hse);
        if let Some(mhz) = self.crystal_mhz {
            Impossible::unless_within("crystal-mhz", mhz, 1.0, 60.0, " MHz")?;
        } else if of_crystal {
            return Err(Impossible::new("rom", "makes its USB clock from a crystal, and no `crystal-mhz` is fitted"));
        }
        let measured = matches!(rom.clock, UsbClock::HseMeasured { .. });
        if self.mechanism.internal_oscillator.is_some() && !measured {
            let why = "has no effect: this ROM does not measure a crystal with its internal oscillator";
            return Err(Impossible::new("internal-oscillator", why));
        }
        if self.mechanism.crystal_start.is_some() && !of_crystal {
            return Err(Impossible::new("crystal-start", "has no effect: this ROM needs no crystal"));
        }
        if self.mechanism.hsi48.is_some() && !matches!(rom.clock, UsbClock::Hsi48Recovered(_)) {
            return Err(Impossible::new("hsi48", "has no effect: this ROM does not run USB from HSI48"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Blueprint::parse("board.toml", text).map(|_| ()).unwrap_err().to_string()
    }

    const HEAD: &str = "text = \"a board\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\n";

    #[test]
    fn a_typo_names_line_and_nearest_key() {
        let error = refusal(&format!("{HEAD}crystal-mhz = 8.0\n[mechanism.bit-error]\n"));
        assert!(error.starts_with("board.toml:5: unknown field `bit-error`"), "{error}");
        assert!(error.ends_with("did you mean `bit-errors`?"), "{error}");
    }

    #[test]
    fn contradictions_are_refused_with_their_line() {
        assert_eq!(
            refusal(HEAD),
            "board.toml:3: `rom` makes its USB clock from a crystal, and no `crystal-mhz` is fitted"
        );
        let hsi48 = "[mechanism.hsi48]\nerror-percent = 1\ndrift-percent-per-kelvin = 0\nrecovery-works = true\n";
        assert_eq!(
            refusal(&format!("{HEAD}crystal-mhz = 8.0\n{hsi48}")),
            "board.toml:5: `hsi48` has no effect: this ROM does not run USB from HSI48"
        );
    }

    #[test]
    fn impossible_figures_are_refused_with_their_line() {
        assert_eq!(
            refusal(&format!("{HEAD}crystal-mhz = 8000.0\n")),
            "board.toml:4: `crystal-mhz` is 8000 MHz; possible is 1 to 60 MHz"
        );
    }

    #[test]
    fn an_unknown_rom_lists_the_known_ones() {
        let error = refusal("text = \"\"\npart = \"\"\nrom = \"f40x-v8\"\n");
        assert!(error.starts_with("board.toml:3: there is no ROM `f40x-v8`; known are "), "{error}");
        assert!(error.contains("did you mean `f40x-v"), "{error}");
    }
}
