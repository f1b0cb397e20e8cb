//! A control transfer on a full-speed pair: how many transactions it takes, how long they last, and what the host
//! controller does about spoilt packets. Limits of bandwidth follow from USB 2.0 (19 packets of 64 bytes in a frame at most).

use super::surroundings::{Dice, Direction, Packet};
use crate::observation::units::Micros;

pub const FRAME: Micros = Micros::from_millis(1);
/// Of endpoint 0 in the ROM.
pub const PACKET_BYTES: usize = 64;
/// A host controller gives up after this many errors in a row on one transaction (USB 2.0, 8.5.2 and EHCI 4.10.2).
const STRIKES: u32 = 3;

/// How a host controller carries control transfers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Transactions of one transfer in a frame; depends on controller and hubs.
    pub transactions_per_frame: u32,
    /// Until the program hears of it, at most.
    pub jitter: Micros,
}

impl Default for Pace {
    fn default() -> Self {
        Self { transactions_per_frame: 8, jitter: Micros(40) }
    }
}

/// How far a transfer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    pub elapsed: Micros,
    /// Transactions that were repeated, which nothing but the time tells.
    pub retries: u32,
    /// Three strikes on one packet.
    pub spoilt: bool,
}

impl Pace {
    /// Carries packets; `chance` says how likely each is spoilt.
    pub fn carry<'a>(
        &self,
        packets: impl IntoIterator<Item = Packet<'a>>,
        mut chance: impl FnMut(&Packet<'_>) -> f64,
        dice: &mut Dice,
    ) -> Carried {
        let mut transactions = 0;
        let mut retries = 0;
        let mut spoilt = false;
        for packet in packets {
            transactions += 1;
            let probability = chance(&packet);
            let strikes = (0..STRIKES).take_while(|_| dice.chance(probability)).count() as u32;
            spoilt = strikes == STRIKES;
            retries += if spoilt { STRIKES - 1 } else { strikes };
            if spoilt {
                break;
            }
        }
        let slot = FRAME.0 / u64::from(self.transactions_per_frame.max(1));
        let elapsed = Micros(slot * transactions + FRAME.0 * u64::from(retries));
        Carried { elapsed, retries, spoilt }
    }

    pub fn wake_up(&self, dice: &mut Dice) -> Micros {
        Micros((self.jitter.0 as f64 * dice.share()) as u64)
    }
}

/// The packets of a data stage; one without data stands for the status stage or an empty answer.
pub fn packets(direction: Direction, data: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let whole = data.chunks(PACKET_BYTES).enumerate().map(move |(place, data)| Packet { direction, data, place });
    whole.chain(data.is_empty().then_some(Packet { direction, data: &[], place: 0 }))
}

/// The longest time without an edge, in bits: NRZI holds the level for every 1, and a 0 is stuffed in after six of them.
pub fn longest_run_bits(data: &[u8]) -> u32 {
    let mut ones = 0_u32;
    let mut longest = 0;
    for &byte in data {
        if byte == 0xff && ones >= 6 {
            continue;
        }
        for bit in 0..8 {
            ones = if byte >> bit & 1 == 1 { ones + 1 } else { 0 };
            longest = longest.max(ones);
        }
    }
    longest.min(6) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_host(length: usize) -> Vec<u8> {
        vec![0; length]
    }

    #[test]
    fn a_block_of_2048_bytes_takes_as_many_frames_as_the_pace_allows() {
        for (transactions_per_frame, frames) in [(19, 2), (8, 5), (1, 34)] {
            let pace = Pace { transactions_per_frame, jitter: Micros::ZERO };
            let data = to_host(2048);
            let setup_and_status = [Packet { direction: Direction::ToDevice, data: &[0; 8], place: 0 }; 2];
            let all = setup_and_status.into_iter().chain(packets(Direction::ToHost, &data));
            let carried = pace.carry(all, |_| 0.0, &mut Dice::new(1));
            assert_eq!(carried.elapsed.0.div_ceil(FRAME.0), frames);
        }
    }

    #[test]
    fn certain_errors_end_in_three_strikes_and_two_lost_frames() {
        let pace = Pace::default();
        let data = to_host(64);
        let carried = pace.carry(packets(Direction::ToHost, &data), |_| 1.0, &mut Dice::new(1));
        assert!(carried.spoilt);
        assert_eq!(carried.retries, 2);
    }

    #[test]
    fn rare_errors_cost_a_frame_each_and_are_not_seen_otherwise() {
        let pace = Pace::default();
        let data = to_host(64 * 200);
        let clean = pace.carry(packets(Direction::ToHost, &data), |_| 0.0, &mut Dice::new(3));
        let noisy = pace.carry(packets(Direction::ToHost, &data), |_| 0.02, &mut Dice::new(3));
        assert!(!noisy.spoilt && noisy.retries > 0);
        assert_eq!(noisy.elapsed - clean.elapsed, Micros(FRAME.0 * u64::from(noisy.retries)));
    }

    #[test]
    fn runs_are_counted_across_bytes_and_end_at_a_stuffed_bit() {
        assert_eq!(longest_run_bits(&[0x00]), 1);
        assert_eq!(longest_run_bits(&[0b0000_0111]), 4);
        assert_eq!(longest_run_bits(&[0b1100_0000, 0b0000_0011]), 5);
        assert_eq!(longest_run_bits(&[0xff, 0xff]), 7);
        assert_eq!(longest_run_bits(&[]), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_run_is_longer_than_bit_stuffing_allows(data in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!((1..=7).contains(&longest_run_bits(&data)));
        }
    }
}
