//! How option registers are unlocked, stored and loaded through a flash controller: the exact writes, one after the other. Pure.
//!
//! Registers, keys and bits: CMSIS headers of the families; the order: their reference manuals, sections on option bytes. Nothing
//! but these words is let through to a controller, so that no bit that programs or erases the flash can be set by mistake.

use serde::Deserialize;

use crate::observation::units::Address;

use super::core_debug::{AIRCR, SYSRESETREQ};

/// What kind of controller a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerKind {
    /// F2, F4, F7: OPTCR holds options, lock and start; a system reset loads them.
    Optcr,
    /// L4, G0, G4, WB: options from OPTR on, lock and start in CR; OBL_LAUNCH resets and loads them.
    Optr,
}

/// The control registers as both ends, the session and the bench, use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Controller {
    pub kind: ControllerKind,
    pub base: Address,
}

pub const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
pub const OPTION_KEYS: [u32; 2] = [0x0819_2A3B, 0x4C5D_6E7F];
/// OPTLOCK and OPTSTRT of OPTCR.
pub const OPTCR_LOCK: u32 = 1;
pub const OPTCR_START: u32 = 1 << 1;
/// LOCK, OPTLOCK, OBL_LAUNCH and OPTSTRT of CR.
pub const CR_LOCK: u32 = 1 << 31;
pub const CR_OPTION_LOCK: u32 = 1 << 30;
pub const CR_LAUNCH: u32 = 1 << 27;
pub const CR_START: u32 = 1 << 17;
pub const BUSY: u32 = 1 << 16;

impl Controller {
    const fn at(&self, offset: u32) -> Address {
        Address(self.base.0 + offset)
    }

    /// Unlocks what [`KEYS`] unlock; absent where options have a lock of their own only.
    pub const fn keys(&self) -> Option<Address> {
        match self.kind {
            ControllerKind::Optcr => None,
            ControllerKind::Optr => Some(self.at(0x08)),
        }
    }

    pub const fn option_keys(&self) -> Address {
        match self.kind {
            ControllerKind::Optcr => self.at(0x08),
            ControllerKind::Optr => self.at(0x0C),
        }
    }

    pub const fn status(&self) -> Address {
        match self.kind {
            ControllerKind::Optcr => self.at(0x0C),
            ControllerKind::Optr => self.at(0x10),
        }
    }

    /// Where lock and start bits are.
    pub const fn control(&self) -> Address {
        self.at(0x14)
    }

    /// Error flags of the status register; written as ones they are cleared.
    pub const fn errors(&self) -> u32 {
        match self.kind {
            ControllerKind::Optcr => 0x0000_00F0,
            ControllerKind::Optr => 0x0000_C3FA,
        }
    }

    /// A set bit here means that options cannot be written.
    pub const fn option_lock(&self) -> u32 {
        match self.kind {
            ControllerKind::Optcr => OPTCR_LOCK,
            ControllerKind::Optr => CR_OPTION_LOCK,
        }
    }

    /// Whether an option register is one of this controller.
    pub const fn has_options_at(&self, register: Address) -> bool {
        let offset = register.0.wrapping_sub(self.base.0);
        register.0.is_multiple_of(4)
            && match self.kind {
                ControllerKind::Optcr => offset >= 0x14 && offset < 0x20,
                ControllerKind::Optr => offset >= 0x20 && offset < 0x100,
            }
    }
}

/// One register to be written, with everything around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSequence {
    pub controller: Controller,
    /// Flags from before are cleared and the locks opened, in this order.
    pub unlock: Vec<(Address, u32)>,
    pub store: (Address, u32),
    pub start: (Address, u32),
    /// The reset that loads the options; the debug connection may be lost with it.
    pub load: (Address, u32),
    /// If the sequence fails before it loads.
    pub lock: (Address, u32),
}

impl OptionSequence {
    /// `optcr` is what OPTCR reads now, which has to be written again where another register is stored.
    pub fn new(controller: Controller, register: Address, word: u32, optcr: u32) -> Self {
        let keys = controller.keys().map(|at| KEYS.map(|key| (at, key))).into_iter().flatten();
        let option_keys = OPTION_KEYS.map(|key| (controller.option_keys(), key));
        let cleared = (controller.status(), controller.errors());
        let unlock = std::iter::once(cleared).chain(keys).chain(option_keys).collect();
        let control = controller.control();
        match controller.kind {
            ControllerKind::Optcr => {
                let both = OPTCR_LOCK | OPTCR_START;
                let (stored, kept) =
                    if register == control { (word & !both, word & !both) } else { (word, optcr & !both) };
                Self {
                    controller,
                    unlock,
                    store: (register, stored),
                    start: (control, kept | OPTCR_START),
                    load: (AIRCR, SYSRESETREQ),
                    lock: (control, optcr & !both | OPTCR_LOCK),
                }
            }
            ControllerKind::Optr => Self {
                controller,
                unlock,
                store: (register, word),
                start: (control, CR_START),
                load: (control, CR_LAUNCH),
                lock: (control, CR_LOCK | CR_OPTION_LOCK),
            },
        }
    }

    /// Whether a write is one of this sequence.
    pub fn covers(&self, address: Address, word: u32) -> bool {
        let write = (address, word);
        self.unlock.contains(&write) || [self.store, self.start, self.load, self.lock].contains(&write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F4: Controller = Controller { kind: ControllerKind::Optcr, base: Address(0x4002_3C00) };
    const WB: Controller = Controller { kind: ControllerKind::Optr, base: Address(0x5800_4000) };

    #[test]
    fn optcr_is_stored_without_its_lock_and_started_with_the_same_options() {
        let sequence = OptionSequence::new(F4, Address(0x4002_3C14), 0x0FFF_AAE1, 0x0FFF_AAED);
        assert_eq!(sequence.store, (Address(0x4002_3C14), 0x0FFF_AAE0));
        assert_eq!(sequence.start, (Address(0x4002_3C14), 0x0FFF_AAE2));
        assert_eq!(sequence.lock, (Address(0x4002_3C14), 0x0FFF_AAED));
        let second = OptionSequence::new(F4, Address(0x4002_3C18), 0x0FFE_0000, 0x0FFF_AAED);
        assert_eq!(second.start, (Address(0x4002_3C14), 0x0FFF_AAEE), "the other register keeps what it says");
    }

    #[test]
    fn no_word_to_a_controller_programs_or_erases_flash() {
        let sequence = OptionSequence::new(WB, Address(0x5800_4020), 0x3DFF_F1AA, 0);
        assert_eq!(sequence.unlock[1..3], KEYS.map(|key| (Address(0x5800_4008), key)));
        let to_control = [sequence.start, sequence.load, sequence.lock];
        // PG, PER, MER, STRT and FSTPG.
        assert!(to_control.iter().all(|(at, word)| *at == Address(0x5800_4014) && word & 0x0005_8007 == 0));
        assert!(sequence.covers(Address(0x5800_4014), CR_START));
        assert!(!sequence.covers(Address(0x5800_4014), CR_START | 1));
        assert!(!sequence.covers(Address(0x0800_0000), 0));
    }

    #[test]
    fn registers_belong_to_their_controller() {
        assert!(F4.has_options_at(Address(0x4002_3C18)) && !F4.has_options_at(Address(0x4002_3C10)));
        assert!(WB.has_options_at(Address(0x5800_4084)) && !WB.has_options_at(Address(0x5800_4014)));
    }
}
