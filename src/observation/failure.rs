//! Failures: a step that did not do what it should. Data, never a program error.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::field_text::FieldText;
use super::step::Phase;
use super::units::{Address, Micros};

/// A failure as it was seen: the class for people and statistics, the raw code beside it for experts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    pub phase: Phase,
    /// The code as the lower layer gave it: `LIBUSB_ERROR_PIPE`, `-71`, `errVENDOR`, `FUS_IMAGE_WRTERROR`.
    pub code: Option<FieldText>,
    /// From the start of the operation to the failure; absent where a log does not tell.
    pub elapsed: Option<Micros>,
    pub address: Option<Address>,
    /// Where a DFU session stood.
    #[serde(default, skip_serializing_if = "DfuStand::is_unknown")]
    pub dfu: DfuStand,
    /// The line of the log it was read from.
    pub line: Option<u32>,
    /// Why this is normal where it happened; such a failure speaks against nothing.
    pub expected: Option<String>,
}

/// Where a DFU session stood when a step failed, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DfuStand {
    /// The alternate setting that the step worked in, and the memory that its layout string names.
    pub alternate: Option<(u8, FieldText)>,
    /// The state in the last answer to GETSTATUS within the step.
    pub state: Option<String>,
}

impl DfuStand {
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

impl Failure {
    pub fn new(class: FailureClass, phase: Phase) -> Self {
        Self {
            class,
            phase,
            code: None,
            elapsed: None,
            address: None,
            dfu: DfuStand::default(),
            line: None,
            expected: None,
        }
    }

    #[must_use]
    pub fn with_code(mut self, code: impl Into<FieldText>) -> Self {
        self.code = Some(code.into());
        self
    }

    #[must_use]
    pub fn after(mut self, elapsed: Micros) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    #[must_use]
    pub fn at(mut self, address: Address) -> Self {
        self.address = Some(address);
        self
    }

    /// `no-ack at connect: SwdDpWait`
    pub fn in_words(&self) -> String {
        let code = self.code.as_ref().map(|code| format!(": {}", code.for_terminal())).unwrap_or_default();
        format!("{} at {}{code}", self.class.name(), self.phase.name())
    }

    #[must_use]
    pub fn standing(mut self, dfu: DfuStand) -> Self {
        self.dfu = dfu;
        self
    }

    pub fn is_expected(&self) -> bool {
        self.expected.is_some()
    }
}

macro_rules! failure_classes {
    ($($variant:ident $name:literal $letter:literal $meaning:literal;)*) => {
        /// What went wrong, in classes that are the same for a live link and for other tools' logs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FailureClass {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl FailureClass {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in JSON, on screen and by `explain`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One character for the strip of cycles; classes of one kind share a letter.
            pub const fn letter(self) -> char {
                match self { $(Self::$variant => $letter,)* }
            }

            /// One sentence for people.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

failure_classes! {
    NotEnumerated "not-enumerated" 'E' "The board did not appear on the bus within the deadline.";
    DescriptorFailed "descriptor-failed" 'E' "The host saw something on the port but could not read its descriptors or give it an address.";
    NotFound "not-found" 'N' "No device that fits was found on this computer.";
    Access "access-denied" 'A' "The operating system refused to open the device.";
    DriverMissing "driver-missing" 'A' "No usable driver is bound to the device.";
    Busy "busy" 'B' "Another program, or a driver of the system, holds the device.";
    Stall "stall" 'S' "The device answered and refused the request (STALL).";
    Timeout "timeout" 'T' "No answer came within the deadline.";
    BusError "bus-error" 'P' "The transfer failed on the wire: no handshake, CRC error or bit stuffing error.";
    Overflow "overflow" 'O' "The device sent more than was asked for.";
    Disconnected "disconnected" 'D' "The device left the bus.";
    ShortRead "short-read" 'H' "Fewer bytes came than were asked for.";
    DfuStatus "dfu-status" 'F' "The device reported an error in its DFU status.";
    UnexpectedState "unexpected-state" 'U' "The device was in a state in which this step cannot be done.";
    MalformedDescriptor "malformed-descriptor" 'M' "A descriptor or layout string does not follow its specification.";
    DataMismatch "data-mismatch" 'X' "Data read back differs from what it should be or was before.";
    ReadFailed "read-failed" 'R' "A tool reported that reading failed, without saying how.";
    WriteFailed "write-failed" 'W' "Writing to the target failed.";
    EraseFailed "erase-failed" 'W' "Erasing failed.";
    VerifyFailed "verify-failed" 'X' "What was written could not be read back the same.";
    ConnectFailed "connect-failed" 'C' "A tool could not connect to the target, without saying how.";
    Protected "protected" 'L' "Read-out protection or a protected area refused the access.";
    WriteProtected "write-protected" 'L' "Write protection or a lock refused the change.";
    AddressRefused "address-refused" 'Q' "The address is not one that the device accepts.";
    NoProbe "no-probe" 'N' "No debug probe was found or could be opened.";
    ProbeFirmware "probe-firmware" 'G' "The probe's firmware is too old or not fit for the tool.";
    ProbeFault "probe-fault" 'G' "The probe itself stopped answering or failed.";
    ProbeLost "probe-lost" 'G' "The probe left the bus, or its USB connection broke.";
    NoTarget "no-target" 'K' "The probe works but no target answers.";
    NoAcknowledge "no-acknowledge" 'K' "The target gave no acknowledge on SWD.";
    SwdWait "swd-wait" 'Y' "The target kept answering WAIT.";
    SwdFault "swd-fault" 'V' "The target answered FAULT.";
    Parity "parity" 'P' "Data on SWD had a parity error.";
    PowerUp "debug-power-up" 'K' "The debug port answers, but the debug domain behind it does not power up.";
    HeldInReset "held-in-reset" 'Z' "The target is held in reset.";
    NotHalted "not-halted" 'J' "The core could not be halted or does not stay halted.";
    Halted "core-halted" 'J' "The core stands still: halted by a debugger, or locked up after a fault.";
    ResetLoop "reset-loop" 'Z' "The target was reset while it was being accessed, again and again.";
    LowVoltage "low-voltage" '-' "The probe measures too low or no target voltage.";
    IdMismatch "id-mismatch" 'I' "The identity that was read does not fit the part that was expected.";
    FusStatus "fus-status" 'f' "The firmware upgrade service reported an error.";
    BadFile "bad-file" 'b' "The image file is missing, damaged or not meant for this board.";
    BadArguments "bad-arguments" 'b' "The tool was called or configured wrongly.";
    NotSent "not-sent" 'b' "flakescope refused a request of its own, which went beyond what the step may do; the board never saw it.";
    ToolFailure "tool-failure" 't' "The host tool itself failed or contradicts itself.";
    Hang "hang" 'h' "An operation never came back and was abandoned.";
    NoPower "no-power" '-' "The board has no supply, or the port cut it off.";
    Other "other" '?' "A failure that fits no other class.";
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = FailureClass::ALL.iter().map(|class| class.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FailureClass::ALL.len());
    }

    #[test]
    fn every_meaning_is_a_sentence() {
        for class in FailureClass::ALL {
            assert!(class.meaning().ends_with('.'), "{class}");
        }
    }
}
