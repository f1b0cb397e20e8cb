//! What follows from a report's facts together with the tables of parts and images: identities and addresses that do not fit.

use super::register_facts;
use crate::evidence::observed::Observed;
use crate::observation::event::EventKind;
use crate::observation::fact::{Fact, FactValue};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device::{Device, Devices};
use crate::profile::fus::{self, FusTable};
use crate::profile::otp::{self, Place};
use crate::swd::stlink_firmware::ProbeFirmware;

/// Facts to be noted after the ones of the report, each with the line and quote of the fact it rests on.
pub fn derive(observed: &Observed, devices: &Devices, images: &FusTable) -> Vec<EventKind> {
    let device = device_of(observed, devices);
    let mut derived = Vec::new();
    derived.extend(part_by_hearsay(observed));
    derived.extend(device.is_none().then(|| without_dfu(observed, devices)).flatten());
    derived.extend(dfu_not_at_issue(observed));
    derived.extend(device.iter().flat_map(|device| register_facts::derive(observed, device)));
    derived.extend(old_probe_firmware(observed));
    derived.extend(unfit_interface(observed));
    derived.extend(unfit_script(observed, device));
    derived.extend(device.and_then(|device| unfit_identity(observed, device, devices)));
    derived.extend(unknown_to_the_tool(observed, devices));
    derived.extend(device.and_then(|device| otp_address(observed, device, devices)));
    derived.extend(device.and_then(|device| beyond_flash(observed, device)));
    derived.extend(image_address(observed, images));
    derived.into_iter().map(EventKind::FactNoted).collect()
}

/// By the part that is named, or by the identity that a tool read.
fn device_of<'d>(observed: &Observed, devices: &'d Devices) -> Option<&'d Device> {
    let of_identity = || match fact(observed, "dev-id")?.value {
        FactValue::Number(id) => devices.by_dev_id(id as u16).first().copied(),
        _ => None,
    };
    observed.parts().find_map(|part| devices.by_part(part)).or_else(of_identity)
}

/// Where no part is named, the family that is, or the only one with a firmware upgrade service.
fn part_by_hearsay(observed: &Observed) -> Option<Fact> {
    if observed.parts().next().is_some() || fact(observed, "dev-id").is_some() {
        return None;
    }
    // What is only held against another part may be the part all the same.
    if let Some(basis) = fact(observed, "compared-part").or_else(|| fact(observed, "part-family")) {
        return Some(from(basis, "part", basis.value.clone()));
    }
    let basis = observed.facts().iter().find(|fact| fact.key.starts_with("fus-"))?;
    Some(from(basis, "part", FactValue::Text(FieldText::new("STM32WB"))))
}

/// A name that leaves the part open, where none of those that it may mean has DFU in its ROM.
fn without_dfu(observed: &Observed, devices: &Devices) -> Option<Fact> {
    let basis = fact(observed, "part")?;
    let FactValue::Text(part) = &basis.value else { return None };
    let candidates = devices.candidates(part.raw());
    let none_has = !candidates.is_empty() && candidates.iter().all(|device| !device.has_rom_dfu());
    none_has.then(|| from(basis, "no-part-of-that-name-has-dfu", FactValue::Flag(true)))
}

/// A report of a part that tells of no boot loader and no tool for one: that the ROM of the part has none explains nothing of it.
fn dfu_not_at_issue(observed: &Observed) -> Option<Fact> {
    const TELLING: [&str; 9] = [
        "names-dfu",
        "cannot-enter-loader",
        "boot-entry-done-right",
        "entered-by-boot0",
        "boot0-without-effect",
        "boot-pin-in-doubt",
        "rom-listed",
        "other-loader",
        "dfu-runtime-mode",
    ];
    let basis = fact(observed, "part")?;
    let told = observed.facts().iter().any(|fact| TELLING.contains(&fact.key.as_str()));
    (!told).then(|| from(basis, "dfu-not-at-issue", FactValue::Flag(true)))
}

