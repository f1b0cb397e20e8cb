//! The gate before anything that lasts: a permit to alter one board, made only of the wish to write and a confirmed identity.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::board::BoardIdentity;

/// What the user said: that something is to be written, and to which board. It opens nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Said", into = "Said")]
pub struct AlterClaim {
    typed: String,
}

/// The claim as it travels to the worker process; it is checked again there.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said {
    write: bool,
    typed: String,
}

/// Permission to alter the non-volatile memory of one board. There is no way to make one but [`AlterPermit::grant`].
#[derive(Debug, PartialEq, Eq)]
pub struct AlterPermit {
    board: String,
}

/// Why the gate stays shut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    #[error("this alters the board's non-volatile memory, and --write was not given; nothing was changed")]
    NotAsked,
    #[error("which board may be altered was not confirmed: type its serial number or port path, or give --confirm ID")]
    NothingTyped,
    #[error("`{typed}` is not this board: {known}; nothing was changed")]
    OtherBoard { typed: String, known: String },
    #[error(
        "the serial number {serial} is on {ports} at once, so it says nothing about which board this is; unplug all but \
         the one to be altered; nothing was changed"
    )]
    Ambiguous { serial: String, ports: String },
    #[error("this link cannot alter a board")]
    LinkCannot,
}

impl AlterClaim {
    pub fn new(write: bool, typed: &str) -> Result<Self, GateRefusal> {
        let typed = typed.trim();
        match (write, typed) {
            (false, _) => Err(GateRefusal::NotAsked),
            (true, "") => Err(GateRefusal::NothingTyped),
            (true, typed) => Ok(Self { typed: typed.to_owned() }),
        }
    }
}

impl TryFrom<Said> for AlterClaim {
    type Error = GateRefusal;

    fn try_from(said: Said) -> Result<Self, GateRefusal> {
        Self::new(said.write, &said.typed)
    }
}

impl From<AlterClaim> for Said {
    fn from(claim: AlterClaim) -> Self {
        Self { write: true, typed: claim.typed }
    }
}

impl AlterPermit {
    /// Compares what was typed with the board that is really there, and with all others on this computer.
    pub fn grant(claim: &AlterClaim, board: &BoardIdentity, present: &[BoardIdentity]) -> Result<Self, GateRefusal> {
        let serial = board.serial.as_ref().map(|serial| serial.raw().trim()).filter(|serial| !serial.is_empty());
        let port = board.port.as_ref().map(ToString::to_string);
        let mut sharing = serial.map(|serial| sharing(serial, present)).unwrap_or_default();
        sharing.sort_unstable();
        if let (Some(serial), [_, _, ..]) = (serial, sharing.as_slice()) {
            return Err(GateRefusal::Ambiguous { serial: shown(serial), ports: sharing.join(" and ") });
        }
        let typed = claim.typed.as_str();
        if serial == Some(typed) || port.as_deref() == Some(typed) {
            return Ok(Self { board: typed.to_owned() });
        }
        let handles = [serial.map(|it| format!("serial {}", shown(it))), port.map(|it| format!("port {it}"))];
        let handles: Vec<_> = handles.into_iter().flatten().collect();
        let known = if handles.is_empty() { "it has neither serial nor port".to_owned() } else { handles.join(", ") };
        Err(GateRefusal::OtherBoard { typed: shown(typed), known })
    }
}

impl fmt::Display for AlterPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&shown(&self.board))
    }
}

/// The ports of all boards with this serial number.
fn sharing(serial: &str, present: &[BoardIdentity]) -> Vec<String> {
    let same = |board: &&BoardIdentity| board.serial.as_ref().is_some_and(|other| other.raw().trim() == serial);
    let port = |board: &BoardIdentity| board.port.as_ref().map_or_else(|| "a port".to_owned(), ToString::to_string);
    present.iter().filter(same).map(port).collect()
}

/// A serial number comes from the device and may hold anything.
fn shown(text: &str) -> String {
    super::field_text::FieldText::from(text).for_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::FieldText;

    fn board(port: &str, serial: &str) -> BoardIdentity {
        BoardIdentity {
            port: port.parse().ok(),
            serial: (!serial.is_empty()).then(|| FieldText::from(serial)),
            ..BoardIdentity::default()
        }
    }

    fn granted(typed: &str, own: &BoardIdentity, present: &[BoardIdentity]) -> Result<AlterPermit, GateRefusal> {
        AlterPermit::grant(&AlterClaim::new(true, typed)?, own, present)
    }

    #[test]
    fn without_the_flag_or_a_name_there_is_no_claim() {
        assert_eq!(AlterClaim::new(false, "357236543131"), Err(GateRefusal::NotAsked));
        assert_eq!(AlterClaim::new(true, "  "), Err(GateRefusal::NothingTyped));
        assert!(serde_json::from_str::<AlterClaim>(r#"{"write":false,"typed":"1-2"}"#).is_err());
        assert!(serde_json::from_str::<AlterClaim>(r#"{"write":true,"typed":""}"#).is_err());
    }

    #[test]
    fn serial_or_path_of_this_very_board_opens_the_gate() {
        let own = board("1-2", "357236543131");
        for typed in ["357236543131", "1-2"] {
            assert_eq!(granted(typed, &own, std::slice::from_ref(&own)).unwrap().to_string(), typed);
        }
        for typed in ["357236543132", "1-3", "3572", "1-2.1"] {
            assert!(matches!(granted(typed, &own, &[]), Err(GateRefusal::OtherBoard { .. })), "{typed}");
        }
        assert!(granted("x", &board("", ""), &[]).unwrap_err().to_string().contains("neither serial nor port"));
    }

    #[test]
    fn a_serial_that_two_boards_have_shuts_the_gate_even_for_the_path() {
        let pair = [board("1-1", "200364500000"), board("1-2", "200364500000")];
        for typed in ["200364500000", "1-1"] {
            let refusal = granted(typed, &pair[0], &pair).unwrap_err();
            assert!(refusal.to_string().contains("1-1 and 1-2"), "{refusal}");
        }
        assert!(granted("1-1", &pair[0], &pair[..1]).is_ok());
    }

    #[test]
    fn a_claim_survives_the_way_to_the_worker() {
        let claim = AlterClaim::new(true, "1-2").unwrap();
        let sent = serde_json::to_string(&claim).unwrap();
        assert_eq!(serde_json::from_str::<AlterClaim>(&sent).unwrap(), claim);
    }
}
