//! A DFU board as a cycle sees it: every step of a recipe is timed, and every surprise becomes a failure.

use crate::dfu::alter_scope::{AlterScope, OutOfScope};
use crate::dfu::state::DfuState;
use crate::dfu::whitelist::Allowance;
use crate::observation::alteration::Alteration;
use crate::observation::board::{BoardIdentity, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::failure::{DfuStand, Failure, FailureClass};
use crate::observation::field_text::FieldText;
use crate::observation::permit::{AlterClaim, AlterPermit, GateRefusal};
use crate::observation::step::{Outcome, Phase, Step, StepRecord, TransferRecord, TransferSummary};
use crate::observation::units::Micros;

use super::Link;
use super::latency::LatencyBook;
use super::session::{Session, StepFault};
use super::usb_board::UsbBoard;
use super::wire::Wire;

/// How a step ended, the state that the device told last, and what was sent.
type Performed = (Result<(), StepFault>, Option<DfuState>, Vec<TransferRecord>);

#[derive(Debug)]
pub struct DfuLink<B> {
    board: B,
    session: Session,
    latencies: LatencyBook,
    /// What the user said about writing, if anything.
    claim: Option<AlterClaim>,
}

impl<B: UsbBoard> DfuLink<B> {
    /// After a bus error the hub may need this long to tell the host that the board has gone.
    const HUB_REPORT: Micros = Micros::from_millis(300);

    pub fn new(board: B) -> Self {
        Self { board, session: Session::default(), latencies: LatencyBook::default(), claim: None }
    }

    pub fn board(&self) -> &B {
        &self.board
    }

    fn attempt(&mut self, step: &Step, deadline: Micros) -> (Result<(), (StepFault, DfuStand)>, StepRecord) {
        let started = self.board.now();
        let (outcome, state, transfers) = match step {
            Step::Alter(alteration) => self.alter(alteration, deadline),
            _ => {
                let mut wire = Wire::new(&mut self.board, Allowance::Observe, deadline);
                let outcome = self.session.perform(step, &mut wire);
                (outcome, wire.last_state(), wire.into_transfers())
            }
        };
        let outcome = outcome.map_err(|fault| (fault, self.session.stand(state)));
        let mut summary = TransferSummary::default();
        transfers.iter().for_each(|transfer| summary.add(transfer));
        summary.inferred_retries = self.latencies.retries_in(&transfers);
        let record = StepRecord {
            phase: step.phase(),
            started: Some(started),
            elapsed: Some(self.board.now() - started),
            outcome: Outcome::Done,
            summary,
            transfers,
            facts: self.session.take_learned(),
        };
        (outcome, record)
    }

    /// The permit is made anew for every alteration, from the board that is there now, and lasts as long.
    fn alter(&mut self, alteration: &Alteration, deadline: Micros) -> Performed {
        let mut wire = Wire::new(&mut self.board, Allowance::Observe, deadline);
        let layouts = self.session.known_layouts(&mut wire);
        let remaining = wire.remaining();
        let mut state = wire.last_state();
        let mut transfers = wire.into_transfers();
        let opened = layouts.and_then(|layouts| {
            let scope = AlterScope::of(alteration, &layouts).map_err(|why| out_of_scope(&why))?;
            Ok((self.permit_now()?, scope))
        });
        let outcome = opened.and_then(|(permit, scope)| {
            let mut wire = Wire::new(&mut self.board, Allowance::Alter(&permit, &scope), remaining);
            let outcome = self.session.alter(alteration, &mut wire);
            state = wire.last_state().or(state);
            transfers.extend(wire.into_transfers());
            outcome
        });
        (outcome, state, transfers)
    }

    fn permit_now(&mut self) -> Result<AlterPermit, StepFault> {
        let refused = |refusal: &GateRefusal| (FailureClass::BadArguments, refusal.to_string(), None);
        let claim = self.claim.as_ref().ok_or_else(|| refused(&GateRefusal::NotAsked))?;
        let present = self.board.neighbours().map_err(|error| (error.kind.class(), error.code, None))?;
        AlterPermit::grant(claim, self.session.identity(), &present).map_err(|refusal| refused(&refusal))
    }

    /// An unplug can look like a fault: whatever the code was, a board that is gone was disconnected.
    fn class_after_presence_check(&mut self, class: FailureClass, phase: Phase) -> FailureClass {
        let about_the_wire = matches!(
            class,
            FailureClass::Stall
                | FailureClass::Timeout
                | FailureClass::BusError
                | FailureClass::Overflow
                | FailureClass::ShortRead
                | FailureClass::NotFound
                | FailureClass::Other
        );
        if phase == Phase::Enumerate || !about_the_wire {
            return class;
        }
        let mut present = self.board.is_present();
        if present && class == FailureClass::BusError {
            // One wait and no series of looks: how often time is moved on decides a virtual board's draws.
            self.board.wait(Self::HUB_REPORT);
            present = self.board.is_present();
        }
        if present { class } else { FailureClass::Disconnected }
    }
}

impl<B: UsbBoard> Link for DfuLink<B> {
    fn now(&self) -> Micros {
        self.board.now()
    }

    fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord {
        let (outcome, mut record) = self.attempt(step, deadline);
        if let Err(((class, code, address), stand)) = outcome {
            let class = self.class_after_presence_check(class, record.phase);
            let failure = Failure::new(class, record.phase).with_code(code).standing(stand);
            record.outcome = Outcome::Failed(Failure { elapsed: record.elapsed, address, ..failure });
        }
        record
    }

    fn identity(&self) -> BoardIdentity {
        self.session.identity().clone()
    }

    fn permit(&mut self, claim: &AlterClaim) -> Result<(), GateRefusal> {
        self.claim = Some(claim.clone());
        Ok(())
    }

    fn host_messages(&mut self) -> Vec<FieldText> {
        self.board.host_messages()
    }

    fn forget_boot(&mut self) {
        self.board.close();
        self.session.forget_boot();
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        self.forget_boot();
        self.board.power_cycle(off_time)
    }

    fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        self.board.close();
        self.session.forget_boot();
        self.board.rearrange(change, span)
    }

    fn port_power(&mut self, on: bool) -> Result<PortPower, String> {
        self.board.close();
        self.session.forget_boot();
        self.board.port_power(on)
    }

    fn meter(&mut self, quantity: &str) -> Option<f64> {
        self.board.meter(quantity)
    }
}

