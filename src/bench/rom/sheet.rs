//! A ROM bootloader as the device model needs it: `profiles/benches/roms/*.toml` for what the host sees,
//! the device profile for clock, timing, OTP and serial rule.

use std::sync::Arc;

use serde::Deserialize;

use super::limitations::{Quirks, SecondBank};
use super::option_layout::OptionLayout;
use crate::bench::swd::silicon::Silicon;
use crate::dfu::layout::{Area, Layout};
use crate::observation::field_text::FieldText;
use crate::observation::units::{Address, Micros};
use crate::profile::device::{Device, SerialKind};
use crate::profile::loader::{self, ProfileError};
use crate::profile::rom::{Crystals, Rom, RomDfu, Timing as StatedTime, UsbClock as StatedClock};
use crate::profile::shelf::{self, Sheet};

/// What a ROM version shows and does, as far as the device profile does not say it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RomSheet {
    /// The sheet in `profiles/devices`.
    pub device: String,
    /// The bootloader identity byte; selects the ROM generation of the device profile.
    pub rom_id: u16,
    /// The identity whose generation stands in for clock and times, where the device profile does not have this one.
    pub timed_like_id: Option<u16>,
    /// Where the figures of this sheet come from, and which are assumed.
    pub sources: Vec<String>,
    /// What the alternate settings say of themselves, in order.
    pub alternates: Vec<String>,
    /// The memory as it is, where the alternate settings tell it wrongly.
    pub true_layouts: Option<Vec<String>>,
    /// UTF-16 units of garbage that follow the layout because the ROM states too long a string.
    #[serde(default)]
    pub garbage_units: u8,
    /// The answer to the Get command.
    #[serde(default = "classic_commands")]
    pub commands: Vec<u8>,
    /// The serial number of all parts with this ROM, where it is no identity.
    pub constant_serial: Option<String>,
    #[serde(default)]
    pub option_bytes: Vec<OptionArea>,
    /// System memory and RAM that can be reached outside the alternate settings.
    #[serde(default)]
    pub other_memory: Vec<OtherArea>,
    pub flash: FlashTiming,
    /// Stands in where the device profile has no figure.
    pub assumed_start_up_ms: Option<f64>,
    pub assumed_usb_connect_ms: Option<f64>,
    /// Stands in where the device profile has no protocol version.
    pub assumed_protocol: Option<String>,
    /// The trim of HSI48, where the part has it.
    pub hsi48_trim: Option<Hsi48Trim>,
    /// The second bank, where the ROM treats it unlike the first.
    pub second_bank: Option<SecondBank>,
    /// Whether the package has a supply pin for USB alone; unknown where absent.
    pub own_usb_supply: Option<bool>,
    /// The part has OTP, but this generation does not reach it over USB.
    #[serde(default)]
    pub otp_out_of_reach: bool,
    /// The part starts its ROM where flash is blank.
    #[serde(default)]
    pub looks_for_blank_flash: bool,
    /// The ROM looks for the bus voltage before it turns to USB.
    #[serde(default)]
    pub senses_vbus: bool,
    /// The part has TrustZone or a product state.
    #[serde(default)]
    pub has_product_state: bool,
    #[serde(default)]
    pub quirks: Quirks,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashTiming {
    pub page_erase_ms: f64,
    pub mass_erase_ms: f64,
    /// What bwPollTimeout says for a mass erase, where it is wrong.
    pub advertised_mass_erase_ms: Option<f64>,
    pub write_us_per_byte: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hsi48Trim {
    pub step_percent: f64,
    pub steps: u32,
}

/// Option bytes as the ROM shows them, in a part as it leaves the factory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptionArea {
    pub address: Address,
    /// One entry per 32-bit word; ones follow up to the length.
    pub words: Vec<u32>,
    pub length_bytes: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherArea {
    pub address: Address,
    pub length_bytes: u32,
    pub writable: bool,
}

/// A ROM with everything resolved.
#[derive(Clone, Debug)]
pub struct RomModel {
    pub sheet: RomSheet,
    /// The device's name in words.
    pub device: String,
    /// Patterns of the parts that have it.
    pub parts: Vec<String>,
    pub family: String,
    /// What it calls itself on the bus.
    pub product: String,
    pub option_layout: OptionLayout,
    pub generation: Option<String>,
    pub bcd_device: u16,
    pub clock: UsbClock,
    /// From reset until the ROM looks at its interfaces.
    pub start_up: Micros,
    /// How long the ROM waits for a crystal before it resets itself.
    pub crystal_time_out: Option<Micros>,
    /// From there until the pull-up on D+ is on.
    pub usb_connect: Micros,
    pub serial: SerialRule,
    pub otp: Option<Otp>,
    pub silicon: Arc<Silicon>,
}

impl RomModel {
    /// What this ROM does otherwise than it should, as a host can see it.
    pub fn departures(&self) -> Vec<&'static str> {
        let mut all = self.sheet.quirks.describe();
        all.extend(self.sheet.second_bank.map(|bank| bank.erase.describe()));
        let misspelt = self.sheet.alternates.iter().any(|text| text.starts_with("@Option") && text.ends_with('g'));
        for (has, sentence) in [
            (self.sheet.garbage_units > 0, "Garbage follows the layout strings."),
            (self.sheet.true_layouts.is_some(), "A layout string tells the memory wrongly."),
            (misspelt, "Option bytes are marked as erasable."),
            (matches!(self.serial, SerialRule::Constant(_)), "The serial number is the same for all parts."),
            (self.serial == SerialRule::NewAtPowerOn, "The serial number changes at every power-on."),
        ] {
            all.extend(has.then_some(sentence));
        }
        all
    }

    /// The memory as it is.
    pub fn layouts(&self) -> &[String] {
        self.sheet.true_layouts.as_deref().unwrap_or(&self.sheet.alternates)
    }
}

