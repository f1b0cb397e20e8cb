//! What the boards of a campaign say of themselves, cycle by cycle: option bytes, the upgrade service, OTP. The facts are for the
//! rules, their words for people.

use crate::dfu::layout::{self, Area, Layout};
use crate::link::swd_registers;
use crate::observation::cycle::Cycle;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device::Device;
use crate::profile::fus_code;
use crate::profile::option_bytes::Reading;
use crate::profile::otp::{self, Lock};

use super::option_facts;
use super::register_facts::told;

/// Keys of facts whose words are told to people, in this order.
const TOLD: [&str; 10] = [
    "fus-service-answer",
    "fus-not-running",
    "fus-version",
    "wireless-stack-version",
    "fus-precondition-broken",
    "fus-preconditions-hold",
    "option-complements-differ",
    "read-out-protection-level",
    "option-that-matters",
    "otp-state",
];

/// Remembers where the option bytes lie and what was read last, so that a thousand equal reads are judged once.
#[derive(Clone, Debug, Default)]
pub struct BoardFacts {
    areas: Vec<(Address, u32)>,
    option_bytes: Vec<Reading>,
    /// Option registers that a probe beside the link has read.
    looked_at: Vec<Reading>,
    otp: Vec<u8>,
}

impl BoardFacts {
    /// Facts that are new with this cycle; without a profile of the part nothing can be decoded.
    pub fn of_cycle(&mut self, cycle: &Cycle, device: Option<&Device>) -> Vec<Fact> {
        let mut found = service(cycle);
        for step in &cycle.steps {
            self.note_layouts(&step.facts);
            let Some(device) = device else { continue };
            if let Some(readings) = option_facts::readings(&step.facts, device, &self.areas)
                && readings != self.option_bytes
            {
                found.extend(option_facts::of_readings(device, &readings));
                self.option_bytes = readings;
            }
            found.extend(self.otp(&step.facts, device));
        }
        found
    }

    /// Of an option register that a probe read at a look, together with those it has read before.
    pub fn of_look(&mut self, fact: &Fact, device: Option<&Device>) -> Vec<Fact> {
        let Some(reading) = swd_registers::option_registers(std::slice::from_ref(fact)).pop() else {
            return Vec::new();
        };
        let Some(device) = device else { return Vec::new() };
        if self.looked_at.contains(&reading) {
            return Vec::new();
        }
        self.looked_at.retain(|known| known.address != reading.address);
        self.looked_at.push(reading);
        option_facts::of_readings(device, &self.looked_at)
    }

    fn note_layouts(&mut self, facts: &[Fact]) {
        let texts = facts.iter().filter(|fact| fact.key == "layout").filter_map(|fact| match &fact.value {
            FactValue::Text(text) => Some(Layout::parse(text)),
            _ => None,
        });
        let layouts: Vec<_> = texts.collect();
        if !layouts.is_empty() {
            self.areas = layout::areas(&layouts, Area::OptionBytes);
        }
    }

    fn otp(&mut self, facts: &[Fact], device: &Device) -> Option<Fact> {
        let area = device.otp.as_ref()?.area.as_ref()?;
        let fact = facts.iter().find(|fact| fact.key == "otp")?;
        let FactValue::Bytes(bytes) = &fact.value else { return None };
        if *bytes == self.otp {
            return None;
        }
        self.otp.clone_from(bytes);
        let blocks = otp::blocks(area, bytes);
        let locked = blocks.iter().filter(|block| block.lock == Lock::Locked).count();
        let illegal = blocks.iter().filter(|block| matches!(block.lock, Lock::Illegal(_))).count();
        let written = blocks.iter().filter(|block| block.programmed_bytes > 0).count();
        let mut words = format!("OTP at {}: {} of {} blocks hold data", area.address, written, blocks.len());
        if area.lock_address.is_some() {
            words.push_str(&format!(", {locked} are locked for ever"));
        }
        if illegal > 0 {
            words.push_str(&format!(", {illegal} have a lock byte that is not legal"));
        }
        Some(told("otp-state", FactValue::Text(FieldText::new(&words)), Origin::Link, words))
    }
}

/// What the upgrade service answered over DFU. Only the last answer of a cycle is judged: right after a boot the wireless stack
/// runs, and the first request brings the service back.
fn service(cycle: &Cycle) -> Vec<Fact> {
    let facts = cycle.steps.iter().flat_map(|step| &step.facts).filter(|fact| fact.key == "fus-state");
    let answers: Vec<_> = facts
        .filter_map(|fact| match &fact.value {
            FactValue::Bytes(bytes) => bytes.first_chunk::<2>().copied(),
            _ => None,
        })
        .collect();
    let Some([state, error]) = answers.last().copied() else { return Vec::new() };
    let words =
        format!("the upgrade service answered {}", answers.iter().map(answer).collect::<Vec<_>>().join(", then "));
    let mut found = vec![told("fus-service-answer", FactValue::Text(FieldText::new(&words)), Origin::Link, words)];
    let is_silent = matches!((state, error), (0xFF, 0xFE | 0xFF));
    if is_silent {
        let why = fus_code::error(error).map_or("", |error| match error.code {
            0xFE => error.meaning,
            _ => error.usual_reason.unwrap_or(error.meaning),
        });
        let words = format!("the last of {} requests was answered {}: {why}", answers.len(), answer(&[state, error]));
        found.push(told("fus-not-running", FactValue::Flag(true), Origin::Link, words));
    }
    found
}

