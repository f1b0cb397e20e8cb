//! Where each release of STM32CubeWB wants each coprocessor image, and which releases an address fits.

use std::fmt;

use serde::Deserialize;

use crate::observation::units::Address;

use super::loader::{self, ProfileError};
use super::shelf::{self, Sheet};

/// The install addresses of all releases, as the release notes print them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FusTable {
    #[serde(rename = "family")]
    pub families: Vec<FusFamily>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FusFamily {
    /// `WB5x`.
    pub name: String,
    /// Oldest first.
    pub releases: Vec<String>,
    #[serde(rename = "image")]
    pub images: Vec<FusImage>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FusImage {
    /// The file name in the release.
    pub binary: String,
    pub at: Vec<FusPlace>,
}

/// One address with the consecutive releases that give it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FusPlace {
    /// Absent where the release notes do not name the size.
    pub flash_kb: Option<u32>,
    pub address: Address,
    pub from: String,
    /// The last release; the same as the first where absent.
    pub to: Option<String>,
}

/// Reads the table of the shelf.
pub fn table() -> Result<FusTable, ProfileError> {
    let mut families = Vec::new();
    for sheet in shelf::sheets("fus")? {
        families.extend(parse(&sheet)?.families);
    }
    Ok(FusTable { families })
}

/// Reads one sheet and refuses releases that are not listed.
pub fn parse(sheet: &Sheet) -> Result<FusTable, ProfileError> {
    let table: FusTable = loader::parse(&sheet.file, &sheet.text)?;
    for family in &table.families {
        if let Some(unknown) = family.unknown_release() {
            let message = format!("release `{unknown}` is not among the releases of {}", family.name);
            let near = loader::nearest(unknown, family.releases.iter().map(String::as_str));
            let hint = near.map(|release| format!("did you mean `{release}`?"));
            return Err(loader::refuse(&sheet.file, &sheet.text, &format!("= \"{unknown}\""), message, hint));
        }
    }
    Ok(table)
}

/// Which releases an address fits, and what they want instead where it fits none.
pub fn check_address(binary: &str, flash_kb: Option<u32>, address: Address) -> Result<AddressFit, ProfileError> {
    Ok(table()?.check_address(binary, flash_kb, address))
}

/// The answer to whether an image belongs at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressFit {
    /// The table has this binary.
    pub known: bool,
    /// Runs of releases that put this binary at this address.
    pub fits: Vec<Releases>,
    /// Where the newest release wants it.
    pub newest: Option<(String, Vec<Address>)>,
    /// Other binaries that some release puts at this address.
    pub meant_for: Vec<String>,
}

/// Consecutive releases, first and last, for one size of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Releases {
    pub first: String,
    pub last: String,
    pub flash_kb: Option<u32>,
}

impl fmt::Display for Releases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { f.pad(&self.first) } else { write!(f, "{} to {}", self.first, self.last) }
    }
}

impl fmt::Display for AddressFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.known {
            return f.write_str("the release tables do not have this image");
        }
        let newest = self.newest.as_ref();
        let fits_newest = newest.is_some_and(|(release, _)| self.fits.iter().any(|fit| fit.last == *release));
        if self.fits.is_empty() {
            f.write_str("no release puts this image at this address")?;
        } else {
            let fits: Vec<_> = self.fits.iter().map(Releases::to_string).collect();
            write!(f, "right for release {}{}", fits.join(", "), if fits_newest { ", the newest" } else { " only" })?;
        }
        if let Some((release, addresses)) = newest.filter(|_| !fits_newest) {
            let wanted: Vec<_> = addresses.iter().map(Address::to_string).collect();
            write!(f, "; release {release} wants {}", wanted.join(" or "))?;
        }
        if self.fits.is_empty() && !self.meant_for.is_empty() {
            write!(f, "; some releases put {} there", self.meant_for.join(", "))?;
        }
        Ok(())
    }
}

impl FusTable {
    pub fn family(&self, name: &str) -> Option<&FusFamily> {
        self.families.iter().find(|family| family.name.eq_ignore_ascii_case(name))
    }

    /// The family of a part such as `STM32WB55CE`: WB5x for WB50 and WB55, and so on.
    pub fn family_of_part(&self, part: &str) -> Option<&FusFamily> {
        let upper = part.to_ascii_uppercase();
        let digit = upper.trim_start_matches("STM32").strip_prefix("WB")?.chars().next()?;
        self.family(&format!("WB{digit}x"))
    }

    /// The family whose images carry a name that begins like this one.
    pub fn family_of_binary(&self, binary: &str) -> Option<&FusFamily> {
        let lower = binary.to_ascii_lowercase();
        self.families.iter().find(|family| lower.starts_with(&format!("stm32{}_", family.name.to_ascii_lowercase())))
    }

    /// Where one release wants an image; nothing where the tables have neither.
    pub fn addresses_in(&self, release: &str, binary: &str, flash_kb: Option<u32>) -> Vec<Address> {
        let Some(family) = self.family_of_binary(binary) else { return Vec::new() };
        let own = family.of_release(release).filter(|(image, _)| image.binary.eq_ignore_ascii_case(binary));
        let of_size =
            own.filter(|(_, place)| flash_kb.is_none() || place.flash_kb.is_none() || place.flash_kb == flash_kb);
        of_size.map(|(_, place)| place.address).collect()
    }