/// Where the 48 MHz of USB come from.
#[derive(Clone, Debug, PartialEq)]
pub enum UsbClock {
    /// The crystal, measured against HSI with a timer that counts at this rate.
    HseMeasured { detection_mhz: u32 },
    /// The crystal, which must have one of few values.
    HseListed { accepted_mhz: Vec<f64> },
    /// The crystal, for which values are tried in turn; with each the time until its pull-up is on.
    HseTried { values: Vec<(f64, Micros)> },
    /// The crystal, whatever it is set up for.
    Hse,
    /// The 32 kHz crystal; no other is needed.
    LseLocked,
    /// HSI48, disciplined by the host's frames.
    Hsi48Recovered(Hsi48Trim),
}

/// How the serial number is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialRule {
    /// Sum of the first and last word of the UID, then the upper half of the middle one.
    UidSum,
    /// The same sum, then the upper half of the last word.
    UidSumUpperWord2,
    /// The same text whatever the UID.
    Constant(String),
    /// A new one at every power-on.
    NewAtPowerOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Otp {
    pub address: Address,
    pub data_bytes: u32,
    /// One lock byte per block follows the data; absent where a double-word locks itself when it is first written.
    pub lock_bytes: Option<u32>,
}

const ROM_PRODUCT: &str = "STM32  BOOTLOADER";

/// G431 (DS12589 table 43); stands in for families whose sheet says nothing.
const COMMON_TRIM: Hsi48Trim = Hsi48Trim { step_percent: 0.11, steps: 32 };

fn classic_commands() -> Vec<u8> {
    vec![0x00, 0x21, 0x41, 0x92]
}

pub fn millis(milliseconds: f64) -> Micros {
    Micros::from_secs_f64(milliseconds / 1e3)
}

fn sheets() -> Vec<Sheet> {
    shelf::built_in("benches/roms")
}

/// The names of all ROM sheets.
pub fn names() -> Vec<String> {
    sheets().into_iter().map(|sheet| sheet.name).collect()
}

