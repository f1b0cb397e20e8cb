//! What probe-rs does silently and tells only in its log: WAIT answers it retried, and its warnings.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was heard since it was last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// WAIT answers that probe-rs met with another try.
    pub wait_retries: u32,
    /// It gave up after its last try.
    pub gave_up: bool,
    /// The lines themselves, the first few.
    pub lines: Vec<String>,
}

/// Listens to probe-rs while a call runs.
#[derive(Clone, Debug)]
pub struct ProbeLog {
    heard: Arc<Mutex<Heard>>,
    dispatch: Dispatch,
}

impl ProbeLog {
    /// More lines than that say nothing new.
    const KEPT: usize = 16;

    #[expect(clippy::new_without_default, reason = "setting up a listener is an act, not a default")]
    pub fn new() -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        Self { dispatch: Dispatch::new(Ear { heard: Arc::clone(&heard) }), heard }
    }

    /// Runs a call into probe-rs and hears what it logs on this thread.
    pub fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, call)
    }

    pub fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Ear {
    heard: Arc<Mutex<Heard>>,
}

/// The module in which probe-rs retries for probes that show bits on the wire; it says so below the level of a warning.
const BIT_LEVEL: &str = "probe_rs::architecture::arm::traits::polyfill";

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.is_event()
            && (target == BIT_LEVEL && *metadata.level() <= Level::DEBUG
                || target.starts_with("probe_rs") && *metadata.level() <= Level::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let retried = message.0.contains("DpWait/SwdApWait, retrying") || message.0.starts_with("got WAIT on transfer");
        let gave_up = message.0.contains("too many retries") || message.0.starts_with("Timeout in SWD transaction");
        heard.wait_retries += u32::from(retried);
        heard.gave_up |= gave_up;
        let of_interest = retried || gave_up || *event.metadata().level() <= Level::WARN;
        if of_interest && heard.lines.len() < ProbeLog::KEPT {
            heard.lines.push(message.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_of_an_st_link() {
        tracing::warn!(target: "probe_rs::probe::stlink", "got SwdDpWait/SwdApWait, retrying.");
    }

    #[test]
    fn retries_are_counted_and_their_lines_kept() {
        let log = ProbeLog::new();
        log.during(|| {
            retry_of_an_st_link();
            tracing::debug!(target: BIT_LEVEL, "got WAIT on transfer {}, retrying...", 3);
            tracing::warn!(target: "probe_rs::probe::stlink", "too many retries, giving up");
        });
        let heard = log.take();
        assert_eq!((heard.wait_retries, heard.gave_up), (2, true));
        assert_eq!(heard.lines[1], "got WAIT on transfer 3, retrying...");
        assert_eq!(log.take(), Heard::default());
    }

    #[test]
    fn what_is_no_retry_and_no_warning_is_not_kept() {
        let log = ProbeLog::new();
        log.during(|| {
            tracing::debug!(target: BIT_LEVEL, "Performing {} transfers", 3);
            tracing::warn!(target: "some_other_library", "got SwdDpWait/SwdApWait, retrying.");
            tracing::info!(target: "probe_rs::probe::stlink", "Target voltage (VAPP): 3.27 V");
        });
        assert_eq!(log.take(), Heard::default());
    }

    #[test]
    fn lines_are_bounded_and_the_count_is_not() {
        let log = ProbeLog::new();
        log.during(|| (0..1_000).for_each(|_| retry_of_an_st_link()));
        let heard = log.take();
        assert_eq!((heard.wait_retries, heard.lines.len()), (1_000, ProbeLog::KEPT));
    }

    #[test]
    fn nothing_is_heard_outside_of_a_call() {
        let log = ProbeLog::new();
        retry_of_an_st_link();
        assert_eq!(log.take(), Heard::default());
    }
}
