//! A virtual board as its file describes it: part, crystal, wiring, host, and the mechanisms that trouble it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mechanism::{Impossible, Mechanisms};
use super::place::Places;
use super::rom::coprocessor::Coprocessor;
use super::rom::memory::{Kind, Memory};
use super::rom::option_layout::{BROWN_OUT, READ_PROTECTION};
use super::rom::protection::ReadOut;
use super::rom::serial::Uid;
use super::rom::sheet::{self, OptionArea, RomModel, UsbClock};
use super::swd::setup::SwdSetup;
use super::wire::Pace;
use crate::observation::units::{Address, Micros};
use crate::profile::device;
use crate::profile::loader::{self, ProfileError};

/// One file of `profiles/benches`, or of the user's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Blueprint {
    /// What it is, in a sentence or two; physics only.
    pub text: String,
    /// The part as its marking says.
    pub part: String,
    /// A sheet of `profiles/benches/roms`.
    pub rom: String,
    #[schemars(range(min = 1.0, max = 60.0))]
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
    /// Read-out protection at level 2, which nothing lifts.
    #[serde(default)]
    pub closed_for_ever: bool,
    /// Areas that take no erase and no write, and say nothing about it.
    #[serde(default)]
    pub write_protected: Vec<ProtectedArea>,
    /// Areas whose code can be executed and not read; nor erased or written.
    #[serde(default)]
    pub execute_only: Vec<ProtectedArea>,
    /// What the alternate settings of this board say, where it is not what its ROM sheet says.
    pub alternates: Option<Vec<String>>,
    /// The other core of a WB and its upgrade service; one without a stack where nothing is said.
    pub coprocessor: Option<Coprocessor>,
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

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProtectedArea {
    #[schemars(with = "u32")]
    pub address: Address,
    pub length_bytes: u32,
}

