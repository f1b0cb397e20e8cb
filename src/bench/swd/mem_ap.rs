//! The access port that reaches memory (ADIv5, chapter C2): CSW, TAR, DRW, the banked data registers.

use super::debug_port::{AccessPorts, BusFault};
use super::silicon::Family;
use crate::observation::units::Address;
use crate::swd::transaction::mem_ap;

/// The memory of the part by words; `mask` has ones in the bytes that are meant.
pub trait Bus {
    fn read(&mut self, address: Address, mask: u32) -> Result<u32, BusFault>;
    fn write(&mut self, address: Address, word: u32, mask: u32) -> Result<(), BusFault>;
}

/// The registers of access port 0. There is no other.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPort {
    identity: u32,
    rom_table: u32,
    /// Of which the address counts up and wraps within one.
    increment_block_bytes: u32,
    csw: u32,
    tar: u32,
}

/// The access port with the memory behind it, for one transaction.
pub struct Reach<'a, B> {
    pub port: &'a mut MemoryPort,
    pub bus: &'a mut B,
}

/// Bits of CSW that can be written: size, increment, and the protection bits at the top.
const CSW_WRITABLE: u32 = 0xFF00_0037;
/// AddrInc.
const INCREMENT: u32 = 0x30;
const INCREMENT_PACKED: u32 = 0x20;
/// DeviceEn.
const CSW_ENABLED: u32 = 1 << 6;

impl MemoryPort {
    pub const fn new(family: &Family) -> Self {
        let Family { access_port, rom_table, increment_block_bytes, .. } = *family;
        let csw = CSW_ENABLED | mem_ap::SIZE_WORD;
        Self { identity: access_port, rom_table, increment_block_bytes, csw, tar: 0 }
    }

    fn mask(self) -> u32 {
        match self.csw & 7 {
            0 => 0xFF << ((self.tar & 3) * 8),
            1 => 0xFFFF << ((self.tar & 2) * 8),
            _ => u32::MAX,
        }
    }

    /// Packed transfers are not supported, which a host learns by reading the register back.
    const fn set_csw(&mut self, word: u32) {
        let kept = if word & INCREMENT == INCREMENT_PACKED { word & !INCREMENT } else { word };
        self.csw = kept & CSW_WRITABLE | CSW_ENABLED;
    }

    const fn count_up(&mut self) {
        if self.csw & INCREMENT == mem_ap::INCREMENT_SINGLE {
            let within = self.increment_block_bytes - 1;
            let size = 1 << (self.csw & 7);
            self.tar = (self.tar & !within) | (self.tar.wrapping_add(size) & within);
        }
    }

    /// The memory that an access of a data register reaches.
    pub const fn reaches(self, register: u8) -> Address {
        if register == mem_ap::DRW { Address(self.tar) } else { self.banked(register) }
    }

    /// The word that a banked data register means.
    const fn banked(self, address: u8) -> Address {
        Address((self.tar & !0xF) + (address - mem_ap::BD0) as u32)
    }
}

