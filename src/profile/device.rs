//! Device profiles: what is known of one part and its ROM bootloader, each block with its source.

use serde::Deserialize;

use crate::observation::units::Address;
use crate::swd::option_sequence::{Controller, ControllerKind};
use crate::swd::reset_cause::ResetCause;

use super::flash_layout;
use super::loader::{self, ProfileError};
use super::memory::{Flash, OptionBytes, OptionField, Otp, SystemMemory};
use super::rom::{Limitation, Rom, RomPin};
use super::shelf::{self, Sheet};
use super::sources::{Confidence, Conflict};

/// Parts that share silicon and DEV_ID; ROM generations are told apart inside.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Device {
    /// As the documents write it: `STM32F405/407/415/417`.
    pub name: String,
    /// `STM32F4`.
    pub family: String,
    /// Order codes, with `?` for one character and `*` for the rest.
    pub parts: Vec<String>,
    pub dev_id: u16,
    /// What tells this part from others with the same DEV_ID.
    pub told_apart: Option<String>,
    #[serde(default)]
    pub notes: Vec<String>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
    #[serde(default, rename = "conflict")]
    pub conflicts: Vec<Conflict>,
    #[serde(rename = "rom")]
    pub roms: Vec<Rom>,
    pub system_memory: Option<SystemMemory>,
    pub boot: Option<BootSelection>,
    pub usb: Option<UsbWiring>,
    pub serial: Option<SerialRule>,
    pub flash: Option<Flash>,
    pub option_bytes: Option<OptionBytes>,
    pub otp: Option<Otp>,
    pub registers: Option<Registers>,
    pub flash_control: Option<FlashControl>,
    pub coprocessor: Option<CoprocessorTables>,
    #[serde(default, rename = "rom-pin")]
    pub rom_pins: Vec<RomPin>,
    #[serde(default, rename = "limitation")]
    pub limitations: Vec<Limitation>,
}

/// How system memory is selected at reset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BootSelection {
    /// The number of the pattern in AN2606.
    pub pattern: u8,
    pub text: String,
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UsbWiring {
    /// D- and D+.
    pub pins: String,
    /// The pull-up on D+ that the board has to provide, if any.
    pub external_pull_up: Option<String>,
    #[serde(default)]
    pub high_speed: bool,
    pub source: String,
}

/// How the ROM makes the serial number it shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SerialRule {
    pub kind: SerialKind,
    pub text: String,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SerialKind {
    /// Hex of UID word 0 plus word 2, then the upper half of word 1.
    UidSum,
    /// Hex of UID word 0 plus word 2, then the upper half of word 2.
    UidSumUpperWord2,
    /// The same for every board of a revision: no identity.
    SameForAll,
    /// Different at every power cycle: no identity.
    Changing,
    /// A sample contradicts the rule.
    Unexplained,
}

/// Registers worth reading over SWD.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Registers {
    pub unique_id: Option<Address>,
    pub dbgmcu_idcode: Option<Address>,
    pub rcc: Option<Address>,
    pub pll_config: Option<Address>,
    pub crs: Option<Address>,
    pub reset_cause: Option<ResetCauseRegister>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResetCauseRegister {
    pub address: Address,
    pub flags: Vec<ResetFlag>,
}

