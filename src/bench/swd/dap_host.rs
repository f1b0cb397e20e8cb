//! The firmware of a probe towards its target: line reset, power-up, banks, posted reads, blocks. Time passes with the bits.

use super::super::board::VirtualBoard;
use crate::observation::units::{Address, Micros};
use crate::swd::transaction::{Ack, Port, Request, dp, mem_ap};

/// Why an access failed, as the wires showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DapFault {
    /// The debug port or, with `true`, the access port was meant.
    Wait {
        access_port: bool,
    },
    Fault {
        access_port: bool,
    },
    NoAcknowledge {
        access_port: bool,
    },
    Parity {
        access_port: bool,
    },
    /// No debug port answered the line reset.
    NoIdentity,
    /// CTRL/STAT never showed the debug domain powered.
    NoPower,
}

/// Keeps what the debug port has selected, and its own clock.
#[derive(Clone, Debug)]
pub struct DapHost {
    now: Micros,
    /// Parts of a microsecond that bits have taken.
    fraction_ns: u64,
    kilohertz: u32,
    select: Option<u32>,
    csw: Option<u32>,
    /// WAIT answers after which the firmware tried again itself.
    pub waits: u32,
}

/// Request, turnaround, acknowledge, turnaround, data and parity, idle.
const BITS_OF_A_TRANSACTION: u64 = 8 + 1 + 3 + 1 + 33 + 2;
const BITS_OF_A_LINE_RESET: u64 = 136;
const TRIES_FOR_POWER: u32 = 100;

impl DapHost {
    pub const fn new(kilohertz: u32) -> Self {
        Self { now: Micros::ZERO, fraction_ns: 0, kilohertz, select: None, csw: None, waits: 0 }
    }

    pub const fn kilohertz(&self) -> u32 {
        self.kilohertz
    }

    pub const fn set_kilohertz(&mut self, kilohertz: u32) {
        self.kilohertz = kilohertz;
    }

    /// Starts a command at this moment; [`Self::now`] tells when it was over.
    pub fn begin(&mut self, at: Micros) {
        self.now = self.now.max(at);
    }

    pub const fn now(&self) -> Micros {
        self.now
    }

    /// Line reset and the identity of the debug port, then power.
    pub fn connect(&mut self, board: &mut VirtualBoard) -> Result<u32, DapFault> {
        board.set_swd_clock(self.kilohertz);
        self.select = None;
        self.csw = None;
        self.pass(BITS_OF_A_LINE_RESET);
        board.swd_line_reset(self.now);
        let identity = self.transact(board, Request::read(Port::Debug, dp::DPIDR)).map_err(|_| DapFault::NoIdentity)?;
        self.write_dp(board, dp::ABORT, dp::CLEAR_STICKY | dp::ABORT_ACCESS)?;
        self.write_dp(board, dp::SELECT, 0)?;
        self.write_dp(board, dp::CTRL_STAT, dp::POWER_REQUESTS)?;
        for _ in 0..TRIES_FOR_POWER {
            let status = self.transact(board, Request::read(Port::Debug, dp::CTRL_STAT))?;
            if status & dp::POWER_ACKNOWLEDGES == dp::POWER_ACKNOWLEDGES {
                return Ok(identity);
            }
        }
        Err(DapFault::NoPower)
    }

    /// Gives up the request for power.
    pub fn disconnect(&mut self, board: &mut VirtualBoard) -> Result<(), DapFault> {
        self.write_dp(board, dp::SELECT, 0)?;
        self.write_dp(board, dp::CTRL_STAT, 0)
    }

    pub fn read_dp(&mut self, board: &mut VirtualBoard, address: u8, bank: u8) -> Result<u32, DapFault> {
        if address == dp::CTRL_STAT {
            let select = self.select.unwrap_or(0) & !0xF | u32::from(bank);
            self.select(board, select)?;
        }
        self.transact(board, Request::read(Port::Debug, address))
    }

    pub fn write_dp(&mut self, board: &mut VirtualBoard, address: u8, word: u32) -> Result<(), DapFault> {
        if address == dp::CTRL_STAT {
            let select = self.select.unwrap_or(0) & !0xF;
            self.select(board, select)?;
        }
        if address == dp::SELECT {
            self.select = None;
        }
        self.transact(board, Request::write(Port::Debug, address, word))?;
        if address == dp::SELECT {
            self.select = Some(word);
        }
        Ok(())
    }

    pub fn read_ap(&mut self, board: &mut VirtualBoard, port: u8, address: u8) -> Result<u32, DapFault> {
        self.select_register(board, port, address)?;
        self.transact(board, Request::read(Port::Access, address & 0xC))?;
        self.transact(board, Request::read(Port::Debug, dp::RDBUFF))
    }

