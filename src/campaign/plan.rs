//! The plan: recipe x arms x boots x cycles.

use std::collections::BTreeMap;
use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::recipe::Recipe;
use crate::link::link_used::LinkUsed;
use crate::observation::event::{Reentry, Transport};
use crate::observation::factor::{FactorName, PROBE_ATTACHED, PROBE_DETACHED};
use crate::observation::step::{ConnectMode, Step, Touch};
use crate::observation::units::Micros;

#[derive(Clone, Debug)]
pub struct Plan {
    pub recipe: Recipe,
    /// What is done over the debug probe in turn with the recipe, where both links are used.
    pub beside: Option<Recipe>,
    pub boots: u32,
    pub cycles_per_boot: u32,
    pub reentry: Reentry,
    /// How long the board stays without power between boots, where that can be commanded.
    pub off_time: Micros,
    pub factors: Vec<Factor>,
    /// Levels that hold for the whole campaign.
    pub standing: Arm,
    pub seed: u64,
    /// Link time after which no new cycle begins.
    pub duration: Option<Micros>,
    /// An altering campaign goes on after a cycle that failed.
    pub keep_going: bool,
    /// A witness looks at a good cycle whenever so much link time has passed since it last did; absent where it looks at failures only.
    pub look_every: Option<Micros>,
}

/// A look takes 1.2 s, so that one a minute costs 2 % of a campaign.
pub const LOOK_EVERY: Micros = Micros::from_secs(60);

/// Something that is varied, with its levels: `transfer-size=2048,1024`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    pub name: FactorName,
    pub levels: Vec<String>,
}

impl FactorName {
    /// What a user can vary.
    pub const VARIED: [Self; 5] = [Self::TransferSize, Self::Speed, Self::Connect, Self::Block, Self::Probe];

    /// It is changed at the bench, and therefore between boots.
    pub const fn is_of_the_bench(self) -> bool {
        matches!(self, Self::Probe)
    }

    /// Whether a step of a recipe for this transport is another one at another level.
    pub const fn changes(self, step: &Step, transport: Transport) -> bool {
        match (self, step) {
            (Self::TransferSize, Step::Read { .. }) => matches!(transport, Transport::Dfu),
            (Self::Block, Step::Read { .. }) => matches!(transport, Transport::Swd),
            (Self::Speed, Step::Speed { .. }) | (Self::Connect, Step::Connect { .. }) => true,
            _ => false,
        }
    }

    /// A factor that no step of the recipes knows would be varied to no purpose.
    pub fn changes_a_step_of(self, recipe: &Recipe) -> bool {
        recipe.steps.iter().any(|line| self.changes(&line.step, recipe.link))
    }

    /// The level as it is kept, or why it is none.
    pub fn level(self, text: &str) -> Result<String, &'static str> {
        match self {
            Self::TransferSize => whole(text, 2, 2048, "a block of the ROM bootloader has 2 to 2048 bytes"),
            Self::Block => {
                const WHY: &str = "a block over SWD has 4 to 16384 bytes and is a whole number of words";
                let fits = text.parse::<u32>().is_ok_and(|bytes| bytes.is_multiple_of(4));
                if fits { whole(text, 4, 16_384, WHY) } else { Err(WHY) }
            }
            Self::Speed => {
                const WHY: &str = "a speed of SWCLK is 1 kHz to 50 MHz, such as 480kHz or 4MHz";
                let kilohertz = kilohertz(text).ok_or(WHY)?;
                Ok(format!("{kilohertz} kHz"))
            }
            Self::Connect => {
                let known = ConnectMode::ALL.iter().any(|mode| mode.name() == text);
                known.then(|| text.to_owned()).ok_or("the ways to connect are normal, under-reset and hotplug")
            }
            Self::Link => Err("the links are chosen with --link"),
            Self::Probe => {
                let known = [PROBE_ATTACHED, PROBE_DETACHED].contains(&text);
                known.then(|| text.to_owned()).ok_or("a probe is attached or detached")
            }
        }
    }
}

