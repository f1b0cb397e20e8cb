//! What the coprocessor of a WB says about itself, read from shared RAM over SWD: which firmware runs, and its versions.

use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::swd::coprocessor_table::{CoprocessorTable, CoprocessorVersion, MAILBOX_WRONG, WORDS, mailbox};

use super::swd_probe::SwdProbe;
use super::swd_session::{SwdFault, twice};
use super::swd_target::KnownTarget;
use super::swd_wire::SwdWire;

/// Follows IPCCDBA to the mailbox and the mailbox to the table. A table that is not there is told and no failure: no program
/// may have started the coprocessor yet.
pub fn read<P: SwdProbe>(
    wire: &mut SwdWire<'_, P>,
    target: &KnownTarget,
    learned: &mut Vec<Fact>,
) -> Result<(), SwdFault> {
    let device = target.device.as_ref();
    let tables = device.and_then(|device| device.coprocessor.as_ref()).ok_or_else(|| {
        let name = device.map_or("a part without a profile", |device| device.name.as_str());
        SwdFault::new(FailureClass::BadArguments, format!("{name} has no coprocessor that its profile knows"))
    })?;
    let field = device.and_then(|device| device.option_bytes.as_ref());
    let field = field.and_then(|options| options.swd_fields.iter().find(|field| field.name == "IPCCDBA"));
    let ipccdba = match field {
        Some(field) => word(wire, Address(field.at.0 & !3))? >> field.bit,
        None => 0,
    };
    let mut learn = |key: &str, text: String| {
        learned.push(Fact::measured(key, FactValue::Text(FieldText::new(text))));
    };
    let mailbox = mailbox(tables.shared_ram, ipccdba);
    let pointer = Address(word(wire, mailbox)?);
    if !tables.holds(pointer) {
        learn(
            "fus-table",
            format!("none: the mailbox at {mailbox} holds {pointer}, so nothing has started the coprocessor"),
        );
        return Ok(());
    }
    let read = twice(wire, pointer, |wire| {
        Ok(wire.read_words(pointer, WORDS)?.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
    })?;
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(read.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    if words[0] == MAILBOX_WRONG {
        let code = format!("the upgrade service calls the mailbox address wrong (IPCCDBA 0x{:X})", ipccdba & 0x3FFF);
        return Err(SwdFault { address: Some(pointer), ..SwdFault::new(FailureClass::FusStatus, code) });
    }
    let Some(table) = CoprocessorTable::of_words(&words) else {
        learn("fus-table", format!("none that is known at {pointer}: it begins with 0x{:08X}", words[0]));
        return Ok(());
    };
    learn("fus-table", format!("at {pointer}, of the {}", table.owner));
    learn("fus-version", table.service.to_string());
    learn("wireless-stack-version", table.stack.map_or_else(|| "none".to_owned(), |stack| stack.to_string()));
    if let Some(state) = table.last_state {
        learn("fus-last-state", format!("0x{state:02X}"));
    }
    if table.service == CoprocessorVersion(0, 0, 0) {
        learned.push(Fact::measured("fus-version-zero", FactValue::Flag(true)));
    }
    Ok(())
}

fn word<P: SwdProbe>(wire: &mut SwdWire<'_, P>, address: Address) -> Result<u32, SwdFault> {
    twice(wire, address, |wire| Ok(wire.read_word(address)?))
}

#[cfg(test)]
mod tests {
    use crate::bench::board::VirtualBoard;
    use crate::link::Link;
    use crate::link::link_used::LinkUsed;
    use crate::observation::fact::FactValue;
    use crate::observation::failure::FailureClass;
    use crate::observation::step::{ConnectMode, Step, StepRecord, Touch};
    use crate::observation::units::Micros;

    fn asked(board: VirtualBoard) -> StepRecord {
        let mut link: Box<dyn Link> = LinkUsed::Swd.to_virtual(board, Touch::Observe);
        let mut last = None;
        for step in [
            Step::Wait { span: Micros::from_secs(1) },
            Step::OpenProbe,
            Step::Connect { mode: ConnectMode::Hotplug },
            Step::Identify,
            Step::FusState,
        ] {
            last = Some(link.perform(&step, Micros::from_secs(5)));
        }
        last.unwrap()
    }

    fn told(record: &StepRecord, key: &str) -> Option<String> {
        let fact = record.facts.iter().find(|fact| fact.key == key)?;
        if let FactValue::Text(text) = &fact.value { Some(text.raw().to_owned()) } else { None }
    }

    #[test]
    fn versions_come_from_the_table_in_shared_ram() {
        let record = asked(VirtualBoard::by_name("healthy-wb55", 1).unwrap());
        assert!(record.failure().is_none(), "{record:?}");
        assert_eq!(told(&record, "fus-version").as_deref(), Some("1.2.0"));
        assert_eq!(told(&record, "wireless-stack-version").as_deref(), Some("none"));
        assert_eq!(told(&record, "fus-table").as_deref(), Some("at 0x20030024, of the upgrade service"));
    }

    #[test]
    fn a_running_stack_shows_in_whose_table_it_is() {
        let text = "text = \"A board.\"\npart = \"STM32WB55RGV6\"\nrom = \"wb55\"\n[coprocessor]\nstack-page = 199\nstack-runs = true\n";
        let record = asked(VirtualBoard::from_toml("b.toml", text, 1).unwrap());
        assert!(record.failure().is_none(), "{record:?}");
        assert_eq!(told(&record, "fus-table").as_deref(), Some("at 0x20030024, of the wireless stack"));
        assert_ne!(told(&record, "wireless-stack-version").as_deref(), Some("none"));
    }

    #[test]
    fn a_part_without_a_coprocessor_is_told_so() {
        let record = asked(VirtualBoard::by_name("healthy-f407", 1).unwrap());
        assert_eq!(record.failure().unwrap().class, FailureClass::BadArguments);
    }
}
