//! One look at the clocks as a campaign keeps it: the counted core, and both crystals where the clock tree was valid.

use std::fmt;
use std::str::FromStr;

use super::crystal_witness::{CoreClock, Says, Testimony};
use crate::observation::units::{Hertz, Ppm};

/// The key of the fact that holds a look. It is text, so that nothing takes it for a quantity beside the board.
pub const CLOCK_LOOK: &str = "clock-look";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A step had just failed.
    Failure,
    /// A cycle had gone well, and a look was due.
    GoodCycle,
}

impl Occasion {
    const fn name(self) -> &'static str {
        match self {
            Self::Failure => "failed",
            Self::GoodCycle => "good",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockLook {
    pub occasion: Occasion,
    pub core: CoreClock,
    /// What the running code believes its crystal to be, and what it is.
    pub crystals: Option<(Hertz, Hertz)>,
}

impl ClockLook {
    pub fn new(occasion: Occasion, core: CoreClock, testimony: Option<&Testimony>) -> Self {
        Self { occasion, core, crystals: testimony.map(|testimony| (testimony.believed, testimony.measured)) }
    }

    /// Whether the crystal was misread; nothing where the clock tree gave no crystal.
    pub fn says(&self) -> Option<Says> {
        let (believed, measured) = self.crystals?;
        Some(Testimony { believed, measured, uncertainty: self.core.uncertainty }.says())
    }
}

impl fmt::Display for ClockLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (occasion, core) = (self.occasion.name(), self.core);
        write!(f, "{occasion} core {:.6} MHz within {:.1} ppm", core.frequency.as_mhz(), core.uncertainty.0)?;
        if let Some((believed, measured)) = self.crystals {
            write!(f, " believed {:.3} MHz measured {:.6} MHz", believed.as_mhz(), measured.as_mhz())?;
        }
        Ok(())
    }
}

impl FromStr for ClockLook {
    type Err = NoLook;

    fn from_str(text: &str) -> Result<Self, NoLook> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let after = |name: &str| {
            let place = words.iter().position(|word| *word == name)?;
            words.get(place + 1)?.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0)
        };
        let occasion = [Occasion::Failure, Occasion::GoodCycle]
            .into_iter()
            .find(|occasion| words.first() == Some(&occasion.name()))
            .ok_or(NoLook)?;
        let (mhz, ppm) = after("core").zip(after("within")).ok_or(NoLook)?;
        let core = CoreClock { frequency: Hertz::from_mhz(mhz), uncertainty: Ppm(ppm) };
        let crystals = after("believed").zip(after("measured"));
        let crystals = crystals.map(|(believed, measured)| (Hertz::from_mhz(believed), Hertz::from_mhz(measured)));
        Ok(Self { occasion, core, crystals })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no look at a clock")]
pub struct NoLook;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_read_back_as_it_was_written() {
        let core = CoreClock { frequency: Hertz::from_mhz(62.5), uncertainty: Ppm(301.5) };
        let crystals = Some((Hertz::from_mhz(24.0), Hertz::from_mhz(25.0)));
        let look = ClockLook { occasion: Occasion::Failure, core, crystals };
        assert_eq!(look.to_string().parse(), Ok(look));
        assert_eq!(look.says(), Some(Says::Misread));
        let bare = ClockLook { occasion: Occasion::GoodCycle, crystals: None, ..look };
        assert_eq!((bare.to_string().parse(), bare.says()), (Ok(bare), None));
        for text in ["", "good core x MHz within 3 ppm", "seen core 60 MHz within 3 ppm", "good core -1 within 2"] {
            assert_eq!(text.parse::<ClockLook>(), Err(NoLook), "{text}");
        }
    }
}