/// `FUS_IDLE with NO_ERROR (0x00, 0x00)`
fn answer([state, error]: &[u8; 2]) -> String {
    let state_name = fus_code::state(*state).map_or("an unknown state", |state| state.name);
    let error_name = fus_code::error(*error).map_or("an unknown error", |error| error.name);
    format!("{state_name} with {error_name} (0x{state:02X}, 0x{error:02X})")
}

/// The sentences for people, each once.
pub fn in_words(facts: &[Fact]) -> Vec<String> {
    let of_key = |key: &'static str| facts.iter().filter(move |fact| fact.key == key && fact.origin == Origin::Link);
    let mut told: Vec<String> = TOLD.into_iter().flat_map(of_key).filter_map(sentence).collect();
    told.dedup();
    told
}

fn sentence(fact: &Fact) -> Option<String> {
    let words = match (&fact.quote, &fact.value) {
        (Some(quote), _) => quote.for_terminal(),
        (None, FactValue::Text(text)) => text.for_terminal(),
        _ => return None,
    };
    let words = match fact.key.as_str() {
        "fus-version" => format!("the upgrade service is version {words}"),
        "wireless-stack-version" => format!("wireless stack: {words}"),
        "fus-preconditions-hold" => format!("the option bytes allow work on the upgrade service: {words}"),
        "fus-precondition-broken" => format!("the option bytes stand in the way of the upgrade service: {words}"),
        "fus-not-running" => format!("the upgrade service does not run: {words}"),
        "option-complements-differ" => format!("option bytes and their complements differ: {words}"),
        _ => words,
    };
    let mut letters = words.chars();
    let first = letters.next()?;
    // Field names and codes keep their spelling.
    let starts_with_word = letters.clone().next().is_some_and(char::is_lowercase);
    let first = if starts_with_word { first.to_ascii_uppercase() } else { first };
    Some(format!("{first}{}.", letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::step::{Outcome, Phase, StepRecord, TransferSummary};

    fn cycle(answers: &[[u8; 2]]) -> Cycle {
        let step = |answer: &[u8; 2]| StepRecord {
            phase: Phase::FusState,
            started: None,
            elapsed: None,
            outcome: Outcome::Done,
            summary: TransferSummary::default(),
            transfers: Vec::new(),
            facts: vec![Fact::measured("fus-state", FactValue::Bytes(answer.to_vec()))],
        };
        Cycle {
            number: 1,
            boot: Some(1),
            started: None,
            steps: answers.iter().map(step).collect(),
            levels: Default::default(),
        }
    }

    #[test]
    fn a_service_that_wakes_up_runs_and_one_that_stays_silent_does_not() {
        let silent = |answers: &[[u8; 2]]| service(&cycle(answers)).iter().any(|fact| fact.key == "fus-not-running");
        assert!(!silent(&[[0xFF, 0xFE], [0x00, 0x00]]));
        assert!(silent(&[[0xFF, 0xFE], [0xFF, 0xFE]]));
        assert!(!silent(&[[0xFF, 0x07]]), "an error that the service reports is an answer");
        assert!(service(&cycle(&[])).is_empty());
    }

    #[test]
    fn answers_are_told_in_words() {
        let told = in_words(&service(&cycle(&[[0xFF, 0xFE], [0x00, 0x00]])));
        let words = "The upgrade service answered ERROR with STATE_NOT_RUNNING (0xFF, 0xFE), then FUS_IDLE with NO_ERROR (0x00, 0x00).";
        assert_eq!(told, [words]);
    }

    #[test]
    fn locked_written_and_illegal_blocks_of_otp_are_counted_once() {
        let devices = crate::profile::device::catalogue().unwrap();
        let f429 = devices.by_part("STM32F429ZI").unwrap();
        let mut bytes = vec![0xFF; 528];
        bytes[32] = 0x7F;
        (bytes[513], bytes[514]) = (0x00, 0x55);
        let facts = [Fact::measured("otp", FactValue::Bytes(bytes))];
        let mut board = BoardFacts::default();
        let told = board.otp(&facts, f429).unwrap();
        let words =
            "OTP at 0x1FFF7800: 1 of 16 blocks hold data, 1 are locked for ever, 1 have a lock byte that is not legal";
        assert_eq!(told.quote.unwrap().raw(), words);
        assert_eq!(board.otp(&facts, f429), None, "the same read again is nothing new");
        let h743 = devices.by_part("STM32H743ZI").unwrap();
        assert_eq!(board.otp(&facts, h743), None);
    }
}
