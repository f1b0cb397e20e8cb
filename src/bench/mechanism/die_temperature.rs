//! The temperature of the die over a campaign: the room wanders, the chip heats itself while it has power.
//!
//! Source: FACTS section C (a misread crystal follows die temperature and therefore comes in streaks). The shape,
//! a random walk held to a mean plus first-order heating, is chosen.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Impossible, Mechanism};
use crate::bench::surroundings::{Dice, Surroundings};
use crate::observation::units::{Celsius, Micros};

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DieTemperature {
    /// Mean of the air at the board.
    #[schemars(range(min = -55.0, max = 125.0))]
    pub ambient_celsius: f64,
    /// Standard deviation of the air around its mean.
    #[schemars(range(min = 0.0, max = 60.0))]
    pub wander_kelvin: f64,
    /// How long the air keeps its deviation.
    #[schemars(range(min = 0.1, max = 1e6))]
    pub wander_time_s: f64,
    /// How much warmer than the air the die gets while it has power.
    #[schemars(range(min = 0.0, max = 80.0))]
    pub self_heating_kelvin: f64,
    #[schemars(range(min = 0.1, max = 1e4))]
    pub heating_time_s: f64,
}

impl DieTemperature {
    pub fn check(&self) -> Result<(), Impossible> {
        Impossible::unless_within("ambient-celsius", self.ambient_celsius, -55.0, 125.0, " C")?;
        Impossible::unless_within("wander-kelvin", self.wander_kelvin, 0.0, 60.0, " K")?;
        Impossible::unless_within("wander-time-s", self.wander_time_s, 0.1, 1e6, " s")?;
        Impossible::unless_within("self-heating-kelvin", self.self_heating_kelvin, 0.0, 80.0, " K")?;
        Impossible::unless_within("heating-time-s", self.heating_time_s, 0.1, 1e4, " s")
    }

    pub fn describe(&self) -> String {
        format!(
            "The air is at {} C and wanders by {} K over about {} s; under power the die heats by {} K within about {} s.",
            self.ambient_celsius, self.wander_kelvin, self.wander_time_s, self.self_heating_kelvin, self.heating_time_s
        )
    }

    pub fn hook(self) -> Wandering {
        Wandering { figures: self, air_off_kelvin: 0.0, heated_kelvin: 0.0, started: false }
    }
}

/// The temperature as it is now.
#[derive(Debug)]
pub struct Wandering {
    figures: DieTemperature,
    air_off_kelvin: f64,
    heated_kelvin: f64,
    started: bool,
}

impl Mechanism for Wandering {
    fn time(&mut self, around: &mut Surroundings, span: Micros, dice: &mut Dice) {
        let figures = &self.figures;
        if !self.started {
            self.started = true;
            self.air_off_kelvin = figures.wander_kelvin * dice.normal();
        }
        if span > Micros::ZERO {
            // Exact steps of an Ornstein-Uhlenbeck process and of a first-order lag, whatever the span.
            let kept = (-span.as_secs_f64() / figures.wander_time_s).exp();
            let fresh = figures.wander_kelvin * (1.0 - kept * kept).sqrt();
            self.air_off_kelvin = self.air_off_kelvin * kept + fresh * dice.normal();
            let target = if around.powered_since.is_some() { figures.self_heating_kelvin } else { 0.0 };
            let lag = (-span.as_secs_f64() / figures.heating_time_s).exp();
            self.heated_kelvin = target + (self.heated_kelvin - target) * lag;
        }
        around.die = Celsius(figures.ambient_celsius + self.air_off_kelvin + self.heated_kelvin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: DieTemperature = DieTemperature {
        ambient_celsius: 30.0,
        wander_kelvin: 5.0,
        wander_time_s: 60.0,
        self_heating_kelvin: 10.0,
        heating_time_s: 5.0,
    };

    fn temperatures(figures: DieTemperature, span: Micros) -> Vec<f64> {
        let mut hook = figures.hook();
        let mut around = Surroundings { powered_since: Some(Micros::ZERO), ..Surroundings::default() };
        let mut dice = Dice::new(5);
        let step = |_| {
            hook.time(&mut around, span, &mut dice);
            around.die.0
        };
        (0..2_000).map(step).collect()
    }

    #[test]
    fn power_heats_the_die() {
        let steady = temperatures(DieTemperature { wander_kelvin: 0.0, ..FIGURES }, Micros::from_secs(1));
        assert!(steady[0] < 33.0);
        assert!((steady[1_999] - 40.0).abs() < 0.01);
    }

    #[test]
    fn neighbouring_moments_are_alike_and_distant_ones_are_not() {
        let seen = temperatures(FIGURES, Micros::from_secs(1));
        let step = |distance: usize| {
            let pairs = seen.windows(distance + 1).map(|window| (window[distance] - window[0]).abs());
            pairs.sum::<f64>() / (seen.len() - distance) as f64
        };
        assert!(step(1) * 3.0 < step(200), "{} {}", step(1), step(200));
    }
}
