//! The times that tools put in front of their lines.

use crate::observation::units::Micros;

const DAY: u64 = 24 * 3_600_000_000;

/// The moment a line was printed on the clock of its log, whatever that counts from.
pub fn stamp_of(text: &str) -> Option<Micros> {
    let text = text.trim_start();
    let first = *text.as_bytes().first()?;
    if first == b'[' {
        bracketed(text)
    } else if first.is_ascii_digit() {
        behind_kernel(text).or_else(|| leading_digits(text))
    } else if first.is_ascii_uppercase() {
        syslog_time(text).map(|time| behind_kernel(text).unwrap_or(time))
    } else {
        None
    }
}

/// Whether a tool or a logger put a time in front of the line, readable as a moment or not. Asked of every line of a log, so that what is
/// cheap to see is looked for first.
pub fn is_stamped(text: &str) -> bool {
    let text = text.trim_start();
    match text.as_bytes().first() {
        Some(b'[') => bracketed(text).is_some() || relative(text),
        Some(b'0'..=b'9') => leading_digits(text).is_some() || behind_kernel(text).is_some(),
        Some(b'A'..=b'Z') => syslog_time(text).is_some(),
        _ => false,
    }
}

/// `[  +0.146097] usb 3-2.2:` of `dmesg -H` tells the time since the line before.
fn relative(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('[').and_then(|rest| rest.split(']').next()).map(str::trim);
    inside.and_then(|inside| inside.strip_prefix('+')).is_some_and(|digits| digits.parse::<f64>().is_ok())
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Apr 27 13:26:08 host kernel:` of syslog and journal. The kernel's own stamp behind it is finer.
fn syslog_time(text: &str) -> Option<Micros> {
    let mut words = text.split_ascii_whitespace();
    let month = words.next().filter(|word| MONTHS.contains(word));
    let day = words.next().and_then(|word| word.parse::<u8>().ok()).filter(|day| (1..=31).contains(day));
    month.zip(day).and_then(|_| words.next()).and_then(time_of_day)
}

/// The kernel's stamp in a line of syslog.
fn behind_kernel(text: &str) -> Option<Micros> {
    let at = text.find("kernel: [")? + "kernel: ".len();
    bracketed(&text[at..])
}

/// From one stamp to a later one; a clock of the day may pass midnight in between.
pub fn span(from: Micros, to: Micros) -> Option<Micros> {
    if to >= from {
        Some(to - from)
    } else if from.0 < DAY && from.0 - to.0 > DAY / 2 {
        Some(Micros(to.0 + DAY - from.0))
    } else {
        None
    }
}

/// `[ 9685.451234] usb 1-2:` of the kernel; its relative form `[  +0.15]` tells no moment.
fn bracketed(text: &str) -> Option<Micros> {
    let inside = text[1..].split(']').next()?.trim();
    if !inside.contains('.') || !inside.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    inside.parse().ok().map(Micros::from_secs_f64)
}

fn leading_digits(text: &str) -> Option<Micros> {
    if let Some(time) = behind_date(text) {
        return time_of_day(time.split(char::is_whitespace).next()?);
    }
    let word = text.split(|c: char| c.is_whitespace()).next()?;
    if word.contains(':') {
        return time_of_day(word);
    }
    // Milliseconds from the start: `318412 [DBG]` of qFlipper, `0000942 I` of pyOCD.
    let rest = text[word.len()..].trim_start();
    let tagged =
        rest.starts_with('[') || rest.as_bytes().get(1) == Some(&b' ') && rest.starts_with(['I', 'W', 'E', 'C', 'D']);
    if tagged && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word.parse().ok().filter(|&ms: &u64| ms < 1 << 40).map(Micros::from_millis);
    }
    None
}

/// What follows `2020-06-03T` or `2020-06-03 `.
fn behind_date(text: &str) -> Option<&str> {
    let date = text.as_bytes().first_chunk::<11>()?;
    let fits = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b'T' | b' '),
        _ => byte.is_ascii_digit(),
    };
    date.iter().enumerate().all(fits).then(|| &text[11..])
}

/// `08:58:38`, `16:19:53:063` or `06:57:38.123`, with anything behind.
pub fn time_of_day(word: &str) -> Option<Micros> {
    let mut fields = word.split([':', '.', ',']);
    let mut next = |digits: std::ops::RangeInclusive<usize>| {
        let field = fields.next()?;
        (digits.contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| field.parse::<u64>().ok())
            .flatten()
    };
    let (hours, minutes, seconds) = (next(1..=2)?, next(2..=2)?, next(2..=2)?);
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let milliseconds = next(3..=3).unwrap_or(0);
    Some(Micros::from_millis((hours * 3600 + minutes * 60 + seconds) * 1000 + milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_stamps_its_lines_differently() {
        for (text, stamp) in [
            ("23:42:46:012 : Error: Data read failed", Some(Micros::from_millis(85_366_012))),
            ("08:58:38 : ST-LINK error", Some(Micros::from_secs(32_318))),
            ("[ 9685.451234] usb 1-2: new", Some(Micros(9_685_451_234))),
            ("[  +0.146097] usb 3-2.2: new", None),
            ("318412 [DBG] Failed to get FUS status", Some(Micros::from_millis(318_412))),
            ("0001164 I Chip erase complete [eraser]", Some(Micros::from_millis(1_164))),
            ("2020-06-03T17:53:24 INFO common.c: Loading", Some(Micros::from_secs(64_404))),
            ("2020-06-03 17:53:24,123 INFO common.c: Loading", Some(Micros::from_millis(64_404_123))),
            ("2020-06-03 was a Wednesday", None),
            ("24 MHz crystal", None),
            ("Apr 27 13:26:09 host kernel: usb 1-3: new", Some(Micros::from_secs(48_369))),
            ("Apr 27 13:26:09 host kernel: [79595.192387] usb 1-3: x", Some(Micros(79_595_192_387))),
            ("18/18 pages written", None),
            ("May be the cable", None),
            ("10:15 in the morning", None),
        ] {
            assert_eq!(stamp_of(text), stamp, "{text}");
            assert!(stamp.is_none() || is_stamped(text), "{text}");
        }
    }

    #[test]
    fn what_a_logger_wrote_is_no_persons_sentence() {
        assert!(is_stamped("[  +0.146097] usb 3-2.2: USB disconnect, device number 9"));
        assert!(!is_stamped("[ in brackets ] it disconnects"));
        assert!(!is_stamped("Mar 3 was the day it began"));
    }

    #[test]
    fn a_span_may_pass_midnight() {
        assert_eq!(span(Micros::from_secs(86_399), Micros::from_secs(1)), Some(Micros::from_secs(2)));
        assert_eq!(span(Micros::from_secs(100), Micros::from_secs(90)), None);
    }
}
