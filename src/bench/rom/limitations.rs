//! What ROM versions do otherwise than their documents say, as the sheets state it and as a host can see it.

use serde::Deserialize;

use crate::observation::units::Address;

/// Known departures from the documented protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Quirks {
    pub stalls_while_busy: bool,
    pub clear_status_may_fail: bool,
    pub loses_odd_tail: bool,
    pub unprotect_needs_power_cycle: bool,
    pub mass_erase_does_nothing: bool,
    pub stays_busy_after_erase: bool,
    pub clock_not_recovered: bool,
    pub corrupts_ram_writes: bool,
    pub needs_second_reset: bool,
    pub loops_when_protected: bool,
    pub answers_at_level_2: bool,
    pub leave_does_nothing: bool,
    pub upgrade_service: bool,
}

impl Quirks {
    /// In sentences, in this order.
    pub fn describe(&self) -> Vec<&'static str> {
        let all = [
            (self.stalls_while_busy, "GETSTATUS stalls while an erase or a write goes on."),
            (self.clear_status_may_fail, "CLRSTATUS outside dfuERROR leads to dfuERROR with errUNKNOWN."),
            (self.loses_odd_tail, "Writes whose length is no multiple of eight lose their last bytes."),
            (self.unprotect_needs_power_cycle, "Read Unprotect takes effect at the next power-on only."),
            (self.mass_erase_does_nothing, "Mass erase answers well and erases nothing."),
            (self.stays_busy_after_erase, "dfuDNBUSY stays after an erase until CLRSTATUS is sent twice."),
            (self.clock_not_recovered, "HSI48 is not disciplined by the host's frames."),
            (self.corrupts_ram_writes, "Writes to RAM do not arrive as they were sent."),
            (self.needs_second_reset, "After power-on the ROM serves USB only from the next reset on."),
            (self.loops_when_protected, "With read-out protection the ROM restarts for ever while a cable is plugged."),
            (self.answers_at_level_2, "At read-out protection level 2 the ROM still starts and answers Get."),
            (self.leave_does_nothing, "The jump of Leave does not happen."),
            (self.upgrade_service, "The firmware upgrade service answers at 0xFFFF0054."),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, sentence)| sentence).collect()
    }
}

/// The second bank, where the ROM treats it unlike the first.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecondBank {
    pub address: Address,
    pub erase: SecondBankErase,
}

/// What erasing a sector of the second bank comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondBankErase {
    /// The ROM answers well and nothing is erased.
    DoesNothing,
    /// The sector four further on is erased instead.
    FourSectorsFurther,
    /// The ROM says that it is done while flash is still busy, and hangs on the next order.
    ReturnsEarly,
}

impl SecondBankErase {
    pub const fn describe(self) -> &'static str {
        match self {
            Self::DoesNothing => "Erasing in the second bank answers well and does nothing.",
            Self::FourSectorsFurther => "Erasing in the second bank erases the sector four further on.",
            Self::ReturnsEarly => "Erasing in the second bank returns early, and the next order hangs.",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::bench::rom::sheet::{by_name, names};

    #[test]
    fn every_departure_is_told_by_some_sheet() {
        let told: Vec<_> =
            names().iter().flat_map(|name| by_name(name, false).unwrap().unwrap().departures()).collect();
        for sentence in [
            "GETSTATUS stalls while an erase or a write goes on.",
            "The jump of Leave does not happen.",
            "Erasing in the second bank erases the sector four further on.",
            "Garbage follows the layout strings.",
        ] {
            assert!(told.contains(&sentence), "{sentence}");
        }
    }
}
