//! A look at the board that changes nothing: who it is, how its memory lies, what its option bytes or its OTP say.

use std::fmt::Write as _;

use crate::dfu::layout::{self, Area, Layout};
use crate::link::Link;
use crate::link::session::alter::SAVED;
use crate::link::swd_registers;
use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::step::{ConnectMode, Outcome, Step, StepRecord};
use crate::observation::units::{Address, Micros};
use crate::profile::option_bytes::Reading;

use super::board_choice::Refusal;
use super::exit::ExitCode;

/// What was seen.
#[derive(Debug, Default)]
pub struct Look {
    /// Over DFU.
    pub layouts: Vec<Layout>,
    /// As the part itself says over SWD.
    pub dev_id: Option<u16>,
    /// Area by area, or register by register.
    pub option_bytes: Vec<Reading>,
    /// Data and lock bytes in one piece.
    pub otp: Vec<u8>,
}

const STEP: Micros = Micros::from_secs(10);
const ARRIVAL: Micros = Micros::from_secs(15);
const KILOHERTZ: u32 = 4000;
/// The beginning of the flash of every part with a ROM bootloader.
const FLASH: Step = Step::Read { address: Address(0x0800_0000), length_bytes: 64, transfer_bytes: None };

impl Look {
    /// Before the board is altered. Leaves it closed, as it was found.
    pub fn at(link: &mut dyn Link) -> Result<Self, Refusal> {
        Self::over_dfu(link, Area::OptionBytes).map_err(|refusal| Self::before_altering(&refusal))
    }

    /// What a failed look means for somebody who wants to write.
    pub fn before_altering(refusal: &Refusal) -> Refusal {
        let text = format!(
            "the board could not be looked at before altering it, and nothing was changed: {}\n\
             A board that does not answer well is not written to; `flakescope run` finds out why.",
            refusal.text
        );
        Refusal { text, code: refusal.code }
    }

    /// Every alternate setting of this kind, each group by itself.
    pub fn over_dfu(link: &mut dyn Link, wanted: Area) -> Result<Self, Refusal> {
        let mut course = Course::new(link, Transport::Dfu);
        for step in [Step::Enumerate, Step::Open, Step::Claim, Step::Descriptors, Step::Layout, Step::Status] {
            course.perform(&step)?;
        }
        let mut look = Self { layouts: course.layouts(), ..Self::default() };
        for (address, length_bytes) in layout::areas(&look.layouts, wanted) {
            let record = course.demand(&Step::Save { address, length_bytes }, wanted)?;
            let bytes = record.facts.into_iter().find(|fact| fact.key == SAVED).map(|fact| fact.value);
            match (wanted, bytes) {
                (Area::Otp, Some(FactValue::Bytes(bytes))) => look.otp.extend(bytes),
                (_, Some(FactValue::Bytes(bytes))) => look.option_bytes.push(Reading { address, bytes }),
                _ => {}
            }
        }
        course.perform(&Step::Close)?;
        Ok(look)
    }

    /// The option registers or the OTP, without halting or resetting the core.
    pub fn over_swd(link: &mut dyn Link, wanted: Area) -> Result<Self, Refusal> {
        let mut course = Course::new(link, Transport::Swd);
        for step in [
            Step::OpenProbe,
            Step::TargetVoltage,
            Step::Speed { kilohertz: KILOHERTZ },
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Identify,
        ] {
            course.perform(&step)?;
        }
        let mut look = Self { dev_id: course.link.identity().dev_id, ..Self::default() };
        let step = if wanted == Area::Otp { Step::Otp } else { Step::OptionBytes };
        let record = course.demand(&step, wanted)?;
        look.option_bytes = swd_registers::option_registers(&record.facts);
        for fact in record.facts.into_iter().filter(|fact| fact.key == "otp") {
            if let FactValue::Bytes(bytes) = fact.value {
                look.otp.extend(bytes);
            }
        }
        course.perform(&Step::Disconnect)?;
        course.perform(&Step::Close)?;
        Ok(look)
    }
}

/// The steps of a look, one after the other; it remembers what went well.
struct Course<'a> {
    link: &'a mut dyn Link,
    over: Transport,
    went_well: Vec<&'static str>,
}

impl<'a> Course<'a> {
    fn new(link: &'a mut dyn Link, over: Transport) -> Self {
        Self { link, over, went_well: Vec::new() }
    }

    fn layouts(&self) -> Vec<Layout> {
        self.link.identity().layouts.iter().map(Layout::parse).collect()
    }

    fn perform(&mut self, step: &Step) -> Result<StepRecord, Refusal> {
        let deadline = if *step == Step::Enumerate { ARRIVAL } else { STEP };
        let record = self.link.perform(step, deadline);
        match told(&record) {
            None => {
                self.went_well.push(record.phase.name());
                Ok(record)
            }
            Some(failure) => Err(Refusal { code: ExitCode::NoSuchBoard, text: self.in_words(&failure) }),
        }
    }

