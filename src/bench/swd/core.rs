//! The debug side of a Cortex-M core: halting, core registers, reset catch, cycle counter (ARMv7-M, chapters C1 and C1.8).

use crate::observation::units::{Address, Hertz, Micros};
use crate::swd::core_debug::{
    AIRCR, C_DEBUGEN, C_HALT, C_MASKINTS, CFSR, CPUID, CYCCNTENA, DCRDR, DCRSR, DEBUG_KEY, DEMCR, DFSR, DHCSR,
    DWT_CTRL, DWT_CYCCNT, DWT_PCSR, HFSR, NOCYCCNT, S_HALT, S_REGRDY, S_RESET_ST, S_RETIRE_ST, S_SLEEP, SYSRESETREQ,
    TRCENA, VC_CORERESET, VTOR,
};

/// What holds for the core at the moment of an access.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreNow {
    pub at: Micros,
    pub clock: Hertz,
    pub in_reset: bool,
    /// In WFI; the cycle counter stands.
    pub asleep: bool,
    /// Where the program is while it runs.
    pub program_counter: u32,
}

/// What a write to a debug register brings about beyond the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    Halted,
    Resumed,
    /// Resumed at an address that the debugger set.
    ResumedFrom(u32),
    SystemReset,
    /// The flash controller has stored option registers.
    OptionsStored,
    /// It resets the part to load them.
    OptionsLoaded,
}

#[derive(Clone, Debug)]
pub struct CoreDebug {
    identity: u32,
    has_cycle_counter: bool,
    control: u32,
    halted: bool,
    /// Read and cleared with DHCSR.
    was_reset: bool,
    retired: bool,
    demcr: u32,
    dwt_ctrl: u32,
    transfer: u32,
    registers: [u32; 32],
    /// The debugger set the program counter.
    redirected: bool,
    why_halted: u32,
    vector_table: u32,
    /// Cycles up to `settled`, with fractions.
    cycles: f64,
    settled: Micros,
}

const PROGRAM_COUNTER: usize = 15;
/// DFSR: halted on request, vector catch.
const BY_REQUEST: u32 = 1;
const BY_CATCH: u32 = 1 << 3;

impl CoreDebug {
    pub const fn new(identity: u32, has_cycle_counter: bool) -> Self {
        Self {
            identity,
            has_cycle_counter,
            control: 0,
            halted: false,
            was_reset: true,
            retired: false,
            demcr: 0,
            dwt_ctrl: 0x4000_0000,
            transfer: 0,
            registers: [0; 32],
            redirected: false,
            why_halted: 0,
            vector_table: 0,
            cycles: 0.0,
            settled: Micros::ZERO,
        }
    }

    pub const fn is_halted(&self) -> bool {
        self.halted
    }

    pub const fn is_debugged(&self) -> bool {
        self.control & C_DEBUGEN != 0
    }

    /// Power came back: nothing is left of a debug session.
    pub const fn power_on_reset(&mut self) {
        *self = Self::new(self.identity, self.has_cycle_counter);
    }

    /// The core leaves reset with this stack pointer and entry; true if it stops there at once.
    pub const fn start(&mut self, stack: u32, entry: u32) -> bool {
        self.was_reset = true;
        self.retired = false;
        self.redirected = false;
        self.registers = [0; 32];
        self.registers[13] = stack;
        self.registers[17] = stack;
        self.registers[PROGRAM_COUNTER] = entry & !1;
        self.registers[16] = 1 << 24;
        self.halted = self.is_debugged() && self.demcr & VC_CORERESET != 0;
        if self.halted {
            self.control |= C_HALT;
            self.why_halted |= BY_CATCH;
        } else {
            self.control &= !C_HALT;
        }
        self.halted
    }

