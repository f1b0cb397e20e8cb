//! Who stands by while cycles run: reads sensors before every cycle, and acts at the moment of a failure.

use super::program;
use super::question::{Unit, read_quantity};
use crate::link::Link;
use crate::observation::fact::{Fact, Origin};
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

/// Asked by the runner.
pub trait Attend {
    /// Before a cycle: what is measured beside the board.
    fn before_cycle(&mut self, _cycle: u32) -> Readings {
        Readings::default()
    }

    /// A step has just failed; nothing has been done since.
    fn failed(&mut self, _moment: &Moment<'_>, _link: &mut dyn Link) -> Reaction {
        Reaction::default()
    }
}

/// Nobody is there.
#[derive(Debug)]
pub struct Unattended;

impl Attend for Unattended {}

/// Values for the cycle, and what went wrong in reading them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    pub facts: Vec<Fact>,
    pub notes: Vec<String>,
}

/// Where in the campaign a failure happened.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub failure: &'a Failure,
    pub boot: u32,
    pub cycle: u32,
}

/// What came of standing by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// The board was held as it failed, so the rest of the cycle must not touch it.
    pub held: bool,
    pub facts: Vec<Fact>,
    pub notes: Vec<String>,
    /// The person at the bench wants to end the campaign.
    pub end: bool,
}

/// A program that prints a number with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// `temperature` in `temperature=read-sensor 3`; the program itself where no name was given.
    pub name: String,
    pub command: String,
}

/// How notes begin that tell of a program of the user that did not do what it was asked to; then the cycle, then why.
pub const NOT_READ: &str = "sensor not read, ";
pub const HOOK_FAILED: &str = "on-failure program failed, ";

/// Longer than this a sensor would decide how long a cycle takes.
const SENSOR_LIMIT: Micros = Micros::from_secs(5);

impl std::str::FromStr for Sensor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let (name, command) = match text.split_once('=') {
            Some((name, command)) if is_name(name) => (name.to_owned(), command),
            _ => (program_name(text), text),
        };
        match command.trim() {
            command if command.is_empty() || command.starts_with('=') => {
                Err("expected a program, or NAME=PROGRAM".to_owned())
            }
            command => Ok(Self { name, command: command.to_owned() }),
        }
    }
}

/// The last part of the path of what is run, in small letters and hyphens.
fn program_name(command: &str) -> String {
    let program = command.split_whitespace().next().unwrap_or("sensor");
    let file = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name: String =
        file.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    name.trim_matches('-').to_owned()
}

impl Sensor {
    /// The value with its unit; why not, in words.
    pub fn read(&self, cycle: u32) -> Result<(f64, Option<Unit>, String), String> {
        let variables = [("FLAKESCOPE_CYCLE", cycle.to_string())];
        let said = program::run(&self.command, &variables, SENSOR_LIMIT).map_err(|error| format!("sensor {error}"))?;
        let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
        let (value, unit) = read_quantity(line)
            .map_err(|why| format!("sensor `{}` printed no number with a unit: {why}", self.command))?;
        Ok((value, unit, line.trim().to_owned()))
    }

    fn fact(&self, cycle: u32) -> Result<Fact, String> {
        let (value, unit, line) = self.read(cycle)?;
        Ok(Fact {
            key: format!("sensor-{}", self.name),
            value: unit.map_or(crate::observation::fact::FactValue::Number(value), |unit| unit.fact(value)),
            origin: Origin::Host,
            quote: Some(FieldText::new(line)),
        })
    }
}

/// All sensors, each read once.
pub fn read_all(sensors: &[Sensor], cycle: u32) -> Readings {
    let mut readings = Readings::default();
    for sensor in sensors {
        match sensor.fact(cycle) {
            Ok(fact) => readings.facts.push(fact),
            Err(why) => readings.notes.push(format!("{NOT_READ}cycle {cycle}: {why}")),
        }
    }
    readings
}

/// A voltage below this on a supply says that the board is off.
pub const OFF_BELOW_VOLTS: f64 = 0.5;

/// The sensors that show a voltage while the board has power, so that it says something when they show none: one across a shunt is
/// always near zero.
#[derive(Debug)]
pub struct Supplies<'a>(Vec<&'a Sensor>);

impl<'a> Supplies<'a> {
    /// Before anything takes the power away.
    pub fn of(sensors: &'a [Sensor]) -> Self {
        Self(sensors.iter().filter(|sensor| volts(sensor).is_some_and(|volts| volts >= OFF_BELOW_VOLTS)).collect())
    }

    pub fn is_one_off(&self) -> bool {
        self.0.iter().any(|sensor| volts(sensor).is_some_and(|volts| volts < OFF_BELOW_VOLTS))
    }
}

/// Its size; nothing of a sensor that measures something else.
fn volts(sensor: &Sensor) -> Option<f64> {
    let (value, unit, _) = sensor.read(0).ok()?;
    (unit == Some(Unit::Volt)).then_some(value.abs())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::observation::fact::FactValue;

    fn sensor(text: &str) -> Sensor {
        text.parse().unwrap()
    }

    #[test]
    fn a_sensor_has_the_name_that_was_given_or_that_of_its_program() {
        assert_eq!(sensor("air=echo 21 degC").name, "air");
        assert_eq!(sensor("/opt/bin/Read_Temp.sh --port=3").name, "read-temp-sh");
        for text in ["air= ", "", "=", "=echo 1 V"] {
            assert!(text.parse::<Sensor>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_carry_their_unit_and_failures_are_notes() {
        let sensors =
            [sensor("vdd=echo 3312 mV"), sensor("air=echo 21.5 °C"), sensor("broken=exit 1"), sensor("odd=echo warm")];
        let readings = read_all(&sensors, 4);
        let values: Vec<_> = readings.facts.iter().map(|fact| (fact.key.as_str(), fact.value.clone())).collect();
        assert_eq!(values, [("sensor-vdd", FactValue::Volts(3.312)), ("sensor-air", FactValue::Number(21.5))]);
        assert_eq!(readings.notes.len(), 2);
        assert!(readings.notes[0].starts_with("sensor not read, cycle 4: sensor `exit 1` ended with"), "{readings:?}");
        assert!(readings.notes[1].contains("`warm` does not begin with a number"), "{readings:?}");
    }

    #[test]
    fn only_a_voltage_that_was_there_before_shows_that_the_power_is_off() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display();
        let falls = |name: &str, from: &str, to: &str| {
            let seen = format!("'{folder}/{name}'");
            sensor(&format!("{name}=if test -e {seen}; then echo {to}; else touch {seen}; echo {from}; fi"))
        };
        let is_seen_off = |sensor: Sensor| Supplies::of(&[sensor]).is_one_off();
        assert!(is_seen_off(falls("vdd", "3.3 V", "12 mV")));
        assert!(!is_seen_off(falls("shunt", "40 mV", "0 mV")), "a shunt shows no supply");
        assert!(!is_seen_off(falls("stays", "3.3 V", "3.2 V")));
        assert!(!is_seen_off(falls("air", "20 C", "0 C")));
        assert!(!is_seen_off(falls("number", "3", "0")));
    }
}