/// The ROM of that name, if there is one; `lse_fitted` says whether the board has a 32 kHz crystal.
pub fn by_name(name: &str, lse_fitted: bool) -> Option<Result<RomModel, ProfileError>> {
    let sheet = sheets().into_iter().find(|sheet| sheet.name == name)?;
    Some(resolve(&sheet, lse_fitted))
}

fn resolve(file: &Sheet, lse_fitted: bool) -> Result<RomModel, ProfileError> {
    let refuse = |needle: &str, why: String| loader::refuse(&file.file, &file.text, needle, why, None);
    let sheet: RomSheet = loader::parse(&file.file, &file.text)?;
    let profile = shelf::sheets("devices")?.into_iter().find(|device| device.name == sheet.device);
    let profile = profile.ok_or_else(|| refuse("device", format!("there is no device profile `{}`", sheet.device)))?;
    let device: Device = loader::parse(&profile.file, &profile.text)?;
    let id = sheet.timed_like_id.unwrap_or(sheet.rom_id);
    let only = device.roms.first().filter(|rom| rom.ids.is_empty());
    let rom = device.rom_with_id(id).or(only).cloned();
    let rom = rom.ok_or_else(|| refuse("rom-id", format!("{} has no ROM with identity 0x{id:02X}", device.name)))?;
    let missing = |what: &str| refuse("rom-id", format!("neither profile tells {what} of this ROM"));
    let start_up = stated(&rom.startup, lse_fitted).or(sheet.assumed_start_up_ms);
    let usb_connect = stated(&rom.usb_connect, lse_fitted).or(sheet.assumed_usb_connect_ms);
    let assumed = sheet.assumed_protocol.clone().map(RomDfu::Protocol);
    let bcd_device = bcd_device(&rom.dfu).or_else(|| bcd_device(&assumed?));
    Ok(RomModel {
        device: device.name.clone(),
        parts: device.parts.clone(),
        family: device.family.clone(),
        product: ROM_PRODUCT.to_owned(),
        option_layout: OptionLayout::of(&device),
        generation: rom.generation.clone(),
        bcd_device: bcd_device.ok_or_else(|| missing("the protocol version"))?,
        clock: clock(&rom, &sheet, lse_fitted).ok_or_else(|| missing("the USB clock"))?,
        start_up: millis(start_up.ok_or_else(|| missing("the start-up time"))?),
        crystal_time_out: rom.hse_timeout_ms.map(millis),
        usb_connect: millis(usb_connect.ok_or_else(|| missing("the time until USB connects"))?),
        serial: serial(&device, &sheet),
        otp: otp(&device),
        silicon: Arc::new(silicon(&device, &sheet)),
        sheet,
    })
}

/// Where the time depends on the 32 kHz crystal there are two entries, told apart by their condition.
fn stated(times: &[StatedTime], lse_fitted: bool) -> Option<f64> {
    let wanted = if lse_fitted { "LSE" } else { "no LSE" };
    let fitting = times.iter().find(|time| time.when.as_deref() == Some(wanted));
    fitting.or(times.first()).map(|time| time.ms)
}

/// The protocol version is the high byte: 2.2 is 0x2200.
fn bcd_device(dfu: &RomDfu) -> Option<u16> {
    let RomDfu::Protocol(version) = dfu else { return None };
    let (major, minor) = version.split_once('.')?;
    let digit = |text: &str| text.parse::<u16>().ok().filter(|digit| *digit < 10);
    Some(digit(major)? << 12 | digit(minor)? << 8)
}

fn clock(rom: &Rom, sheet: &RomSheet, lse_fitted: bool) -> Option<UsbClock> {
    let listed = || match &rom.crystals {
        Some(Crystals::ListMhz(list)) => Some(UsbClock::HseListed { accepted_mhz: list.clone() }),
        _ => None,
    };
    match rom.usb_clock {
        StatedClock::HseMeasured => match &rom.hse_detection {
            Some(detection) => Some(UsbClock::HseMeasured { detection_mhz: detection.clock_mhz }),
            None => listed(),
        },
        StatedClock::LseMsiElseHse if lse_fitted => Some(UsbClock::LseLocked),
        StatedClock::HseTried => tried(rom),
        StatedClock::LseMsiElseHse | StatedClock::HsePhy => listed(),
        StatedClock::Hse => Some(UsbClock::Hse),
        StatedClock::Hsi48Crs => Some(UsbClock::Hsi48Recovered(sheet.hsi48_trim.unwrap_or(COMMON_TRIM))),
        StatedClock::Hsi144Crs | StatedClock::Internal | StatedClock::None | StatedClock::Unknown => None,
    }
}

