//! The day a report is from, as far as its lines or its name tell; never today's.

use std::fmt;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The first `2024-05-31` (or `20240531`, `2024_05_31`) in a text.
pub fn day_in(text: &str) -> Option<Day> {
    let bytes = text.as_bytes();
    (0..bytes.len()).filter(|&at| at == 0 || !bytes[at - 1].is_ascii_alphanumeric()).find_map(|at| day_at(&bytes[at..]))
}

fn day_at(bytes: &[u8]) -> Option<Day> {
    let number = |from: usize, count: usize| -> Option<u16> {
        let digits = bytes.get(from..from + count)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
    };
    let year = number(0, 4).filter(|year| (2005..2100).contains(year))?;
    let separated = bytes.get(4).is_some_and(|byte| matches!(byte, b'-' | b'_' | b'/'));
    let (month_at, day_at) = if separated { (5, 8) } else { (4, 6) };
    if separated && bytes.get(7) != bytes.get(4) {
        return None;
    }
    let month = number(month_at, 2).filter(|month| (1..=12).contains(month))?;
    let day = number(day_at, 2).filter(|day| (1..=31).contains(day))?;
    let ends = bytes.get(day_at + 2).is_none_or(|byte| !byte.is_ascii_digit());
    ends.then_some(Day { year, month: month as u8, day: day as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_in_stamps_and_names() {
        for (text, day) in [
            ("2020-12-27T11:16:13 WARN common.c: unknown chip id! 0x3748", Some("2020-12-27")),
            ("[2025-02-12T09:16:45] erase", Some("2025-02-12")),
            ("tickets/qFlipper-20240420-121622.txt", Some("2024-04-20")),
            ("2021-04-02 02:20 AM", Some("2021-04-02")),
            ("serial 20241399", None),
            ("0x20240420", None),
            ("from 2024-05/06", None),
        ] {
            assert_eq!(day_in(text).map(|day| day.to_string()).as_deref(), day, "{text}");
        }
    }
}