/// OpenOCD was told to expect another family than the part is of.
fn unfit_script(observed: &Observed, device: Option<&Device>) -> Option<Fact> {
    let basis = fact(observed, "openocd-target")?;
    let FactValue::Text(script) = &basis.value else { return None };
    let named = || match &fact(observed, "part-family")?.value {
        FactValue::Text(family) => Some(family.raw().to_owned()),
        _ => None,
    };
    let by_part = || observed.parts().find_map(|part| part.get(.."STM32F4".len()).map(str::to_owned));
    let name = device.map(|device| device.family.clone()).or_else(named).or_else(by_part)?;
    let family = name.to_ascii_lowercase();
    if family.starts_with(script.raw().trim_end_matches('x')) {
        return None;
    }
    let words = format!("target/{}.cfg was used for an {}", script.raw(), device.map_or(&name, |device| &device.name));
    Some(Fact {
        quote: Some(FieldText::new(words)),
        ..from(basis, "target-script-does-not-fit", FactValue::Flag(true))
    })
}

/// Product ids of the ST-LINK generations.
const ST_LINKS: [&str; 8] = ["3744", "3748", "374b", "374e", "374f", "3752", "3753", "3754"];

/// The old scripts of OpenOCD each know one product id: V2 is 3748, V2-1 is 374b.
fn unfit_interface(observed: &Observed) -> Option<Fact> {
    let text = |key| match &fact(observed, key)?.value {
        FactValue::Text(text) => Some(text.raw().to_owned()),
        _ => None,
    };
    let (script, product) = (text("openocd-interface")?, text("probe-product")?);
    let looks_for = match script.as_str() {
        "stlink-v1" => "3744",
        "stlink-v2" => "3748",
        "stlink-v2-1" => "374b",
        "jlink" | "cmsis-dap" | "ftdi" if ST_LINKS.contains(&product.as_str()) => script.as_str(),
        _ => return None,
    };
    // What was opened was found; newer versions have one script for all.
    if product == looks_for || fact(observed, "probe-firmware").is_some() {
        return None;
    }
    let words = if looks_for == script {
        format!("interface/{script}.cfg is for another kind of probe, the system lists an ST-LINK (0483:{product})")
    } else {
        format!("interface/{script}.cfg looks for 0483:{looks_for}, the system lists 0483:{product}")
    };
    let basis = fact(observed, "openocd-interface")?;
    Some(Fact {
        quote: Some(FieldText::new(words)),
        ..from(basis, "target-script-does-not-fit", FactValue::Flag(true))
    })
}

/// A probe's firmware below what the tool at work needs.
fn old_probe_firmware(observed: &Observed) -> Option<Fact> {
    let basis = fact(observed, "probe-firmware")?;
    let FactValue::Text(text) = &basis.value else { return None };
    let firmware: ProbeFirmware = text.raw().split_whitespace().next()?.parse().ok()?;
    let tools = [("openocd", "OpenOCD"), ("pyocd", "pyOCD"), ("probe-rs", "probe-rs")];
    let at_work = |wanted: &str| tools.iter().any(|(tool, name)| observed.has_tool(tool) && wanted.starts_with(name));
    let minimum = firmware.falls_short_of().find(|minimum| at_work(minimum.wanted_by))?;
    let words = format!("the probe has {firmware}; {} needs V{}J{}", minimum.wanted_by, minimum.hardware, minimum.jtag);
    Some(Fact { quote: Some(FieldText::new(words)), ..from(basis, "probe-firmware-old", FactValue::Flag(true)) })
}

fn fact<'a>(observed: &'a Observed, key: &str) -> Option<&'a Fact> {
    observed.facts().iter().find(|fact| fact.key == key)
}

fn from(basis: &Fact, key: &str, value: FactValue) -> Fact {
    Fact { key: key.to_owned(), value, origin: basis.origin, quote: basis.quote.clone() }
}

/// A name too short to decide, as `STM32F103`, fits the identity of any part that it may mean.
fn unfit_identity(observed: &Observed, device: &Device, devices: &Devices) -> Option<Fact> {
    let basis = fact(observed, "dev-id")?;
    let FactValue::Number(id) = basis.value else { return None };
    let text = format!("{} has DEV_ID {:#05x}, read was {:#05x}", device.name, device.dev_id, id as u16);
    let may_be = observed.parts().flat_map(|part| devices.candidates(part)).any(|other| other.dev_id == id as u16);
    (id as u16 != device.dev_id && !may_be)
        .then(|| from(basis, "identity-does-not-fit", FactValue::Text(FieldText::new(text))))
}