/// The computer that the board is plugged into.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Host {
    /// Transactions of one control transfer in a frame; depends on controller and hubs.
    #[schemars(range(min = 1, max = 19))]
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
        let refuse = |keys: &[&str], message: String, hint| loader::refuse_at(file, text, keys, message, hint);
        let rom = match sheet::by_name(&blueprint.rom, blueprint.lse_fitted) {
            Some(rom) => rom?,
            None => {
                let names = sheet::names();
                let hint = loader::nearest(&blueprint.rom, names.iter().map(String::as_str))
                    .map(|name| format!("did you mean `{name}`?"));
                let known = names.join(", ");
                return Err(refuse(&["rom"], format!("there is no ROM `{}`; known are {known}", blueprint.rom), hint));
            }
        };
        if device::fits_one(&rom.parts, Some(&blueprint.part)) == Some(false) {
            let (message, hint) = contradicted(&blueprint.part, &blueprint.rom, &rom)?;
            return Err(refuse(&["part"], message, hint));
        }
        blueprint.check(&rom).map_err(|impossible| {
            let mechanism = impossible.mechanism.map(|field| field.replace('_', "-"));
            let keys: Vec<_> = mechanism.as_deref().into_iter().chain([impossible.key]).collect();
            refuse(&keys, impossible.to_string(), None)
        })?;
        Ok((blueprint, rom))
    }

    fn check(&self, rom: &RomModel) -> Result<(), Impossible> {
        self.mechanism.check()?;
        self.place.check(&self.mechanism)?;
        self.swd.check()?;
        self.check_clock(rom)?;
        self.check_rom(rom)?;
        self.check_memory(rom)?;
        if self.coprocessor.is_some() && !rom.sheet.quirks.upgrade_service {
            return Err(Impossible::new("coprocessor", "is not in this part: only a WB has an upgrade service"));
        }
        if self.mechanism.supply.is_some() && self.mechanism.supply_dip.is_some() {
            return Err(Impossible::new("supply-dip", "and supply both describe the rail; a board has one"));
        }
        if !(1..=19).contains(&self.host.transactions_per_frame) {
            let why = "must lie between 1 and 19, which is all that fits in a frame at full speed";
            return Err(Impossible::new("transactions-per-frame", why));
        }
        Ok(())
    }

    /// Mechanisms of an oscillator that the ROM does not use would do nothing, and that is surely not what was meant.
    fn check_clock(&self, rom: &RomModel) -> Result<(), Impossible> {
        let hsi48 = matches!(rom.clock, UsbClock::Hsi48Recovered(_));
        let of_crystal = !hsi48 && rom.clock != UsbClock::LseLocked;
        if let Some(mhz) = self.crystal_mhz {
            Impossible::unless_within("crystal-mhz", mhz, 1.0, 60.0, " MHz")?;
        } else if of_crystal {
            return Err(Impossible::new("rom", "makes its USB clock from a crystal, and no `crystal-mhz` is fitted"));
        }
        let measured = matches!(rom.clock, UsbClock::HseMeasured { .. });
        let mechanism = &self.mechanism;
        let jump_leaves_a_clock = mechanism.software_jump.is_some_and(|jump| jump.clock_left_percent != 0.0);
        for (set, key, works, why) in [
            (mechanism.internal_oscillator.is_some(), "internal-oscillator", measured, NOT_MEASURED),
            (jump_leaves_a_clock, "clock-left-percent", measured, NOT_MEASURED),
            (mechanism.crystal_start.is_some(), "crystal-start", of_crystal, NO_CRYSTAL),
            (mechanism.crystal_dropout.is_some(), "crystal-dropout", of_crystal, NO_CRYSTAL),
            (mechanism.hsi48.is_some(), "hsi48", hsi48, "has no effect: this ROM does not run USB from HSI48"),
        ] {
            if set && !works {
                return Err(Impossible::new(key, why));
            }
        }
        Ok(())
    }

    /// What needs a part of another kind.
    fn check_rom(&self, rom: &RomModel) -> Result<(), Impossible> {
        let (mechanism, sheet) = (&self.mechanism, &rom.sheet);
        let own_pin = sheet.own_usb_supply != Some(false);
        let levels = matches!(rom.family.as_str(), "STM32F2" | "STM32F4" | "STM32F7");
        let sets_brown_out = mechanism.supply.is_some_and(|supply| supply.brown_out.is_some());
        for (set, key, works, why) in [
            (
                mechanism.usb_pin_supply.is_some(),
                "usb-pin-supply",
                own_pin,
                "is not there: this part feeds USB from VDD",
            ),
            (mechanism.vbus_sense.is_some(), "vbus-sense", sheet.senses_vbus, "has no effect: this ROM ignores it"),
            (
                mechanism.blank_flash_latch.is_some(),
                "blank-flash-latch",
                sheet.looks_for_blank_flash,
                "has no effect: this part does not look whether flash is blank",
            ),
            (
                mechanism.product_state.is_some(),
                "product-state",
                sheet.has_product_state,
                "has no effect: this part has neither TrustZone nor a product state",
            ),
            (sets_brown_out, "brown-out", levels, "has the levels of F2, F4 and F7; use `resets-below-mv`"),
            (self.closed_for_ever, "closed-for-ever", !self.read_out_protected, "contains `read-out-protected`"),
        ] {
            if set && !works {
                return Err(Impossible::new(key, why));
            }
        }
        let Some(mismatch) = mechanism.option_mismatch else { return Ok(()) };
        let held =
            |area: &OptionArea| (area.address.0..area.address.0 + area.length_bytes).contains(&mismatch.address.0);
        if !rom.option_layout.has_complements() {
            return Err(Impossible::new(
                "option-mismatch",
                "has no effect: this part shows its options without complements",
            ));
        }
        match sheet.option_bytes.iter().any(held) {
            true => Ok(()),
            false => Err(Impossible::new("address", "lies outside the option bytes").of("option_mismatch")),
        }
    }

    fn check_memory(&self, rom: &RomModel) -> Result<(), Impossible> {
        let memory = Memory::new(rom, 0, 0);
        let in_flash = |address: Address, length_bytes: u32| {
            let region = memory.region(address).filter(|region| region.kind == Kind::Flash);
            region.is_some_and(|region| length_bytes <= region.length_bytes - (address.0 - region.first))
        };
        for (key, areas) in [("write-protected", &self.write_protected), ("execute-only", &self.execute_only)] {
            if areas.iter().any(|area| area.length_bytes == 0 || !in_flash(area.address, area.length_bytes)) {
                return Err(Impossible::new(key, "holds an area that is empty or not in flash"));
            }
        }
        let flash = memory.regions().iter().find(|region| region.kind == Kind::Flash);
        if flash.is_some_and(|flash| self.application_bytes > flash.length_bytes) {
            return Err(Impossible::new("application-bytes", "is more than this part has flash"));
        }
        match &self.mechanism.flash_word {
            Some(word) if !in_flash(word.address, word.length_bytes) => {
                Err(Impossible::new("address", "is not in flash").of("flash_word"))
            }
            _ => Ok(()),
        }
    }

    /// One sentence for each thing that is not as it should be.
    pub fn describe(&self) -> Vec<String> {
        let mut sentences = self.mechanism.describe();
        sentences.extend(self.swd.mechanism.describe());
        let level = if self.closed_for_ever { "2, for ever" } else { "1" };
        if self.closed_for_ever || self.read_out_protected {
            sentences.push(format!("Read-out protection is at level {level}."));
        }
        for (areas, what) in [
            (&self.write_protected, "takes no erase and no write, and says nothing"),
            (&self.execute_only, "can be executed and not read"),
        ] {
            let told =
                |area: &ProtectedArea| format!("Flash from {} on, {} bytes, {what}.", area.address, area.length_bytes);
            sentences.extend(areas.iter().map(told));
        }
        if self.host.node_closed {
            sentences.push("This user may not open the device node.".to_owned());
        }
        if self.host.interface_held {
            sentences.push("Another program holds the interface.".to_owned());
        }
        sentences
    }

    /// The ROM as this board shows it: with its own strings, or with a loader in flash in its place.
    pub fn in_place_of(&self, rom: RomModel) -> RomModel {
        let mut shown = match &self.mechanism.application_loader {
            Some(loader) => loader.in_place_of(rom),
            None => rom,
        };
        if let Some(alternates) = &self.alternates {
            shown.sheet.true_layouts = Some(shown.layouts().to_vec());
            shown.sheet.alternates.clone_from(alternates);
        }
        shown
    }

    /// What the option bytes of this board hold beyond those of a part from the factory.
    pub fn set_option_bytes(&self, rom: &RomModel, memory: &mut Memory) {
        let layout = &rom.option_layout;
        let mismatch = self.mechanism.option_mismatch;
        if self.closed_for_ever {
            layout.write(memory, READ_PROTECTION, ReadOut::LEVEL_2_BYTE);
        } else if self.read_out_protected || mismatch.is_some_and(|mismatch| mismatch.forces_protection) {
            layout.write(memory, READ_PROTECTION, ReadOut::LEVEL_1_BYTE);
        }
        if let Some(level) = self.mechanism.supply.and_then(|supply| supply.brown_out) {
            layout.write(memory, BROWN_OUT, level.option_bits());
        }
        if let Some(mismatch) = mismatch
            && let Some(word) = memory.option_word(mismatch.address)
        {
            memory.set_option_word(mismatch.address, word ^ mismatch.bits);
        }
    }
}