    pub fn write_ap(&mut self, board: &mut VirtualBoard, port: u8, address: u8, word: u32) -> Result<(), DapFault> {
        self.select_register(board, port, address)?;
        if address == mem_ap::CSW {
            self.csw = None;
        }
        self.transact(board, Request::write(Port::Access, address & 0xC, word))?;
        // What the write met shows with the next transaction.
        self.transact(board, Request::read(Port::Debug, dp::RDBUFF)).map(|_| ())
    }

    /// Units of one, two or four bytes; what arrived, lowest byte first.
    pub fn read_memory(
        &mut self,
        board: &mut VirtualBoard,
        address: Address,
        unit_bytes: u32,
        count: usize,
    ) -> Result<Vec<u8>, DapFault> {
        let mut bytes = Vec::with_capacity(count * unit_bytes as usize);
        let mut at = address.0;
        let mut left = count;
        while left > 0 {
            let within = mem_ap::INCREMENT_BLOCK_BYTES - at % mem_ap::INCREMENT_BLOCK_BYTES;
            let units = left.min((within / unit_bytes).max(1) as usize);
            self.aim(board, at, unit_bytes)?;
            self.transact(board, Request::read(Port::Access, mem_ap::DRW))?;
            for n in 0..units {
                let last = n + 1 == units;
                let next = if last {
                    Request::read(Port::Debug, dp::RDBUFF)
                } else {
                    Request::read(Port::Access, mem_ap::DRW)
                };
                let word = self.transact(board, next)? >> (8 * (at & 3 & !(unit_bytes - 1)));
                bytes.extend_from_slice(&word.to_le_bytes()[..unit_bytes as usize]);
                at += unit_bytes;
            }
            left -= units;
        }
        Ok(bytes)
    }

    /// As [`Self::read_memory`], the other way.
    pub fn write_memory(
        &mut self,
        board: &mut VirtualBoard,
        address: Address,
        unit_bytes: u32,
        data: &[u8],
    ) -> Result<(), DapFault> {
        let mut at = address.0;
        for (n, unit) in data.chunks(unit_bytes as usize).enumerate() {
            if n == 0 || at.is_multiple_of(mem_ap::INCREMENT_BLOCK_BYTES) {
                self.aim(board, at, unit_bytes)?;
            }
            let value = unit.iter().rev().fold(0, |word: u32, byte| word << 8 | u32::from(*byte));
            self.transact(board, Request::write(Port::Access, mem_ap::DRW, value << (8 * (at & 3))))?;
            at += unit_bytes;
        }
        self.transact(board, Request::read(Port::Debug, dp::RDBUFF)).map(|_| ())
    }

    /// Clears the sticky flags and gives up an access that does not end, as the firmware does after an error.
    pub fn recover(&mut self, board: &mut VirtualBoard) -> Result<(), DapFault> {
        self.select = None;
        self.csw = None;
        self.transact(board, Request::write(Port::Debug, dp::ABORT, dp::CLEAR_STICKY | dp::ABORT_ACCESS)).map(|_| ())
    }

    fn aim(&mut self, board: &mut VirtualBoard, address: u32, unit_bytes: u32) -> Result<(), DapFault> {
        let size = match unit_bytes {
            1 => mem_ap::SIZE_BYTE,
            2 => 1,
            _ => mem_ap::SIZE_WORD,
        };
        let csw = 0x2300_0000 | mem_ap::INCREMENT_SINGLE | size;
        self.select_register(board, 0, mem_ap::CSW)?;
        if self.csw != Some(csw) {
            self.transact(board, Request::write(Port::Access, mem_ap::CSW, csw))?;
            self.csw = Some(csw);
        }
        self.transact(board, Request::write(Port::Access, mem_ap::TAR, address)).map(|_| ())
    }

    fn select_register(&mut self, board: &mut VirtualBoard, port: u8, address: u8) -> Result<(), DapFault> {
        self.select(board, u32::from(port) << 24 | u32::from(address & 0xF0))
    }

    fn select(&mut self, board: &mut VirtualBoard, word: u32) -> Result<(), DapFault> {
        if self.select == Some(word) {
            return Ok(());
        }
        self.transact(board, Request::write(Port::Debug, dp::SELECT, word))?;
        self.select = Some(word);
        Ok(())
    }

    fn transact(&mut self, board: &mut VirtualBoard, request: Request) -> Result<u32, DapFault> {
        self.pass(BITS_OF_A_TRANSACTION);
        let response = board.swd(self.now, request);
        let access_port = request.port == Port::Access || request.address == dp::RDBUFF;
        match response.ack {
            Ack::Ok if response.parity_fits => Ok(response.data.unwrap_or(0)),
            Ack::Ok => Err(DapFault::Parity { access_port }),
            Ack::Wait => Err(DapFault::Wait { access_port }),
            Ack::Fault => Err(DapFault::Fault { access_port }),
            Ack::None => Err(DapFault::NoAcknowledge { access_port }),
        }
    }

