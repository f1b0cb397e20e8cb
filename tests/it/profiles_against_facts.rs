//! Holds the device profiles against the tables of facts they were made from, where those are at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use flakescope::observation::units::Address;
use flakescope::profile::device::{Device, Devices};
use flakescope::profile::rom::{Crystals, Limitation, RomDfu, UsbClock};
use flakescope::profile::shelf;
use flakescope::profile::{fus, fus_code};
use flakescope::swd::stlink_status;

type Row = BTreeMap<String, String>;

fn table(name: &str) -> Option<Vec<Row>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/facts").join(name);
    let mut reader = csv::Reader::from_path(path).ok()?;
    Some(reader.deserialize().map(|row| row.expect("the tables of facts are well formed")).collect())
}

fn devices() -> Devices {
    Devices::from_sheets(&shelf::built_in("devices")).expect("the shipped profiles are valid")
}

fn number(text: &str) -> Option<u32> {
    let digits: String = text.strip_prefix("0x")?.chars().take_while(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(&digits, 16).ok()
}

fn address(text: &str) -> Option<Address> {
    number(text).map(Address)
}

/// The identity bytes of a row; empty where the table gives none.
fn ids(row: &Row) -> Vec<u16> {
    row["bl_ids"].split('|').filter_map(|id| number(id)?.try_into().ok()).collect()
}

/// The profile that a row became: same DEV_ID, and all its ROM ids.
fn profile_of<'a>(devices: &'a Devices, row: &Row) -> Option<&'a Device> {
    let dev_id = u16::try_from(number(&row["dev_id"])?).ok()?;
    let ids = ids(row);
    devices.by_dev_id(dev_id).into_iter().find(|device| ids.iter().all(|id| device.rom_with_id(*id).is_some()))
}

#[test]
fn every_row_of_the_device_table_has_its_profile() {
    let Some(rows) = table("devices.csv") else { return };
    let devices = devices();
    assert_eq!(rows.len(), 94);
    for row in &rows {
        let name = &row["device"];
        let device = profile_of(&devices, row).unwrap_or_else(|| panic!("{name} has no profile"));
        same_identity(name, device, row);
        same_memory(name, device, row);
        same_registers(name, device, row);
    }
    assert_eq!(devices.all().count(), 90, "four pairs of rows are ROM generations of one part");
}

fn same_identity(name: &str, device: &Device, row: &Row) {
    let id = ids(row).last().copied();
    let rom = id.map_or(&device.roms[0], |id| device.rom_with_id(id).expect("the profile was found by it"));
    let dfu = match row["rom_usb_dfu"].as_str() {
        "NO" => RomDfu::Absent,
        text if text.starts_with("yes V") => RomDfu::Protocol(text[5..8].to_owned()),
        "yes" => RomDfu::Present,
        _ => RomDfu::Unknown,
    };
    assert_eq!(rom.dfu, dfu, "{name}");
    let clock = row["usb_clock"].as_str();
    match rom.usb_clock {
        UsbClock::Hsi48Crs => assert!(clock.starts_with("HSI48+CRS"), "{name}: {clock}"),
        UsbClock::None => assert!(matches!(clock, "-" | ""), "{name}: {clock}"),
        UsbClock::HseMeasured | UsbClock::HseTried | UsbClock::HsePhy | UsbClock::Hse => {
            assert!(clock.starts_with("HSE"), "{name}: {clock}");
        }
        _ => {}
    }
    if let Some(Crystals::WholeMhz(low, high)) = rom.crystals {
        assert_eq!(row["hse_allowed_MHz"], format!("int MHz {low}..{high}"), "{name}");
    }
    if let Some(Crystals::ListMhz(list)) = &rom.crystals {
        let written = row["hse_allowed_MHz"].split(' ').next().expect("split gives at least one");
        let mut expected: Vec<f64> = written.split('|').map(|mhz| mhz.parse().expect("megahertz")).collect();
        if name.ends_with("(V10.x)") && row["hse_allowed_MHz"].contains("V10.x also 9") {
            expected.push(9.0);
        }
        let mut kept = list.clone();
        kept.sort_by(f64::total_cmp);
        expected.sort_by(f64::total_cmp);
        assert_eq!(kept, expected, "{name}");
    }
    if let Ok(ms) = row["rom_hse_timeout_ms"].parse::<f64>()
        && name != "STM32H742/743/745/747/750/753/755/757"
    {
        assert_eq!(rom.hse_timeout_ms, Some(ms), "{name}");
    }
    if let (Ok(pattern), Some(boot)) = (row["boot_pattern_AN2606_T2"].parse::<u8>(), &device.boot) {
        assert_eq!(boot.pattern, pattern, "{name}");
    }
}

