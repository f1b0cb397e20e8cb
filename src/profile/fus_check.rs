//! What will go wrong with a coprocessor image before anyone flashes it: type, address, size, upgrade path.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::observation::units::Address;

use super::fus::{self, FusFamily, FusImage, FusTable};
use super::loader;

const FLASH_BASE: u32 = 0x0800_0000;
const SFSA_PAGE_BYTES: u32 = 4096;

/// What somebody is about to install.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The file name, as in the release.
    pub binary: &'a str,
    pub size_bytes: Option<u64>,
    /// `STM32WB55CE`; the last letter tells the size of the flash.
    pub part: &'a str,
    pub release: &'a str,
    /// Where it is to go; the table's address where absent.
    pub address: Option<Address>,
    /// What the FUS says of itself.
    pub fus_version: Option<FusVersion>,
    /// The secure flash start address as read from the option bytes.
    pub sfsa: Option<u8>,
}

/// `1.2.0`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct FusVersion(pub u8, pub u8, pub u8);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a FUS version; one looks like 1.2.0")]
pub struct NotAFusVersion(String);

impl FromStr for FusVersion {
    type Err = NotAFusVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Option<Vec<u8>> =
            text.trim_start_matches('v').split('.').take(4).map(|part| part.parse().ok()).collect();
        match parts.as_deref() {
            Some([major, minor, sub, ..]) => Ok(Self(*major, *minor, *sub)),
            _ => Err(NotAFusVersion(text.to_owned())),
        }
    }
}

impl TryFrom<String> for FusVersion {
    type Error = NotAFusVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Right,
    /// Cannot be told from what is given.
    Open,
    Wrong,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub grade: Grade,
    pub text: String,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Right => "right",
            Grade::Open => "open",
            Grade::Wrong => "WRONG",
        };
        write!(f, "{grade:<6} {}", self.text)
    }
}

fn right(text: String) -> Judgement {
    Judgement { grade: Grade::Right, text }
}

fn open(text: impl Into<String>) -> Judgement {
    Judgement { grade: Grade::Open, text: text.into() }
}

fn wrong(text: String) -> Judgement {
    Judgement { grade: Grade::Wrong, text }
}

/// Everything that can be said; the first wrong thing that makes the rest idle ends it.
pub fn judge(table: &FusTable, plan: &Plan<'_>) -> Vec<Judgement> {
    let Some(family) = table.family_of_part(plan.part) else {
        return vec![wrong(format!("{} has no coprocessor: the FUS is a matter of STM32WB parts", plan.part))];
    };
    let mut judgements = Vec::new();
    match image(table, family, plan) {
        Ok(image) => {
            judgements.push(right(format!("{} is an image for {}", image.binary, family.name)));
            address(table, family, image, plan, &mut judgements);
        }
        Err(refusal) => return vec![refusal],
    }
    upgrade_path(plan, &mut judgements);
    judgements.push(open(
        "no second copy of an image may be in the flash: the FUS scans all of it and calls a duplicate not authentic \
         or corrupt (FUS_IMAGE_NOT_AUTHENTIC); erase first",
    ));
    judgements
}

fn image<'a>(table: &FusTable, family: &'a FusFamily, plan: &Plan<'_>) -> Result<&'a FusImage, Judgement> {
    if let Some(other) = table.family_of_binary(plan.binary).filter(|other| other.name != family.name) {
        return Err(wrong(format!(
            "{} is an image for {}, and {} is {}: the signature check will fail (FUS_IMAGE_NOT_AUTHENTIC)",
            plan.binary, other.name, plan.part, family.name
        )));
    }
    family.image(plan.binary).ok_or_else(|| {
        let near = loader::nearest(plan.binary, family.images.iter().map(|image| image.binary.as_str()));
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        wrong(format!("no release has an image {}{hint}", plan.binary))
    })
}