    fn pass(&mut self, bits: u64) {
        let ns = self.fraction_ns + bits * 1_000_000 / u64::from(self.kilohertz.max(1));
        self.now += Micros(ns / 1_000);
        self.fraction_ns = ns % 1_000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swd::core_debug::CPUID;

    fn powered(name: &str) -> (VirtualBoard, DapHost) {
        let mut board = VirtualBoard::by_name(name, 1).unwrap();
        board.power_on(Micros::ZERO);
        let mut host = DapHost::new(1_800);
        host.begin(Micros::from_secs(1));
        (board, host)
    }

    fn word(board: &mut VirtualBoard, host: &mut DapHost, address: u32) -> Result<u32, DapFault> {
        let bytes = host.read_memory(board, Address(address), 4, 1)?;
        Ok(u32::from_le_bytes(bytes.try_into().unwrap()))
    }

    #[test]
    fn an_f407_is_identified_over_its_debug_port() {
        let (mut board, mut host) = powered("healthy-f407");
        assert_eq!(host.connect(&mut board), Ok(0x2BA0_1477));
        assert_eq!(host.read_ap(&mut board, 0, mem_ap::IDR), Ok(0x2477_0011));
        assert_eq!(word(&mut board, &mut host, CPUID.0), Ok(0x410F_C241));
        assert_eq!(word(&mut board, &mut host, 0xE004_2000), Ok(0x1000_0413));
        assert_eq!(word(&mut board, &mut host, 0x1FFF_7A20).map(|word| word >> 16), Ok(1024), "flash size in KiB");
        assert_eq!(word(&mut board, &mut host, 0x4002_3804).map(|pllcfgr| pllcfgr & 0x3F), Ok(8), "PLLM of the ROM");
        assert_eq!(word(&mut board, &mut host, 0x4002_3C14).map(|optcr| optcr >> 8 & 0xFF), Ok(0xAA), "RDP");
    }

    #[test]
    fn flash_reads_the_same_over_swd_as_over_dfu() {
        let (mut board, mut host) = powered("healthy-f407");
        host.connect(&mut board).unwrap();
        let read = host.read_memory(&mut board, Address(0x0800_0000), 4, 1_024).unwrap();
        assert_eq!(read, board.memory().read(Address(0x0800_0000), 4_096).unwrap());
        let bytes = host.read_memory(&mut board, Address(0x0800_0401), 1, 7).unwrap();
        assert_eq!(bytes, read[0x401..0x408]);
    }

    #[test]
    fn a_hole_faults_and_the_port_recovers() {
        let (mut board, mut host) = powered("healthy-f407");
        host.connect(&mut board).unwrap();
        assert!(matches!(word(&mut board, &mut host, 0x6000_0000), Err(DapFault::Fault { .. })));
        host.recover(&mut board).unwrap();
        assert_eq!(word(&mut board, &mut host, CPUID.0), Ok(0x410F_C241));
    }

    #[test]
    fn bits_take_their_time() {
        let (mut board, mut host) = powered("healthy-f407");
        host.connect(&mut board).unwrap();
        let before = host.now();
        host.read_memory(&mut board, Address(0x0800_0000), 4, 256).unwrap();
        let took = host.now() - before;
        // 260 transactions of 48 bits at 1.8 MHz.
        assert!((6_800..7_100).contains(&took.0), "{took}");
    }

    #[test]
    fn nrst_resets_and_a_caught_core_does_not_come_up_on_usb() {
        use crate::swd::core_debug::{C_DEBUGEN, C_HALT, DEBUG_KEY, DEMCR, DHCSR, VC_CORERESET};
        let (mut board, mut host) = powered("healthy-f407");
        board.nrst(host.now(), true);
        host.connect(&mut board).unwrap();
        let halt = DEBUG_KEY | C_DEBUGEN | C_HALT;
        host.write_memory(&mut board, DHCSR, 4, &halt.to_le_bytes()).unwrap();
        host.write_memory(&mut board, DEMCR, 4, &VC_CORERESET.to_le_bytes()).unwrap();
        board.nrst(host.now(), false);
        assert!(!board.is_attached(host.now() + Micros::from_secs(1)) && board.is_halted());
        host.begin(Micros::from_secs(5));
        host.write_memory(&mut board, DHCSR, 4, &DEBUG_KEY.to_le_bytes()).unwrap();
        assert!(board.is_attached(host.now() + Micros::from_secs(1)), "the ROM goes on");
    }
}
