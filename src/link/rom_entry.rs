//! Into the ROM without straps and without power: a reset caught at its first instruction, the core set up as the ROM's own
//! vectors say, and let go. It disturbs: 12 writes, 14 where the ROM is mapped to address 0, and one halt; none of them lasts. What straps, a power ramp and a
//! cold oscillator do to a start is bypassed, so that such a boot is a software jump and no other kind.
//!
//! Source: ARMv7-M (C1.6, core registers through DCRSR), AN2606 (a jump to system memory), RM0090 (SYSCFG_MEMRMP). Not tried on
//! hardware.

use crate::observation::failure::FailureClass;
use crate::observation::units::{Address, Micros};
use crate::profile::device::Device;
use crate::swd::core_debug::{CPUID, DCRDR, DCRSR, DHCSR, S_REGRDY, VTOR};

use super::core_watch;
use super::swd_probe::SwdProbe;
use super::swd_session::{SwdFault, twice};
use super::swd_target::KnownTarget;
use super::swd_wire::SwdWire;

/// In DCRSR: write, and which register.
const WRITE: u32 = 1 << 16;
const STACK_POINTER: u32 = 13;
const PROGRAM_COUNTER: u32 = 15;
const XPSR: u32 = 16;
/// Thumb, without which a Cortex-M faults.
const THUMB: u32 = 1 << 24;
/// A core without a register for the vector table takes its exceptions from address 0.
const CORTEX_M0: u32 = 0xC20;
const RAM: std::ops::Range<u32> = 0x1000_0000..0x3000_0000;

/// The ROM where it lies in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rom {
    start: Address,
    end: Address,
    /// The ROM of this family expects itself at address 0: clock enable of SYSCFG with its bit, and SYSCFG_MEMRMP.
    remap: Option<(Address, u32, Address)>,
}

/// What the ROM starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Vectors {
    stack: u32,
    entry: u32,
}

impl Rom {
    fn of(device: &Device) -> Option<Self> {
        const SYSTEM_FLASH: (Address, u32, Address) = (Address(0x4002_3844), 1 << 14, Address(0x4001_3800));
        let memory = device.system_memory.as_ref()?;
        let remap = ["STM32F2", "STM32F4"].contains(&device.family.as_str()).then_some(SYSTEM_FLASH);
        Some(Self { start: memory.start?, end: memory.end?, remap })
    }

    /// `None` where the words cannot be a stack pointer and an address of the ROM.
    fn vectors(&self, stack: u32, entry: u32) -> Option<Vectors> {
        let inside = (self.start.0..=self.end.0).contains(&(entry & !1));
        (RAM.contains(&stack) && entry & 1 == 1 && inside).then_some(Vectors { stack, entry })
    }
}

/// Starts the ROM. Whatever goes wrong, the core is let go.
pub fn enter<P: SwdProbe>(wire: &mut SwdWire<'_, P>, target: &KnownTarget) -> Result<(), SwdFault> {
    let rom = target.device.as_deref().and_then(Rom::of).ok_or_else(|| {
        refused(&format!("where the ROM of DEV_ID 0x{:03X} lies is not in its profile", target.dev_id))
    })?;
    let core = wire.read_word(CPUID)? >> 4 & 0xFFF;
    if core == CORTEX_M0 {
        return Err(refused("a Cortex-M0 has no VTOR, and how this part maps its ROM to address 0 is not known"));
    }
    let word = |wire: &mut SwdWire<'_, P>, at: Address| twice(wire, at, |wire| Ok(wire.read_word(at)?));
    let (stack, entry) = (word(wire, rom.start)?, word(wire, Address(rom.start.0 + 4))?);
    let vectors = rom.vectors(stack, entry).ok_or_else(|| {
        refused(&format!("at {} stand 0x{stack:08X} 0x{entry:08X}, which are no vectors of a ROM", rom.start))
    })?;
    let jumped = jump(wire, &rom, vectors);
    if jumped.is_err() {
        // The error that matters is the one before; a core that stands still is not left behind.
        let _ = core_watch::let_go(wire);
    }
    jumped
}

fn jump<P: SwdProbe>(wire: &mut SwdWire<'_, P>, rom: &Rom, vectors: Vectors) -> Result<(), SwdFault> {
    core_watch::catch_software_reset(wire)?;
    for (register, value) in [(STACK_POINTER, vectors.stack), (PROGRAM_COUNTER, vectors.entry & !1), (XPSR, THUMB)] {
        set_register(wire, register, value)?;
    }
    wire.write_word(VTOR, rom.start.0)?;
    if let Some((clock, bit, map)) = rom.remap {
        let enabled = wire.read_word(clock)? | bit;
        wire.write_word(clock, enabled)?;
        wire.write_word(map, 1)?;
    }
    core_watch::let_go(wire)
}

