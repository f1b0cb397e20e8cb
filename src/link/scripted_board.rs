//! A small DFU device for tests: one that follows the ROM's rules and fails on request.

use crate::dfu::command;
use crate::dfu::request::{ControlRequest, DataStage, UsbError, UsbErrorKind};
use crate::dfu::state::{DfuState, DfuStatus, StatusReply};
use crate::observation::board::BoardIdentity;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::units::Micros;

use super::usb_board::UsbBoard;

#[derive(Debug)]
pub struct ScriptedBoard {
    pub now: Micros,
    pub sent: Vec<ControlRequest>,
    pub state: DfuState,
    pub status: DfuStatus,
    pub strings: Vec<&'static str>,
    pub dfu_version: u16,
    pub present: bool,
    /// The next UPLOAD of data ends like this; afterwards the board is there or not.
    pub fail_upload: Option<(UsbErrorKind, &'static str, bool)>,
    pub flash_fill: u8,
    pub opened: bool,
    /// So many handles are opened on a device that is about to go: it is still listed, and the handle reaches nothing.
    pub stale_handles: u32,
    pub stale: bool,
    pub pointer: u32,
    pub busy: bool,
}

impl Default for ScriptedBoard {
    fn default() -> Self {
        Self {
            now: Micros::ZERO,
            sent: Vec::new(),
            state: DfuState::IDLE,
            status: DfuStatus::OK,
            strings: vec![
                "STMicroelectronics",
                "STM32  BOOTLOADER",
                "357236543131",
                "@Internal Flash  /0x08000000/04*016Kg",
                "@Option Bytes  /0x1FFFC000/01*016 e",
                "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
            ],
            dfu_version: 0x011a,
            present: true,
            fail_upload: None,
            flash_fill: 0xa5,
            opened: false,
            stale_handles: 0,
            stale: false,
            pointer: 0x0800_0000,
            busy: false,
        }
    }
}

impl ScriptedBoard {
    fn descriptor(&self, value: u16) -> Result<Vec<u8>, UsbError> {
        let [kind, number] = value.to_be_bytes();
        match kind {
            command::DESCRIPTOR_DEVICE => {
                Ok(vec![18, 1, 0, 1, 0, 0, 0, 64, 0x83, 0x04, 0x11, 0xdf, 0x00, 0x22, 1, 2, 3, 1])
            }
            command::DESCRIPTOR_CONFIGURATION => Ok(self.configuration()),
            _ => {
                let text = self.strings.get(usize::from(number) - 1).ok_or_else(stall)?;
                let body: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                Ok([vec![body.len() as u8 + 2, 3], body].concat())
            }
        }
    }

    fn configuration(&self) -> Vec<u8> {
        let alternates = self.strings.len() as u8 - 3;
        let mut bytes = vec![9, 2, 18 + 9 * alternates, 0, 1, 1, 0, 0xc0, 50];
        for alternate in 0..alternates {
            bytes.extend([9, 4, 0, alternate, 0, 0xfe, 1, 2, 4 + alternate]);
        }
        let [low, high] = self.dfu_version.to_le_bytes();
        bytes.extend([9, 0x21, 0x0b, 0xff, 0, 0, 8, low, high]);
        bytes
    }

    fn upload(&mut self, length: u16) -> Result<Vec<u8>, UsbError> {
        if let Some((kind, code, stays)) = self.fail_upload.take() {
            self.present = stays;
            return Err(UsbError { kind, code: code.to_owned() });
        }
        self.state = DfuState::UPLOAD_IDLE;
        let fill = if self.pointer >> 24 == 0x08 { self.flash_fill } else { 0xff };
        Ok(vec![fill; length.into()])
    }
}

fn stall() -> UsbError {
    UsbError { kind: UsbErrorKind::Stall, code: "LIBUSB_ERROR_PIPE".to_owned() }
}

fn gone() -> UsbError {
    UsbError { kind: UsbErrorKind::Disconnected, code: "LIBUSB_ERROR_NO_DEVICE".to_owned() }
}

impl UsbBoard for ScriptedBoard {
    fn now(&self) -> Micros {
        self.now
    }

    fn wait(&mut self, span: Micros) {
        self.now += span;
    }

    fn arrive(&mut self, deadline: Micros) -> Result<BoardIdentity, UsbError> {
        if !self.present {
            self.now += deadline;
            return Err(UsbError { kind: UsbErrorKind::NotFound, code: "nothing came".to_owned() });
        }
        let port = "1-2".parse().ok();
        Ok(BoardIdentity { port, vendor_id: Some(0x0483), product_id: Some(0xdf11), ..BoardIdentity::default() })
    }

    fn is_present(&mut self) -> bool {
        self.present
    }

    fn open(&mut self) -> Result<(), UsbError> {
        if !self.present {
            return Err(gone());
        }
        self.opened = true;
        self.stale = self.stale_handles > 0;
        self.stale_handles = self.stale_handles.saturating_sub(1);
        Ok(())
    }

    fn claim(&mut self, _interface: u8) -> Result<(), UsbError> {
        if self.opened && !self.stale { Ok(()) } else { Err(gone()) }
    }

    fn set_alternate(&mut self, _interface: u8, _alternate: u8) -> Result<(), UsbError> {
        self.now += Micros(400);
        if self.stale { Err(gone()) } else { Ok(()) }
    }

    fn control(&mut self, request: &ControlRequest, _timeout: Micros) -> Result<Vec<u8>, UsbError> {
        self.now += Micros(500);
        if !self.present || !self.opened || self.stale {
            return Err(gone());
        }
        self.sent.push(request.clone());
        match (request.request, &request.data) {
            (command::GET_DESCRIPTOR, _) if request.request_type == 0x80 => self.descriptor(request.value),
            (command::GETSTATUS, _) => {
                let state = if std::mem::take(&mut self.busy) { DfuState::DNBUSY } else { self.state };
                let reply = StatusReply { status: self.status, poll_timeout: Micros::ZERO, state, string_index: 0 };
                Ok(reply.to_bytes().to_vec())
            }
            (command::ABORT | command::CLRSTATUS, _) => {
                (self.state, self.status) = (DfuState::IDLE, DfuStatus::OK);
                Ok(Vec::new())
            }
            (command::DNLOAD, DataStage::Out(data)) => {
                self.pointer = u32::from_le_bytes(data[1..5].try_into().unwrap());
                (self.state, self.busy) = (DfuState::DNLOAD_IDLE, true);
                Ok(Vec::new())
            }
            (command::UPLOAD, DataStage::In(length)) => self.upload(*length),
            _ => Err(stall()),
        }
    }

    fn close(&mut self) {
        self.opened = false;
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.now += off_time;
        Some((BootKind::ColdPowerOn { off_time: Some(off_time) }, BootProof::Commanded))
    }
}
