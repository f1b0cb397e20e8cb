//! The debug port of a part (ADIv5, chapter B2): power-up, banks, sticky flags, posted reads.

use crate::swd::transaction::{Ack, Port, Request, Response, dp};

/// What lies behind the debug port: the access ports, by the upper byte of SELECT.
pub trait AccessPorts {
    /// A register of 8 bits address; `Err` sets the sticky error flag.
    fn read(&mut self, port: u8, address: u8) -> Result<u32, BusFault>;
    fn write(&mut self, port: u8, address: u8, word: u32) -> Result<(), BusFault>;
}

/// The bus answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault;

/// How the part stands towards the debug port at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The debug domain follows the request for power.
    pub debug_power: bool,
    /// The bus takes accesses; otherwise they wait.
    pub bus: bool,
}

#[derive(Clone, Debug)]
pub struct DebugPort {
    identity: u32,
    target_id: u32,
    requests: u32,
    select: u32,
    /// The result of the last access port read.
    result: u32,
    sticky: u32,
    /// An access is under way and does not end.
    stuck: bool,
}

const OVERRUN_DETECTION: u32 = 1;
const STICKY: u32 = dp::STICKY_OVERRUN | dp::STICKY_COMPARE | dp::STICKY_ERROR | dp::WRITE_DATA_ERROR;

impl DebugPort {
    pub const fn new(identity: u32, target_id: u32) -> Self {
        Self { identity, target_id, requests: 0, select: 0, result: 0, sticky: 0, stuck: false }
    }

    /// Fifty clocks with SWDIO high. Power requests and sticky flags survive it.
    pub const fn line_reset(&mut self) {
        self.select = 0;
    }

    /// Parity of a written word did not fit.
    pub const fn write_was_garbled(&mut self) {
        self.sticky |= dp::WRITE_DATA_ERROR;
    }

    /// Power came back.
    pub const fn power_on_reset(&mut self) {
        *self = Self::new(self.identity, self.target_id);
    }

    /// Acknowledge and word in one.
    #[cfg(test)]
    fn answer(&mut self, request: Request, ready: Readiness, ports: &mut impl AccessPorts) -> Response {
        match self.acknowledge(&request, ready) {
            Ack::Ok => self.carry_out(request, ready.debug_power, ports),
            refused => Response::refused(refused),
        }
    }

    /// The word of a request that was acknowledged.
    pub fn carry_out(&mut self, request: Request, debug_power: bool, ports: &mut impl AccessPorts) -> Response {
        match (request.port, request.write) {
            (Port::Debug, None) => Response::word(self.read(request.address, debug_power)),
            (Port::Debug, Some(word)) => self.write(request.address, word),
            (Port::Access, None) => self.access_read(request.address, ports),
            (Port::Access, Some(word)) => self.access_write(request.address, word, ports),
        }
    }

    /// What the debug port says to a request.
    pub fn acknowledge(&mut self, request: &Request, ready: Readiness) -> Ack {
        let ack = self.consider(request, ready);
        if ack != Ack::Ok {
            self.note_overrun();
        }
        ack
    }

    /// Where the host looks for overruns, one refusal makes all accesses after it fail until it has been noticed.
    const fn note_overrun(&mut self) {
        if self.requests & OVERRUN_DETECTION != 0 {
            self.sticky |= dp::STICKY_OVERRUN;
        }
    }

    fn consider(&mut self, request: &Request, ready: Readiness) -> Ack {
        let always = request.port == Port::Debug
            && matches!((request.address, request.write), (dp::DPIDR | dp::CTRL_STAT, None) | (dp::ABORT, Some(_)));
        if always {
            return Ack::Ok;
        }
        if self.sticky & STICKY != 0 {
            return Ack::Fault;
        }
        let reaches_the_bus = request.port == Port::Access
            || matches!((request.address, request.write), (dp::RDBUFF, None) | (dp::SELECT, Some(_)));
        if reaches_the_bus && self.stuck {
            return Ack::Wait;
        }
        if request.port == Port::Access {
            if !self.is_powered(ready) {
                self.sticky |= dp::STICKY_ERROR;
                return Ack::Fault;
            }
            if !ready.bus && self.memory_access(request) {
                self.stuck = true;
                return Ack::Wait;
            }
        }
        Ack::Ok
    }

