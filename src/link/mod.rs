//! Links: how a cycle reaches a board.

pub mod board_selector;
pub mod both_links;
pub mod core_clock;
pub mod core_watch;
pub mod cycle_counter;
pub mod dfu_link;
#[cfg(feature = "program")]
pub mod hardware;
pub mod host_watch;
pub mod latency;
pub mod link_used;
mod mechanism_tests;
mod mismatch;
pub mod observability;
mod reference;
pub mod reset_witness;
mod rom_entry;
mod rom_witness;
#[cfg(test)]
pub mod scripted_board;
pub mod session;
pub mod swd_alter;
pub mod swd_coprocessor;
pub mod swd_link;
pub mod swd_probe;
pub mod swd_registers;
pub mod swd_session;
pub mod swd_target;
pub mod swd_wire;
pub mod usb_board;
pub mod virtual_bench;
pub mod virtual_board;
pub mod virtual_memory;
pub mod virtual_probe;
pub mod wire;
pub mod witness;

use crate::observation::board::{BoardIdentity, PortPower};
use crate::observation::boot::{BootKind, BootProof};
use crate::observation::fact::Fact;
use crate::observation::field_text::FieldText;
use crate::observation::permit::{AlterClaim, GateRefusal};
use crate::observation::step::{Step, StepRecord};
use crate::observation::units::Micros;

/// What a cycle talks to. Time belongs to the link: it may be the host's, or simulated.
pub trait Link: Send {
    /// The moment on this link's clock.
    fn now(&self) -> Micros;

    /// Performs one step and returns within about `deadline`, whatever the board does.
    fn perform(&mut self, step: &Step, deadline: Micros) -> StepRecord;

    /// What the board has said about itself so far.
    fn identity(&self) -> BoardIdentity;

    /// Switches the board off for `off_time` and on again, where this link can; says what kind of boot that was and how it is known.
    fn power_cycle(&mut self, off_time: Micros) -> Option<(BootKind, BootProof)>;

    /// Takes what the user said about writing; the transport checks it against the board before every alteration.
    fn permit(&mut self, _claim: &AlterClaim) -> Result<(), GateRefusal> {
        Err(GateRefusal::LinkCannot)
    }

    /// The board was reset by other means than this link: what a boot may change is not relied on any more.
    fn forget_boot(&mut self) {}

    /// What the host has said about the board since this was last asked; nothing where the host is simulated.
    fn host_messages(&mut self) -> Vec<FieldText> {
        Vec::new()
    }

    /// From now on the witness clears the reset flags when a boot has begun; false where there is no witness.
    fn clear_flags_each_boot(&mut self) -> bool {
        false
    }

    /// A boot has begun, and no step of it was performed yet.
    fn boot_began(&mut self) {}

    /// What a witness sees of the board at this moment without touching it, where there is one.
    fn look(&mut self) -> Vec<Fact> {
        Vec::new()
    }

    /// What a witness sees after a cycle that went well, as the comparison for its looks at failures.
    fn look_at_good_cycle(&mut self) -> Vec<Fact> {
        Vec::new()
    }

    /// The bench changes something by itself, which takes `span`; `None` puts everything back. False where this link has no
    /// such bench, which is wherever the board is real.
    fn rearrange(&mut self, _change: Option<&str>, _span: Micros) -> bool {
        false
    }

    /// Switches the power of the port that the board hangs on, where a hub can; says why not.
    fn port_power(&mut self, _on: bool) -> Result<PortPower, String> {
        Err("this link has no hub whose port could be switched".to_owned())
    }

    /// What a meter at the bench shows, in volts; `None` where there is no bench or the quantity is not modelled.
    fn meter(&mut self, _quantity: &str) -> Option<f64> {
        None
    }
}
