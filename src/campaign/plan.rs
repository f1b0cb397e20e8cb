//! The plan: recipe x arms x boots x cycles.

use std::collections::BTreeMap;
use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::recipe::Recipe;
use crate::observation::event::Reentry;
use crate::observation::step::Step;
use crate::observation::units::Micros;

#[derive(Clone, Debug)]
pub struct Plan {
    pub recipe: Recipe,
    pub boots: u32,
    pub cycles_per_boot: u32,
    pub reentry: Reentry,
    /// How long the board stays without power between boots, where that can be commanded.
    pub off_time: Micros,
    pub factors: Vec<Factor>,
    pub seed: u64,
    /// Link time after which no new cycle begins.
    pub duration: Option<Micros>,
    /// An altering campaign goes on after a cycle that failed.
    pub keep_going: bool,
}

/// Something that is varied, with its levels: `transfer-size=2048,1024`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    pub name: FactorName,
    pub levels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactorName {
    /// Bytes per UPLOAD.
    TransferSize,
}

impl FactorName {
    pub const fn name(self) -> &'static str {
        match self {
            Self::TransferSize => "transfer-size",
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FactorError {
    #[error("`{0}` is not FACTOR=LEVEL,LEVEL; for example transfer-size=2048,1024")]
    Form(String),
    #[error("`{0}` cannot be varied; what can be: transfer-size")]
    Unknown(String),
    #[error("`{level}` is not a level of {factor}: {why}")]
    Level { factor: &'static str, level: String, why: &'static str },
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, levels) = text.split_once('=').ok_or_else(|| FactorError::Form(text.to_owned()))?;
        let name = match name {
            "transfer-size" => FactorName::TransferSize,
            other => return Err(FactorError::Unknown(other.to_owned())),
        };
        let levels: Vec<String> = levels.split(',').map(|level| level.trim().to_owned()).collect();
        if levels.len() < 2 {
            return Err(FactorError::Form(text.to_owned()));
        }
        for level in &levels {
            let fits = level.parse::<u16>().is_ok_and(|bytes| (2..=2048).contains(&bytes));
            if !fits {
                let why = "a block of the ROM bootloader has 2 to 2048 bytes";
                return Err(FactorError::Level { factor: name.name(), level: level.clone(), why });
            }
        }
        Ok(Self { name, levels })
    }
}

/// One combination of levels.
pub type Arm = BTreeMap<FactorName, String>;

impl Plan {
    /// Every combination of the levels; one empty arm where nothing is varied.
    pub fn arms(&self) -> Vec<Arm> {
        let mut arms = vec![Arm::new()];
        for factor in &self.factors {
            arms = arms
                .into_iter()
                .flat_map(|arm| {
                    factor.levels.iter().map(move |level| {
                        let mut extended = arm.clone();
                        extended.insert(factor.name, level.clone());
                        extended
                    })
                })
                .collect();
        }
        arms
    }

    /// The arms in the order of their cycles: random blocks that hold every arm once, so that drift falls on all alike.
    pub fn schedule(&self) -> Schedule {
        Schedule { arms: self.arms(), block: Vec::new(), rng: Pcg64Mcg::seed_from_u64(self.seed) }
    }
}

/// An endless sequence of arms.
#[derive(Debug)]
pub struct Schedule {
    arms: Vec<Arm>,
    block: Vec<Arm>,
    rng: Pcg64Mcg,
}

impl Schedule {
    pub fn next_arm(&mut self) -> Arm {
        if self.block.is_empty() {
            self.block.clone_from(&self.arms);
            self.block.shuffle(&mut self.rng);
        }
        self.block.pop().unwrap_or_default()
    }
}

/// The step as it is performed in an arm.
pub fn step_in_arm(step: &Step, arm: &Arm) -> Step {
    let mut step = step.clone();
    if let Step::Read { transfer_bytes, .. } = &mut step
        && let Some(level) = arm.get(&FactorName::TransferSize)
    {
        *transfer_bytes = level.parse().ok();
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(factors: Vec<Factor>) -> Plan {
        Plan {
            recipe: Recipe::find("dfu-read").unwrap(),
            boots: 1,
            cycles_per_boot: 1,
            reentry: Reentry::None,
            off_time: Micros::ZERO,
            factors,
            seed: 7,
            duration: None,
            keep_going: false,
        }
    }

    #[test]
    fn every_block_holds_every_arm_once() {
        let plan = plan(vec!["transfer-size=2048,1024,512".parse().unwrap()]);
        let mut schedule = plan.schedule();
        for _ in 0..20 {
            let mut block: Vec<_> = (0..3).map(|_| schedule.next_arm()).collect();
            block.sort();
            let mut all = plan.arms();
            all.sort();
            assert_eq!(block, all);
        }
    }

    #[test]
    fn levels_that_the_rom_refuses_are_refused() {
        for text in ["transfer-size=1,1024", "transfer-size=4096,1024", "transfer-size=1024", "speed=1,2", "x"] {
            assert!(text.parse::<Factor>().is_err(), "{text}");
        }
    }
}
