//! DFU states and status codes, and the six bytes of GETSTATUS.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observation::units::Micros;

/// The answer to GETSTATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    pub status: DfuStatus,
    /// bwPollTimeout: how long the device wants to be left alone before the next GETSTATUS.
    pub poll_timeout: Micros,
    pub state: DfuState,
    /// iString
    pub string_index: u8,
}

impl StatusReply {
    pub const LENGTH_BYTES: usize = 6;

    /// Absent if the answer is too short to mean anything.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[status, low, middle, high, state, string_index] = bytes.get(..Self::LENGTH_BYTES)? else { return None };
        Some(Self {
            status: DfuStatus(status),
            poll_timeout: Micros::from_millis(u32::from_le_bytes([low, middle, high, 0]).into()),
            state: DfuState(state),
            string_index,
        })
    }

    /// The six bytes as a device sends them; time-outs beyond 24 bits of milliseconds become the longest there is.
    pub fn to_bytes(self) -> [u8; Self::LENGTH_BYTES] {
        let millis = u32::try_from(self.poll_timeout.0 / 1_000).unwrap_or(u32::MAX).min(0xff_ffff);
        let [low, middle, high, _] = millis.to_le_bytes();
        [self.status.0, low, middle, high, self.state.0, self.string_index]
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($constant:ident = $code:literal $name:literal $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub u8);

        impl $type {
            $(#[doc = $meaning] pub const $constant: Self = Self($code);)*
            pub const ALL: &'static [Self] = &[$(Self::$constant,)*];

            /// The name in the specification; absent for a code that it does not define.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 { $($code => Some($name),)* _ => None }
            }

            pub const fn meaning(self) -> &'static str {
                match self.0 { $($code => $meaning,)* _ => "not defined by the DFU specification" }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "0x{:02X}", self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

codes! {
    /// bState
    DfuState {
        APP_IDLE = 0 "appIDLE" "the application runs; the device is not in DFU mode";
        APP_DETACH = 1 "appDETACH" "the application waits for a bus reset to enter DFU mode";
        IDLE = 2 "dfuIDLE" "ready for requests";
        DNLOAD_SYNC = 3 "dfuDNLOAD-SYNC" "a block was received and waits for GETSTATUS";
        DNBUSY = 4 "dfuDNBUSY" "busy with what was downloaded";
        DNLOAD_IDLE = 5 "dfuDNLOAD-IDLE" "in a download, waiting for the next block";
        MANIFEST_SYNC = 6 "dfuMANIFEST-SYNC" "the download is complete and waits for GETSTATUS";
        MANIFEST = 7 "dfuMANIFEST" "leaving: the device is about to jump to the application";
        MANIFEST_WAIT_RESET = 8 "dfuMANIFEST-WAIT-RESET" "waiting for a bus reset";
        UPLOAD_IDLE = 9 "dfuUPLOAD-IDLE" "in an upload, waiting for the next request";
        ERROR = 10 "dfuERROR" "an error occurred; CLRSTATUS leads out";
    }
}

codes! {
    /// bStatus
    DfuStatus {
        OK = 0x00 "OK" "no error";
        ERR_TARGET = 0x01 "errTARGET" "the address or file is not for this target";
        ERR_FILE = 0x02 "errFILE" "a vendor-specific check of the file failed";
        ERR_WRITE = 0x03 "errWRITE" "memory could not be written";
        ERR_ERASE = 0x04 "errERASE" "memory could not be erased";
        ERR_CHECK_ERASED = 0x05 "errCHECK_ERASED" "memory is not blank after an erase";
        ERR_PROG = 0x06 "errPROG" "programming failed";
        ERR_VERIFY = 0x07 "errVERIFY" "what was programmed reads back differently";
        ERR_ADDRESS = 0x08 "errADDRESS" "the address is out of range";
        ERR_NOTDONE = 0x09 "errNOTDONE" "the host ended the download before the device expected it";
        ERR_FIRMWARE = 0x0a "errFIRMWARE" "the firmware is corrupt; the device cannot return to it";
        ERR_VENDOR = 0x0b "errVENDOR" "vendor-specific; on STM32 ROMs read-out protection is active";
        ERR_USBR = 0x0c "errUSBR" "an unexpected USB reset was seen";
        ERR_POR = 0x0d "errPOR" "an unexpected power-on reset was seen";
        ERR_UNKNOWN = 0x0e "errUNKNOWN" "something went wrong that the device cannot name";
        ERR_STALLEDPKT = 0x0f "errSTALLEDPKT" "the device refused a request that does not fit its state";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_poll_timeout_is_24_bits_of_milliseconds() {
        let reply = StatusReply::parse(&[0x00, 0x64, 0x01, 0x02, 0x04, 0x00]).unwrap();
        assert_eq!(reply.poll_timeout, Micros::from_millis(0x02_0164));
        assert_eq!((reply.status, reply.state), (DfuStatus::OK, DfuState::DNBUSY));
    }

    #[test]
    fn unknown_codes_stay_readable() {
        assert_eq!(DfuStatus(0x42).to_string(), "0x42");
        assert_eq!(DfuState(10).to_string(), "dfuERROR");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_six_bytes_read_back_as_sent(bytes in prop::array::uniform6(any::<u8>())) {
            prop_assert_eq!(StatusReply::parse(&bytes).unwrap().to_bytes(), bytes);
        }

        #[test]
        fn fewer_bytes_mean_nothing(bytes in prop::collection::vec(any::<u8>(), 0..6)) {
            prop_assert_eq!(StatusReply::parse(&bytes), None);
        }
    }
}