    fn is_powered(&self, ready: Readiness) -> bool {
        ready.debug_power && self.requests & dp::POWER_REQUESTS == dp::POWER_REQUESTS
    }

    /// DRW and the banked data registers; the others are answered by the access port itself.
    pub fn memory_access(&self, request: &Request) -> bool {
        request.port == Port::Access && self.port() == 0 && matches!(self.register(request.address), 0x0C | 0x10..=0x1C)
    }

    /// The register of the access port that an address means in the bank that is selected.
    pub const fn register(&self, address: u8) -> u8 {
        (self.select & 0xF0) as u8 | address
    }

    pub const fn port(&self) -> u8 {
        (self.select >> 24) as u8
    }

    /// The bus is not ready.
    pub const fn wait(&mut self) -> Ack {
        self.note_overrun();
        Ack::Wait
    }

    /// The bus answered with an error.
    pub const fn fault(&mut self) -> Ack {
        self.sticky |= dp::STICKY_ERROR;
        Ack::Fault
    }

    fn read(&self, address: u8, debug_power: bool) -> u32 {
        match (address, self.select & 0xF) {
            (dp::DPIDR, _) => self.identity,
            (dp::CTRL_STAT, 0) => self.status(debug_power),
            (dp::CTRL_STAT, 2) => self.target_id,
            // DLCR, DLPIDR, EVENTSTAT.
            (dp::CTRL_STAT, 1) => 0x40,
            (dp::CTRL_STAT, 3) => 1,
            (dp::CTRL_STAT, _) => 0,
            _ => self.result,
        }
    }

    const fn status(&self, debug_power: bool) -> u32 {
        let acknowledges = if debug_power { (self.requests & dp::POWER_REQUESTS) << 1 } else { 0 };
        self.requests | acknowledges | self.sticky
    }

    fn write(&mut self, address: u8, word: u32) -> Response {
        match address {
            dp::ABORT => {
                if word & dp::ABORT_ACCESS != 0 {
                    self.stuck = false;
                }
                // STKCMPCLR, STKERRCLR, WDERRCLR, ORUNERRCLR.
                for (clear, flag) in [
                    (1 << 1, dp::STICKY_COMPARE),
                    (1 << 2, dp::STICKY_ERROR),
                    (1 << 3, dp::WRITE_DATA_ERROR),
                    (1 << 4, dp::STICKY_OVERRUN),
                ] {
                    if word & clear != 0 {
                        self.sticky &= !flag;
                    }
                }
            }
            dp::CTRL_STAT if self.select & 0xF == 0 => self.requests = word & (dp::POWER_REQUESTS | OVERRUN_DETECTION),
            dp::SELECT => self.select = word,
            _ => {}
        }
        Response::acknowledged()
    }

    /// Gives the result of the read before and starts this one.
    fn access_read(&mut self, address: u8, ports: &mut impl AccessPorts) -> Response {
        let before = self.result;
        match ports.read(self.port(), self.register(address)) {
            Ok(word) => self.result = word,
            Err(BusFault) => self.sticky |= dp::STICKY_ERROR,
        }
        Response::word(before)
    }

