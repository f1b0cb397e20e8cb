//! The part of a flash controller that guards the option registers: locks, keys, start, the reset that loads.
//!
//! Source: reference manuals of F4, L4, G4 and WB, sections on option bytes: a wrong key locks until the next reset; registers
//! take nothing while locked; what was not started is gone after a reset. How long storing takes is chosen (25 ms).

use std::collections::BTreeMap;

use super::core::Effect;
use crate::observation::units::{Address, Micros};
use crate::swd::option_sequence::{
    BUSY, CR_LAUNCH, CR_LOCK, CR_OPTION_LOCK, CR_START, Controller, ControllerKind, KEYS, OPTCR_LOCK, OPTCR_START,
    OPTION_KEYS,
};

const STORING: Micros = Micros::from_millis(25);

#[derive(Clone, Debug)]
pub struct FlashControl {
    controller: Controller,
    flash: Lock,
    options: Lock,
    busy_until: Micros,
    /// Written and not started.
    pending: BTreeMap<u32, u32>,
    /// Started; the board takes them into its memory.
    stored: BTreeMap<u32, u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Shut,
    /// The first key came.
    HalfOpen,
    Open,
    /// A wrong key came.
    Jammed,
}

impl Lock {
    fn key(&mut self, word: u32, keys: [u32; 2]) {
        *self = match (*self, word) {
            (Self::Shut, word) if word == keys[0] => Self::HalfOpen,
            (Self::HalfOpen, word) if word == keys[1] => Self::Open,
            (Self::Open, _) => Self::Open,
            _ => Self::Jammed,
        };
    }

    fn is_open(self) -> bool {
        self == Self::Open
    }

    fn shut(&mut self) {
        if *self == Self::Open {
            *self = Self::Shut;
        }
    }
}

impl FlashControl {
    pub fn new(controller: Controller) -> Self {
        // Options that have a lock of their own only need no other.
        let flash = if controller.keys().is_some() { Lock::Shut } else { Lock::Open };
        let (pending, stored) = Default::default();
        Self { controller, flash, options: Lock::Shut, busy_until: Micros::ZERO, pending, stored }
    }

    /// As after a wrong key.
    pub fn jam(&mut self) {
        self.options = Lock::Jammed;
    }

    pub fn reset(&mut self) {
        let stored = std::mem::take(&mut self.stored);
        *self = Self { stored, ..Self::new(self.controller) };
    }

    /// Option registers that were started since this was last asked.
    pub fn take_stored(&mut self) -> BTreeMap<u32, u32> {
        std::mem::take(&mut self.stored)
    }

    /// What reads otherwise than the options alone say; `options` is the word made of them.
    pub fn read(&self, at: Micros, address: Address, options: Option<u32>) -> Option<u32> {
        let lock = if self.options.is_open() { 0 } else { self.controller.option_lock() };
        if address == self.controller.status() {
            return Some(if at < self.busy_until { BUSY } else { 0 });
        }
        if let Some(word) = self.pending.get(&address.0) {
            return Some(*word);
        }
        match self.controller.kind {
            ControllerKind::Optcr if address == self.controller.control() => Some(options? | lock),
            ControllerKind::Optr if address == self.controller.control() => {
                Some(lock | if self.flash.is_open() { 0 } else { CR_LOCK })
            }
            _ => None,
        }
    }

    /// `None` if the address is none of this controller's.
    pub fn write(&mut self, at: Micros, address: Address, word: u32) -> Option<Effect> {
        if Some(address) == self.controller.keys() {
            self.flash.key(word, KEYS);
        } else if address == self.controller.option_keys() {
            // While the flash is locked the keys of its options are none.
            if self.flash.is_open() {
                self.options.key(word, OPTION_KEYS);
            }
        } else if address == self.controller.control() {
            return Some(self.control(at, word));
        } else if self.controller.has_options_at(address) {
            self.put(at, address, word);
        } else if address != self.controller.status() {
            return None;
        }
        Some(Effect::Nothing)
    }

