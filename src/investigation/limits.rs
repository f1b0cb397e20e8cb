//! What a campaign cannot say, in sentences that stand beside its verdict.

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
            "{inferred} of {} boots are inferred: nothing proved that the board was without power in between.",
            boots.len()
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
    use crate::observation::event::Transport;

    #[test]
    fn a_run_without_reentry_says_that_clock_causes_cannot_be_tested() {
        let start = CampaignStart {
            transport: Transport::Dfu,
            virtual_board: None,
            recipe: "dfu-read".to_owned(),
            reentry: Reentry::None,
            seed: 1,
            boots: 1,
            cycles_per_boot: 10,
            calendar_millis: 0,
        };
        let limits = of(&start, &[]);
        assert!(limits[0].contains("the clock the ROM chooses, cannot be tested"), "{limits:?}");
    }
}
