//! One virtual board and its clock, for all links that reach it: USB and the debug pins see the same board at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bench::board::VirtualBoard;
use crate::bench::intervention::Intervention;
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::units::Micros;
use crate::timebase::{SimulatedTime, Timebase};

#[derive(Debug)]
pub struct VirtualBench {
    pub board: VirtualBoard,
    time: SimulatedTime,
}

/// A share in a bench.
#[derive(Clone, Debug)]
pub struct BenchShare(Arc<Mutex<VirtualBench>>);

impl BenchShare {
    /// The board is switched on at the beginning.
    pub fn new(mut board: VirtualBoard) -> Self {
        board.power_on(Micros::ZERO);
        Self(Arc::new(Mutex::new(VirtualBench { board, time: SimulatedTime::default() })))
    }

    /// A link that panicked left the board as it was.
    pub fn lock(&self) -> MutexGuard<'_, VirtualBench> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualBench {
    pub fn now(&self) -> Micros {
        self.time.now()
    }

    pub fn wait(&mut self, span: Micros) {
        self.time.wait(span);
    }

    pub fn go_to(&mut self, moment: Micros) {
        let span = moment - self.time.now();
        self.time.wait(span);
    }

    /// See [`super::Link::rearrange`].
    pub fn rearrange(&mut self, change: Option<&str>, span: Micros) -> bool {
        let change = match change.map(Intervention::named) {
            None => None,
            Some(Some(intervention)) => Some(intervention),
            Some(None) => return false,
        };
        self.board.rearrange(self.now(), change);
        self.wait(span);
        self.board.power_on(self.now());
        true
    }

    pub fn power_cycle(&mut self, off_time: Micros) -> (BootKind, BootProof) {
        self.board.power_off(self.now());
        self.wait(off_time);
        self.board.power_on(self.now());
        (BootKind::ColdPowerOn { off_time: Some(off_time) }, BootProof::Commanded)
    }
}
