//! The one cycle that changes option bytes: every area or register is saved, written, and read back after the reset.

use super::plan::{Arm, Plan};
use super::recipe::{Recipe, RecipeStep};
use crate::observation::alteration::{Alteration, Payload};
use crate::observation::event::{Reentry, Transport};
use crate::observation::step::{ConnectMode, Step};
use crate::observation::units::Micros;
use crate::profile::option_change::AreaChange;

const DEADLINE: Micros = Micros::from_secs(15);
/// Writing ends in a reset, after which the part has to come back.
const DEADLINE_OF_WRITING: Micros = Micros::from_secs(30);

pub fn of(name: &str, transport: Transport, changes: &[AreaChange]) -> Plan {
    let steps = steps(transport, changes).into_iter().map(with_deadline).collect();
    let description = "ALTERS the option bytes".to_owned();
    Plan {
        recipe: Recipe { name: name.to_owned(), description, link: transport, steps },
        beside: None,
        boots: 1,
        cycles_per_boot: 1,
        reentry: Reentry::None,
        off_time: Micros::ZERO,
        factors: Vec::new(),
        standing: Arm::new(),
        seed: 1,
        duration: None,
        keep_going: false,
        look_every: None,
    }
}

fn steps(transport: Transport, changes: &[AreaChange]) -> Vec<Step> {
    let over_swd = transport == Transport::Swd;
    let mut steps = if over_swd {
        vec![Step::OpenProbe, Step::TargetVoltage, Step::Connect { mode: ConnectMode::Hotplug }, Step::Identify]
    } else {
        vec![Step::Enumerate, Step::Open, Step::Claim, Step::Descriptors, Step::Layout, Step::Status]
    };
    let area = |change: &AreaChange| (change.address, Payload::new(change.after.clone()));
    steps.extend(changes.iter().map(|change| {
        let (address, data) = area(change);
        Step::Save { address, length_bytes: data.len_bytes() }
    }));
    for change in changes {
        let (address, data) = area(change);
        steps.push(Step::Alter(Alteration::OptionBytes { address, data: data.clone() }));
        steps.push(Step::Verify { address, data });
    }
    if over_swd {
        steps.push(Step::Disconnect);
    }
    steps.push(Step::Close);
    steps
}

fn with_deadline(step: Step) -> RecipeStep {
    let deadline = if matches!(step, Step::Alter(_)) { DEADLINE_OF_WRITING } else { DEADLINE };
    RecipeStep { deadline, step }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::units::Address;

    #[test]
    fn all_is_saved_before_anything_is_written_and_each_write_is_read_back() {
        let change = |address| AreaChange { address: Address(address), before: vec![0; 4], after: vec![1; 4] };
        for transport in [Transport::Dfu, Transport::Swd] {
            let steps = steps(transport, &[change(0x1FFF_7800), change(0x1FFF_F800)]);
            let at = |is_it: fn(&Step) -> bool| -> Vec<usize> {
                steps.iter().enumerate().filter(|(_, step)| is_it(step)).map(|(at, _)| at).collect()
            };
            let saved = at(|step| matches!(step, Step::Save { .. }));
            let written = at(|step| matches!(step, Step::Alter(_)));
            let verified = at(|step| matches!(step, Step::Verify { .. }));
            assert_eq!((saved.len(), written.len()), (2, 2));
            assert!(saved[1] < written[0], "{steps:?}");
            assert_eq!(verified, [written[0] + 1, written[1] + 1]);
            assert_eq!(steps.last(), Some(&Step::Close));
        }
    }
}