fn out_of_scope(why: &OutOfScope) -> StepFault {
    let address = match why {
        OutOfScope::Otp { address, .. } | OutOfScope::NotWritable { address, .. } => Some(*address),
        OutOfScope::Empty => None,
    };
    (FailureClass::AddressRefused, why.to_string(), address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dfu::command;
    use crate::dfu::request::UsbErrorKind;
    use crate::dfu::whitelist;
    use crate::link::scripted_board::ScriptedBoard;
    use crate::observation::units::Address;

    const DEADLINE: Micros = Micros::from_secs(5);

    fn flash() -> Step {
        Step::Read { address: Address(0x0800_0000), length_bytes: 1024, transfer_bytes: None }
    }

    fn everything() -> Vec<Step> {
        vec![
            Step::Enumerate,
            Step::Open,
            Step::Claim,
            Step::Descriptors,
            Step::Layout,
            Step::Status,
            flash(),
            Step::OptionBytes,
            Step::Otp,
            Step::FusState,
            Step::Close,
            Step::Wait { span: Micros::from_millis(1) },
        ]
    }

    fn run(link: &mut DfuLink<ScriptedBoard>, steps: &[Step]) -> Vec<StepRecord> {
        steps.iter().map(|step| link.perform(step, DEADLINE)).collect()
    }

    fn failure_of(board: ScriptedBoard, steps: &[Step]) -> Failure {
        let mut link = DfuLink::new(board);
        let records = run(&mut link, &[Step::Enumerate, Step::Open, Step::Claim]);
        assert!(records.iter().all(|record| record.outcome == Outcome::Done));
        run(&mut link, steps).last().unwrap().failure().unwrap().clone()
    }

    #[test]
    fn a_whole_recipe_goes_well_and_sends_nothing_outside_the_whitelist() {
        let mut link = DfuLink::new(ScriptedBoard::default());
        for record in run(&mut link, &everything()) {
            assert_eq!(record.outcome, Outcome::Done, "{}", record.phase);
        }
        let sent = &link.board().sent;
        assert!(sent.iter().any(|request| request.request == command::UPLOAD));
        for request in sent {
            assert!(whitelist::permits(Allowance::Observe, request, None), "{}", command::describe(request));
        }
    }

    #[test]
    fn the_board_is_known_afterwards() {
        let mut link = DfuLink::new(ScriptedBoard::default());
        let records = run(&mut link, &everything());
        let identity = link.identity();
        assert_eq!(identity.serial.unwrap().raw(), "357236543131");
        assert_eq!(identity.bcd_device, Some(0x2200));
        assert_eq!(identity.layouts.len(), 3);
        let keys: Vec<_> = records.iter().flat_map(|record| &record.facts).map(|fact| fact.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "bcd-device",
                "transfer-size",
                "serial",
                "layout",
                "layout",
                "layout",
                "flash-digest",
                "option-bytes",
                "otp",
                "fus-state"
            ]
        );
    }

    #[test]
    fn transfers_are_timed_and_summed() {
        let mut link = DfuLink::new(ScriptedBoard::default());
        let records = run(&mut link, &everything());
        let read = records.iter().find(|record| record.phase == Phase::Read).unwrap();
        assert_eq!(read.summary.count as usize, read.transfers.len());
        let upload = read.transfers.iter().find(|transfer| transfer.request == "UPLOAD block 2, 1024 B").unwrap();
        assert_eq!((upload.elapsed, upload.length_bytes), (Micros(500), 1024));
    }

    #[test]
    fn an_unplug_that_looks_like_a_fault_is_a_disconnect_with_the_raw_code() {
        let board = ScriptedBoard {
            fail_upload: Some((UsbErrorKind::BusError, "LIBUSB_ERROR_IO", false)),
            ..ScriptedBoard::default()
        };
        let failure = failure_of(board, &[flash()]);
        assert_eq!(failure.class, FailureClass::Disconnected);
        assert_eq!(failure.code.unwrap().raw(), "LIBUSB_ERROR_IO");
        assert_eq!(failure.address, Some(Address(0x0800_0000)));
    }

    #[test]
    fn a_fault_of_a_board_that_stays_keeps_its_class() {
        for (kind, class) in
            [(UsbErrorKind::BusError, FailureClass::BusError), (UsbErrorKind::Timeout, FailureClass::Timeout)]
        {
            let board = ScriptedBoard { fail_upload: Some((kind, "LIBUSB_ERROR", true)), ..ScriptedBoard::default() };
            assert_eq!(failure_of(board, &[flash()]).class, class);
        }
    }

    #[test]
    fn nothing_on_the_bus_is_a_failed_enumerate_after_its_deadline() {
        let board = ScriptedBoard { present: false, ..ScriptedBoard::default() };
        let record = DfuLink::new(board).perform(&Step::Enumerate, DEADLINE);
        assert_eq!(record.failure().unwrap().class, FailureClass::NotEnumerated);
        assert_eq!(record.elapsed, Some(DEADLINE));
    }

    #[test]
    fn a_device_without_dfuse_gets_no_set_address() {
        let mut link = DfuLink::new(ScriptedBoard { dfu_version: 0x0110, ..ScriptedBoard::default() });
        let records = run(&mut link, &[Step::Enumerate, Step::Open, Step::Claim, flash()]);
        let failure = records.last().unwrap().failure().unwrap();
        assert_eq!(failure.class, FailureClass::UnexpectedState);
        assert!(link.board().sent.iter().all(|request| request.request != command::DNLOAD));
    }

    #[test]
    fn data_that_changes_is_a_mismatch_at_its_address() {
        let mut link = DfuLink::new(ScriptedBoard::default());
        run(&mut link, &[Step::Enumerate, Step::Open, Step::Claim, flash()]);
        link.board.flash_fill = 0xa4;
        let record = link.perform(&flash(), DEADLINE);
        let failure = record.failure().unwrap();
        assert_eq!(failure.class, FailureClass::DataMismatch);
        assert_eq!(
            failure.code.as_ref().unwrap().raw(),
            "0xA4 instead of 0xA5, 1024 of 1024 bytes differ: bit 0 reads 0 in each"
        );
    }

    #[test]
    fn a_part_without_otp_has_nothing_to_read() {
        let mut board = ScriptedBoard::default();
        board.strings.pop();
        let mut link = DfuLink::new(board);
        let records = run(&mut link, &[Step::Enumerate, Step::Open, Step::Claim, Step::Otp]);
        assert_eq!(records.last().unwrap().outcome, Outcome::Done);
        assert_eq!(records.last().unwrap().facts.len(), 5);
    }

    #[test]
    fn an_interface_string_that_is_no_layout_is_a_malformed_descriptor() {
        let mut board = ScriptedBoard::default();
        board.strings[3] = "DFU";
        assert_eq!(failure_of(board, &[Step::Layout]).class, FailureClass::MalformedDescriptor);
    }
}
