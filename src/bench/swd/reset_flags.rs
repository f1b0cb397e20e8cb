//! The reset flags of RCC: set by every reset, cleared only by software.

use super::silicon::ResetRegister;
use crate::swd::reset_cause::ResetCause;

#[derive(Clone, Debug, Default)]
pub struct ResetFlags {
    set: Vec<ResetCause>,
}

impl ResetFlags {
    /// Every reset inside the part drives NRST low, so that the flag of the pin comes with it.
    pub fn note(&mut self, cause: ResetCause) {
        for flag in [cause, ResetCause::Pin] {
            if !self.set.contains(&flag) {
                self.set.push(flag);
            }
        }
    }

    /// Power came on: what was before is forgotten.
    pub fn power_on(&mut self) {
        self.set = vec![ResetCause::PowerOn, ResetCause::BrownOut, ResetCause::Pin];
    }

    pub fn clear(&mut self) {
        self.set.clear();
    }

    pub fn word(&self, register: &ResetRegister) -> u32 {
        let shown = register.flags.iter().filter(|(cause, _)| self.set.contains(cause));
        shown.fold(0, |word, (_, bit)| word | 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::units::Address;

    #[test]
    fn flags_stick_until_they_are_cleared() {
        let register = ResetRegister {
            address: Address(0x4002_3874),
            flags: vec![
                (ResetCause::BrownOut, 25),
                (ResetCause::Pin, 26),
                (ResetCause::PowerOn, 27),
                (ResetCause::IndependentWatchdog, 29),
            ],
            clears: 24,
        };
        let mut flags = ResetFlags::default();
        flags.power_on();
        flags.note(ResetCause::IndependentWatchdog);
        assert_eq!(flags.word(&register), 0x2E00_0000);
        flags.clear();
        flags.note(ResetCause::Pin);
        assert_eq!(flags.word(&register), 0x0400_0000);
    }
}
