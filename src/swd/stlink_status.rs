//! The status byte of an ST-Link command: name, class of failure, usual reasons.

use crate::observation::failure::FailureClass;

/// One status byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeStatus {
    pub code: u8,
    pub name: &'static str,
    /// `None` where it is no failure.
    pub class: Option<FailureClass>,
    /// Usual reasons; a judgement, not a document.
    pub reasons: Option<&'static str>,
}

const fn status(
    code: u8,
    name: &'static str,
    class: Option<FailureClass>,
    reasons: Option<&'static str>,
) -> ProbeStatus {
    ProbeStatus { code, name, class, reasons }
}

/// Names from OpenOCD and probe-rs.
#[rustfmt::skip]
pub const STATUSES: [ProbeStatus; 32] = [
    status(0x80, "OK", None, None),
    status(0x81, "FAULT", Some(FailureClass::SwdFault), Some("access to an address that bus-faults; target lost power")),
    status(0x01, "unknown JTAG error", Some(FailureClass::ProbeFault), None),
    status(0x02, "SPI error", Some(FailureClass::ProbeFault), Some("inside the probe")),
    status(0x03, "DMA error", Some(FailureClass::ProbeFault), Some("inside the probe")),
    status(0x04, "unknown JTAG chain", Some(FailureClass::NoTarget), None),
    status(0x05, "no device connected", Some(FailureClass::NoTarget), Some("wiring, power, NRST held, SWD pins taken, RDP level 2, low power")),
    status(0x06, "internal error", Some(FailureClass::ProbeFault), Some("the probe's firmware")),
    status(0x07, "command wait", Some(FailureClass::SwdWait), Some("busy: try again")),
    status(0x08, "command error", Some(FailureClass::ProbeFault), None),
    status(0x09, "get IDCODE error", Some(FailureClass::NoTarget), Some("noise, speed, target without power, SWDIO and SWCLK swapped, pins remapped")),
    status(0x0A, "alignment error", Some(FailureClass::ToolFailure), Some("defect of the host tool")),
    status(0x0B, "debug power error", Some(FailureClass::PowerUp), Some("debug domain without power: low-power mode, bad VDD")),
    status(0x0C, "write error", Some(FailureClass::WriteFailed), None),
    status(0x0D, "write verify error", Some(FailureClass::VerifyFailed), Some("signal integrity, flash controller")),
    status(0x0E, "already opened in another mode", Some(FailureClass::Busy), Some("another program left the probe in SWIM, JTAG or SWD")),
    status(0x10, "SWD AP WAIT", Some(FailureClass::SwdWait), Some("bus of the target busy: flash erase, core in STOP; SWCLK too fast")),
    status(0x11, "SWD AP FAULT", Some(FailureClass::SwdFault), Some("sticky error: access fault, flash read at RDP level 1, clock off")),
    status(0x12, "SWD AP error", Some(FailureClass::NoAcknowledge), Some("no valid acknowledge: noise")),
    status(0x13, "SWD AP parity error", Some(FailureClass::Parity), Some("signal integrity: long wires, missing ground, speed")),
    status(0x14, "SWD DP WAIT", Some(FailureClass::SwdWait), Some("debug port busy")),
    status(0x15, "SWD DP FAULT", Some(FailureClass::SwdFault), Some("sticky error")),
    status(0x16, "SWD DP error", Some(FailureClass::NoAcknowledge), Some("no valid acknowledge: cable, reset, power")),
    status(0x17, "SWD DP parity error", Some(FailureClass::Parity), Some("signal integrity")),
    status(0x18, "SWD AP write-data error", Some(FailureClass::Parity), Some("parity of written data: signal integrity")),
    status(0x19, "SWD AP sticky error", Some(FailureClass::SwdFault), Some("an earlier access failed")),
    status(0x1A, "SWD AP sticky overrun", Some(FailureClass::SwdFault), Some("speed too high")),
    status(0x1D, "bad AP", Some(FailureClass::SwdFault), Some("access port not there or closed: wrong device profile, dual-core part, power")),
    status(0x20, "SWO not available", Some(FailureClass::Other), None),
    status(0x40, "configuration changed", None, None),
    status(0x41, "frequency not supported", Some(FailureClass::BadArguments), None),
    status(0x42, "unknown command", Some(FailureClass::ProbeFirmware), Some("the probe's firmware is too old for this tool")),
];

pub fn of_code(code: u8) -> Option<&'static ProbeStatus> {
    STATUSES.iter().find(|status| status.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        for (at, status) in STATUSES.iter().enumerate() {
            assert!(STATUSES[at + 1..].iter().all(|other| other.code != status.code), "0x{:02X}", status.code);
        }
    }

    #[test]
    fn good_statuses_are_no_failures() {
        assert_eq!(of_code(0x80).unwrap().class, None);
        assert_eq!(of_code(0x05).unwrap().class, Some(FailureClass::NoTarget));
        assert_eq!(of_code(0x77), None);
    }
}