impl ResetCauseRegister {
    /// The flags that are set in a word read from it, in words; RMVF, which clears them, is none of them.
    pub fn names(&self, word: u32) -> String {
        let set = self.flags.iter().filter(|flag| word >> flag.bit & 1 == 1);
        let names: Vec<_> =
            set.map(|flag| flag.name.as_str()).filter(|name| ResetCause::of_flag(name).is_some()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(" ") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResetFlag {
    pub name: String,
    pub bit: u8,
}

/// The controller through which option registers are written over SWD; absent where its sequence is not known here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashControl {
    pub kind: ControllerKind,
    pub base: Address,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

impl FlashControl {
    pub const fn controller(&self) -> Controller {
        Controller { kind: self.kind, base: self.base }
    }
}

/// Where the coprocessor of a WB keeps what it tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoprocessorTables {
    /// SRAM2a, which both cores reach; the mailbox lies IPCCDBA words after its beginning.
    pub shared_ram: Address,
    pub shared_bytes: u32,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

impl CoprocessorTables {
    pub const fn holds(&self, address: Address) -> bool {
        address.0.is_multiple_of(4)
            && address.0 >= self.shared_ram.0
            && address.0 - self.shared_ram.0 < self.shared_bytes
    }
}

impl Device {
    pub fn has_rom_dfu(&self) -> bool {
        self.roms.iter().any(|rom| rom.dfu.is_there())
    }

    /// The generation that shows this identity byte.
    pub fn rom_with_id(&self, id: u16) -> Option<&Rom> {
        self.roms.iter().find(|rom| rom.ids.contains(&id))
    }

    /// What contradicts itself: the text to look for, and what is wrong with it.
    fn impossible(&self) -> Option<(String, String)> {
        let fields = self.option_bytes.iter().flat_map(|bytes| bytes.dfu_fields.iter().chain(&bytes.swd_fields));
        let outside =
            |field: &&OptionField| field.bits == 0 || u32::from(field.bit) + u32::from(field.bits) > u32::BITS;
        if let Some(field) = fields.into_iter().find(|field| outside(field)) {
            return Some((format!("\"{}\"", field.name), format!("`{}` does not fit a 32-bit word", field.name)));
        }
        let area = self.otp.as_ref().and_then(|otp| otp.area.as_ref());
        if let Some(area) =
            area.filter(|area| area.block_bytes.is_some_and(|bytes| bytes == 0 || area.data_bytes % bytes != 0))
        {
            return Some((
                "block-bytes".into(),
                format!("{} bytes of OTP are no whole number of blocks", area.data_bytes),
            ));
        }
        self.roms.is_empty().then(|| ("rom".into(), "a device needs at least one `[[rom]]`".into()))
    }

    /// How closely a part's name fits one of the patterns: the literal characters that agree.
    fn closeness(&self, part: &str) -> Option<usize> {
        let literals = |pattern: &str| pattern.chars().filter(|c| !matches!(c, '*' | '?')).count();
        self.parts.iter().filter(|pattern| fits(pattern, part)).map(|pattern| literals(pattern)).max()
    }
}

/// All device profiles, the user's included.
#[derive(Clone, Debug)]
pub struct Devices {
    devices: Vec<(String, Device)>,
}

/// Reads every device profile of the shelf.
pub fn catalogue() -> Result<Devices, ProfileError> {
    Devices::from_sheets(&shelf::sheets("devices")?)
}

/// Reads one device profile and refuses what cannot be true.
pub fn parse(sheet: &Sheet) -> Result<Device, ProfileError> {
    let device: Device = loader::parse(&sheet.file, &sheet.text)?;
    match device.impossible() {
        Some((needle, message)) => Err(loader::refuse(&sheet.file, &sheet.text, &needle, message, None)),
        None => Ok(device),
    }
}

impl Devices {
    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let devices = sheets.iter().map(|sheet| Ok((sheet.name.clone(), parse(sheet)?))).collect::<Result<_, _>>()?;
        Ok(Self { devices })
    }

    /// Name of the sheet and device, in the order of the names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Device)> {
        self.devices.iter().map(|(name, device)| (name.as_str(), device))
    }

    /// The device of a sheet: `stm32f74x`.
    pub fn by_sheet(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|(sheet, _)| sheet.eq_ignore_ascii_case(name)).map(|(_, device)| device)
    }

    /// The device of an order code or the beginning of one (`STM32F746ZGT6`, `f746`), if it decides for exactly one.
    pub fn by_part(&self, part: &str) -> Option<&Device> {
        let part = normalised(part)?;
        let fitting: Vec<_> =
            self.devices.iter().filter_map(|(_, device)| Some((device.closeness(&part)?, device))).collect();
        let closest = fitting.iter().map(|(closeness, _)| *closeness).max()?;
        let mut best = fitting.into_iter().filter(|(closeness, _)| *closeness == closest);
        let (_, device) = best.next()?;
        best.next().is_none().then_some(device)
    }

    /// Devices that a name too short to decide may still mean: `STM32F303` is one of three.
    pub fn candidates(&self, part: &str) -> Vec<&Device> {
        let Some(part) = normalised(part) else { return Vec::new() };
        let may_be = |device: &Device| device.parts.iter().any(|pattern| may_grow_into(pattern, &part));
        self.devices.iter().map(|(_, device)| device).filter(|device| may_be(device)).collect()
    }

    pub fn by_dev_id(&self, dev_id: u16) -> Vec<&Device> {
        self.devices.iter().map(|(_, device)| device).filter(|device| device.dev_id == dev_id).collect()
    }

    /// Devices whose flash is laid out as this string of a DFU alternate setting says.
    pub fn by_layout(&self, layout: &str) -> Vec<&Device> {
        let Some(shown) = flash_layout::regions(layout) else { return Vec::new() };
        let fits = |device: &Device| {
            device.has_rom_dfu() && device.flash.as_ref().is_some_and(|flash| flash_layout::fits(flash, &shown))
        };
        self.devices.iter().map(|(_, device)| device).filter(|device| fits(device)).collect()
    }
}

/// `f746zg` and `stm32F746ZG` are the same part; what is too short or holds other characters is none.
fn normalised(part: &str) -> Option<String> {
    let upper = part.trim().to_ascii_uppercase();
    let rest = upper.strip_prefix("STM32").unwrap_or(&upper);
    let plausible = rest.len() >= 2 && rest.chars().all(|c| c.is_ascii_alphanumeric());
    plausible.then(|| format!("STM32{rest}"))
}

/// Whether an order code, or the beginning of one with or without `STM32`, fits a pattern such as `STM32F40?*`.
pub fn part_fits(pattern: &str, part: &str) -> bool {
    normalised(part).is_some_and(|part| fits(pattern, &part))
}

