//! The subject of a diagnosis: which part behind which link, and what its device profile says about the suspects.

use std::collections::BTreeSet;

use crate::evidence::catalogue::Catalogue;
use crate::evidence::finding::{Finding, Unit};
use crate::evidence::observed::Observed;
use crate::observation::event::Transport;
use crate::observation::fact::{Fact, FactValue, Origin, WORDS};
use crate::profile::device::{Device, Devices};
use crate::profile::rom::{Pull, Rom, RomDfu};

/// The method of findings that the part alone makes; they have no size.
pub const DEVICE_PROFILE: &str = "device profile";

/// What is being diagnosed.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The order code or as much of it as was given; where only an identity is known, the first part that has it.
    part: Option<String>,
    is_named: bool,
    device: Option<Device>,
    pub rom_id: Option<u8>,
    pub transport: Transport,
    /// A debug probe is at the board.
    pub has_probe: bool,
    /// What the crystal is said to be.
    crystal: Option<Fact>,
    /// A campaign is under way that makes boot after boot by itself.
    pub is_being_booted: bool,
    /// What a report is judged by beside its findings (`likeness.rs`); a campaign has none.
    pub marks: BTreeSet<String>,
}

/// Below this the ROM gives up before a usual crystal has started (about 2 ms).
const SHORT_TIMEOUT_MS: f64 = 1.0;
/// Above this a crystal that runs at all has started.
const LONG_TIMEOUT_MS: f64 = 20.0;

impl Subject {
    pub fn of(observed: &Observed, devices: &Devices) -> Self {
        let fact = |key: &str| observed.facts().iter().find(|fact| fact.key == key);
        let device = observed.parts().find_map(|part| devices.by_part(part)).cloned().or_else(|| {
            let number = match fact("dev-id").map(|fact| &fact.value) {
                Some(FactValue::Number(number)) => Some(*number as u16),
                _ => None,
            };
            number.and_then(|id| devices.by_dev_id(id).first().copied()).cloned()
        });
        let rom_id = match fact("rom-version").map(|fact| &fact.value) {
            Some(FactValue::Number(number)) => Some(*number as u8),
            _ => None,
        };
        Self {
            is_named: observed.part().is_some(),
            part: observed.part().map(str::to_owned).or_else(|| device.as_ref().and_then(first_part)),
            device,
            rom_id,
            transport: observed.transport().unwrap_or(Transport::Other),
            has_probe: observed.goes_over(Transport::Swd),
            crystal: fact("fitted-crystal").or_else(|| fact("fitted-oscillator")).cloned(),
            is_being_booted: false,
            marks: marks(observed),
        }
    }

    /// Nothing is known but the part and the link.
    pub fn of_part(part: &str, transport: Transport) -> Self {
        Self {
            part: Some(part.to_owned()),
            is_named: true,
            device: None,
            rom_id: None,
            transport,
            has_probe: false,
            crystal: None,
            is_being_booted: false,
            marks: BTreeSet::new(),
        }
    }

    /// Whether a campaign is under way that makes boot after boot by itself.
    #[must_use]
    pub fn being_booted(self, is_being_booted: bool) -> Self {
        Self { is_being_booted, ..self }
    }

    /// Somebody tells of it; nothing was tried here.
    pub fn is_reported(&self) -> bool {
        !self.marks.is_empty()
    }

    pub fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// For a person: the part as it was named, or else all that share the identity which was read.
    pub fn name(&self) -> Option<&str> {
        let shared = self.device.as_ref().filter(|_| !self.is_named).map(|device| device.name.as_str());
        shared.or(self.part())
    }

    pub const fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// The generations that this board's ROM may be.
    fn roms(&self) -> Vec<&Rom> {
        let Some(device) = &self.device else { return Vec::new() };
        match self.rom_id.and_then(|id| device.rom_with_id(u16::from(id))) {
            Some(rom) => vec![rom],
            None => device.roms.iter().collect(),
        }
    }