/// The times until USB connects are stated per value: `8 MHz`.
fn tried(rom: &Rom) -> Option<UsbClock> {
    let Some(Crystals::ListMhz(list)) = &rom.crystals else { return None };
    let after = |mhz: f64| {
        let fits = |time: &&StatedTime| time.when.as_deref() == Some(format!("{mhz} MHz").as_str());
        rom.usb_connect.iter().find(fits).map(|time| millis(time.ms))
    };
    Some(UsbClock::HseTried { values: list.iter().map(|&mhz| Some((mhz, after(mhz)?))).collect::<Option<_>>()? })
}

fn serial(device: &Device, sheet: &RomSheet) -> SerialRule {
    match (&sheet.constant_serial, device.serial.as_ref().map(|rule| rule.kind)) {
        (Some(text), _) => SerialRule::Constant(text.clone()),
        (None, Some(SerialKind::Changing)) => SerialRule::NewAtPowerOn,
        (None, Some(SerialKind::UidSumUpperWord2)) => SerialRule::UidSumUpperWord2,
        // A part whose serial contradicts the rule has no better one.
        (None, _) => SerialRule::UidSum,
    }
}

/// Flash is what the alternate settings show, or would show if they told the truth.
fn silicon(device: &Device, sheet: &RomSheet) -> Silicon {
    let layouts = sheet.true_layouts.as_ref().unwrap_or(&sheet.alternates);
    let layouts = layouts.iter().map(|text| Layout::parse(&FieldText::from(text.as_str())));
    let groups: Vec<_> =
        layouts.filter(|layout| layout.area() == Area::Flash).flat_map(|layout| layout.groups).collect();
    let start = groups.first().map_or(0x0800_0000, |group| group.address.0);
    let segments = groups.iter().flat_map(|group| &group.segments);
    Silicon::of(device, start, segments.map(|segment| segment.count * segment.size_bytes).sum())
}

fn otp(device: &Device) -> Option<Otp> {
    let area = device.otp.as_ref()?.area.as_ref()?;
    Some(Otp { address: area.address, data_bytes: area.data_bytes, lock_bytes: area.lock_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rom_resolves_and_its_layouts_follow_the_grammar() {
        let names = names();
        assert!(!names.is_empty());
        for name in names {
            let rom = by_name(&name, false).unwrap().unwrap_or_else(|error| panic!("{error}"));
            assert!(!rom.sheet.sources.is_empty(), "{name} names no source");
            for alternate in &rom.sheet.alternates {
                let layout = Layout::parse(&FieldText::from(alternate.as_str()));
                assert_eq!(layout.defects, [], "{name}: {alternate}");
            }
        }
    }

    #[test]
    fn clock_and_times_come_from_the_device_profile() {
        let rom = by_name("f40x-v9", false).unwrap().unwrap();
        assert_eq!(rom.clock, UsbClock::HseMeasured { detection_mhz: 60 });
        assert_eq!(rom.crystal_time_out, Some(Micros::from_millis(96)));
        assert_eq!((rom.start_up, rom.bcd_device), (Micros::from_millis(74), 0x2200));
    }

    #[test]
    fn a_32_khz_crystal_changes_clock_and_start_of_an_l47() {
        let without = by_name("l47x-v10", false).unwrap().unwrap();
        let with = by_name("l47x-v10", true).unwrap().unwrap();
        assert_eq!((without.start_up, with.start_up), (Micros::from_millis(2560), Micros::from_millis(55)));
        assert_eq!(with.clock, UsbClock::LseLocked);
    }
}