    /// Brings the counter to this moment.
    pub fn settle(&mut self, now: &CoreNow) {
        let span = now.at - self.settled;
        let runs = !self.halted && !now.asleep && !now.in_reset;
        if runs {
            self.retired |= span > Micros::ZERO;
            if self.has_cycle_counter && self.demcr & TRCENA != 0 && self.dwt_ctrl & CYCCNTENA != 0 {
                self.cycles += span.as_secs_f64() * now.clock.0;
            }
        }
        self.was_reset |= now.in_reset;
        self.settled = self.settled.max(now.at);
    }

    /// `None` where the address is none of the core's registers.
    pub fn read(&mut self, address: Address, now: &CoreNow) -> Option<u32> {
        self.settle(now);
        Some(match address {
            CPUID => self.identity,
            DHCSR => self.status(now),
            DCRDR => self.transfer,
            DCRSR | AIRCR | CFSR | HFSR => 0,
            DEMCR => self.demcr,
            DFSR => self.why_halted,
            VTOR => self.vector_table,
            DWT_CTRL if self.has_cycle_counter => self.dwt_ctrl,
            DWT_CTRL => NOCYCCNT,
            DWT_CYCCNT => self.cycles as u64 as u32,
            DWT_PCSR if self.halted || self.demcr & TRCENA == 0 => u32::MAX,
            DWT_PCSR => now.program_counter,
            _ => return None,
        })
    }

    fn status(&mut self, now: &CoreNow) -> u32 {
        let was_reset = std::mem::replace(&mut self.was_reset, now.in_reset);
        let retired = std::mem::take(&mut self.retired);
        let bit = |set: bool, mask: u32| if set { mask } else { 0 };
        self.control
            | S_REGRDY
            | bit(self.halted, S_HALT)
            | bit(now.asleep && !self.halted, S_SLEEP)
            | bit(retired, S_RETIRE_ST)
            | bit(was_reset, S_RESET_ST)
    }

    /// `None` where the address is none of the core's registers.
    pub fn write(&mut self, address: Address, word: u32, now: &CoreNow) -> Option<Effect> {
        self.settle(now);
        match address {
            DHCSR => return Some(self.control(word, now)),
            DCRSR => self.move_register(word),
            DCRDR => self.transfer = word,
            DEMCR => self.demcr = word & 0x010F_07F1,
            DFSR => self.why_halted &= !word,
            VTOR => self.vector_table = word & !0x7F,
            DWT_CTRL => self.dwt_ctrl = self.dwt_ctrl & !CYCCNTENA | word & CYCCNTENA,
            DWT_CYCCNT => self.cycles = f64::from(word),
            AIRCR if word & 0xFFFF_0004 == SYSRESETREQ => return Some(Effect::SystemReset),
            AIRCR | CFSR | HFSR => {}
            _ => return None,
        }
        Some(Effect::Nothing)
    }

    fn control(&mut self, word: u32, now: &CoreNow) -> Effect {
        if word & 0xFFFF_0000 != DEBUG_KEY {
            return Effect::Nothing;
        }
        self.control = word & (C_DEBUGEN | C_HALT | C_MASKINTS);
        let halts = word & (C_DEBUGEN | C_HALT) == C_DEBUGEN | C_HALT && !now.in_reset;
        match (self.halted, halts) {
            (false, true) => {
                self.halted = true;
                self.why_halted |= BY_REQUEST;
                self.registers[PROGRAM_COUNTER] = now.program_counter;
                Effect::Halted
            }
            (true, false) => {
                self.halted = false;
                if std::mem::take(&mut self.redirected) {
                    Effect::ResumedFrom(self.registers[PROGRAM_COUNTER])
                } else {
                    Effect::Resumed
                }
            }
            _ => Effect::Nothing,
        }
    }

