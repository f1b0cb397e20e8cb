//! What a session over SWD does to option registers: unlock, store, load, and find the part again. Every write of it is one of a
//! sequence that was fixed before the first of them was sent.

use crate::observation::alteration::Payload;
use crate::observation::failure::FailureClass;
use crate::observation::step::ConnectMode;
use crate::observation::units::{Address, Micros};
use crate::swd::option_sequence::{BUSY, Controller, OptionSequence};

use super::swd_probe::SwdProbe;
use super::swd_session::{SwdFault, twice};
use super::swd_target::KnownTarget;
use super::swd_wire::SwdWire;

/// Storing takes as long as an erase of the option page, some tens of milliseconds.
const POLL: Micros = Micros::from_millis(5);
const LONGEST_WRITE: Micros = Micros::from_secs(3);
/// The part resets and comes back.
const AFTER_RESET: Micros = Micros::from_millis(50);

/// The writes that put a word into an option register of this part, from what the registers read now.
pub fn sequence<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    target: &KnownTarget,
    register: Address,
    data: &Payload,
) -> Result<OptionSequence, SwdFault> {
    let refused = |why: String| SwdFault { address: Some(register), ..SwdFault::new(FailureClass::BadArguments, why) };
    let controller = target.controller().ok_or_else(|| {
        refused("how the option registers of this part are unlocked is not in its profile; nothing was sent".to_owned())
    })?;
    let Ok(word) = <[u8; 4]>::try_from(data.bytes()).map(u32::from_le_bytes) else {
        return Err(refused(
            "over SWD one option register of four bytes is written at a time; nothing was sent".to_owned(),
        ));
    };
    if !controller.has_options_at(register) {
        return Err(refused(format!("{register} is no option register of this part; nothing was sent")));
    }
    let control = word_at(wire, controller.control())?;
    Ok(OptionSequence::new(controller, register, word, control))
}

/// Stores and loads. The wire lets nothing but this sequence through.
pub fn write<P: SwdProbe>(wire: &mut SwdWire<'_, P>, sequence: &OptionSequence) -> Result<(), SwdFault> {
    await_idle(wire, &sequence.controller)?;
    let stored = store(wire, sequence);
    if stored.is_err() {
        // The error that matters is the one before; an open lock is not left behind.
        let _ = wire.write_word(sequence.lock.0, sequence.lock.1);
        return stored;
    }
    // The reset may come before the answer.
    let _ = wire.write_word(sequence.load.0, sequence.load.1);
    wire.probe().wait(AFTER_RESET);
    wire.connect(ConnectMode::Hotplug)?;
    Ok(())
}

/// From the first key until the word is in the option page.
fn store<P: SwdProbe>(wire: &mut SwdWire<'_, P>, sequence: &OptionSequence) -> Result<(), SwdFault> {
    let controller = sequence.controller;
    for (address, word) in &sequence.unlock {
        wire.write_word(*address, *word)?;
    }
    if word_at(wire, controller.control())? & controller.option_lock() != 0 {
        let code = "the controller stayed locked after its keys; it takes them again only after a reset";
        return Err(SwdFault {
            address: Some(controller.control()),
            ..SwdFault::new(FailureClass::WriteProtected, code)
        });
    }
    wire.write_word(sequence.store.0, sequence.store.1)?;
    wire.write_word(sequence.start.0, sequence.start.1)?;
    let status = await_idle(wire, &controller)?;
    if status & controller.errors() != 0 {
        let code = format!("the flash controller reports an error (status 0x{status:08X})");
        return Err(SwdFault { address: Some(sequence.store.0), ..SwdFault::new(FailureClass::WriteFailed, code) });
    }
    Ok(())
}

fn await_idle<P: SwdProbe>(wire: &mut SwdWire<'_, P>, controller: &Controller) -> Result<u32, SwdFault> {
    let until = wire.remaining() - LONGEST_WRITE.min(wire.remaining());
    loop {
        let status = wire.read_word(controller.status())?;
        if status & BUSY == 0 {
            return Ok(status);
        }
        if wire.remaining() <= until || wire.remaining() == Micros::ZERO {
            let code = format!("the flash controller stays busy (status 0x{status:08X})");
            return Err(SwdFault { address: Some(controller.status()), ..SwdFault::new(FailureClass::Timeout, code) });
        }
        wire.probe().wait(POLL);
    }
}

