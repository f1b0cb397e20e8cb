//! ST-Link probes by USB product id (vendor id 0483).

/// A probe, or something that carries ST's vendor id and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeKind {
    pub product_id: u16,
    pub name: &'static str,
    pub note: Option<&'static str>,
    /// Why it cannot be used as it is.
    pub unfit: Option<Unfit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    pub why: &'static str,
    pub mend: &'static str,
}

const fn kind(product_id: u16, name: &'static str, note: Option<&'static str>) -> ProbeKind {
    ProbeKind { product_id, name, note, unfit: None }
}

const fn unfit(product_id: u16, name: &'static str, why: &'static str, mend: &'static str) -> ProbeKind {
    ProbeKind { product_id, name, note: None, unfit: Some(Unfit { why, mend }) }
}

const FINISH_THE_UPDATE: &str = "finish the firmware update with ST's updater and plug the probe in again";

pub const VENDOR_ID: u16 = 0x0483;

/// From the udev rules of stlink-org, probe-rs and OpenOCD.
pub const PROBES: [ProbeKind; 13] = [
    kind(0x3742, "ST-LINK/V2-1", Some("without mass storage")),
    unfit(
        0x3744,
        "ST-LINK/V1",
        "it speaks SCSI commands, which probe-rs and pyOCD do not support",
        "use an ST-LINK/V2 or later, or another probe",
    ),
    kind(0x3748, "ST-LINK/V2", Some("most clones use this id; the serial may be 12 raw bytes")),
    kind(0x374A, "ST-LINK/V2-1", Some("audio variant")),
    kind(0x374B, "ST-LINK/V2-1", None),
    unfit(0x374D, "STLINK-V3", "the probe is in its loader", FINISH_THE_UPDATE),
    kind(0x374E, "STLINK-V3E", None),
    kind(0x374F, "STLINK-V3S", None),
    kind(0x3752, "ST-LINK/V2-1", Some("without mass storage")),
    kind(0x3753, "STLINK-V3", Some("two serial ports")),
    kind(0x3754, "STLINK-V3", Some("without mass storage")),
    unfit(0x3755, "STLINK-V3P", "the probe is in its loader", FINISH_THE_UPDATE),
    kind(0x3757, "STLINK-V3PWR", Some("its firmware shows as V4JxBxPx")),
];

impl ProbeKind {
    pub fn is_v2(&self) -> bool {
        self.name.starts_with("ST-LINK/V2")
    }
}

pub fn of_usb_ids(vendor_id: u16, product_id: u16) -> Option<&'static ProbeKind> {
    PROBES.iter().find(|probe| vendor_id == VENDOR_ID && probe.product_id == product_id)
}

/// The ways in which one serial number is written. Many V2 keep twelve raw bytes in it, which the host reads as characters:
/// tools print those characters, their bytes in UTF-8 (probe-rs), or the raw bytes (ST's own tools).
pub fn serial_forms(read: &str) -> [String; 3] {
    let hex = |bytes: &mut dyn Iterator<Item = u32>| bytes.map(|byte| format!("{byte:02X}")).collect();
    [read.to_owned(), hex(&mut read.bytes().map(u32::from)), hex(&mut read.chars().map(u32::from))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_serial_has_three_forms() {
        assert_eq!(serial_forms("Q\u{ff}g"), ["Q\u{ff}g", "51C3BF67", "51FF67"]);
    }

    #[test]
    fn a_nucleo_carries_a_v2_1() {
        assert_eq!(of_usb_ids(0x0483, 0x374B).unwrap().name, "ST-LINK/V2-1");
    }

    #[test]
    fn the_rom_bootloader_is_no_probe() {
        assert_eq!(of_usb_ids(0x0483, 0xDF11), None);
        assert_eq!(of_usb_ids(0x1234, 0x374B), None);
    }
}