fn address(table: &FusTable, family: &FusFamily, image: &FusImage, plan: &Plan<'_>, judgements: &mut Vec<Judgement>) {
    if !family.releases.iter().any(|release| release == plan.release) {
        judgements.push(wrong(format!(
            "release {} is not in the tables; they go from {} to {}",
            plan.release,
            family.releases.first().map_or("", String::as_str),
            family.releases.last().map_or("", String::as_str)
        )));
        return;
    }
    let flash_kb = fus::flash_kb_of_part(plan.part);
    if flash_kb.is_none() {
        judgements.push(open(format!("{} does not tell the size of its flash; name the whole part", plan.part)));
    }
    let wanted: Vec<Address> = family
        .of_release(plan.release)
        .filter(|(other, place)| {
            other.binary == image.binary
                && (flash_kb.is_none() || place.flash_kb.is_none() || place.flash_kb == flash_kb)
        })
        .map(|(_, place)| place.address)
        .collect();
    let shown = wanted.iter().map(Address::to_string).collect::<Vec<_>>().join(" or ");
    match (plan.address, wanted.as_slice()) {
        (_, []) => {
            judgements.push(wrong(format!("release {} does not have {} for this flash", plan.release, image.binary)));
        }
        (None, [..]) => judgements.push(right(format!("release {} wants it at {shown}", plan.release))),
        (Some(given), wanted) if wanted.contains(&given) => {
            judgements.push(right(format!("{given} is where release {} wants it", plan.release)));
        }
        (Some(given), _) => {
            let fit = table.check_address(plan.binary, flash_kb, given);
            judgements.push(wrong(format!("release {} wants it at {shown}, not at {given}: {fit}", plan.release)));
        }
    }
    let single = if let [only] = wanted.as_slice() { Some(*only) } else { None };
    if let Some(start) = plan.address.or(single) {
        size(start, flash_kb, plan, judgements);
    }
}

/// The image must end below the secure flash.
fn size(start: Address, flash_kb: Option<u32>, plan: &Plan<'_>, judgements: &mut Vec<Judgement>) {
    let Some(size_bytes) = plan.size_bytes else {
        judgements.push(open("the size of the image is not known: name the file itself"));
        return;
    };
    let end = u64::from(start.0) + size_bytes;
    let flash_end = flash_kb.map(|kb| u64::from(FLASH_BASE) + u64::from(kb) * 1024);
    if start.0 < FLASH_BASE || flash_end.is_some_and(|flash_end| end > flash_end) {
        judgements.push(wrong(format!("from {start}, {size_bytes} bytes do not fit into the flash")));
        return;
    }
    match plan.sfsa {
        None => judgements.push(open(format!(
            "it ends at 0x{end:08X}; that must lie below 0x08000000 + SFSA x 4096, and SFSA was not given"
        ))),
        Some(sfsa) => {
            let secure = u64::from(FLASH_BASE + u32::from(sfsa) * SFSA_PAGE_BYTES);
            if end > secure {
                judgements.push(wrong(format!(
                    "it ends at 0x{end:08X}, inside the secure flash that begins at 0x{secure:08X} (SFSA 0x{sfsa:02X}): \
                     delete the installed stack first, or writing will fail"
                )));
            } else {
                judgements.push(right(format!("it ends at 0x{end:08X}, below the secure flash at 0x{secure:08X}")));
            }
        }
    }
}

/// Which step comes next depends on the version that runs.
fn upgrade_path(plan: &Plan<'_>, judgements: &mut Vec<Judgement>) {
    let binary = plan.binary.to_ascii_lowercase();
    let special = binary.contains("for_fus_0_5_3");
    let Some(version) = plan.fus_version else {
        judgements.push(open("which version of the FUS runs was not given; the way to newer ones goes step by step"));
        return;
    };
    let FusVersion(major, minor, sub) = version;
    let is_fus = binary.contains("_fus_fw");
    match version {
        FusVersion(0, 0, 0) => judgements.push(wrong(
            "version 0.0.0 means that the FUS does not run: start it first, or look at SBRV for safeboot".to_owned(),
        )),
        FusVersion(0, 5, 3) if !special => judgements
            .push(wrong("FUS 0.5.3 takes only the special image for_fus_0_5_3, which leads to 1.2.0".to_owned())),
        _ if special && version != FusVersion(0, 5, 3) => {
            judgements.push(wrong(format!("this image is for FUS 0.5.3 only, and {major}.{minor}.{sub} runs")));
        }
        _ if is_fus && binary.contains("1_2_0") && version > FusVersion(1, 2, 0) => {
            judgements.push(wrong(format!("FUS {major}.{minor}.{sub} cannot be downgraded to 1.2.0")));
        }
        _ if is_fus && !special && !binary.contains("_1_") && version < FusVersion(1, 2, 0) => {
            judgements.push(wrong(format!("FUS {major}.{minor}.{sub} has to go to 1.2.0 first")));
        }
        _ if plan.release == "1.24.0" && needs_fus_2(&binary) && major < 2 => {
            judgements.push(wrong(format!("this stack of release 1.24.0 needs FUS 2, and {major}.{minor}.{sub} runs")));
        }
        _ => judgements.push(right(format!("FUS {major}.{minor}.{sub} can take this step"))),
    }
    if version == FusVersion(2, 0, 0) {
        judgements.push(open("FUS 2.0.0 reports image-not-found over SWD; install over USB"));
    }
}

