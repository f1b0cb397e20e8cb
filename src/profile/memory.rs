//! The memories of a part as DFU and SWD reach them: system memory, flash, option bytes, OTP.

use serde::Deserialize;

use crate::observation::units::Address;

use super::sources::Confidence;

/// Where the ROM bootloader lives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemMemory {
    pub start: Option<Address>,
    /// The last byte.
    pub end: Option<Address>,
    /// The bootloader identity byte.
    pub id_address: Option<Address>,
    /// The RAM that a host may use while the ROM runs, as the document prints it.
    pub free_ram: Option<String>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flash {
    /// Holds the size in kilobytes.
    pub size_register: Option<Address>,
    pub write_align_bytes: Option<u32>,
    /// Layout strings that the ROM was seen to show for it.
    #[serde(default)]
    pub layouts: Vec<String>,
    /// One per size and organisation; the sizes of the smaller parts of a family may be missing.
    #[serde(default, rename = "map")]
    pub maps: Vec<FlashMap>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashMap {
    pub size_kb: u32,
    pub banks: u8,
    pub regions: Vec<FlashRegion>,
}

/// Sectors of equal size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlashRegion {
    pub at: Address,
    pub sectors: u32,
    pub sector_bytes: u32,
}

impl Flash {
    /// Where the flash of a part with so much of it ends. Without a map of that size a part with one bank is taken to end
    /// early and one with two, whose second bank may keep its place, where the largest of its kind does.
    pub fn end(&self, size_kb: Option<u32>) -> Option<u64> {
        let of_size = self.maps.iter().filter(|map| Some(map.size_kb) == size_kb).filter_map(FlashMap::end).max();
        let largest = self.maps.iter().max_by_key(|map| map.end())?;
        let cut_short = |kb: u32| Some(u64::from(largest.regions.first()?.at.0) + u64::from(kb) * 1024);
        let smaller = size_kb.filter(|&kb| largest.banks == 1 && kb < largest.size_kb);
        of_size.or_else(|| smaller.and_then(cut_short)).or_else(|| largest.end())
    }
}

impl FlashMap {
    fn end(&self) -> Option<u64> {
        let end =
            |region: &FlashRegion| u64::from(region.at.0) + u64::from(region.sectors) * u64::from(region.sector_bytes);
        self.regions.iter().filter(|region| region.sectors > 0).map(end).max()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptionBytes {
    /// The areas of the DFU alternate setting; empty where not known.
    #[serde(default)]
    pub dfu_areas: Vec<ByteArea>,
    /// The first option register over SWD.
    pub swd_address: Option<Address>,
    #[serde(default)]
    pub encoding: Encoding,
    /// How sure the encoding is.
    #[serde(default)]
    pub encoding_confidence: Confidence,
    /// Fields at the addresses of the DFU alternate setting.
    #[serde(default)]
    pub dfu_fields: Vec<OptionField>,
    /// Fields in the option registers.
    #[serde(default)]
    pub swd_fields: Vec<OptionField>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ByteArea {
    pub address: Address,
    pub bytes: Option<u32>,
}

/// How a value and its complement lie in the option-byte area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Nothing is said about complements, so none are checked.
    #[default]
    NotKnown,
    /// The area shows registers: values alone.
    Registers,
    /// Each byte is followed by its complement.
    ByteComplement,
    /// Each 16-bit value is followed by its complement.
    HalfWordComplement,
    /// Each 32-bit value is followed by its complement.
    WordComplement,
}

impl Encoding {
    pub const fn has_complements(self) -> bool {
        matches!(self, Self::ByteComplement | Self::HalfWordComplement | Self::WordComplement)
    }
}

/// A field of a 32-bit word.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptionField {
    pub name: String,
    pub at: Address,
    pub bit: u8,
    pub bits: u8,
}

/// One-time programmable memory. A block without an area says that the part has none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Otp {
    pub area: Option<OtpArea>,
    pub source: String,
    #[serde(default)]
    pub confidence: Confidence,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtpArea {
    pub address: Address,
    /// Without the lock bytes.
    pub data_bytes: u32,
    /// What can be written or locked at a time.
    pub block_bytes: Option<u32>,
    pub lock_address: Option<Address>,
    pub lock_bytes: Option<u32>,
    pub rule: Option<String>,
}

impl OtpArea {
    /// Whether an address lies in the data or the lock bytes.
    pub fn holds(&self, address: Address) -> bool {
        let within = |start: Address, bytes: u32| address.0 >= start.0 && address.0 - start.0 < bytes;
        within(self.address, self.data_bytes)
            || self.lock_address.zip(self.lock_bytes).is_some_and(|(start, bytes)| within(start, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_bytes_belong_to_the_otp() {
        let area = OtpArea {
            address: Address(0x1FFF_7800),
            data_bytes: 512,
            block_bytes: Some(32),
            lock_address: Some(Address(0x1FFF_7A00)),
            lock_bytes: Some(16),
            rule: None,
        };
        assert!(
            area.holds(Address(0x1FFF_7800)) && area.holds(Address(0x1FFF_79FF)) && area.holds(Address(0x1FFF_7A0F))
        );
        assert!(!area.holds(Address(0x1FFF_7A10)) && !area.holds(Address(0x1FF0_F000)));
    }
}
