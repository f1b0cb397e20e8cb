//! The data-sheet page of a device: everything a profile says, in the order in which a flaky DFU board makes one ask.

use std::fmt::Write as _;

use crate::observation::units::Address;

use super::device::Device;
use super::memory::{Encoding, FlashMap, OptionBytes, OptionField, OtpArea};
use super::option_meanings;
use super::rom::{Crystals, Pull, Rom, RomDfu, Timing, version_name};
use super::sources::Confidence;

const LABEL_COLUMNS: usize = 18;
const PAGE_COLUMNS: usize = 100;

/// The page as plain text.
pub fn page(device: &Device) -> String {
    let mut page = Page::default();
    page.line(&format!("{}   DEV_ID 0x{:03X}   family {}", device.name, device.dev_id, device.family));
    page.line(&format!("order codes: {}", device.parts.join(" ")));
    page.line(&founded(&format!("source: {}", device.source), device.confidence));
    if let Some(text) = &device.told_apart {
        page.row("same DEV_ID", text);
    }
    for conflict in &device.conflicts {
        page.row("SOURCES DISAGREE", &conflict.about);
        conflict.claims.iter().for_each(|claim| page.row("", &format!("- {claim}")));
        let followed = conflict.followed.as_deref().unwrap_or("none of them; verify on silicon");
        page.row("", &format!("this page follows {followed}"));
    }
    device.notes.iter().for_each(|note| page.row("note", note));
    rom(&mut page, device);
    entry(&mut page, device);
    usb(&mut page, device);
    memory(&mut page, device);
    if let Some(bytes) = &device.option_bytes {
        option_bytes(&mut page, device, bytes);
    }
    otp(&mut page, device);
    registers(&mut page, device);
    limitations(&mut page, device);
    page.text
}

fn rom(page: &mut Page, device: &Device) {
    page.section("ROM bootloader");
    for rom in &device.roms {
        page.row(rom.generation.as_deref().unwrap_or("all versions"), &ids(rom));
        page.row("  DFU", dfu(&rom.dfu).as_str());
        if !rom.dfu.is_there() {
            continue;
        }
        page.row("  USB clock", rom.usb_clock.meaning());
        if let Some(crystals) = &rom.crystals {
            page.row("  crystals", &crystals_text(crystals));
        }
        if let Some(detection) = &rom.hse_detection {
            let text = format!("{} MHz timer clock; {}", detection.clock_mhz, detection.source);
            page.row("  measured with", &founded(&text, detection.confidence));
        }
        if let Some(ms) = rom.hse_timeout_ms {
            page.row("  HSE time-out", &format!("{ms} ms"));
        }
        timings(page, "  ready after", &rom.startup);
        timings(page, "  USB after", &rom.usb_connect);
        page.row("  source", &founded(&rom.source, rom.confidence));
    }
}

fn entry(page: &mut Page, device: &Device) {
    if device.boot.is_none() && device.system_memory.is_none() && device.rom_pins.is_empty() {
        return;
    }
    page.section("Getting into the ROM");
    if let Some(boot) = &device.boot {
        page.row("selected by", &format!("{} (pattern {}; {})", boot.text, boot.pattern, boot.source));
    }
    if let Some(memory) = &device.system_memory {
        if let Some((start, end)) = memory.start.zip(memory.end) {
            page.row("system memory", &format!("{start} to {end}"));
        }
        if let Some(address) = memory.id_address {
            page.row("ROM id byte", &format!("at {address}"));
        }
        if let Some(ram) = &memory.free_ram {
            page.row("free RAM", ram);
        }
        page.row("source", &founded(&memory.source, memory.confidence));
    }
    for pin in &device.rom_pins {
        let pull = match pin.pull {
            Pull::None => "NO PULL",
            Pull::Up => "pulled up",
            Pull::Down => "pulled down",
        };
        let only = pin.only.as_ref().map(|only| format!(", {only} only")).unwrap_or_default();
        let remark = pin.remark.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default();
        page.row("competes with USB", &format!("{} on {}: {pull}{only}{remark}", pin.interface, pin.pins));
    }
}

fn usb(page: &mut Page, device: &Device) {
    if device.usb.is_none() && device.serial.is_none() {
        return;
    }
    page.section("USB");
    if let Some(usb) = &device.usb {
        page.row("D-, D+", &usb.pins);
        page.row("pull-up on D+", usb.external_pull_up.as_deref().unwrap_or("inside the part"));
        if usb.high_speed {
            page.row("speed", "high speed");
        }
        page.row("source", &usb.source);
    }
    if let Some(serial) = &device.serial {
        page.row("serial number", &founded(&format!("{} ({})", serial.text, serial.source), serial.confidence));
    }
}

