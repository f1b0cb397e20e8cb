//! Questions to the person at the bench, and how a typed answer is read.

use crate::observation::fact::FactValue;

/// What somebody is asked, and in what form the answer is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub text: String,
    pub wanted: Wanted,
    /// Why the answer before this one could not be taken.
    pub problem: Option<String>,
    /// Counts what was asked, so that the same words asked twice are two questions.
    pub turn: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Something is to be done; anything typed says that it is.
    Done,
    /// Something is to be done if the person can.
    DoneOrCannot,
    /// What came of it: yes, no, or cannot say.
    YesOrNo,
    /// A measurement.
    Quantity(Unit),
    /// Any of these measurements by name, or nothing more.
    Measurements(Vec<(String, Unit)>),
}

/// The unit of a measurement as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Volt,
    Hertz,
    Celsius,
    Ohm,
    Ampere,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Done,
    Yes,
    No,
    /// In the question's unit.
    Quantity(f64),
    /// One of those that were named, in its unit.
    Measured {
        which: usize,
        value: f64,
    },
    /// The person cannot, will not or does not know.
    Skipped,
}

impl Question {
    pub fn new(text: impl Into<String>, wanted: Wanted) -> Self {
        Self { text: text.into(), wanted, problem: None, turn: 0 }
    }
}

/// Words for an answer that is none.
const SKIP: [&str; 6] = ["skip", "s", "?", "cannot", "can't", "unknown"];

impl Wanted {
    /// What may be typed.
    pub fn hint(&self) -> String {
        match self {
            Self::Done => "Enter when it is done".to_owned(),
            Self::DoneOrCannot => "Enter when it is done, skip if you cannot".to_owned(),
            Self::YesOrNo => "yes, no, or skip".to_owned(),
            Self::Quantity(unit) => format!("a value in {}, or skip", unit.symbol()),
            Self::Measurements(known) => {
                let example = known.first().map_or("vdd-minimum", |(name, _)| name.as_str());
                format!("a measurement such as {example} 3.1 V, or Enter to go on")
            }
        }
    }

    /// Reads what was typed; says why it cannot be taken.
    pub fn read(&self, typed: &str) -> Result<Answer, String> {
        let word = typed.trim().to_lowercase();
        match self {
            Self::Done => Ok(Answer::Done),
            Self::DoneOrCannot if matches!(word.as_str(), "n" | "no") => Ok(Answer::Skipped),
            Self::Measurements(_) if word.is_empty() => Ok(Answer::Done),
            Self::Measurements(known) => read_named(known, typed.trim()),
            _ if SKIP.contains(&word.as_str()) => Ok(Answer::Skipped),
            Self::DoneOrCannot => match word.as_str() {
                "" | "done" | "d" | "y" | "yes" | "ok" => Ok(Answer::Done),
                _ => Err(format!("`{}` was not understood; {}", typed.trim(), self.hint())),
            },
            Self::YesOrNo => match word.as_str() {
                "y" | "yes" => Ok(Answer::Yes),
                "n" | "no" => Ok(Answer::No),
                "" => Err("please type yes, no, or skip".to_owned()),
                _ => Err(format!("`{}` was not understood; type yes, no, or skip", typed.trim())),
            },
            Self::Quantity(unit) => unit.read(typed).map(Answer::Quantity),
        }
    }
}

/// `vdd-minimum 2.91 V`.
fn read_named(known: &[(String, Unit)], typed: &str) -> Result<Answer, String> {
    let (name, value) = typed.split_once([' ', '=']).unwrap_or((typed, ""));
    let names = || known.iter().map(|(name, _)| name.as_str());
    match known.iter().position(|(known, _)| known == name) {
        Some(which) => known[which].1.read(value).map(|value| Answer::Measured { which, value }),
        None => Err(format!(
            "`{name}` is no quantity that is known here; known are {}",
            names().collect::<Vec<_>>().join(", ")
        )),
    }
}

impl Unit {
    const ALL: [Self; 5] = [Self::Volt, Self::Hertz, Self::Celsius, Self::Ohm, Self::Ampere];

    /// A unit, and how many of what is written make one of it: 1000 for `mV`.
    fn scaled(text: &str) -> Option<(Self, f64)> {
        Self::ALL.into_iter().find_map(|unit| {
            let prefix = unit.spellings().iter().find_map(|spelling| text.strip_suffix(spelling))?;
            let scale = match prefix {
                "" => 1.0,
                "u" | "µ" | "μ" => 1e6,
                "m" => 1e3,
                "k" => 1e-3,
                "M" => 1e-6,
                _ => return None,
            };
            Some((unit, scale))
        })
    }

