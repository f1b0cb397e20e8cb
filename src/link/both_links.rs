//! Two links to one board: USB and the debug pins, each doing the steps that it can.

use crate::observation::board::{BoardIdentity, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::event::Transport;
use crate::observation::fact::Fact;
use crate::observation::field_text::FieldText;
use crate::observation::step::{Step, StepRecord, Touch};
use crate::observation::units::Micros;

use super::reset_witness::Flags;
use super::{Link, witness};
use crate::observation::permit::{AlterClaim, GateRefusal};

pub struct BothLinks {
    dfu: Box<dyn Link>,
    swd: Box<dyn Link>,
    /// Steps that both can do go where the last one went that only one can.
    active: Transport,
    /// Whether the reset flags are cleared at the beginning of each boot.
    clears_flags: bool,
    flags: Flags,
}

impl BothLinks {
    pub fn new(dfu: Box<dyn Link>, swd: Box<dyn Link>) -> Self {
        Self { dfu, swd, active: Transport::Dfu, clears_flags: false, flags: Flags::SinceUnknown }
    }

    fn active(&mut self) -> &mut dyn Link {
        if self.active == Transport::Swd { self.swd.as_mut() } else { self.dfu.as_mut() }
    }
}

impl Link for BothLinks {
    fn now(&self) -> Micros {
        self.dfu.now().max(self.swd.now())
    }

    fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord {
        match (step.fits(Transport::Dfu), step.fits(Transport::Swd)) {
            // Only the board on USB was given leave to be altered.
            _ if step.touch() == Touch::Alter => self.active = Transport::Dfu,
            (true, false) => self.active = Transport::Dfu,
            (false, true) => self.active = Transport::Swd,
            _ => {}
        }
        self.active().perform(step, deadline)
    }

    /// What either knows; the serial number of the debug link is the silicon's own.
    fn identity(&self) -> BoardIdentity {
        let (usb, debug) = (self.dfu.identity(), self.swd.identity());
        BoardIdentity { dev_id: debug.dev_id.or(usb.dev_id), serial: usb.serial.or(debug.serial), ..usb }
    }

    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)> {
        let known = self.dfu.power_cycle(off_time)?;
        self.swd.forget_boot();
        Some(known)
    }

    fn forget_boot(&mut self) {
        self.dfu.forget_boot();
        self.swd.forget_boot();
    }

    fn permit(&mut self, claim: &AlterClaim) -> Result<(), GateRefusal> {
        self.dfu.permit(claim)
    }

    /// Through the probe, while it has nothing else to do.
    fn look(&mut self) -> Vec<Fact> {
        if self.active == Transport::Swd { Vec::new() } else { witness::look(self.swd.as_mut(), self.flags) }
    }

    fn look_at_good_cycle(&mut self) -> Vec<Fact> {
        if self.active == Transport::Swd { Vec::new() } else { witness::look_at_good_cycle(self.swd.as_mut()) }
    }

    fn clear_flags_each_boot(&mut self) -> bool {
        self.clears_flags = true;
        true
    }

    fn boot_began(&mut self) {
        self.flags = if self.clears_flags { witness::clear_flags(self.swd.as_mut()) } else { Flags::SinceUnknown };
    }

    fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        self.swd.forget_boot();
        self.dfu.rearrange(change, span)
    }

    fn port_power(&mut self, on: bool) -> Result<PortPower, String> {
        self.swd.forget_boot();
        self.dfu.port_power(on)
    }

    fn meter(&mut self, quantity: &str) -> Option<f64> {
        self.dfu.meter(quantity)
    }

    fn host_messages(&mut self) -> Vec<FieldText> {
        let mut messages = self.dfu.host_messages();
        messages.extend(self.swd.host_messages());
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::dfu_link::DfuLink;
    use crate::link::swd_link::SwdLink;
    use crate::link::virtual_bench::BenchShare;
    use crate::link::virtual_board::VirtualUsbBoard;
    use crate::link::virtual_probe::VirtualProbe;
    use crate::observation::fact::FactValue;
    use crate::observation::step::{ConnectMode, Outcome};
    use crate::observation::units::Address;

    const DEADLINE: Micros = Micros::from_secs(5);

    fn both(name: &str) -> BothLinks {
        let bench = BenchShare::new(VirtualBoard::by_name(name, 3).unwrap());
        let dfu = DfuLink::new(VirtualUsbBoard::on(bench.clone()));
        let swd = SwdLink::new(VirtualProbe::new(bench), Touch::Observe);
        BothLinks::new(Box::new(dfu), Box::new(swd))
    }

    fn text_of(record: &StepRecord, key: &str) -> Vec<String> {
        let facts = record.facts.iter().filter(|fact| fact.key == key);
        facts
            .map(|fact| if let FactValue::Text(text) = &fact.value { text.raw().to_owned() } else { panic!() })
            .collect()
    }

    #[test]
    fn both_links_meet_the_same_board() {
        let mut links = both("healthy-f407");
        let read = Step::Read { address: Address(0x0800_0000), length_bytes: 1024, transfer_bytes: None };
        let mut done = Vec::new();
        for step in [
            Step::Enumerate,
            Step::Open,
            Step::Claim,
            read.clone(),
            Step::Close,
            Step::OpenProbe,
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Identify,
            read,
            Step::Disconnect,
            Step::Close,
        ] {
            let record = links.perform(&step, DEADLINE);
            assert_eq!(record.outcome, Outcome::Done, "{}", record.phase);
            done.push(record);
        }
        assert_eq!(text_of(&done[3], "flash-digest"), text_of(&done[8], "flash-digest"));
        assert!(!text_of(&done[3], "flash-digest").is_empty());
        assert_eq!(text_of(&done[7], "serial")[0], links.dfu.identity().serial.unwrap().raw());
    }

    #[test]
    fn time_is_the_same_for_both() {
        let mut links = both("healthy-f407");
        links.perform(&Step::Wait { span: Micros::from_secs(1) }, DEADLINE);
        assert_eq!(links.dfu.now(), links.swd.now());
        links.power_cycle(Micros::from_secs(2)).unwrap();
        assert_eq!(links.now(), Micros::from_secs(3));
    }
}