    /// What follows from the device profile alone.
    pub fn findings(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |id: &str, detail: String, at: Vec<u32>| {
            if let Some(entry) = catalogue.entry(id) {
                let text = if detail.is_empty() { entry.text.clone() } else { format!("{} {detail}", entry.text) };
                found.push(Finding::new(id, text, 1, Unit::Session).by(DEVICE_PROFILE, entry.weight).seen_at(at));
            }
        };
        let Some(device) = &self.device else { return found };
        let roms = self.roms();
        if roms.iter().all(|rom| rom.dfu == RomDfu::Absent) {
            add("rom-without-dfu", format!("({}.)", device.name), Vec::new());
        } else if self.transport == Transport::Dfu {
            // A generation without USB tells nothing of the one that is spoken to over it.
            let roms: Vec<_> = roms.into_iter().filter(|rom| rom.dfu != RomDfu::Absent).collect();
            let need: Vec<_> = roms.iter().filter_map(|rom| rom.usb_clock.needs_crystal()).collect();
            let clock = roms.last().map(|rom| format!("({}: {}.)", device.name, rom.usb_clock.meaning()));
            match (need.contains(&true), need.contains(&false)) {
                (false, true) => add("rom-needs-no-crystal", clock.unwrap_or_default(), Vec::new()),
                (true, true) => add("rom-mostly-needs-no-crystal", of_versions(&roms), Vec::new()),
                (true, false) => self.weigh_crystal(&roms, &mut add),
                (false, false) => {}
            }
            if device.rom_pins.iter().any(|pin| pin.pull == Pull::None) {
                add("rom-pin-without-pull", String::new(), Vec::new());
            }
            if device.limitations.iter().any(|limit| limit.text.contains("gap")) {
                add("rom-with-packet-gap", String::new(), Vec::new());
            }
        }
        found
    }

    fn weigh_crystal(&self, roms: &[&Rom], add: &mut impl FnMut(&str, String, Vec<u32>)) {
        let timeouts: Vec<_> = roms.iter().filter_map(|rom| rom.hse_timeout_ms).collect();
        let shown = |ms: f64| format!("({ms} ms.)");
        let (shortest, longest) =
            (timeouts.iter().copied().reduce(f64::min), timeouts.iter().copied().reduce(f64::max));
        if let Some(ms) = shortest.filter(|ms| *ms < SHORT_TIMEOUT_MS) {
            let id = if longest == shortest { "rom-short-crystal-timeout" } else { "rom-maybe-short-crystal-timeout" };
            add(id, shown(ms), Vec::new());
        } else if let Some(ms) = shortest.filter(|ms| *ms >= LONG_TIMEOUT_MS) {
            add("rom-long-crystal-timeout", shown(ms), Vec::new());
        }
        let Some(fact) = &self.crystal else { return };
        let FactValue::FrequencyMhz(mhz) = fact.value else { return };
        let at = if let Origin::Line(line) = fact.origin { vec![line] } else { Vec::new() };
        let verdicts: Vec<_> = roms.iter().filter_map(|rom| Some(rom.crystals.as_ref()?.accepts(mhz))).collect();
        if !verdicts.is_empty() {
            let id = if verdicts.contains(&true) { "crystal-accepted" } else { "crystal-refused" };
            add(id, format!("({mhz} MHz.)"), at);
        }
    }
}

fn of_versions(roms: &[&Rom]) -> String {
    let text =
        |rom: &&Rom| format!("{}: {}", rom.generation.as_deref().unwrap_or("any version"), rom.usb_clock.meaning());
    format!("({}.)", roms.iter().map(text).collect::<Vec<_>>().join("; "))
}

/// The first order code of a profile without its wildcard.
fn first_part(device: &Device) -> Option<String> {
    device.parts.first().map(|part| part.trim_end_matches(['*', '?']).to_owned())
}

/// Words as they are; facts, failures, tools and the link with a name of their kind in front.
fn marks(observed: &Observed) -> BTreeSet<String> {
    let words = observed.facts().iter().find_map(|fact| match &fact.value {
        FactValue::Text(words) if fact.key == WORDS => Some(words),
        _ => None,
    });
    let Some(words) = words.filter(|_| !observed.is_campaign()) else { return BTreeSet::new() };
    let words = words.raw().split(' ').map(str::to_owned);
    let facts = observed.facts().iter().filter(|fact| fact.key != WORDS).map(|fact| {
        let kind = if fact.value == FactValue::Flag(false) { "no" } else { "fact" };
        format!("{kind}:{}", fact.key)
    });
    let failures = observed.failures().map(|it| format!("failure:{}@{}", it.class.name(), it.phase.name()));
    let tools = observed.tools().map(|tool| format!("tool:{tool}"));
    let link = format!("link:{}", observed.transport().unwrap_or(Transport::Other).name());
    words.chain(facts).chain(failures).chain(tools).chain([link]).collect()
}