/// Whether the name may be the beginning of an order code that fits.
pub fn part_may_fit(pattern: &str, part: &str) -> bool {
    normalised(part).is_some_and(|part| may_grow_into(pattern, &part))
}

/// `None` where there is nothing to compare, or where the name is too short to tell.
pub fn fits_one(patterns: &[String], part: Option<&str>) -> Option<bool> {
    let part = part.filter(|_| !patterns.is_empty())?;
    let fits = patterns.iter().any(|pattern| part_fits(pattern, part));
    let may_fit = || patterns.iter().any(|pattern| part_may_fit(pattern, part));
    if fits || !may_fit() { Some(fits) } else { None }
}

fn fits(pattern: &str, part: &str) -> bool {
    let mut part = part.chars();
    for wanted in pattern.chars() {
        match (wanted, part.next()) {
            ('*', _) => return true,
            ('?', Some(_)) => {}
            (wanted, Some(given)) if wanted.eq_ignore_ascii_case(&given) => {}
            _ => return false,
        }
    }
    part.next().is_none()
}

/// Whether more characters could make the part fit the pattern.
fn may_grow_into(pattern: &str, part: &str) -> bool {
    let mut pattern = pattern.chars();
    part.chars().all(|given| match pattern.next() {
        Some('*') => {
            pattern = "*".chars();
            true
        }
        Some('?') => true,
        Some(wanted) => wanted.eq_ignore_ascii_case(&given),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::rom::UsbClock;

    fn built_in() -> Devices {
        Devices::from_sheets(&shelf::built_in("devices")).unwrap()
    }

    #[test]
    fn a_part_is_found_however_it_is_written() {
        let devices = built_in();
        for written in ["STM32F746ZG", "stm32f746zgt6", "F746", "f746 "] {
            assert_eq!(devices.by_part(written).unwrap().dev_id, 0x449, "{written}");
        }
        assert_eq!(devices.by_part("STM32F072CB").unwrap().name, "STM32F071/072");
        assert_eq!(devices.by_part("STM32F070CB").unwrap().name, "STM32F070xB");
    }

    #[test]
    fn what_does_not_decide_for_one_part_gives_none() {
        let devices = built_in();
        for written in ["STM32F303", "STM32", "", "STM32F999", "ESP32", "F4", "STM32F401"] {
            assert!(devices.by_part(written).is_none(), "{written}");
        }
        assert_eq!(devices.candidates("STM32F303").len(), 3);
        assert_eq!(devices.candidates("STM32F070").len(), 2);
    }

    #[test]
    fn no_order_code_belongs_to_two_parts() {
        let devices = built_in();
        for (sheet, device) in devices.all() {
            for pattern in &device.parts {
                let code = pattern.replace('?', "R").replace('*', "");
                assert_eq!(devices.by_part(&code).map(|found| &found.name), Some(&device.name), "{sheet}: {code}");
            }
        }
    }

    #[test]
    fn a_field_outside_its_word_is_refused_with_its_line() {
        let sheet = shelf::built_in("devices").into_iter().find(|sheet| sheet.name == "stm32f40x").unwrap();
        let text = sheet.text.replacen("bit = 8, bits = 8", "bit = 28, bits = 8", 1);
        let error = parse(&Sheet { text, ..sheet }).unwrap_err().to_string();
        assert!(error.starts_with("profiles/devices/stm32f40x.toml:"), "{error}");
        assert!(error.ends_with("`RDP` does not fit a 32-bit word"), "{error}");
    }

    #[test]
    fn equal_dev_ids_are_all_offered() {
        let names: Vec<_> = built_in().by_dev_id(0x448).iter().map(|device| device.name.clone()).collect();
        assert_eq!(names, ["STM32F070xB", "STM32F071/072"]);
    }

    #[test]
    fn the_clock_of_usb_depends_on_the_rom_version() {
        let devices = built_in();
        let h743 = devices.by_part("STM32H743").unwrap();
        assert_eq!(h743.rom_with_id(0xD2).unwrap().usb_clock, UsbClock::Hse);
        assert_eq!(h743.rom_with_id(0x91).unwrap().usb_clock, UsbClock::Hsi48Crs);
        assert!(h743.rom_with_id(0x77).is_none());
    }

    #[test]
    fn a_layout_suggests_the_parts_that_have_it() {
        let devices = built_in();
        let found = devices.by_layout("@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg");
        assert!(found.iter().any(|device| device.dev_id == 0x449));
        assert!(found.iter().all(|device| device.family == "STM32F7"));
        let two_banks_as_one = devices.by_layout("@Internal Flash   /0x08000000/16*128Kg");
        assert!(two_banks_as_one.iter().any(|device| device.dev_id == 0x450));
        for nonsense in ["", "@", "@x/08000000/1*1Kg", "@Internal Flash /0x08000000/4294967295*4294967295Kg"] {
            assert!(devices.by_layout(nonsense).is_empty(), "{nonsense}");
        }
    }
}