    fn access_write(&mut self, address: u8, word: u32, ports: &mut impl AccessPorts) -> Response {
        if ports.write(self.port(), self.register(address), word).is_err() {
            self.sticky |= dp::STICKY_ERROR;
        }
        Response::acknowledged()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One access port whose reads count up, and a hole in its memory.
    #[derive(Default)]
    struct Counter {
        reads: u32,
    }

    impl AccessPorts for Counter {
        fn read(&mut self, port: u8, address: u8) -> Result<u32, BusFault> {
            if port != 0 || address == 0x10 {
                return Err(BusFault);
            }
            self.reads += 1;
            Ok(self.reads)
        }

        fn write(&mut self, port: u8, _: u8, _: u32) -> Result<(), BusFault> {
            if port == 0 { Ok(()) } else { Err(BusFault) }
        }
    }

    const READY: Readiness = Readiness { debug_power: true, bus: true };

    struct Bench {
        port: DebugPort,
        behind: Counter,
        ready: Readiness,
    }

    impl Bench {
        fn powered() -> Self {
            let mut bench = Self { port: DebugPort::new(0x2BA0_1477, 0), behind: Counter::default(), ready: READY };
            bench.ask(Request::write(Port::Debug, dp::CTRL_STAT, dp::POWER_REQUESTS));
            bench
        }

        fn ask(&mut self, request: Request) -> Response {
            self.port.answer(request, self.ready, &mut self.behind)
        }

        fn status(&mut self) -> u32 {
            self.ask(Request::read(Port::Debug, dp::CTRL_STAT)).data.unwrap()
        }
    }

    const DRW: Request = Request::read(Port::Access, 0x0C);

    #[test]
    fn power_is_acknowledged_only_where_the_domain_follows() {
        let mut bench = Bench::powered();
        assert_eq!(bench.status() & dp::POWER_ACKNOWLEDGES, dp::POWER_ACKNOWLEDGES);
        bench.ready.debug_power = false;
        assert_eq!(bench.status() & dp::POWER_ACKNOWLEDGES, 0);
        assert_eq!(bench.ask(DRW).ack, Ack::Fault);
    }

    #[test]
    fn a_read_of_an_access_port_is_posted() {
        let mut bench = Bench::powered();
        assert_eq!(bench.ask(DRW).data, Some(0));
        assert_eq!(bench.ask(DRW).data, Some(1));
        assert_eq!(bench.ask(Request::read(Port::Debug, dp::RDBUFF)).data, Some(2));
    }

    #[test]
    fn a_fault_sticks_until_it_is_cleared() {
        let mut bench = Bench::powered();
        bench.ask(Request::write(Port::Debug, dp::SELECT, 0x10));
        assert_eq!(
            bench.ask(Request::read(Port::Access, 0)).ack,
            Ack::Ok,
            "the answer to the access itself comes late"
        );
        assert_eq!(bench.ask(Request::read(Port::Debug, dp::RDBUFF)).ack, Ack::Fault);
        assert_eq!(bench.status() & dp::STICKY_ERROR, dp::STICKY_ERROR);
        bench.ask(Request::write(Port::Debug, dp::ABORT, dp::CLEAR_STICKY));
        assert_eq!(bench.ask(Request::read(Port::Debug, dp::RDBUFF)).ack, Ack::Ok);
    }

    #[test]
    fn a_bus_that_sleeps_waits_until_the_access_is_given_up() {
        let mut bench = Bench::powered();
        bench.ready.bus = false;
        assert_eq!(bench.ask(DRW).ack, Ack::Wait);
        bench.ready.bus = true;
        assert_eq!(bench.ask(DRW).ack, Ack::Wait, "the access under way still blocks");
        bench.ask(Request::write(Port::Debug, dp::ABORT, dp::ABORT_ACCESS));
        assert_eq!(bench.ask(DRW).ack, Ack::Ok);
    }

    #[test]
    fn banks_are_chosen_by_select() {
        let mut bench = Bench::powered();
        bench.ask(Request::write(Port::Debug, dp::SELECT, 3));
        assert_eq!(bench.status(), 1);
        bench.port.line_reset();
        assert_eq!(bench.status() & dp::POWER_ACKNOWLEDGES, dp::POWER_ACKNOWLEDGES);
    }
}