/// Full, light, extended and combined stacks.
fn needs_fus_2(binary: &str) -> bool {
    let full = ["ble_stack_full", "ble_stack_light"].iter().any(|name| binary.contains(name));
    let combined = ["ble_thread", "ble_zigbee", "ble_mac"].iter().any(|name| binary.contains(name));
    full || combined
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "stm32wb5x_BLE_Stack_full_fw.bin";

    fn plan<'a>(binary: &'a str, release: &'a str) -> Plan<'a> {
        Plan { binary, size_bytes: None, part: "STM32WB55CE", release, address: None, fus_version: None, sfsa: None }
    }

    fn wrongs(plan: &Plan<'_>) -> Vec<String> {
        let judgements = judge(&fus::table().unwrap(), plan);
        judgements
            .into_iter()
            .filter(|judgement| judgement.grade == Grade::Wrong)
            .map(|judgement| judgement.text)
            .collect()
    }

    #[test]
    fn the_address_of_another_release_is_told() {
        let told = wrongs(&Plan { address: Some(Address(0x0805_3000)), ..plan(FULL, "1.20.0") });
        assert_eq!(
            told,
            ["release 1.20.0 wants it at 0x0805A000, not at 0x08053000: right for release 1.13.0 to 1.13.1 only; \
              release 1.24.0 wants 0x0805C000"]
        );
        assert!(wrongs(&Plan { address: Some(Address(0x0805_3000)), ..plan(FULL, "1.13.0") }).is_empty());
    }

    #[test]
    fn an_image_of_another_family_fails_its_signature() {
        let told = wrongs(&plan("stm32wb3x_BLE_Stack_full_fw.bin", "1.20.0"));
        assert!(told[0].contains("FUS_IMAGE_NOT_AUTHENTIC"), "{told:?}");
    }

    #[test]
    fn an_image_that_reaches_into_the_secure_flash_is_told() {
        let big = Plan { size_bytes: Some(100_000), sfsa: Some(0x70), ..plan(FULL, "1.20.0") };
        assert!(wrongs(&big)[0].contains("inside the secure flash that begins at 0x08070000"));
        assert!(wrongs(&Plan { sfsa: Some(0x5F), size_bytes: Some(20_000), ..big.clone() }).is_empty());
        assert!(wrongs(&Plan { size_bytes: Some(u64::MAX / 2), ..big })[0].contains("do not fit"));
    }

    #[test]
    fn the_way_to_a_new_fus_has_steps() {
        let at = |version: &str, binary| Plan { fus_version: Some(version.parse().unwrap()), ..plan(binary, "1.24.0") };
        assert!(wrongs(&at("0.5.3", FULL))[0].contains("special image"));
        assert!(wrongs(&at("1.1.0", "stm32wb5x_FUS_fw.bin"))[0].contains("1.2.0 first"));
        assert!(wrongs(&at("1.2.0", FULL))[0].contains("needs FUS 2"));
        assert!(wrongs(&at("2.0.0", FULL)).is_empty());
        assert!(wrongs(&at("2.0.0", "stm32wb5x_FUS_fw_1_2_0.bin"))[0].contains("downgraded"));
    }

    #[test]
    fn a_part_without_coprocessor_is_refused() {
        assert!(wrongs(&Plan { part: "STM32F407VG", ..plan(FULL, "1.20.0") })[0].contains("no coprocessor"));
    }
}