fn memory(page: &mut Page, device: &Device) {
    let Some(flash) = &device.flash else { return };
    page.section("Flash");
    flash.maps.iter().for_each(|map| page.row(&format!("{} KB", map.size_kb), &sectors(map)));
    flash.layouts.iter().for_each(|layout| page.row("layout string", &format!("\"{layout}\"")));
    if let Some(address) = flash.size_register {
        page.row("size register", &address.to_string());
    }
    if let Some(bytes) = flash.write_align_bytes {
        page.row("writes", &format!("multiples of {bytes} bytes"));
    }
    page.row("source", &founded(&flash.source, flash.confidence));
}

fn option_bytes(page: &mut Page, device: &Device, bytes: &OptionBytes) {
    page.section("Option bytes");
    for area in &bytes.dfu_areas {
        let length = area.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
        page.row("over DFU", &format!("{}{length}", area.address));
    }
    if let Some(address) = bytes.swd_address {
        page.row("over SWD", &address.to_string());
    }
    let encoding = match bytes.encoding {
        Encoding::NotKnown => "how complements are stored is not known, so none are checked",
        Encoding::Registers => "registers: values without complements",
        Encoding::ByteComplement => "each byte followed by its complement",
        Encoding::HalfWordComplement => "each 16-bit value followed by its complement",
        Encoding::WordComplement => "each 32-bit value followed by its complement",
    };
    page.row("encoding", &founded(encoding, bytes.encoding_confidence));
    fields(page, "fields over DFU", &bytes.dfu_fields);
    fields(page, "fields over SWD", &bytes.swd_fields);
    let shown = if bytes.swd_fields.is_empty() { &bytes.dfu_fields } else { &bytes.swd_fields };
    for (name, text) in option_meanings::of(device, shown) {
        page.row(&format!("  {name}"), &text);
    }
    page.row("source", &founded(&bytes.source, bytes.confidence));
}

/// One line per word: address, then name and bits of each field.
fn fields(page: &mut Page, label: &str, fields: &[OptionField]) {
    for (at, chunk) in fields.chunk_by(|a, b| a.at == b.at).enumerate() {
        let names: Vec<_> = chunk.iter().map(field).collect();
        page.row(if at == 0 { label } else { "" }, &format!("{}: {}", chunk[0].at, names.join(", ")));
    }
}

fn field(field: &OptionField) -> String {
    match field.bits {
        1 => format!("{} [{}]", field.name, field.bit),
        bits => format!("{} [{}:{}]", field.name, field.bit + bits - 1, field.bit),
    }
}

fn otp(page: &mut Page, device: &Device) {
    let Some(otp) = &device.otp else { return };
    page.section("One-time programmable memory");
    match &otp.area {
        None => page.row("area", "none"),
        Some(area) => otp_area(page, area),
    }
    page.row("source", &founded(&otp.source, otp.confidence));
}

fn otp_area(page: &mut Page, area: &OtpArea) {
    let blocks = area.block_bytes.map(|bytes| format!(", in {} blocks of {bytes} bytes", area.data_bytes / bytes));
    page.row("area", &format!("{}, {} bytes{}", area.address, area.data_bytes, blocks.unwrap_or_default()));
    if let Some((address, bytes)) = area.lock_address.zip(area.lock_bytes) {
        page.row("locks", &format!("{address}, {bytes} bytes"));
    }
    if let Some(rule) = &area.rule {
        page.row("rule", rule);
    }
}

fn registers(page: &mut Page, device: &Device) {
    let Some(registers) = &device.registers else { return };
    page.section("Registers worth reading over SWD");
    for (label, address) in [
        ("unique id", registers.unique_id),
        ("DBGMCU_IDCODE", registers.dbgmcu_idcode),
        ("RCC", registers.rcc),
        ("RCC_PLLCFGR", registers.pll_config),
        ("CRS", registers.crs),
    ] {
        if let Some(address) = address {
            page.row(label, &address.to_string());
        }
    }
    if let Some(control) = &device.flash_control {
        page.row("flash controller", &format!("{} ({})", control.base, founded(&control.source, control.confidence)));
    }
    if let Some(tables) = &device.coprocessor {
        page.row(
            "shared RAM",
            &format!(
                "{}, mailbox at + IPCCDBA x 4 ({})",
                tables.shared_ram,
                founded(&tables.source, tables.confidence)
            ),
        );
    }
    if let Some(cause) = &registers.reset_cause {
        let flags: Vec<_> = cause.flags.iter().map(|flag| format!("{} [{}]", flag.name, flag.bit)).collect();
        page.row("reset flags", &format!("{}: {}", cause.address, flags.join(", ")));
    }
    page.row("source", &founded(&registers.source, registers.confidence));
}

