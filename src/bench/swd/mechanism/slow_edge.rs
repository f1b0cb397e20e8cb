//! A clock edge that is counted twice: slow or ringing SWCLK, ground that moves. It happens per edge, whatever the speed.
//!
//! Source: `root_causes.csv` SWD_WIRING. That a slow edge through the switching threshold is counted twice, independently of
//! the frequency, is general knowledge of clocked inputs; the figures of each board are chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Scene, Spoilt, SwdMechanism};
use crate::bench::mechanism::Impossible;
use crate::bench::surroundings::Dice;
use crate::swd::transaction::Request;

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SlowEdge {
    /// Probability that one rising edge is seen as two.
    #[schemars(range(min = 0.0, max = 0.1))]
    pub twice_per_edge: f64,
}

/// Clocks until the data of a read begin: request, turnaround, acknowledge.
const EDGES_BEFORE_DATA: f64 = 12.0;
const EDGES_OF_DATA: f64 = 33.0;

impl SlowEdge {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("twice-per-edge", self.twice_per_edge, 0.0, 0.1, "")
    }

    pub fn describe(&self) -> String {
        format!("One in {:.0} edges of SWCLK is counted twice, at any speed.", 1.0 / self.twice_per_edge)
    }
}

impl SwdMechanism for SlowEdge {
    fn wire(&mut self, _scene: &Scene, _request: &Request, dice: &mut Dice) -> Option<Spoilt> {
        let slips = |edges: f64| 1.0 - (1.0 - self.twice_per_edge).powf(edges);
        if dice.chance(slips(EDGES_BEFORE_DATA)) {
            return Some(Spoilt::NoAcknowledge);
        }
        if dice.chance(slips(EDGES_OF_DATA)) {
            // The rest of the word is shifted by one place; its parity fits by chance half of the time.
            return Some(Spoilt::Bits(if dice.chance(0.5) { 1 } else { 2 }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::scene;
    use super::*;
    use crate::swd::transaction::Port;

    #[test]
    fn speed_makes_no_difference() {
        let spoilt = |kilohertz| {
            let mut dice = Dice::new(5);
            let mut edge = SlowEdge { twice_per_edge: 1e-3 };
            let request = Request::read(Port::Debug, 0);
            (0..4_000).filter(|_| edge.wire(&scene(kilohertz), &request, &mut dice).is_some()).count()
        };
        assert_eq!(spoilt(100), spoilt(4_000));
        assert!((100..300).contains(&spoilt(100)), "{}", spoilt(100));
    }
}