fn same_memory(name: &str, device: &Device, row: &Row) {
    let system = device.system_memory.as_ref();
    assert_eq!(system.and_then(|system| system.start), address(&row["sysmem_start"]), "{name}");
    assert_eq!(system.and_then(|system| system.end), address(&row["sysmem_end"]), "{name}");
    assert_eq!(system.and_then(|system| system.id_address), address(&row["bl_id_addr"]), "{name}");
    let otp = device.otp.as_ref().and_then(|otp| otp.area.as_ref());
    assert_eq!(otp.map(|area| area.address), address(&row["otp_addr"]), "{name}");
    if let Some(area) = otp {
        let bytes = row["otp_len_bytes"].split('+').map(|part| part.parse::<u32>().expect("a length"));
        let expected: Vec<u32> = bytes.collect();
        assert_eq!(area.data_bytes, expected[0], "{name}");
        assert_eq!(area.lock_bytes, expected.get(1).copied(), "{name}");
    }
    let first_area = device.option_bytes.as_ref().and_then(|bytes| bytes.dfu_areas.first());
    assert_eq!(first_area.map(|area| area.address), address(&row["ob_addr_over_dfu"]), "{name}");
    let flash = device.flash.as_ref();
    assert_eq!(flash.and_then(|flash| flash.size_register), address(&row["flash_size_reg"]), "{name}");
}

fn same_registers(name: &str, device: &Device, row: &Row) {
    let registers = device.registers.as_ref();
    for (key, given) in [
        ("uid_addr", registers.and_then(|registers| registers.unique_id)),
        ("rcc_base", registers.and_then(|registers| registers.rcc)),
        ("crs_base", registers.and_then(|registers| registers.crs)),
        ("dbgmcu_idcode_addr", registers.and_then(|registers| registers.dbgmcu_idcode)),
    ] {
        let expected = address(&row[key]);
        // What the table leaves open comes from the header of the part.
        let is_from_elsewhere = expected.is_none() && row["uid_addr"].is_empty();
        assert!(given == expected || is_from_elsewhere, "{name}: {key} is {given:?}, not {expected:?}");
    }
}

#[test]
fn every_option_field_of_a_profile_is_in_the_table() {
    let Some(rows) = table("option_fields.csv") else { return };
    for (sheet, device) in devices().all() {
        let Some(bytes) = &device.option_bytes else { continue };
        // The table holds the database of CubeProgrammer; of other parts the header of the part tells.
        if bytes.source.starts_with("CMSIS header") {
            assert!(bytes.dfu_areas.is_empty(), "{sheet}: a header tells no area that DFU shows");
            continue;
        }
        for field in bytes.dfu_fields.iter().chain(&bytes.swd_fields) {
            let is_it = |row: &&Row| {
                number(&row["dev_id"]) == Some(u32::from(device.dev_id))
                    && row["field"] == field.name
                    && address(&row["word_address"]) == Some(field.at)
                    && row["bit_offset"] == field.bit.to_string()
                    && row["bit_width"] == field.bits.to_string()
            };
            assert!(rows.iter().any(|row| is_it(&row)), "{sheet}: {} is not in the table", field.name);
        }
    }
}

#[test]
fn every_known_limitation_of_a_rom_is_in_a_profile() {
    let Some(rows) = table("bootloader_versions.csv") else { return };
    let devices = devices();
    let kept: Vec<_> = devices.all().flat_map(|(_, device)| &device.limitations).collect();
    for row in &rows {
        let same = |limitation: &&&Limitation| {
            limitation.versions == row["version"] && limitation.source == row["source"] && !limitation.text.is_empty()
        };
        assert!(kept.iter().any(|limitation| same(&limitation)), "{} {}", row["device"], row["version"]);
    }
}

#[test]
fn the_release_table_of_coprocessor_images_is_complete() {
    let Some(rows) = table("fus_images.csv") else { return };
    let images = fus::table().expect("the shipped table is valid");
    let expected: BTreeSet<_> = rows
        .iter()
        .map(|row| {
            let flash_kb: Option<u32> = row["flash_kb"].parse().ok();
            let place = address(&row["install_address"]).expect("an address");
            (row["family"].clone(), row["release"].clone(), row["binary"].clone(), flash_kb, place)
        })
        .collect();
    let mut kept = BTreeSet::new();
    for family in &images.families {
        for release in &family.releases {
            for (image, place) in family.of_release(release) {
                kept.insert((
                    family.name.clone(),
                    release.clone(),
                    image.binary.clone(),
                    place.flash_kb,
                    place.address,
                ));
            }
        }
    }
    assert_eq!(kept, expected);
}

#[test]
fn the_errors_of_the_upgrade_service_have_the_names_of_the_table() {
    let Some(rows) = table("fus_codes.csv") else { return };
    for row in rows.iter().filter(|row| row["kind"] == "error") {
        let code = number(&row["value"]).expect("a code");
        let error = fus_code::error(u8::try_from(code).expect("a byte")).expect("every code is kept");
        assert_eq!(error.name, row["name"]);
    }
}

#[test]
fn the_statuses_of_the_probe_have_the_names_of_the_table() {
    let Some(rows) = table("stlink_status.csv") else { return };
    for row in &rows {
        let code = number(&row["code"]).expect("a code");
        let status = stlink_status::of_code(u8::try_from(code).expect("a byte")).expect("every code is kept");
        assert!(
            row["name"].starts_with(status.name) || status.name == "already opened in another mode",
            "{}",
            row["name"]
        );
    }
}