fn whole(text: &str, low: u32, high: u32, why: &'static str) -> Result<String, &'static str> {
    let fits = text.parse::<u32>().is_ok_and(|bytes| (low..=high).contains(&bytes));
    if fits { Ok(text.to_owned()) } else { Err(why) }
}

/// `480`, `480kHz` or `4MHz`.
fn kilohertz(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (number, factor) = match (lower.strip_suffix("khz"), lower.strip_suffix("mhz")) {
        (Some(number), _) => (number, 1.0),
        (_, Some(number)) => (number, 1_000.0),
        _ => (lower.as_str(), 1.0),
    };
    let value = number.trim().parse::<f64>().ok()? * factor;
    (1.0..=50_000.0).contains(&value).then_some(value.round() as u32)
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FactorError {
    #[error("`{0}` is not FACTOR=LEVEL,LEVEL; for example transfer-size=2048,1024")]
    Form(String),
    #[error("`{0}` cannot be varied; what can be: transfer-size, speed, connect, block, probe")]
    Unknown(String),
    #[error("`{level}` is not a level of {factor}: {why}")]
    Level { factor: &'static str, level: String, why: &'static str },
    #[error("`{level}` is given twice as a level of {factor}; there is nothing to compare it with")]
    Twice { factor: &'static str, level: String },
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, levels) = text.split_once('=').ok_or_else(|| FactorError::Form(text.to_owned()))?;
        let known = FactorName::VARIED.into_iter().find(|known| known.name() == name);
        let name = known.ok_or_else(|| FactorError::Unknown(name.to_owned()))?;
        let levels: Vec<&str> = levels.split(',').map(str::trim).collect();
        if levels.len() < 2 {
            return Err(FactorError::Form(text.to_owned()));
        }
        let refuse = |level: &str, why| FactorError::Level { factor: name.name(), level: level.to_owned(), why };
        let mut kept = Vec::new();
        for text in levels {
            let level = name.level(text).map_err(|why| refuse(text, why))?;
            if kept.contains(&level) {
                return Err(FactorError::Twice { factor: name.name(), level: text.to_owned() });
            }
            kept.push(level);
        }
        Ok(Self { name, levels: kept })
    }
}

/// One combination of levels.
pub type Arm = BTreeMap<FactorName, String>;

impl Plan {
    /// The factor that both links make.
    pub fn links() -> Factor {
        let levels = [Transport::Dfu, Transport::Swd].map(|transport| transport.name().to_owned()).into();
        Factor { name: FactorName::Link, levels }
    }

    /// A campaign that uses a probe has one on its board all the time; of the others somebody may say so.
    pub fn standing(link: LinkUsed, said: Option<bool>) -> Arm {
        let attached = if link == LinkUsed::Dfu { said } else { Some(true) };
        let level = |attached| if attached { PROBE_ATTACHED } else { PROBE_DETACHED };
        attached.map(|attached| (FactorName::Probe, level(attached).to_owned())).into_iter().collect()
    }

    /// What a cycle does in an arm.
    pub fn recipe_in(&self, arm: &Arm) -> &Recipe {
        let over = |recipe: &&Recipe| arm.get(&FactorName::Link).is_some_and(|link| link == recipe.link.name());
        self.beside.as_ref().filter(over).unwrap_or(&self.recipe)
    }

    /// The steps of a cycle as they are performed in an arm.
    pub fn steps_in(&self, arm: &Arm) -> Vec<Step> {
        self.recipe_in(arm).steps.iter().map(|line| step_in_arm(&line.step, arm)).collect()
    }

    /// The highest level of touch that any arm needs.
    pub fn touch(&self) -> Touch {
        let steps = self.arms().into_iter().flat_map(|arm| self.steps_in(&arm));
        steps.map(|step| step.touch()).max().unwrap_or(Touch::Observe)
    }

    /// Every combination of the levels that a cycle may have; one empty arm where nothing is varied.
    pub fn arms(&self) -> Vec<Arm> {
        self.combinations(|factor| !factor.is_of_the_bench())
    }

    fn combinations(&self, wanted: impl Fn(FactorName) -> bool) -> Vec<Arm> {
        let mut arms = vec![Arm::new()];
        for factor in self.factors.iter().filter(|factor| wanted(factor.name)) {
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

    /// What stands on the bench in one boot after the other, in random blocks too.
    pub fn conditions(&self) -> Schedule {
        let arms = self.combinations(FactorName::is_of_the_bench);
        Schedule { arms, block: Vec::new(), rng: Pcg64Mcg::seed_from_u64(self.seed.wrapping_add(1)) }
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
    match &mut step {
        Step::Read { transfer_bytes, .. } => {
            if let Some(level) = arm.get(&FactorName::TransferSize).or(arm.get(&FactorName::Block)) {
                *transfer_bytes = level.parse().ok();
            }
        }
        Step::Speed { kilohertz } => {
            if let Some(level) = arm.get(&FactorName::Speed).and_then(|level| self::kilohertz(&level.replace(' ', "")))
            {
                *kilohertz = level;
            }
        }
        Step::Connect { mode } => {
            let level = arm.get(&FactorName::Connect);
            *mode = ConnectMode::ALL
                .into_iter()
                .find(|known| Some(known.name()) == level.map(String::as_str))
                .unwrap_or(*mode);
        }
        _ => {}
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(factors: Vec<Factor>) -> Plan {
        Plan {
            recipe: Recipe::find("dfu-read").unwrap(),
            beside: None,
            boots: 1,
            cycles_per_boot: 1,
            reentry: Reentry::None,
            off_time: Micros::ZERO,
            factors,
            standing: Arm::new(),
            seed: 7,
            duration: None,
            keep_going: false,
            look_every: None,
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
    fn what_is_changed_at_the_bench_is_no_arm_of_a_cycle() {
        let factors = ["transfer-size=2048,1024", "probe=attached,detached"];
        let plan = plan(factors.map(|text| text.parse().unwrap()).into());
        assert!(plan.arms().iter().all(|arm| !arm.contains_key(&FactorName::Probe)));
        let mut conditions = plan.conditions();
        let mut block: Vec<_> = (0..2).map(|_| conditions.next_arm()[&FactorName::Probe].clone()).collect();
        block.sort();
        assert_eq!(block, ["attached", "detached"]);
    }

    #[test]
    fn levels_that_the_rom_refuses_are_refused() {
        for text in [
            "transfer-size=1,1024",
            "transfer-size=4096,1024",
            "transfer-size=1024",
            "speed=0,2",
            "connect=a,b",
            "block=3,4",
            "probe=attached,off",
            "x",
        ] {
            assert!(text.parse::<Factor>().is_err(), "{text}");
        }
    }

    #[test]
    fn levels_of_a_debug_link_change_their_steps() {
        let levels = |text: &str| text.parse::<Factor>().unwrap().levels;
        assert_eq!(levels("speed=480kHz,4MHz,950"), ["480 kHz", "4000 kHz", "950 kHz"]);
        let arm = |name, level: &str| Arm::from([(name, level.to_owned())]);
        let fast = step_in_arm(&Step::Speed { kilohertz: 100 }, &arm(FactorName::Speed, "4000 kHz"));
        assert_eq!(fast, Step::Speed { kilohertz: 4_000 });
        let hotplug = Step::Connect { mode: ConnectMode::Hotplug };
        let reset = step_in_arm(&hotplug, &arm(FactorName::Connect, "under-reset"));
        assert_eq!(reset, Step::Connect { mode: ConnectMode::UnderReset });
    }

    #[test]
    fn both_links_take_turns_with_their_recipes() {
        let mut plan = plan(vec![Plan::links()]);
        plan.beside = Some(Recipe::find("swd-read").unwrap());
        let mut schedule = plan.schedule();
        let mut links: Vec<_> = (0..4).map(|_| plan.recipe_in(&schedule.next_arm()).link.name()).collect();
        links[..2].sort_unstable();
        links[2..].sort_unstable();
        assert_eq!(links, ["dfu", "swd", "dfu", "swd"]);
    }

    #[test]
    fn a_plan_needs_the_touch_of_its_roughest_arm() {
        let mut plan = plan(vec!["connect=hotplug,under-reset".parse().unwrap()]);
        plan.recipe = Recipe::find("swd-read").unwrap();
        assert_eq!((plan.recipe.touch(), plan.touch()), (Touch::Observe, Touch::Disturb));
    }
}