/// Why a part cannot have this ROM: it is none, or it has another.
fn contradicted(part: &str, name: &str, rom: &RomModel) -> Result<(String, Option<String>), ProfileError> {
    let devices = device::catalogue()?;
    let patterns = rom.parts.join(", ");
    if devices.by_part(part).is_none() && devices.candidates(part).is_empty() {
        let message = format!("no device profile knows the part `{part}`; the ROM `{name}` is that of {patterns}");
        return Ok((message, None));
    }
    let fits = |sheet: &str| {
        let rom = sheet::by_name(sheet, false)?.ok()?;
        (device::fits_one(&rom.parts, Some(part)) != Some(false)).then(|| format!("`{sheet}`"))
    };
    let names = sheet::names();
    let own: Vec<_> = names.iter().filter_map(|sheet| fits(sheet)).collect();
    let hint = (!own.is_empty()).then(|| format!("its ROM is {}", own.join(" or ")));
    Ok((
        format!("part and ROM contradict each other: `{part}` does not have `{name}`, which is that of {patterns}"),
        hint,
    ))
}

const NOT_MEASURED: &str = "has no effect: this ROM does not measure a crystal with its internal oscillator";
const NO_CRYSTAL: &str = "has no effect: this ROM needs no crystal";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Blueprint::parse("board.toml", text).map(|_| ()).unwrap_err().to_string()
    }

    const HEAD: &str = "text = \"a board\"\npart = \"STM32F407VG\"\nrom = \"f40x-v9\"\n";

    #[test]
    fn a_part_that_is_none_and_a_part_with_another_rom_are_refused() {
        let with = |part: &str| refusal(&format!("{}crystal-mhz = 8.0\n", HEAD.replace("STM32F407VG", part)));
        let error = with("STM32F999VGT6");
        assert!(error.starts_with("board.toml:2: no device profile knows the part `STM32F999VGT6`"), "{error}");
        let error = with("STM32F746ZGT6");
        assert!(
            error.starts_with("board.toml:2: part and ROM contradict each other: `STM32F746ZGT6` does not"),
            "{error}"
        );
        assert!(error.ends_with("its ROM is `f74x`"), "{error}");
        for part in ["f407", "STM32F4", "STM32F417ZET6"] {
            let text = format!("{}crystal-mhz = 8.0\n", HEAD.replace("STM32F407VG", part));
            assert!(Blueprint::parse("board.toml", &text).is_ok(), "{part}");
        }
    }

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
