//! Retries that the host controller hides, inferred from transfers that came about a frame later than their equals.

use std::collections::{BTreeMap, VecDeque};

use crate::observation::step::TransferRecord;
use crate::observation::units::Micros;

/// The recent latencies of equal transfers.
#[derive(Debug, Default)]
pub struct LatencyBook {
    by_kind: BTreeMap<(String, u32), VecDeque<Micros>>,
}

impl LatencyBook {
    const FRAME: u64 = 1_000;
    /// How far from a whole number of frames a late transfer may be.
    const TOLERANCE: u64 = 300;
    /// A third failed attempt surfaces as an error, so at most two frames are lost to retries.
    const MOST_FRAMES: u64 = 2;
    const KEPT: usize = 64;
    const NEEDED: usize = 8;

    /// How many of these transfers look like they needed a retry. Errors and the first few of their kind are not judged.
    pub fn retries_in(&mut self, transfers: &[TransferRecord]) -> u32 {
        let good = transfers.iter().filter(|transfer| transfer.code.is_none());
        good.filter(|transfer| self.is_late(transfer)).count() as u32
    }

    fn is_late(&mut self, transfer: &TransferRecord) -> bool {
        let equals = self.by_kind.entry((transfer.request.kind().to_owned(), transfer.length_bytes)).or_default();
        let late = typical(equals).is_some_and(|median| {
            let excess = transfer.elapsed.saturating_sub(median).0;
            (1..=Self::MOST_FRAMES).any(|frames| excess.abs_diff(frames * Self::FRAME) <= Self::TOLERANCE)
        });
        if equals.len() == Self::KEPT {
            equals.pop_front();
        }
        equals.push_back(transfer.elapsed);
        late
    }
}

/// The median, if there are enough equals and the host is steady enough for a frame to stand out.
fn typical(equals: &VecDeque<Micros>) -> Option<Micros> {
    if equals.len() < LatencyBook::NEEDED {
        return None;
    }
    let mut sorted: Vec<_> = equals.iter().copied().collect();
    sorted.sort_unstable();
    let median = sorted[sorted.len() / 2];
    let spread = sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4];
    (spread.0 <= LatencyBook::TOLERANCE).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(elapsed: u64) -> TransferRecord {
        TransferRecord {
            request: "UPLOAD block 2, 1024 B".into(),
            elapsed: Micros(elapsed),
            length_bytes: 1024,
            code: None,
        }
    }

    fn book_of(latencies: impl Iterator<Item = u64>) -> LatencyBook {
        let mut book = LatencyBook::default();
        book.retries_in(&latencies.map(upload).collect::<Vec<_>>());
        book
    }

    #[test]
    fn a_transfer_one_or_two_frames_late_was_retried() {
        let mut book = book_of((0..20).map(|i| 1_900 + i));
        assert_eq!(book.retries_in(&[upload(2_910), upload(1_905), upload(3_950)]), 2);
    }

    #[test]
    fn a_scheduling_delay_is_no_retry() {
        let mut book = book_of((0..20).map(|i| 1_900 + i));
        assert_eq!(book.retries_in(&[upload(2_400), upload(9_000)]), 0);
    }

    #[test]
    fn an_unsteady_host_allows_no_conclusion() {
        let mut book = book_of((0..20).map(|i| 1_900 + i * 100));
        assert_eq!(book.retries_in(&[upload(3_900)]), 0);
    }

    #[test]
    fn the_first_few_are_not_judged() {
        assert_eq!(book_of([1_900; 3].into_iter()).retries_in(&[upload(2_900)]), 0);
    }
}
