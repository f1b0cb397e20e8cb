//! The physical conditions that mechanisms change and react to.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::observation::units::{Celsius, Micros, Millivolts, Ppm};

/// What holds around the chip at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surroundings {
    pub at: Micros,
    /// When power came on; `None` while it is off.
    pub powered_since: Option<Micros>,
    pub die: Celsius,
    /// At the pins of the part.
    pub supply: Millivolts,
    /// Deviation of HSI48 without correction.
    pub hsi48_error: Ppm,
    /// Whether HSI48 is disciplined by the host's frames.
    pub hsi48_recovers: bool,
    /// Another program has the interface.
    pub interface_held: bool,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            at: Micros::ZERO,
            powered_since: None,
            die: Celsius(25.0),
            supply: Millivolts(3300.0),
            hsi48_error: Ppm(0.0),
            hsi48_recovers: true,
            interface_held: false,
        }
    }
}

/// What the ROM will find when it starts; mechanisms turn the healthy course into another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootCourse {
    /// Power has just come on; else it is a reset.
    pub from_power_on: bool,
    /// The first word of flash is blank.
    pub flash_is_blank: bool,
    /// How much later than usual the ROM starts.
    pub delay: Micros,
    /// Deviation of the internal oscillator that the ROM measures with.
    pub hsi_error: Ppm,
    /// How long the crystal takes; `None` if it never starts.
    pub crystal_start: Option<Micros>,
    pub runs: Runs,
}

/// What the core executes after reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The ROM, serving USB.
    UsbBootloader,
    /// The ROM, serving another of its interfaces; the pull-up on D+ may be on all the same.
    OtherInterface { interface: &'static str, pull_up: bool },
    /// The ROM, which waits or hangs and serves nobody; the pull-up on D+ may be on all the same.
    ServesNobody { pull_up: bool },
    /// The application, or nothing at all: no USB.
    SomethingElse,
    /// The ROM, which resets itself and starts again, for ever.
    Restarts,
    /// Nothing yet: the port switches off after a moment, and on again later.
    LosesPower { after: Micros, off_for: Micros, words: &'static str },
}

impl Default for BootCourse {
    fn default() -> Self {
        Self {
            from_power_on: true,
            flash_is_blank: false,
            delay: Micros::ZERO,
            hsi_error: Ppm(0.0),
            // Faster than any ROM's time-out.
            crystal_start: Some(Micros(300)),
            runs: Runs::UsbBootloader,
        }
    }
}

/// Direction of a packet on the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToDevice,
    ToHost,
}

/// One packet with data on the pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Packet<'a> {
    pub direction: Direction,
    pub data: &'a [u8],
    /// How many packets of the same data stage came before it.
    pub place: usize,
}

/// What current is drawn for, beyond idling on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Serving USB.
    Traffic,
    /// Erasing or programming flash.
    FlashWork,
}

/// What a mechanism does to a transfer, beyond spoiling packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The part resets and leaves the bus.
    Reset,
    /// The core is stuck; the USB block still says NAK.
    Stuck,
    /// The device leaves the bus for this long without a reset.
    Unplugged { span: Micros },
    /// The same, by a hub that tells the host; what the kernel logs of it.
    PortDisabled { span: Micros, words: &'static str },
    /// The port is without power for this long; what the kernel logs of it.
    PowerCut { span: Micros, words: &'static str },
    /// This request gets no answer, and the device does not know of it.
    Lost,
}

/// Chance, from a seed.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random::<f64>() < probability
    }

    /// Evenly from 0 up to 1.
    pub fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// From the normal distribution with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// A waiting time with this mean, exponentially distributed.
    pub fn waiting(&mut self, mean: Micros) -> Micros {
        Micros::from_secs_f64(-mean.as_secs_f64() * (1.0 - self.share()).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_dice() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (0..8).map(|_| dice.share()).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
    }

    #[test]
    fn normal_throws_have_mean_zero_and_deviation_one() {
        let mut dice = Dice::new(1);
        let throws: Vec<_> = (0..4_000).map(|_| dice.normal()).collect();
        let mean = throws.iter().sum::<f64>() / 4_000.0;
        let variance = throws.iter().map(|throw| (throw - mean).powi(2)).sum::<f64>() / 4_000.0;
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.1, "{mean} {variance}");
    }
}
