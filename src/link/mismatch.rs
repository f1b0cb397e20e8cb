//! Two reads of the same place that differ, and in which way: a bit that is stuck, data that has slipped, or no pattern at all.

use std::fmt;

/// The first difference, how many there are, and their pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// From the beginning of the range.
    pub at: usize,
    before: u8,
    now: u8,
    differing: usize,
    of: usize,
    pattern: Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// One bit of every byte that differs, always in the same direction.
    StuckBit {
        bit: u8,
        reads: u8,
    },
    /// What should stand so many bytes further on; negative if further back.
    Slipped {
        bytes: isize,
    },
    /// Every byte that differs reads the same.
    Uniform {
        byte: u8,
    },
    None,
}

/// Fewer prove no pattern.
const FEWEST: usize = 4;
/// So far is data looked for elsewhere.
const FURTHEST: isize = 64;

impl Mismatch {
    /// Compares as far as both reach.
    pub fn between(before: &[u8], now: &[u8]) -> Option<Self> {
        let of = before.len().min(now.len());
        let (before, now) = (&before[..of], &now[..of]);
        // As wholes first: byte by byte is slow, and nearly always they are equal.
        if before == now {
            return None;
        }
        let at = before.iter().zip(now).position(|(before, now)| before != now)?;
        let differing = before.iter().zip(now).filter(|(before, now)| before != now).count();
        let pattern = if differing < FEWEST { Pattern::None } else { pattern(before, now, at) };
        Some(Self { at, before: before[at], now: now[at], differing, of, pattern })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} instead of 0x{:02X}", self.now, self.before)?;
        if self.differing > 1 {
            write!(f, ", {} of {} bytes differ", self.differing, self.of)?;
        }
        match self.pattern {
            Pattern::StuckBit { bit, reads } => write!(f, ": bit {bit} reads {reads} in each"),
            Pattern::Slipped { bytes } if bytes > 0 => write!(f, ": the data of {bytes} bytes further on"),
            Pattern::Slipped { bytes } => write!(f, ": the data of {} bytes before", -bytes),
            Pattern::Uniform { byte } => write!(f, ": each reads 0x{byte:02X}"),
            Pattern::None => Ok(()),
        }
    }
}

fn pattern(before: &[u8], now: &[u8], first: usize) -> Pattern {
    let pairs = || before.iter().zip(now).filter(|(before, now)| before != now);
    let uniform = pairs().all(|(_, other)| *other == now[first]);
    // Different bytes that all turned into the same one tell more than any bit they have in common.
    if uniform && pairs().any(|(other, _)| *other != before[first]) {
        return Pattern::Uniform { byte: now[first] };
    }
    let changed = before[first] ^ now[first];
    if changed.is_power_of_two()
        && pairs().all(|(before, other)| before ^ other == changed && other & changed == now[first] & changed)
    {
        return Pattern::StuckBit { bit: changed.trailing_zeros() as u8, reads: u8::from(now[first] & changed != 0) };
    }
    slipped(before, now, first).unwrap_or(Pattern::None)
}

/// From the first difference to the end, everything that can be compared stands elsewhere; a few bytes could do so by chance.
fn slipped(before: &[u8], now: &[u8], first: usize) -> Option<Pattern> {
    const ENOUGH: usize = 16;
    let fits = |bytes: isize| {
        let compared = (first..now.len()).filter_map(|at| Some((now[at], *before.get(at.checked_add_signed(bytes)?)?)));
        let mut count = 0;
        compared.inspect(|_| count += 1).all(|(now, before)| now == before) && count >= ENOUGH
    };
    let nearest_first = (1..=FURTHEST).flat_map(|bytes| [bytes, -bytes]);
    nearest_first.into_iter().find(|&bytes| fits(bytes)).map(|bytes| Pattern::Slipped { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes without a period.
    fn data(length: usize) -> Vec<u8> {
        (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    fn told(before: &[u8], now: &[u8]) -> String {
        Mismatch::between(before, now).map(|mismatch| mismatch.to_string()).unwrap_or_default()
    }

    #[test]
    fn equal_data_is_no_mismatch_and_a_short_read_is_compared_as_far_as_it_goes() {
        assert_eq!(Mismatch::between(&data(64), &data(64)), None);
        assert_eq!(Mismatch::between(&data(64), &data(32)), None);
    }

    #[test]
    fn one_byte_is_one_byte() {
        assert_eq!(told(&[0x5A, 1, 2], &[0x5B, 1, 2]), "0x5B instead of 0x5A");
        assert_eq!(told(&[0x5A, 1, 2], &[0x5B, 1, 3]), "0x5B instead of 0x5A, 2 of 3 bytes differ");
    }

    #[test]
    fn a_bit_that_is_stuck_is_named() {
        let before = data(256);
        let now: Vec<_> = before.iter().map(|byte| byte | 1 << 3).collect();
        assert!(told(&before, &now).ends_with(": bit 3 reads 1 in each"), "{}", told(&before, &now));
    }

    #[test]
    fn data_that_slipped_is_told_with_its_distance() {
        let all = data(300);
        assert!(told(&all[..256], &all[4..260]).ends_with(": the data of 4 bytes further on"));
        let mut late = all[..128].to_vec();
        late.extend_from_slice(&all[126..254]);
        assert!(told(&all[..256], &late).ends_with(": the data of 2 bytes before"), "{}", told(&all[..256], &late));
    }

    #[test]
    fn a_stretch_that_reads_as_nothing_is_told() {
        let (before, mut now) = (data(64), data(64));
        now[16..32].fill(0xFF);
        assert!(told(&before, &now).ends_with(": each reads 0xFF"), "{}", told(&before, &now));
    }

    proptest! {
        #[test]
        fn the_first_difference_is_where_it_says(before in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, flip in 1_u8..) {
            let mut now = before.clone();
            let at = at.index(before.len());
            now[at] ^= flip;
            prop_assert_eq!(Mismatch::between(&before, &now).map(|mismatch| mismatch.at), Some(at));
        }
    }
}