    /// A read that the look is about. If it fails, what still works in the same boot tells the board from the memory.
    fn demand(&mut self, step: &Step, wanted: Area) -> Result<StepRecord, Refusal> {
        let place = self.place(step, wanted);
        let refusal = match self.perform(step) {
            Ok(record) => return Ok(record),
            Err(refusal) => refusal,
        };
        let mut text = format!("{}\nIt was {place}.", refusal.text);
        let rest: &[Step] = if self.over == Transport::Dfu { &[Step::Status, FLASH] } else { &[FLASH] };
        for step in rest {
            let record = self.link.perform(step, STEP);
            let how = told(&record).map_or_else(|| "works.".to_owned(), |failure| format!("fails: {failure}"));
            // Writing to a String cannot fail.
            let _ = write!(text, "\nIn the same boot, afterwards: {} {how}", record.phase);
        }
        if self.over == Transport::Swd {
            self.link.perform(&Step::Disconnect, STEP);
        }
        self.link.perform(&Step::Close, STEP);
        Err(Refusal { text, ..refusal })
    }

    /// Which alternate setting or which registers a step reads.
    fn place(&self, step: &Step, wanted: Area) -> String {
        let what = if wanted == Area::Otp { "OTP" } else { "option bytes" };
        let Step::Save { address, length_bytes } = step else { return format!("the {what} over SWD") };
        let layouts = self.layouts();
        let holds = |layout: &Layout| layout.groups.iter().any(|group| group.address == *address);
        let alternate = layouts.iter().position(holds).unwrap_or_default();
        let name = layouts.get(alternate).map(|layout| layout.name.for_terminal()).unwrap_or_default();
        format!("alternate setting {alternate} ({name}), the {length_bytes} bytes of {what} at {address}")
    }

    fn in_words(&self, failure: &str) -> String {
        let over = self.over.name().to_ascii_uppercase();
        let before = match self.went_well.as_slice() {
            [] => "nothing before it".to_owned(),
            steps => format!("before it went well: {}", steps.join(", ")),
        };
        format!("the board could not be read over {over}: {failure} ({before})")
    }
}

/// `stall in option-bytes, LIBUSB_ERROR_PIPE, at 0x1FFFC000. The device answered and refused the request (STALL).`
fn told(record: &StepRecord) -> Option<String> {
    let Outcome::Failed(failure) = &record.outcome else { return None };
    let code = failure.code.as_ref().map(|code| format!(", {}", code.for_terminal())).unwrap_or_default();
    let at = failure.address.map(|address| format!(", at {address}")).unwrap_or_default();
    Some(format!("{} in {}{code}{at}. {}", failure.class, failure.phase, failure.class.meaning()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::board::VirtualBoard;
    use crate::link::link_used::LinkUsed;
    use crate::observation::step::Touch;

    fn link(board: &str, used: LinkUsed) -> Box<dyn Link> {
        used.to_virtual(VirtualBoard::by_name(board, 1).unwrap(), Touch::Observe)
    }

    #[test]
    fn both_links_show_the_option_bytes_where_they_lie() {
        let dfu = Look::over_dfu(link("healthy-f407", LinkUsed::Dfu).as_mut(), Area::OptionBytes).unwrap();
        assert_eq!(dfu.option_bytes.iter().map(|reading| reading.address).collect::<Vec<_>>(), [Address(0x1FFF_C000)]);
        let swd = Look::over_swd(link("healthy-f407", LinkUsed::Swd).as_mut(), Area::OptionBytes).unwrap();
        assert_eq!(swd.option_bytes.iter().map(|reading| reading.address).collect::<Vec<_>>(), [Address(0x4002_3C14)]);
        assert_eq!(swd.dev_id, Some(0x413));
    }

    #[test]
    fn otp_is_one_piece_with_its_lock_bytes() {
        for (used, over) in [
            (LinkUsed::Dfu, Look::over_dfu as fn(&mut dyn Link, Area) -> Result<Look, Refusal>),
            (LinkUsed::Swd, Look::over_swd),
        ] {
            let look = over(link("healthy-f407", used).as_mut(), Area::Otp).unwrap();
            assert_eq!(look.otp.len(), 528, "{used:?}");
        }
    }

    #[test]
    fn a_refused_read_says_where_it_was_and_what_still_works() {
        let refusal = Look::over_dfu(link("l476-torn-options", LinkUsed::Dfu).as_mut(), Area::OptionBytes).unwrap_err();
        for words in ["alternate setting 1 (Option Bytes)", "at 0x1FFF7800", "status works.", "read fails: protected"] {
            assert!(refusal.text.contains(words), "`{words}` is missing: {}", refusal.text);
        }
    }
}