/// The identity that a tool does not know is one of ST's: the tool is older than the part.
fn unknown_to_the_tool(observed: &Observed, devices: &Devices) -> Option<Fact> {
    let basis = fact(observed, "chip-id")?;
    let FactValue::Text(text) = &basis.value else { return None };
    let id = u32::from_str_radix(text.raw().trim_start_matches("0x"), 16).ok()?;
    let device = *devices.by_dev_id(u16::try_from(id & 0xfff).ok()?).first()?;
    // The upper half is a revision, the bits between are reserved.
    if id & 0xf000 != 0 && id & 0xf000 != 0x6000 {
        return None;
    }
    let words = FieldText::new(format!("{} is the identity of the {}", text.raw(), device.name));
    Some(Fact { quote: Some(words), ..from(basis, "part-unknown-to-the-tool", FactValue::Flag(true)) })
}

/// Whether the OTP address that is named is one of this part.
fn otp_address(observed: &Observed, device: &Device, devices: &Devices) -> Option<Fact> {
    let basis = fact(observed, "otp-address")?;
    let FactValue::Address(address) = basis.value else { return None };
    let place = otp::check(device, devices, address);
    let key = match &place {
        Place::NotKnown => return None,
        place if place.is_right() => "otp-address-fits",
        _ => "otp-address-of-other-part",
    };
    let words = FieldText::new(otp::sentence(device, address, &place));
    Some(Fact { quote: Some(words), ..from(basis, key, FactValue::Flag(true)) })
}

/// What lies higher in the same block, as the OTP of the H5, is no flash that somebody overran.
const FLASH_BLOCK_END: u32 = 0x0880_0000;

/// An address in the report that the flash of this part does not reach. L0 and L1 have their EEPROM there.
fn beyond_flash(observed: &Observed, device: &Device) -> Option<Fact> {
    let basis = fact(observed, "highest-flash-address")?;
    let highest = |fact: &&Fact| fact.key == basis.key;
    let address = |fact: &Fact| if let FactValue::Address(Address(address)) = fact.value { address } else { 0 };
    let basis = observed.facts().iter().filter(highest).max_by_key(|fact| address(fact))?;
    let named = address(basis);
    let size_kb = observed.part().and_then(flash_kb);
    let end = device.flash.as_ref()?.end(size_kb)?;
    if u64::from(named) < end || named >= FLASH_BLOCK_END || ["STM32L0", "STM32L1"].contains(&device.family.as_str()) {
        return None;
    }
    let words = format!("{} lies beyond the flash of the {}, which ends at {end:#010X}", Address(named), device.name);
    Some(Fact { quote: Some(FieldText::new(words)), ..from(basis, "address-beyond-flash", FactValue::Flag(true)) })
}

/// The letter of an order code for the size of the flash, the second behind the digits: `STM32F103C8` has 64 KB.
fn flash_kb(part: &str) -> Option<u32> {
    let kb = match part.strip_prefix("STM32")?.chars().nth(5)? {
        '4' => 16,
        '6' => 32,
        '8' => 64,
        'B' => 128,
        'C' => 256,
        'D' => 384,
        'E' => 512,
        'F' => 768,
        'G' => 1024,
        'H' => 1536,
        'I' => 2048,
        'Y' => 640,
        'Z' => 192,
        _ => return None,
    };
    Some(kb)
}