fn set_register<P: SwdProbe>(wire: &mut SwdWire<'_, P>, register: u32, value: u32) -> Result<(), SwdFault> {
    const LOOKS: u32 = 10;
    const BETWEEN: Micros = Micros::from_millis(1);
    wire.write_word(DCRDR, value)?;
    wire.write_word(DCRSR, WRITE | register)?;
    for _ in 0..LOOKS {
        if wire.read_word(DHCSR)? & S_REGRDY != 0 {
            return Ok(());
        }
        wire.probe().wait(BETWEEN);
    }
    Err(SwdFault::new(FailureClass::NotHalted, format!("core register {register} does not take its value")))
}

fn refused(why: &str) -> SwdFault {
    SwdFault::new(FailureClass::BadArguments, format!("{why}; nothing was sent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::Link;
    use crate::link::swd_link::SwdLink;
    use crate::link::virtual_bench::BenchShare;
    use crate::link::virtual_probe::VirtualProbe;
    use crate::observation::failure::Failure;
    use crate::observation::step::{ConnectMode, Step, Touch};
    use crate::profile::device;
    use crate::swd::whitelist::{TargetWrite, permits};

    fn rom(part: &str) -> Rom {
        Rom::of(device::catalogue().unwrap().by_part(part).unwrap()).unwrap()
    }

    #[test]
    fn only_families_whose_rom_expects_it_are_mapped_to_address_0() {
        assert_eq!(rom("STM32F407VG").remap.map(|(_, _, map)| map), Some(Address(0x4001_3800)));
        assert_eq!(rom("STM32F746ZG").remap, None);
        assert_eq!(rom("STM32F746ZG").start, Address(0x1FF0_0000));
    }

    #[test]
    fn what_cannot_be_vectors_of_the_rom_is_not_jumped_to() {
        let rom = rom("STM32F407VG");
        assert_eq!(rom.vectors(0x2000_2D40, 0x1FFF_3DB5), Some(Vectors { stack: 0x2000_2D40, entry: 0x1FFF_3DB5 }));
        let wrong = [(0, 0), (u32::MAX, u32::MAX), (0x2000_2D40, 0x0800_0201), (0x2000_2D40, 0x1FFF_3DB4)];
        for (stack, entry) in wrong {
            assert_eq!(rom.vectors(stack, entry), None, "{stack:08X} {entry:08X}");
        }
    }

    fn entered<P: SwdProbe>(probe: P, touch: Touch) -> Option<Failure> {
        let mut link = SwdLink::new(probe, touch);
        let steps = [Step::OpenProbe, Step::Connect { mode: ConnectMode::Hotplug }, Step::Identify, Step::EnterRom];
        let failed = steps.iter().find_map(|step| link.perform(step, Micros::from_secs(5)).failure().cloned());
        link.perform(&Step::Disconnect, Micros::from_secs(5));
        failed
    }

    fn strapped_to_flash(part: &str) -> BenchShare {
        let board = format!(
            "text = \"x\"\n{part}\n[mechanism.straps]\nboot0-mv = 0.0\nnoise-mv = 0.0\nthreshold-mv = 1650.0\n"
        );
        let bench = BenchShare::new(VirtualBoard::from_toml("board", &board, 1).unwrap());
        bench.lock().board.keep_write_log();
        bench.lock().wait(Micros::from_secs(1));
        bench
    }

    const F407: &str = "part = \"STM32F407VGT6\"\nrom = \"f40x-v9\"\ncrystal-mhz = 8.0";
    const F746: &str = "part = \"STM32F746ZGT6\"\nrom = \"f74x\"\ncrystal-mhz = 25.0";

    #[test]
    fn a_board_strapped_to_flash_runs_its_rom_after_a_few_writes() {
        for (part, writes) in [(F407, 14), (F746, 12)] {
            let bench = strapped_to_flash(part);
            assert_eq!(entered(VirtualProbe::new(bench.clone()), Touch::Disturb), None);
            let bench = bench.lock();
            let is_memory = |write: &TargetWrite| matches!(write, TargetWrite::Memory { .. });
            let written: Vec<_> = bench.board.write_log().iter().filter(|(_, write)| is_memory(write)).collect();
            assert_eq!(written.len(), writes, "{written:?}");
            assert!(written.iter().all(|(_, write)| permits(Touch::Disturb, write)), "{written:?}");
            assert!(!bench.board.is_halted());
            drop(bench);
        }
    }

    #[test]
    fn it_needs_leave_to_disturb() {
        let bench = strapped_to_flash(F407);
        let refused = entered(VirtualProbe::new(bench.clone()), Touch::Observe).unwrap();
        assert!(refused.code.unwrap().raw().contains("needs leave to Disturb"));
        let bench = bench.lock();
        assert!(bench.board.write_log().iter().all(|(_, write)| permits(Touch::Observe, write)));
    }
}
