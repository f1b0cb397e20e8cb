//! The firmware upgrade service of a WB over DFU: a command, and then its state until it has ended, through every reset.

use crate::dfu::command::{FUS_DELETE, FUS_INSTALL, FUS_START};
use crate::dfu::download::ServiceCommand;
use crate::dfu::upload::UploadRange;
use crate::link::usb_board::UsbBoard;
use crate::link::wire::Wire;
use crate::observation::alteration::Alteration;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
use crate::observation::units::Micros;
use crate::profile::fus_code;

use super::alter::{has_left, has_left_with};
use super::{FUS_STATE, Session, StepFault, dfu, usb};

/// What the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    state: u8,
    error: u8,
}

const IDLE: u8 = 0x00;
const NO_ERROR: u8 = 0x00;
const NOT_FOUND: u8 = 0x01;
/// The wireless stack runs instead of the service.
const NOT_RUNNING: u8 = 0xfe;

/// What an answer means while an operation is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    AtWork,
    Ended,
    Failed,
}

impl Answer {
    fn is_ongoing(self) -> bool {
        matches!(self.state, 0x10..=0x3f)
    }

    fn course(self, alteration: &Alteration) -> Course {
        match (alteration, self.error) {
            // A part without a stack has nothing to delete.
            (Alteration::FusDelete, NOT_FOUND) => Course::Ended,
            // After an installation the stack may have been started already.
            (Alteration::FusInstall | Alteration::FusStart, NOT_RUNNING) => Course::Ended,
            (_, NO_ERROR) if self.state == IDLE => Course::Ended,
            (_, NO_ERROR) if self.is_ongoing() => Course::AtWork,
            _ => Course::Failed,
        }
    }

    /// `FUS_IMAGE_WRTERROR (state 0x10, error 0x07)`
    fn code(self) -> String {
        let name = fus_code::error(self.error).map_or("UNKNOWN", |error| error.name);
        format!("FUS_{name} (state 0x{:02X}, error 0x{:02X})", self.state, self.error)
    }
}

impl Session {
    /// How often the state is asked for; an answer takes a few milliseconds, an installation seconds.
    const SERVICE_POLL: Micros = Micros::from_millis(50);
    /// A service that is idle before it was seen at work is believed to have ended only after this.
    const NOT_YET: Micros = Micros::from_secs(1);
    /// One lost answer is no verdict on a part that resets as it works.
    const LOST_ANSWERS: u32 = 3;