    const fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Volt => &["V", "v"],
            Self::Hertz => &["Hz", "hz"],
            Self::Celsius => &["degC", "°C", "C"],
            Self::Ohm => &["ohm", "Ohm", "Ω", "R"],
            Self::Ampere => &["A", "a"],
        }
    }

    pub fn symbol(self) -> &'static str {
        self.spellings()[0]
    }

    /// A unit by its symbol, without a prefix.
    pub fn of_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.spellings().contains(&symbol))
    }

    /// A number with or without this unit: `3.31`, `3,31 V`, `3310 mV`.
    pub fn read(self, typed: &str) -> Result<f64, String> {
        let (value, unit) = read_quantity(typed)?;
        match unit {
            None => Ok(value),
            Some(unit) if unit == self => Ok(value),
            Some(other) => Err(format!("that is in {}; wanted is a value in {}", other.symbol(), self.symbol())),
        }
    }

    /// The value as a fact carries it.
    pub fn fact(self, value: f64) -> FactValue {
        match self {
            Self::Volt => FactValue::Volts(value),
            Self::Hertz => FactValue::FrequencyMhz(value / 1e6),
            Self::Celsius | Self::Ohm | Self::Ampere => FactValue::Number(value),
        }
    }
}

/// A number with or without a unit, in units without prefix.
pub fn read_quantity(typed: &str) -> Result<(f64, Option<Unit>), String> {
    let text = typed.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '+' | '-'))).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let value: f64 = match number.replace(',', ".").parse() {
        Ok(value) => value,
        Err(_) => return Err(format!("`{text}` does not begin with a number such as 3.31")),
    };
    match unit.trim() {
        "" => Ok((value, None)),
        unit => match Unit::scaled(unit) {
            Some((unit, per_unit)) => Ok((value / per_unit, Some(unit))),
            None => {
                Err(format!("`{unit}` is no unit that is known here; known are V, Hz, C, ohm and A, with m, k or M"))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_measurement_is_read_as_people_write_it() {
        for (typed, volts) in [("3.31", 3.31), ("3,31 V", 3.31), ("3310 mV", 3.31), ("-0.2v", -0.2), (" 5V ", 5.0)] {
            let read = Unit::Volt.read(typed).unwrap();
            assert!((read - volts).abs() < 1e-9, "{typed}: {read}");
        }
        assert!((Unit::Hertz.read("8.001 MHz").unwrap() - 8_001_000.0).abs() < 1e-3);
        assert_eq!(Unit::Celsius.read("21.5 °C"), Ok(21.5));
    }

    #[test]
    fn what_is_no_measurement_says_why() {
        assert_eq!(Unit::Volt.read("low"), Err("`low` does not begin with a number such as 3.31".to_owned()));
        assert_eq!(Unit::Volt.read("8 MHz"), Err("that is in Hz; wanted is a value in V".to_owned()));
        assert!(Unit::Volt.read("3 furlongs").unwrap_err().starts_with("`furlongs` is no unit"));
    }

    #[test]
    fn answers_are_typed_as_the_question_wants_them() {
        assert_eq!(Wanted::YesOrNo.read("Y"), Ok(Answer::Yes));
        assert_eq!(Wanted::YesOrNo.read("skip"), Ok(Answer::Skipped));
        assert!(Wanted::YesOrNo.read("maybe").unwrap_err().contains("`maybe` was not understood"));
        assert!(Wanted::YesOrNo.read("").is_err());
        assert_eq!(Wanted::DoneOrCannot.read(""), Ok(Answer::Done));
        assert_eq!(Wanted::DoneOrCannot.read("no"), Ok(Answer::Skipped));
        assert_eq!(Wanted::Done.read("whatever"), Ok(Answer::Done));
        assert_eq!(Wanted::Quantity(Unit::Volt).read("?"), Ok(Answer::Skipped));
    }

    #[test]
    fn a_measurement_is_named_or_there_is_none() {
        let wanted = Wanted::Measurements(vec![("vcap".into(), Unit::Volt), ("vdd-minimum".into(), Unit::Volt)]);
        assert_eq!(wanted.read("vdd-minimum 2910 mV"), Ok(Answer::Measured { which: 1, value: 2.91 }));
        assert_eq!(wanted.read(" "), Ok(Answer::Done));
        assert!(wanted.read("vdd 3 V").unwrap_err().ends_with("known are vcap, vdd-minimum"));
        assert!(wanted.read("vcap").is_err());
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(typed in "\\PC{0,40}") {
            for wanted in [Wanted::Done, Wanted::DoneOrCannot, Wanted::YesOrNo, Wanted::Quantity(Unit::Volt), Wanted::Measurements(vec![("vcap".into(), Unit::Volt)])] {
                let _ = wanted.read(&typed);
            }
        }

        #[test]
        fn a_number_reads_back(value in -1e6f64..1e6) {
            let read = Unit::Volt.read(&format!("{value:.6} V")).unwrap();
            prop_assert!((read - value).abs() < 1e-5);
        }
    }
}