impl<B: Bus> AccessPorts for Reach<'_, B> {
    fn read(&mut self, port: u8, address: u8) -> Result<u32, BusFault> {
        if port != 0 {
            // A port that is not there reads as zero, its identity included.
            return Ok(0);
        }
        Ok(match address {
            mem_ap::CSW => self.port.csw,
            mem_ap::TAR => self.port.tar,
            mem_ap::DRW => {
                let word = self.bus.read(Address(self.port.tar & !3), self.port.mask())?;
                self.port.count_up();
                word
            }
            mem_ap::BD0..=mem_ap::BD3 => self.bus.read(self.port.banked(address), u32::MAX)?,
            mem_ap::BASE => self.port.rom_table,
            mem_ap::IDR => self.port.identity,
            _ => 0,
        })
    }

    fn write(&mut self, port: u8, address: u8, word: u32) -> Result<(), BusFault> {
        if port != 0 {
            return Ok(());
        }
        match address {
            mem_ap::CSW => self.port.set_csw(word),
            mem_ap::TAR => self.port.tar = word,
            mem_ap::DRW => {
                self.bus.write(Address(self.port.tar & !3), word, self.port.mask())?;
                self.port.count_up();
            }
            mem_ap::BD0..=mem_ap::BD3 => self.bus.write(self.port.banked(address), word, u32::MAX)?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word is its own address; nothing lies below 0x100.
    #[derive(Default)]
    struct Echo {
        written: Vec<(u32, u32, u32)>,
    }

    impl Bus for Echo {
        fn read(&mut self, address: Address, mask: u32) -> Result<u32, BusFault> {
            if address.0 < 0x100 { Err(BusFault) } else { Ok(address.0 & mask) }
        }

        fn write(&mut self, address: Address, word: u32, mask: u32) -> Result<(), BusFault> {
            self.written.push((address.0, word & mask, mask));
            Ok(())
        }
    }

    fn with_blocks_of<T>(increment_block_bytes: u32, bus: &mut Echo, run: impl FnOnce(&mut Reach<'_, Echo>) -> T) -> T {
        let family = Family {
            debug_port: 0,
            core: 0,
            access_port: 0x2477_0011,
            rom_table: 0xE00F_F003,
            increment_block_bytes,
            cycle_counter: false,
        };
        run(&mut Reach { port: &mut MemoryPort::new(&family), bus })
    }

    fn with<T>(bus: &mut Echo, run: impl FnOnce(&mut Reach<'_, Echo>) -> T) -> T {
        with_blocks_of(mem_ap::INCREMENT_BLOCK_BYTES, bus, run)
    }

    #[test]
    fn reads_count_up_and_wrap_within_the_block_of_the_implementation() {
        let seen = |block_bytes, from| {
            with_blocks_of(block_bytes, &mut Echo::default(), |reach| {
                reach.write(0, mem_ap::CSW, mem_ap::SIZE_WORD | mem_ap::INCREMENT_SINGLE).unwrap();
                reach.write(0, mem_ap::TAR, from).unwrap();
                [reach.read(0, mem_ap::DRW).unwrap(), reach.read(0, mem_ap::DRW).unwrap()]
            })
        };
        assert_eq!(seen(0x400, 0x2000_13FC), [0x2000_13FC, 0x2000_1000]);
        assert_eq!(seen(0x1000, 0x2000_13FC), [0x2000_13FC, 0x2000_1400]);
        assert_eq!(seen(0x1000, 0x2000_1FFC), [0x2000_1FFC, 0x2000_1000]);
    }

    #[test]
    fn packed_transfers_are_declined() {
        let read_back = with(&mut Echo::default(), |reach| {
            reach.write(0, mem_ap::CSW, mem_ap::SIZE_BYTE | INCREMENT_PACKED).unwrap();
            reach.read(0, mem_ap::CSW).unwrap()
        });
        assert_eq!(read_back & INCREMENT, 0);
    }

    #[test]
    fn a_byte_is_written_in_its_lane() {
        let mut bus = Echo::default();
        with(&mut bus, |reach| {
            reach.write(0, mem_ap::CSW, mem_ap::SIZE_BYTE).unwrap();
            reach.write(0, mem_ap::TAR, 0x2000_0002).unwrap();
            reach.write(0, mem_ap::DRW, 0x00AB_0000).unwrap();
        });
        assert_eq!(bus.written, [(0x2000_0000, 0x00AB_0000, 0x00FF_0000)]);
    }

    #[test]
    fn a_hole_is_a_fault_and_a_missing_port_reads_zero() {
        with(&mut Echo::default(), |reach| {
            reach.write(0, mem_ap::TAR, 0x10).unwrap();
            assert_eq!(reach.read(0, mem_ap::DRW), Err(BusFault));
            assert_eq!(reach.read(1, mem_ap::IDR), Ok(0));
        });
    }
}
