//! What the option bytes of a part with a coprocessor have to be before its upgrade service can work.
//!
//! Bits and addresses: CubeProgrammer database, release notes of STM32CubeWB, ST wiki on the FUS; field reports where it says so.

use super::boot_entry::BootEntry;
use super::device::Device;
use super::option_bytes::Decoded;
use super::read_protection::ReadProtection;
use crate::observation::units::Address;

/// One precondition, judged by what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    pub text: String,
    pub is_broken: bool,
}

fn holds(text: impl Into<String>) -> Precondition {
    Precondition { text: text.into(), is_broken: false }
}

fn broken(text: impl Into<String>) -> Precondition {
    Precondition { text: text.into(), is_broken: true }
}

/// Nothing for a part without a coprocessor, and nothing about fields that were not read or stand in damaged words.
pub fn judge(device: &Device, decoded: &Decoded) -> Vec<Precondition> {
    let Some(coprocessor) = &device.coprocessor else { return Vec::new() };
    let value = |name: &str| {
        let field = decoded.fields.iter().find(|field| field.name == name)?;
        (!decoded.damaged.iter().any(|damage| damage.at.0 & !3 == field.at.0 & !3)).then_some(field.value)
    };
    let shared_ram = (coprocessor.shared_ram, coprocessor.shared_bytes);
    [
        value("RDP").map(|rdp| protection(&device.family, rdp)),
        boot(device, &value),
        value("SFSA").map(secure_flash),
        value("SBRV").zip(value("C2OPT")).map(|(vector, flash)| boot_vector(vector, flash)),
        value("IPCCDBA").map(|offset| mailbox(offset, shared_ram)),
        security(&value),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn protection(family: &str, rdp: u32) -> Precondition {
    match ReadProtection::of(family, rdp, 8) {
        ReadProtection::Level0 => holds("RDP is at level 0, so that an image can be written"),
        _ => broken(format!("RDP is 0x{rdp:02X}, not level 0: the ROM refuses to write an image (errVENDOR)")),
    }
}

/// The service resets the part several times; over DFU it has to come back into the ROM each time.
fn boot(device: &Device, value: &impl Fn(&str) -> Option<u32>) -> Option<Precondition> {
    let (pin, nboot0, nboot1) = (value("nSWBOOT0")? == 1, value("nBOOT0")?, value("nBOOT1")?);
    let entry = BootEntry::of(device, value)?;
    Some(match (pin, nboot0, nboot1) {
        (true, _, 1) => holds(format!("{entry} (nSWBOOT0 1): keep it high until the service has finished")),
        (false, 0, 1) => holds(entry.to_string()),
        (false, 1, 1) => broken(format!(
            "{entry} (nSWBOOT0 0, nBOOT0 1): tools leave that behind after work on the service over SWD; over DFU it needs \
             nSWBOOT0 1, or nBOOT0 0"
        )),
        _ => broken(format!("{entry} (nSWBOOT0 {}, nBOOT0 {nboot0})", u32::from(pin))),
    })
}

fn secure_flash(page: u32) -> Precondition {
    let start = Address(0x0800_0000 + (page & 0xFF) * 4096);
    holds(format!("SFSA is 0x{page:02X}: an image has to end below {start}, and the application below the image"))
}

/// Safe boot was seen with these vectors in field reports.
fn boot_vector(vector: u32, from_flash: u32) -> Precondition {
    let from = if from_flash == 1 { "flash" } else { "SRAM2" };
    match vector {
        0x3_FFFF | 0x3_1C00..=0x3_1FFF => broken(format!(
            "SBRV is 0x{vector:05X}: the coprocessor starts into safe boot as field reports show it, and with version 0.0.0 \
             the service does not run"
        )),
        _ => holds(format!("SBRV lets the coprocessor start at offset 0x{:05X} of {from}", vector * 4)),
    }
}

/// The table of the service hangs from a pointer there.
fn mailbox(offset: u32, (shared_ram, shared_bytes): (Address, u32)) -> Precondition {
    let at = Address(shared_ram.0 + (offset & 0x3FFF) * 4);
    if at.0 < shared_ram.0 + shared_bytes {
        holds(format!("IPCCDBA puts the mailbox at {at}"))
    } else {
        broken(format!("IPCCDBA is 0x{offset:X} and puts the mailbox at {at}, outside of the shared RAM"))
    }
}

fn security(value: &impl Fn(&str) -> Option<u32>) -> Option<Precondition> {
    match (value("ESE"), value("FSD")) {
        (Some(0), _) => Some(broken("ESE is 0: security is off, and the service cannot run")),
        (_, Some(1)) => Some(broken("FSD is 1: flash security is off, and no firmware of the coprocessor can be kept")),
        (Some(_), _) => Some(holds("ESE is 1: security is on")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::device;
    use crate::profile::option_bytes::{self, Reading, View};

    /// The user options and the secure words of a WB55, values with complements.
    fn broken_of(part: &str, user: u32, ipccdba: u32, sfsa: u32, sbrv: u32) -> Vec<String> {
        let words = |at: u32, word: u32| Reading {
            address: Address(at),
            bytes: word.to_le_bytes().into_iter().chain((!word).to_le_bytes()).collect(),
        };
        let readings =
            [words(0x1FFF_8000, user), words(0x1FFF_8068, ipccdba), words(0x1FFF_8070, sfsa), words(0x1FFF_8078, sbrv)];
        let devices = device::catalogue().unwrap();
        let device = devices.by_part(part).unwrap();
        let judged = judge(device, &option_bytes::decode(device, View::Dfu, &readings));
        judged.into_iter().filter(|judged| judged.is_broken).map(|judged| judged.text).collect()
    }

    const USER: u32 = 0x3DFF_F1AA;
    const SBRV: u32 = 0x8000_0000 | 0x3_3800;

    #[test]
    fn a_part_from_the_factory_breaks_nothing_and_each_wrong_value_has_its_sentence() {
        assert_eq!(broken_of("STM32WB55CE", USER, 0, 0x7A, SBRV), Vec::<String>::new());
        for (user, ipccdba, sbrv, words) in [
            (USER & !0xFF | 0x55, 0, SBRV, "RDP is 0x55, not level 0"),
            (USER & !(1 << 26), 0, SBRV, "nSWBOOT0 0, nBOOT0 1"),
            (USER & !(1 << 23), 0, SBRV, "boots from SRAM, NOT the ROM"),
            (USER & !(1 << 8), 0, SBRV, "ESE is 0"),
            (USER, 0x3FFF, SBRV, "outside of the shared RAM"),
            (USER, 0, 0x8003_FFFF, "safe boot"),
        ] {
            let told = broken_of("STM32WB55CE", user, ipccdba, 0x7A, sbrv);
            assert!(told.len() == 1 && told[0].contains(words), "`{words}` is missing: {told:?}");
        }
    }

    #[test]
    fn a_part_without_coprocessor_has_no_preconditions() {
        assert!(broken_of("STM32L476RG", 0, 0, 0, 0).is_empty());
        let devices = device::catalogue().unwrap();
        let l476 = devices.by_part("STM32L476RG").unwrap();
        assert!(judge(l476, &option_bytes::decode(l476, View::Dfu, &[])).is_empty());
    }
}