/// The file and the address of a wireless stack or FUS image against the release tables.
fn image_address(observed: &Observed, images: &FusTable) -> Option<Fact> {
    let basis = fact(observed, "fus-image-address")?;
    let FactValue::Address(Address(address)) = basis.value else { return None };
    let FactValue::Text(image) = &fact(observed, "fus-image")?.value else { return None };
    let flash_kb = observed.parts().find_map(fus::flash_kb_of_part);
    let fit = images.check_address(image.raw(), flash_kb, Address(address));
    if !fit.known {
        return None;
    }
    // An address of some other release is the wrong one for the release that is named.
    let release = fact(observed, "fus-release").and_then(|fact| match &fact.value {
        FactValue::Text(release) => Some(release.raw().to_owned()),
        _ => None,
    });
    let wanted = release.as_deref().map(|release| images.addresses_in(release, image.raw(), flash_kb));
    let (known, said) = match release.zip(wanted.filter(|wanted| !wanted.is_empty())) {
        Some((release, wanted)) => {
            let places = wanted.iter().map(Address::to_string).collect::<Vec<_>>().join(" or ");
            (wanted.contains(&Address(address)), format!("release {release} wants it at {places}; {fit}"))
        }
        None => (!fit.fits.is_empty(), fit.to_string()),
    };
    let quote = FieldText::new(format!("{} at {}: {said}", image.raw(), Address(address)));
    Some(Fact { quote: Some(quote), ..from(basis, "fus-address-known", FactValue::Flag(known)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::event::Event;
    use crate::observation::fact::Origin;
    use crate::profile::shelf;

    #[test]
    fn an_address_beyond_the_flash_is_told_for_the_part_that_is_named() {
        let devices = Devices::from_sheets(&shelf::built_in("devices")).unwrap();
        let told = |part: &str, address: u32| {
            let mut observed = Observed::default();
            for (key, value) in [
                ("part", FactValue::Text(FieldText::new(part))),
                ("highest-flash-address", FactValue::Address(Address(address))),
            ] {
                let fact = Fact { key: key.to_owned(), value, origin: Origin::Line(1), quote: None };
                observed.absorb(&Event { seq: 1, at: None, kind: EventKind::FactNoted(fact) });
            }
            beyond_flash(&observed, devices.by_part(part).unwrap()).is_some()
        };
        assert!(told("STM32WB55CE", 0x080D_C000));
        assert!(!told("STM32WB55RG", 0x080D_C000));
        assert!(!told("STM32WB55", 0x080D_C000), "the size is not known");
        assert!(!told("STM32L072CZ", 0x0808_0000), "its EEPROM");
    }

    #[test]
    fn an_address_of_another_release_is_the_wrong_one_for_the_release_that_is_named() {
        let told = |release: Option<&str>| {
            let mut observed = Observed::default();
            let image = FactValue::Text(FieldText::new("stm32wb1x_BLE_Stack_light_fw.bin"));
            let mut facts = vec![
                ("part", FactValue::Text(FieldText::new("STM32WB15CC"))),
                ("fus-image", image),
                ("fus-image-address", FactValue::Address(Address(0x0802_9000))),
            ];
            facts.extend(release.map(|release| ("fus-release", FactValue::Text(FieldText::new(release)))));
            for (key, value) in facts {
                let fact = Fact { key: key.to_owned(), value, origin: Origin::Line(1), quote: None };
                observed.absorb(&Event { seq: 1, at: None, kind: EventKind::FactNoted(fact) });
            }
            let fact = image_address(&observed, &fus::table().unwrap()).unwrap();
            (fact.value, fact.quote.unwrap().raw().to_owned())
        };
        assert_eq!(told(None).0, FactValue::Flag(true));
        let (known, said) = told(Some("1.16.0"));
        assert_eq!(known, FactValue::Flag(false));
        assert!(said.contains("release 1.16.0 wants it at 0x08028000"), "{said}");
        assert_eq!(told(Some("1.17.0")).0, FactValue::Flag(true));
        assert_eq!(told(Some("9.9.9")).0, FactValue::Flag(true), "a release that the tables do not have");
    }

    /// What follows of the script that OpenOCD was given and the probe that the system lists.
    fn unfit(script: &str, product: &str) -> Option<String> {
        let mut observed = Observed::default();
        for (key, text) in [("openocd-interface", script), ("probe-product", product)] {
            let value = FactValue::Text(FieldText::new(text));
            let fact = Fact { key: key.to_owned(), value, origin: Origin::Line(1), quote: None };
            observed.absorb(&Event { seq: 1, at: None, kind: EventKind::FactNoted(fact) });
        }
        unfit_interface(&observed)?.quote.map(|quote| quote.raw().to_owned())
    }

    #[test]
    fn a_script_for_another_probe_is_told() {
        assert!(unfit("stlink-v2-1", "3748").unwrap().contains("looks for 0483:374b"));
        assert!(unfit("jlink", "3748").unwrap().contains("is for another kind of probe"));
        for (script, product) in [("stlink-v2", "3748"), ("stlink", "374e"), ("jlink", "0101")] {
            assert_eq!(unfit(script, product), None, "{script} {product}");
        }
    }
}
