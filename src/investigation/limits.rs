//! What a campaign cannot say, in sentences that stand beside its verdict.

use std::collections::BTreeSet;

use crate::evidence::finding::Unit;
use crate::observation::boot::BootProof;
use crate::observation::event::{CampaignStart, Reentry};

use super::snapshot::BootStrip;

pub fn of(start: &CampaignStart, boots: &[BootStrip]) -> Vec<String> {
    let mut limits = Vec::new();
    if boots.len() < 2 && start.reentry == Reentry::None {
        limits.push(
            "One boot only: what is decided at reset, such as the clock the ROM chooses, cannot be tested in this run. Use --reenter for more boots."
                .to_owned(),
        );
    }
    let inferred = boots.iter().filter(|strip| strip.boot.proof == BootProof::Inferred).count();
    if inferred > 0 {
        limits.push(format!(
            "{inferred} of {} {} inferred: nothing proved that the board was without power in between.",
            Unit::Boot.count(boots.len() as u64),
            if inferred == 1 { "is" } else { "are" }
        ));
    }
    let kinds: BTreeSet<_> = boots.iter().map(|strip| strip.boot.kind.name()).collect();
    if kinds.len() > 1 {
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(", ");
        limits.push(format!(
            "Boots of several kinds ({kinds}): each has its own failure rate, and the verdict gives that of the commonest."
        ));
    }
    if start.virtual_board.is_some() {
        limits.push("This is a virtual board: the figures speak of a model, not of hardware.".to_owned());
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::boot::{Boot, BootKind};
    use crate::observation::event::Transport;
    use crate::observation::units::Micros;

    fn start() -> CampaignStart {
        CampaignStart {
            transport: Transport::Dfu,
            virtual_board: None,
            recipe: "dfu-read".to_owned(),
            reentry: Reentry::None,
            seed: 1,
            boots: 1,
            cycles_per_boot: 10,
            calendar_millis: 0,
        }
    }

    fn strip(kind: BootKind) -> BootStrip {
        let boot = Boot { number: 1, started: Micros::ZERO, kind, proof: BootProof::Commanded };
        BootStrip { boot, cycles: Vec::new() }
    }

    #[test]
    fn boots_of_several_kinds_are_not_passed_off_as_one() {
        let start = start();
        let cold = || strip(BootKind::ColdPowerOn { off_time: None });
        assert_eq!(of(&start, &[cold(), cold()]), Vec::<String>::new());
        assert!(
            of(&start, &[cold(), strip(BootKind::Nrst)])[0].starts_with("Boots of several kinds (NRST, cold power-on)")
        );
    }

    #[test]
    fn a_run_without_reentry_says_that_clock_causes_cannot_be_tested() {
        let start = start();
        let limits = of(&start, &[]);
        assert!(limits[0].contains("the clock the ROM chooses, cannot be tested"), "{limits:?}");
    }
}