    fn put(&mut self, at: Micros, register: Address, word: u32) {
        if self.options.is_open() && at >= self.busy_until {
            self.pending.insert(register.0, word);
        }
    }

    fn control(&mut self, at: Micros, word: u32) -> Effect {
        let (start, lock) = match self.controller.kind {
            ControllerKind::Optcr => (OPTCR_START, OPTCR_LOCK),
            ControllerKind::Optr => (CR_START, CR_OPTION_LOCK),
        };
        if self.controller.kind == ControllerKind::Optcr {
            self.put(at, self.controller.control(), word & !(start | lock));
        }
        if word & start != 0 && self.options.is_open() && at >= self.busy_until {
            self.stored.extend(std::mem::take(&mut self.pending));
            self.busy_until = at + STORING;
        }
        if word & lock != 0 {
            self.options.shut();
        }
        if self.controller.kind == ControllerKind::Optr {
            if word & CR_LOCK != 0 {
                self.flash.shut();
            }
            if word & CR_LAUNCH != 0 && self.options.is_open() {
                return Effect::OptionsLoaded;
            }
        }
        if self.stored.is_empty() { Effect::Nothing } else { Effect::OptionsStored }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::option_sequence::OptionSequence;

    const G4: Controller = Controller { kind: ControllerKind::Optr, base: Address(0x4002_2000) };
    const F4: Controller = Controller { kind: ControllerKind::Optcr, base: Address(0x4002_3C00) };

    fn run(control: &mut FlashControl, writes: &[(Address, u32)]) -> Vec<Effect> {
        writes.iter().map(|(address, word)| control.write(Micros(1), *address, *word).unwrap()).collect()
    }

    #[test]
    fn the_sequence_stores_and_loads() {
        let mut control = FlashControl::new(G4);
        let sequence = OptionSequence::new(G4, Address(0x4002_2020), 0x1234, 0);
        run(&mut control, &sequence.unlock);
        run(&mut control, &[sequence.store]);
        assert_eq!(run(&mut control, &[sequence.start]), [Effect::OptionsStored]);
        assert_eq!(control.take_stored(), BTreeMap::from([(0x4002_2020, 0x1234)]));
        assert_eq!(control.read(Micros(2), G4.status(), None), Some(BUSY));
        assert_eq!(run(&mut control, &[sequence.load]), [Effect::OptionsLoaded]);
    }

    #[test]
    fn a_locked_controller_takes_nothing_and_a_wrong_key_jams_it() {
        let mut control = FlashControl::new(F4);
        let sequence = OptionSequence::new(F4, Address(0x4002_3C14), 0x0FFF_AAE0, 0x0FFF_AAED);
        run(&mut control, &[sequence.store, sequence.start]);
        assert!(control.take_stored().is_empty());
        run(&mut control, &[(F4.option_keys(), 1)]);
        run(&mut control, &sequence.unlock);
        run(&mut control, &[sequence.store, sequence.start]);
        assert!(control.take_stored().is_empty(), "jammed until a reset");
        control.reset();
        run(&mut control, &sequence.unlock);
        run(&mut control, &[sequence.store, sequence.start]);
        assert_eq!(control.take_stored(), BTreeMap::from([(0x4002_3C14, 0x0FFF_AAE0)]));
    }

    #[test]
    fn what_was_not_started_is_gone_after_a_reset() {
        let mut control = FlashControl::new(G4);
        let sequence = OptionSequence::new(G4, Address(0x4002_2020), 0x1234, 0);
        run(&mut control, &sequence.unlock);
        run(&mut control, &[sequence.store]);
        assert_eq!(control.read(Micros(2), Address(0x4002_2020), Some(0)), Some(0x1234));
        control.reset();
        assert_eq!(control.read(Micros(2), Address(0x4002_2020), Some(0)), None);
        run(&mut control, &[sequence.start]);
        assert!(control.take_stored().is_empty());
    }
}