    pub fn check_address(&self, binary: &str, flash_kb: Option<u32>, address: Address) -> AddressFit {
        let nothing = AddressFit { known: false, fits: Vec::new(), newest: None, meant_for: Vec::new() };
        let Some(family) = self.family_of_binary(binary) else { return nothing };
        let Some(image) = family.image(binary) else { return nothing };
        let of_size = |place: &&FusPlace| flash_kb.is_none() || place.flash_kb.is_none() || place.flash_kb == flash_kb;
        let here = |place: &&FusPlace| of_size(place) && place.address == address;
        let fits = image.at.iter().filter(here).map(FusPlace::releases).collect();
        let newest = family.releases.iter().rev().find_map(|release| {
            let places = image.at.iter().filter(of_size).filter(|place| family.includes(place, release));
            let addresses: Vec<_> = places.map(|place| place.address).collect();
            (!addresses.is_empty()).then(|| (release.clone(), addresses))
        });
        let others = family.images.iter().filter(|other| other.binary != image.binary);
        let meant_for = others.filter(|other| other.at.iter().any(|place| here(&place)));
        AddressFit { known: true, fits, newest, meant_for: meant_for.map(|other| other.binary.clone()).collect() }
    }
}

impl FusFamily {
    pub fn image(&self, binary: &str) -> Option<&FusImage> {
        self.images.iter().find(|image| image.binary.eq_ignore_ascii_case(binary))
    }

    /// Every image of a release with the size of flash and the address, in the order of the table.
    pub fn of_release<'a>(&'a self, release: &'a str) -> impl Iterator<Item = (&'a FusImage, &'a FusPlace)> {
        self.images.iter().flat_map(move |image| {
            image.at.iter().filter(move |place| self.includes(place, release)).map(move |place| (image, place))
        })
    }

    fn includes(&self, place: &FusPlace, release: &str) -> bool {
        let number = |name: &str| self.releases.iter().position(|other| other == name);
        let last = place.to.as_deref().unwrap_or(&place.from);
        match (number(&place.from), number(release), number(last)) {
            (Some(first), Some(asked), Some(last)) => (first..=last).contains(&asked),
            _ => false,
        }
    }

    fn unknown_release(&self) -> Option<&str> {
        let named = self.images.iter().flat_map(|image| &image.at);
        let mut names = named.flat_map(|place| std::iter::once(&place.from).chain(&place.to));
        names.find(|name| !self.releases.contains(name)).map(String::as_str)
    }
}

impl FusPlace {
    fn releases(&self) -> Releases {
        let last = self.to.clone().unwrap_or_else(|| self.from.clone());
        Releases { first: self.from.clone(), last, flash_kb: self.flash_kb }
    }
}

/// The flash of a WB part by the last letter of its order code: `STM32WB55CE` has 512 KB.
pub fn flash_kb_of_part(part: &str) -> Option<u32> {
    let upper = part.to_ascii_uppercase();
    let rest = upper.trim_start_matches("STM32").strip_prefix("WB")?;
    match (rest.starts_with('1'), rest.chars().nth(3)?) {
        (true, 'C') => Some(320),
        (false, 'C') => Some(256),
        (false, 'E') => Some(512),
        (false, 'Y') => Some(640),
        (false, 'G') => Some(1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_old_releases_is_told_with_the_new_one() {
        let fit = table().unwrap().check_address("stm32wb5x_BLE_Stack_full_fw.bin", Some(512), Address(0x0805_3000));
        assert_eq!(fit.to_string(), "right for release 1.13.0 to 1.13.1 only; release 1.24.0 wants 0x0805C000");
    }

    #[test]
    fn an_address_of_another_image_names_that_image() {
        let fit = table().unwrap().check_address("stm32wb5x_BLE_Stack_light_fw.bin", Some(512), Address(0x0805_3000));
        assert!(fit.fits.is_empty());
        assert!(fit.meant_for.iter().any(|binary| binary == "stm32wb5x_BLE_Stack_full_extended_fw.bin"), "{fit}");
    }

    #[test]
    fn an_image_that_no_release_has_is_not_judged() {
        let fit = table().unwrap().check_address("firmware.bin", None, Address(0x0805_3000));
        assert_eq!(fit.to_string(), "the release tables do not have this image");
    }

    #[test]
    fn parts_have_their_family_and_flash() {
        let table = table().unwrap();
        for (part, family, flash) in
            [("STM32WB55CE", "WB5x", Some(512)), ("stm32wb35cc", "WB3x", Some(256)), ("WB15CC", "WB1x", Some(320))]
        {
            assert_eq!(table.family_of_part(part).unwrap().name, family);
            assert_eq!(flash_kb_of_part(part), flash, "{part}");
        }
        assert!(table.family_of_part("STM32F407").is_none());
        assert_eq!(flash_kb_of_part("STM32WB55"), None);
    }

    #[test]
    fn the_fus_of_1_mb_parts_moved_with_release_1_22_1() {
        let table = table().unwrap();
        let family = table.family("WB5x").unwrap();
        let at = |release| {
            let fus = |(image, place): &(&FusImage, &FusPlace)| {
                image.binary == "stm32wb5x_FUS_fw.bin" && place.flash_kb == Some(1024)
            };
            family.of_release(release).find(fus).map(|(_, place)| place.address)
        };
        assert_eq!(at("1.22.0"), Some(Address(0x080E_C000)));
        assert_eq!(at("1.22.1"), Some(Address(0x080E_E000)));
    }
}