fn word_at<P: SwdProbe>(wire: &mut SwdWire<'_, P>, address: Address) -> Result<u32, SwdFault> {
    twice(wire, address, |wire| Ok(wire.read_word(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::Link;
    use crate::link::dfu_link::DfuLink;
    use crate::link::swd_link::SwdLink;
    use crate::link::virtual_bench::BenchShare;
    use crate::link::virtual_board::VirtualUsbBoard;
    use crate::link::virtual_probe::VirtualProbe;
    use crate::observation::alteration::Alteration;
    use crate::observation::permit::AlterClaim;
    use crate::observation::step::{Step, Touch};
    use crate::swd::whitelist::TargetWrite;

    const DEADLINE: Micros = Micros::from_secs(10);

    struct Desk {
        bench: BenchShare,
        link: SwdLink<VirtualProbe>,
    }

    /// Connected and identified, with every write recorded from here on.
    fn desk(board: &str) -> Desk {
        let bench = BenchShare::new(VirtualBoard::by_name(board, 1).unwrap());
        let mut link = SwdLink::new(VirtualProbe::new(bench.clone()), Touch::Observe);
        let connect = Step::Connect { mode: ConnectMode::Hotplug };
        for step in [Step::Wait { span: Micros::from_secs(1) }, Step::OpenProbe, connect, Step::Identify] {
            let record = link.perform(&step, DEADLINE);
            assert!(record.failure().is_none(), "{record:?}");
        }
        bench.lock().board.keep_write_log();
        Desk { bench, link }
    }

    impl Desk {
        fn permit(&mut self) {
            let serial = self.link.identity().serial.unwrap();
            self.link.permit(&AlterClaim::new(true, serial.raw()).unwrap()).unwrap();
        }

        fn set(&mut self, register: u32, word: u32) -> Option<(FailureClass, String)> {
            let data = Payload::new(word.to_le_bytes().to_vec());
            let step = Step::Alter(Alteration::OptionBytes { address: Address(register), data });
            let record = self.link.perform(&step, DEADLINE);
            record.failure().map(|failure| (failure.class, failure.code.clone().unwrap().raw().to_owned()))
        }

        fn read(&mut self, register: u32) -> u32 {
            let step = Step::Save { address: Address(register), length_bytes: 4 };
            let record = self.link.perform(&step, DEADLINE);
            assert!(record.failure().is_none(), "{record:?}");
            let crate::observation::fact::FactValue::Bytes(bytes) = &record.facts[0].value else { panic!() };
            u32::from_le_bytes(bytes.as_slice().try_into().unwrap())
        }

        fn writes_to_memory(&self) -> usize {
            let bench = self.bench.lock();
            bench.board.write_log().iter().filter(|(_, write)| matches!(write, TargetWrite::Memory { .. })).count()
        }
    }

    #[test]
    fn a_register_is_stored_with_its_complement_and_both_links_show_it() {
        for (board, register, change, dfu) in [
            ("healthy-f407", 0x4002_3C14, 0x0000_000C, 0x1FFF_C000),
            ("healthy-wb55", 0x5800_4020, 0x0000_0E00, 0x1FFF_8000),
            ("healthy-l476", 0x4002_2020, 0x0000_0700, 0x1FFF_7800),
        ] {
            let mut desk = desk(board);
            desk.permit();
            let before = desk.read(register);
            assert_eq!(desk.set(register, before ^ change), None, "{board}");
            let after = desk.read(register);
            assert_eq!(after ^ before, change, "{board}: {before:08x} {after:08x}");
            let verify = Step::Verify {
                address: Address(register),
                data: Payload::new((before ^ change).to_le_bytes().to_vec()),
            };
            assert!(desk.link.perform(&verify, DEADLINE).failure().is_none());
            let mut usb = DfuLink::new(VirtualUsbBoard::on(desk.bench.clone()));
            let save = Step::Save { address: Address(dfu), length_bytes: 8 };
            for step in [Step::Enumerate, Step::Open, Step::Claim, save] {
                let record = usb.perform(&step, DEADLINE);
                assert!(record.failure().is_none(), "{board}: {record:?}");
            }
            let bench = desk.bench.lock();
            let word = bench.board.memory().option_word(Address(dfu)).unwrap();
            let complement = bench.board.memory().option_word(Address(dfu + 4)).unwrap();
            match board {
                "healthy-f407" => assert_eq!(word & 0xFFFF ^ word >> 16, 0xFFFF, "{word:08x}"),
                _ => assert_eq!(word, !complement, "{board}"),
            }
        }
    }

    #[test]
    fn without_a_permit_nothing_is_written() {
        let mut desk = desk("healthy-f407");
        let (class, code) = desk.set(0x4002_3C14, 0x0FFF_AAE1).unwrap();
        assert!(class == FailureClass::BadArguments && code.contains("--write was not given"), "{code}");
        let other = AlterClaim::new(true, "another serial").unwrap();
        desk.link.permit(&other).unwrap();
        assert!(desk.set(0x4002_3C14, 0x0FFF_AAE1).unwrap().1.contains("is not this board"));
        assert_eq!(desk.writes_to_memory(), 0);
    }

    #[test]
    fn what_is_no_option_register_or_no_known_controller_is_refused() {
        let mut f407 = desk("healthy-f407");
        f407.permit();
        for register in [0x4002_3C10, 0x0800_0000, 0x1FFF_7800] {
            assert_eq!(f407.set(register, 0).unwrap().0, FailureClass::BadArguments, "{register:08x}");
        }
        assert_eq!(f407.writes_to_memory(), 0);
        let mut h743 = desk("healthy-h743");
        h743.permit();
        assert!(h743.set(0x5200_2020, 0).unwrap().1.contains("is not in its profile"));
        assert_eq!(h743.writes_to_memory(), 0);
    }

    #[test]
    fn a_jammed_controller_is_told_and_nothing_changes() {
        let mut desk = desk("healthy-wb55");
        desk.permit();
        let before = desk.read(0x5800_4020);
        // Another program has sent a wrong key since the last reset.
        let bench = desk.bench.clone();
        bench.lock().board.jam_flash_control();
        let (class, code) = desk.set(0x5800_4020, before ^ 0x200).unwrap();
        assert!(class == FailureClass::WriteProtected && code.contains("only after a reset"), "{class}: {code}");
        assert_eq!(desk.read(0x5800_4020), before);
        assert_eq!(desk.read(0x5800_4014) >> 30, 0b11, "the first keys have opened the flash, which is locked again");
    }
}