    pub(super) fn service<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        alteration: &Alteration,
    ) -> Result<(), StepFault> {
        self.wake_service(wire)?;
        let command = match alteration {
            Alteration::FusDelete => FUS_DELETE,
            Alteration::FusInstall => FUS_INSTALL,
            _ => FUS_START,
        };
        if let Err(fault) = wire.run(ServiceCommand::new(self.interface(), command))
            && !has_left(&fault, wire)
        {
            return Err(dfu(&fault));
        }
        let mut resets = 0;
        let result = self.await_service(wire, alteration, &mut resets);
        self.learn("fus-resets", FactValue::Number(f64::from(resets)));
        result
    }

    /// While the stack runs, being asked twice makes the service take over; the part may reset for that.
    fn wake_service<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<(), StepFault> {
        // Two questions, the reset that may follow, and one to see that it helped.
        for _ in 0..5 {
            match self.ask_service(wire) {
                Ok(Some(answer)) if answer.error != NOT_RUNNING => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => self.come_back(wire)?,
                Err(fault) => return Err(fault),
            }
        }
        let code = "FUS_STATE_NOT_RUNNING: the service did not take over".to_owned();
        Err((FailureClass::FusStatus, code, None))
    }

    fn await_service<B: UsbBoard>(
        &mut self,
        wire: &mut Wire<'_, B>,
        alteration: &Alteration,
        resets: &mut u32,
    ) -> Result<(), StepFault> {
        let begin = wire.remaining();
        let mut seen_at_work = false;
        let mut lost = 0;
        loop {
            if wire.remaining() <= Self::SERVICE_POLL {
                let code = "the service did not come to an end within the step's time".to_owned();
                return Err((FailureClass::Timeout, code, None));
            }
            wire.board().wait(Self::SERVICE_POLL);
            match self.ask_service(wire) {
                Ok(Some(answer)) => {
                    lost = 0;
                    seen_at_work |= answer.is_ongoing();
                    let early = !seen_at_work && *resets == 0 && begin - wire.remaining() < Self::NOT_YET;
                    match answer.course(alteration) {
                        Course::Ended if early && answer.error == NO_ERROR => {}
                        Course::Ended => {
                            self.learn("fus-state", FactValue::Bytes(vec![answer.state, answer.error]));
                            return Ok(());
                        }
                        Course::AtWork => {}
                        Course::Failed => {
                            self.learn("fus-state", FactValue::Bytes(vec![answer.state, answer.error]));
                            return Err((FailureClass::FusStatus, answer.code(), None));
                        }
                    }
                }
                Ok(None) => {
                    *resets += 1;
                    self.come_back(wire)?;
                }
                Err(fault) => {
                    lost += 1;
                    if lost >= Self::LOST_ANSWERS {
                        return Err(fault);
                    }
                }
            }
        }
    }

    /// State and error; `None` if the board has left the bus.
    fn ask_service<B: UsbBoard>(&mut self, wire: &mut Wire<'_, B>) -> Result<Option<Answer>, StepFault> {
        if let Err(error) = self.select_alternate(wire, 0) {
            return if has_left_with(&error, wire) { Ok(None) } else { Err(usb(error)) };
        }
        match wire.run(UploadRange::new(self.interface(), FUS_STATE, 2, 2)) {
            Ok(bytes) => Ok(Some(Answer { state: bytes[0], error: bytes[1] })),
            Err(fault) if has_left(&fault, wire) => Ok(None),
            Err(fault) => Err(dfu(&fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The board went and was back before anybody looked: the port is never seen empty, and the handle is dead all the same.
    #[test]
    fn a_board_that_is_back_at_once_is_opened_anew() {
        use crate::dfu::whitelist::Allowance;
        use crate::link::scripted_board::ScriptedBoard;

        let mut board = ScriptedBoard { stale: true, opened: true, stale_handles: 2, ..ScriptedBoard::default() };
        let mut session = Session::default();
        let mut wire = Wire::new(&mut board, Allowance::Observe, Micros::from_secs(5));
        assert_eq!(session.ask_service(&mut wire), Ok(None));
        assert_eq!(session.come_back(&mut wire), Ok(()));
        assert!(session.ask_service(&mut wire).unwrap().is_some());
        assert_eq!((board.stale, board.stale_handles), (false, 0));
    }

    fn course(alteration: &Alteration, state: u8, error: u8) -> Course {
        Answer { state, error }.course(alteration)
    }

    #[test]
    fn an_error_beside_an_ongoing_state_is_an_error() {
        assert_eq!(course(&Alteration::FusInstall, 0x10, 0x00), Course::AtWork);
        assert_eq!(course(&Alteration::FusInstall, 0x10, 0x07), Course::Failed);
        assert_eq!(Answer { state: 0x10, error: 0x07 }.code(), "FUS_IMAGE_WRTERROR (state 0x10, error 0x07)");
    }

    #[test]
    fn what_ends_one_operation_is_an_error_of_another() {
        for (alteration, error, expected) in [
            (Alteration::FusDelete, NOT_FOUND, Course::Ended),
            (Alteration::FusInstall, NOT_FOUND, Course::Failed),
            (Alteration::FusInstall, NOT_RUNNING, Course::Ended),
            (Alteration::FusStart, NOT_RUNNING, Course::Ended),
            (Alteration::FusDelete, NOT_RUNNING, Course::Failed),
        ] {
            assert_eq!(course(&alteration, 0xff, error), expected, "{alteration:?} {error}");
        }
    }
}