fn limitations(page: &mut Page, device: &Device) {
    if device.limitations.is_empty() {
        return;
    }
    page.section("Known limitations of the ROM");
    for limitation in &device.limitations {
        let mut text = limitation.text.clone();
        if let Some(workaround) = &limitation.workaround {
            let _ = write!(text, "; what helps: {workaround}");
        }
        page.row(&limitation.versions, &format!("{text} ({})", limitation.source));
    }
}

fn ids(rom: &Rom) -> String {
    if rom.ids.is_empty() {
        return "no identity byte is known".into();
    }
    let with_version =
        |id: &u16| version_name(*id).map_or(format!("0x{id:02X}"), |name| format!("0x{id:02X} ({name})"));
    format!("ROM id {}", rom.ids.iter().map(with_version).collect::<Vec<_>>().join(", "))
}

fn dfu(dfu: &RomDfu) -> String {
    match dfu {
        RomDfu::Absent => "NONE: DFU on this part comes from a loader in flash, not from the ROM".into(),
        RomDfu::Present => "yes; protocol version not found".into(),
        RomDfu::Protocol(version) => format!("yes, protocol {version}"),
        RomDfu::Unknown => "not known".into(),
    }
}

fn crystals_text(crystals: &Crystals) -> String {
    match crystals {
        Crystals::WholeMhz(low, high) => format!("whole MHz from {low} to {high}"),
        Crystals::ListMhz(list) => {
            let shown: Vec<_> = list.iter().map(f64::to_string).collect();
            format!("{} MHz and no others", shown.join(", "))
        }
    }
}

fn timings(page: &mut Page, label: &str, timings: &[Timing]) {
    let shown = |timing: &Timing| {
        let when = timing.when.as_ref().map(|when| format!(" ({when})")).unwrap_or_default();
        format!("{} ms{when}", timing.ms)
    };
    if !timings.is_empty() {
        page.row(label, &format!("at least {}", timings.iter().map(shown).collect::<Vec<_>>().join(", ")));
    }
}

fn sectors(map: &FlashMap) -> String {
    let size =
        |bytes: u32| if bytes.is_multiple_of(1024) { format!("{} KB", bytes / 1024) } else { format!("{bytes} B") };
    let runs: Vec<_> = map.regions.iter().map(|run| format!("{} x {}", run.sectors, size(run.sector_bytes))).collect();
    let start = map.regions.first().map_or(Address(0), |run| run.at);
    let banks = if map.banks == 1 { "one bank".to_owned() } else { format!("{} banks", map.banks) };
    format!("{banks} from {start}: {}", runs.join(", "))
}

/// Says so where a text is not documented.
fn founded(text: &str, confidence: Confidence) -> String {
    if confidence.is_documented() { text.to_owned() } else { format!("{text} [{confidence}]") }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!("\n{title}"));
    }

    /// A label and its text, wrapped under itself.
    fn row(&mut self, label: &str, text: &str) {
        let room = PAGE_COLUMNS - LABEL_COLUMNS - 3;
        let mut label = label.to_owned();
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                self.line(&format!("  {label:<LABEL_COLUMNS$} {line}"));
                label.clear();
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(format!("  {label:<LABEL_COLUMNS$} {line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device::Devices;
    use crate::profile::shelf;

    fn page_of(sheet: &str) -> String {
        page(Devices::from_sheets(&shelf::built_in("devices")).unwrap().by_sheet(sheet).unwrap())
    }

    #[test]
    fn pages_of_three_parts() {
        for sheet in ["stm32f74x", "stm32h523", "stm32f10x-md"] {
            insta::assert_snapshot!(sheet, page_of(sheet));
        }
    }

    #[test]
    fn no_page_is_wider_than_a_hundred_columns_but_for_a_single_word() {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        for (sheet, device) in devices.all() {
            for line in page(device).lines().skip(2) {
                assert!(line.chars().count() <= PAGE_COLUMNS || !line.trim().contains("  "), "{sheet}: {line}");
            }
        }
    }
}
