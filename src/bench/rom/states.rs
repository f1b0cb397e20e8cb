//! The states of DFU and the requests that lead from one to another. States and rules follow AN3156.

use super::bootloader::{Bootloader, Departure, RomAnswer, data, hang, stall};
use super::descriptors::TRANSFER_BYTES;
use super::memory::UPGRADE_SERVICE;
use super::protection::ReadOut;
use super::work::{UnderWay, Work};
use crate::dfu::command::{CLASS_IN, CLASS_OUT, DNLOAD, FIRST_DATA_BLOCK, UPLOAD};
use crate::dfu::request::{ControlRequest, DataStage};
use crate::dfu::state::{DfuState, DfuStatus, StatusReply};
use crate::observation::units::{Address, Micros};

/// From the last answer until the device has left; not documented, chosen.
const JUMP_AFTER: Micros = Micros::from_millis(5);

impl Bootloader {
    pub(super) fn download(&mut self, block: u16, bytes: &[u8]) -> RomAnswer {
        if self.state != DfuState::IDLE && self.state != DfuState::DNLOAD_IDLE {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if bytes.is_empty() {
            self.state = DfuState::MANIFEST_SYNC;
            return data(Vec::new());
        }
        if block == 1 || bytes.len() > usize::from(TRANSFER_BYTES) {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        self.pending = Some((block, bytes.to_vec()));
        self.state = DfuState::DNLOAD_SYNC;
        data(Vec::new())
    }

    pub(super) fn upload(&mut self, block: u16, length: u16) -> RomAnswer {
        if self.state != DfuState::IDLE && self.state != DfuState::UPLOAD_IDLE {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if block == 0 {
            let commands = &self.rom.sheet.commands;
            return data(commands[..commands.len().min(usize::from(length))].to_vec());
        }
        if block == 1 || length == 0 || length > TRANSFER_BYTES {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        if self.protection.read_out != ReadOut::Level0 {
            return self.refuse(DfuStatus::ERR_VENDOR);
        }
        let Some(address) = self.block_address(block, u32::from(length)) else {
            return self.refuse(DfuStatus::ERR_TARGET);
        };
        if address == UPGRADE_SERVICE
            && let Some(service) = &mut self.service
        {
            service.asked(&mut self.memory);
        }
        let Some(mut bytes) = self.memory.read(address, u32::from(length)) else {
            return self.refuse(DfuStatus::ERR_TARGET);
        };
        self.protection.hide(address, &mut bytes);
        // A short block ends the upload.
        self.state = if bytes.len() < usize::from(length) { DfuState::IDLE } else { DfuState::UPLOAD_IDLE };
        data(bytes)
    }

    /// The ROM takes the length of this very transfer as the size of all blocks before it.
    pub(super) fn block_address(&self, block: u16, length: u32) -> Option<Address> {
        let offset = u32::from(block - FIRST_DATA_BLOCK) * length;
        self.pointer.0.checked_add(offset).map(Address)
    }

    /// Where the next block would be read or written, for models that act on an address.
    pub fn address_of(&self, request: &ControlRequest) -> Option<(Address, u32)> {
        let length = match (request.request_type, request.request, &request.data) {
            (CLASS_IN, UPLOAD, DataStage::In(length)) => u32::from(*length),
            (CLASS_OUT, DNLOAD, DataStage::Out(bytes)) => bytes.len() as u32,
            _ => return None,
        };
        (request.value >= FIRST_DATA_BLOCK).then(|| self.block_address(request.value, length).map(|at| (at, length)))?
    }

    pub(super) fn clear_status(&mut self) -> RomAnswer {
        if self.state == DfuState::ERROR {
            self.state = DfuState::IDLE;
            self.status = DfuStatus::OK;
            self.work = None;
        } else if self.rom.sheet.quirks.clear_status_may_fail {
            self.state = DfuState::ERROR;
            self.status = DfuStatus::ERR_UNKNOWN;
        }
        data(Vec::new())
    }

    pub(super) fn abort(&mut self) -> RomAnswer {
        let idle = [DfuState::IDLE, DfuState::DNLOAD_SYNC, DfuState::DNLOAD_IDLE, DfuState::UPLOAD_IDLE];
        if !idle.contains(&self.state) {
            return self.refuse(DfuStatus::ERR_STALLEDPKT);
        }
        self.state = DfuState::IDLE;
        self.pending = None;
        data(Vec::new())
    }

    /// The request that sets a pending download to work, and later tells how that went.
    pub(super) fn get_status(&mut self, at: Micros) -> RomAnswer {
        match self.state {
            DfuState::DNLOAD_SYNC => self.begin_work(at),
            DfuState::DNBUSY => self.look_at_work(at),
            DfuState::MANIFEST_SYNC => {
                self.state = DfuState::MANIFEST;
                let departure = self.memory.jump_target(self.pointer).map_or(Departure::Reset, Departure::Jump);
                if self.rom.sheet.quirks.leave_does_nothing {
                    return self.status_reply(Micros::from_millis(1));
                }
                RomAnswer { departure: Some((JUMP_AFTER, departure)), ..self.status_reply(Micros::from_millis(1)) }
            }
            _ => self.status_reply(Micros::ZERO),
        }
    }

    fn status_reply(&self, poll_timeout: Micros) -> RomAnswer {
        let reply = StatusReply { status: self.status, poll_timeout, state: self.state, string_index: 0 };
        data(reply.to_bytes().to_vec())
    }

    fn begin_work(&mut self, at: Micros) -> RomAnswer {
        let Some((block, bytes)) = self.pending.take() else { return self.refuse(DfuStatus::ERR_STALLEDPKT) };
        let work = if block == 0 { self.command(at, &bytes) } else { self.write_block(block, &bytes) };
        if work.needs_flash && at < self.busy_until {
            return hang();
        }
        let Work { takes, advertised, status, departure, goes_on, is_erase, .. } = work;
        if goes_on > Micros::ZERO {
            self.busy_until = at + takes + goes_on;
        }
        self.work = Some(UnderWay { done: at + takes, status, departure, is_erase });
        self.state = DfuState::DNBUSY;
        RomAnswer { flash_work: takes + goes_on, ..self.status_reply(advertised.unwrap_or(takes)) }
    }

    fn look_at_work(&mut self, at: Micros) -> RomAnswer {
        let Some(UnderWay { done, status, departure, is_erase }) = self.work else {
            return self.status_reply(Micros::ZERO);
        };
        if at < done {
            return if self.rom.sheet.quirks.stalls_while_busy { stall() } else { self.status_reply(done - at) };
        }
        if is_erase && self.rom.sheet.quirks.stays_busy_after_erase {
            return self.status_reply(Micros::ZERO);
        }
        self.work = None;
        self.status = status;
        self.state = if status == DfuStatus::OK { DfuState::DNLOAD_IDLE } else { DfuState::ERROR };
        RomAnswer { departure: departure.map(|departure| (JUMP_AFTER, departure)), ..self.status_reply(Micros::ZERO) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::bootloader::RomReply;
    use crate::bench::rom::bootloader::tests::{bootloader, bytes, download, run, status};
    use crate::dfu::command;

    #[test]
    fn upload_reads_from_the_pointer_in_blocks_of_its_own_length() {
        let mut rom = bootloader("f40x-v9");
        let ended = run(&mut rom, &command::set_address(0, Address(0x0800_4000)));
        assert_eq!((ended.state, ended.status), (DfuState::DNLOAD_IDLE, DfuStatus::OK));
        rom.answer(Micros::ZERO, &command::abort(0));
        let block = bytes(rom.answer(Micros::ZERO, &command::upload(0, 4, 1024)));
        assert_eq!(block, rom.memory.read(Address(0x0800_4800), 1024).unwrap());
        assert_eq!(status(&mut rom, Micros::ZERO).state, DfuState::UPLOAD_IDLE);
    }

    #[test]
    fn busy_lasts_as_long_as_the_work() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &download(0, &[0x41, 0, 0, 0, 8]));
        assert_eq!(status(&mut rom, Micros::ZERO).poll_timeout, Micros::from_secs(1));
        assert_eq!(status(&mut rom, Micros::from_millis(400)).state, DfuState::DNBUSY);
        assert_eq!(status(&mut rom, Micros::from_secs(1)).state, DfuState::DNLOAD_IDLE);
        assert_eq!(rom.memory.read(Address(0x0800_0000), 4).unwrap(), [0xff; 4]);
    }

    #[test]
    fn an_address_outside_the_map_ends_in_err_target() {
        let mut rom = bootloader("f40x-v9");
        let ended = run(&mut rom, &command::set_address(0, Address(0x1ff0_f000)));
        assert_eq!((ended.state, ended.status), (DfuState::ERROR, DfuStatus::ERR_TARGET));
        rom.answer(Micros::ZERO, &command::clear_status(0));
        assert_eq!(status(&mut rom, Micros::ZERO).state, DfuState::IDLE);
    }

    #[test]
    fn leave_manifests_and_jumps_to_the_reset_vector() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &download(0, &[]));
        let answer = rom.answer(Micros::ZERO, &command::get_status(0));
        assert_eq!(answer.departure.map(|(_, departure)| departure), Some(Departure::Jump(Address(0x0800_0201))));
        assert_eq!(StatusReply::parse(&bytes(answer)).unwrap().state, DfuState::MANIFEST);
    }

    #[test]
    fn requests_that_do_not_fit_the_state_stall_and_are_remembered() {
        let mut rom = bootloader("f40x-v9");
        rom.answer(Micros::ZERO, &command::set_address(0, Address(0x0800_0000)));
        assert_eq!(rom.answer(Micros::ZERO, &command::upload(0, 2, 64)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::ZERO).status, DfuStatus::ERR_STALLEDPKT);
    }

    #[test]
    fn some_roms_stall_getstatus_while_they_work() {
        let mut rom = bootloader("l47x-v10");
        rom.answer(Micros::ZERO, &download(0, &[0x41, 0, 0, 0, 8]));
        status(&mut rom, Micros::ZERO);
        assert_eq!(rom.answer(Micros(10), &command::get_status(0)).reply, RomReply::Stall);
        assert_eq!(status(&mut rom, Micros::from_secs(1)).state, DfuState::DNLOAD_IDLE);
    }
}