    const fn move_register(&mut self, selection: u32) {
        let number = (selection & 0x1F) as usize;
        if selection & 1 << 16 == 0 {
            self.transfer = self.registers[number];
        } else if self.halted {
            self.registers[number] = self.transfer;
            self.redirected |= number == PROGRAM_COUNTER;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core() -> CoreDebug {
        let mut core = CoreDebug::new(0x410F_C241, true);
        core.start(0x2000_2000, 0x0800_0201);
        core
    }

    fn at(micros: u64) -> CoreNow {
        CoreNow {
            at: Micros(micros),
            clock: Hertz::from_mhz(60.0),
            in_reset: false,
            asleep: false,
            program_counter: 0x1FFF_1234,
        }
    }

    #[test]
    fn the_counter_runs_at_the_clock_of_the_core() {
        let mut core = core();
        core.write(DEMCR, TRCENA, &at(0));
        core.write(DWT_CTRL, CYCCNTENA, &at(0));
        assert_eq!(core.read(DWT_CYCCNT, &at(1_000)), Some(60_000));
        let slower = CoreNow { clock: Hertz::from_mhz(62.5), ..at(2_000) };
        assert_eq!(core.read(DWT_CYCCNT, &slower), Some(122_500));
        assert_eq!(core.read(DWT_CYCCNT, &at(73_000_000)), Some((122_500 + 60 * 72_998_000_u64) as u32), "it wraps");
    }

    #[test]
    fn the_counter_stands_while_halted_or_asleep() {
        let mut core = core();
        core.write(DEMCR, TRCENA, &at(0));
        core.write(DWT_CTRL, CYCCNTENA, &at(0));
        let asleep = CoreNow { asleep: true, ..at(500) };
        assert_eq!(core.read(DWT_CYCCNT, &asleep), Some(0));
        core.write(DHCSR, DEBUG_KEY | C_DEBUGEN | C_HALT, &at(600));
        assert_eq!(core.read(DWT_CYCCNT, &at(900)), Some(6_000));
    }

    #[test]
    fn a_reset_is_seen_once_and_retired_instructions_show_life() {
        let mut core = core();
        assert_eq!(core.read(DHCSR, &at(0)).unwrap() & (S_RESET_ST | S_RETIRE_ST), S_RESET_ST);
        assert_eq!(core.read(DHCSR, &at(10)).unwrap() & (S_RESET_ST | S_RETIRE_ST), S_RETIRE_ST);
        let held = CoreNow { in_reset: true, ..at(20) };
        for _ in 0..2 {
            assert_eq!(core.read(DHCSR, &held).unwrap() & (S_RESET_ST | S_RETIRE_ST), S_RESET_ST);
        }
    }

    #[test]
    fn halting_needs_the_key_and_debug() {
        let mut core = core();
        assert_eq!(core.write(DHCSR, C_DEBUGEN | C_HALT, &at(1)), Some(Effect::Nothing));
        assert_eq!(core.write(DHCSR, DEBUG_KEY | C_HALT, &at(1)), Some(Effect::Nothing));
        assert_eq!(core.write(DHCSR, DEBUG_KEY | C_DEBUGEN | C_HALT, &at(1)), Some(Effect::Halted));
        core.write(DCRSR, 15, &at(2));
        assert_eq!(core.read(DCRDR, &at(2)), Some(0x1FFF_1234));
        assert_eq!(core.write(DHCSR, DEBUG_KEY, &at(3)), Some(Effect::Resumed));
    }

    #[test]
    fn a_core_can_be_sent_elsewhere() {
        let mut core = core();
        core.write(DHCSR, DEBUG_KEY | C_DEBUGEN | C_HALT, &at(1));
        core.write(DCRDR, 0x1FFF_0101, &at(2));
        core.write(DCRSR, 1 << 16 | 15, &at(2));
        assert_eq!(core.write(DHCSR, DEBUG_KEY | C_DEBUGEN, &at(3)), Some(Effect::ResumedFrom(0x1FFF_0101)));
    }

    #[test]
    fn the_reset_vector_can_be_caught() {
        let mut core = core();
        core.write(DHCSR, DEBUG_KEY | C_DEBUGEN, &at(1));
        core.write(DEMCR, VC_CORERESET, &at(1));
        assert_eq!(core.write(AIRCR, SYSRESETREQ, &at(2)), Some(Effect::SystemReset));
        assert!(core.start(0x2000_2000, 0x0800_0201));
        assert!(core.is_halted());
    }
}
