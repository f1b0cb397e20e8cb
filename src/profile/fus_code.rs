//! State and error bytes of the firmware upgrade service (FUS) of the STM32WB, with names and meaning.

/// What the FUS says it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusState {
    pub name: &'static str,
    pub meaning: &'static str,
}

/// What the FUS says went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusError {
    pub code: u8,
    /// As the manufacturer's header names it; tools print it with `FUS_` in front.
    pub name: &'static str,
    pub meaning: &'static str,
    pub usual_reason: Option<&'static str>,
}

/// Ranges and names from shci.h of STM32CubeWB.
pub const fn state(byte: u8) -> Option<FusState> {
    let (name, meaning) = match byte {
        0x00 => ("FUS_IDLE", "the FUS runs and waits"),
        0x10..=0x1F => {
            ("FW_UPGRD_ONGOING", "a wireless stack is being installed or deleted; the part may reset several times")
        }
        0x20..=0x2F => ("FUS_UPGRD_ONGOING", "the FUS is being upgraded"),
        0x30..=0x3F => ("SERVICE_ONGOING", "a key or service request is at work"),
        0xFF => ("ERROR", "see the error byte; or CPU2 runs something that is not the FUS"),
        _ => return None,
    };
    Some(FusState { name, meaning })
}

const fn fault(code: u8, name: &'static str, meaning: &'static str, usual_reason: Option<&'static str>) -> FusError {
    FusError { code, name, meaning, usual_reason }
}

/// Codes from shci.h; the reasons are a judgement from the release notes of STM32CubeWB.
#[rustfmt::skip]
pub const ERRORS: [FusError; 14] = [
    fault(0x00, "NO_ERROR", "nothing went wrong", None),
    fault(0x01, "IMG_NOT_FOUND", "no image was found for the request", Some("wrong address or erased image; normal after a delete and on a blank part")),
    fault(0x02, "IMG_CORRUPT", "the integrity check failed", Some("incomplete download, or two images in the flash")),
    fault(0x03, "IMG_NOT_AUTHENTIC", "the signature check failed", Some("image of another family, second copy in the flash, altered file")),
    fault(0x04, "IMG_NOT_ENOUGH_SPACE", "there is no room to install", Some("the application holds the pages that are needed, or the address is wrong")),
    fault(0x05, "IMAGE_USRABORT", "the operation was cut off", Some("reset or loss of power while it ran")),
    fault(0x06, "IMAGE_ERSERROR", "erasing failed", Some("flash protection, supply")),
    fault(0x07, "IMAGE_WRTERROR", "writing failed", Some("dip of the supply, pages not erased, damaged flash")),
    fault(0x08, "AUTH_TAG_ST_NOTFOUND", "the manufacturer's tag is missing", Some("not an image signed by ST")),
    fault(0x09, "AUTH_TAG_CUST_NOTFOUND", "the customer's tag is missing", Some("a customer key is installed and the image is not signed with it")),
    fault(0x0A, "AUTH_KEY_LOCKED", "the user key is locked", None),
    fault(0x11, "FW_ROLLBACK_ERROR", "the image is older than the anti-rollback limit", Some("an older stack than the one that activated it")),
    fault(0xFE, "STATE_NOT_RUNNING", "the FUS does not run: the wireless stack does", Some("ask for the state twice to re-enter the FUS")),
    fault(0xFF, "ERR_UNKNOWN", "no known error", Some("CPU2 is silent, option bytes are wrong, or safeboot runs")),
];

pub fn error(byte: u8) -> Option<&'static FusError> {
    ERRORS.iter().find(|error| error.code == byte)
}

/// By any spelling that tools print: `FUS_IMAGE_WRTERROR`, `FUS_STATE_IMG_NOT_FOUND`, `FUS_IMAGE_NOT_FOUND`, `IMG_NOT_FOUND`.
pub fn error_named(printed: &str) -> Option<&'static FusError> {
    let core = printed.trim().trim_start_matches("FUS_").trim_start_matches("STATE_");
    let same = |name: &str| plain(name.trim_start_matches("STATE_")) == plain(core);
    ERRORS.iter().find(|error| same(error.name))
}

/// Tools write IMG and IMAGE for each other.
fn plain(name: &str) -> String {
    name.to_ascii_uppercase().replace("IMAGE_", "IMG_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_error() {
        for (printed, code) in [
            ("FUS_IMAGE_WRTERROR", 0x07),
            ("IMAGE_ERSERROR", 0x06),
            ("FUS_IMAGE_NOT_FOUND", 0x01),
            ("FUS_STATE_IMG_NOT_FOUND", 0x01),
            ("FUS_STATE_ERR_UNKNOWN", 0xFF),
            ("FUS_NO_ERROR", 0x00),
            ("STATE_NOT_RUNNING", 0xFE),
        ] {
            assert_eq!(error_named(printed).map(|error| error.code), Some(code), "{printed}");
        }
        assert_eq!(error_named("FUS_SOMETHING"), None);
    }

    #[test]
    fn ranges_of_states_have_one_name() {
        assert_eq!(state(0x10).unwrap(), state(0x1F).unwrap());
        assert_eq!(state(0x00).unwrap().name, "FUS_IDLE");
        assert_eq!(state(0x80), None);
    }
}
