//! The other core of a WB in the board's time: its work, the current it draws, and what a weak supply does to both.

use super::{RESET_TIME, State, VirtualBoard};
use crate::bench::rom::bootloader::Departure;
use crate::bench::rom::upgrade_service::UpgradeService;
use crate::bench::surroundings::Draw;
use crate::observation::units::Micros;

impl VirtualBoard {
    /// Lets the upgrade service work until then, or until something else happens to the board.
    pub(super) fn serve(&mut self, until: Micros) {
        while self.state != State::Off {
            let limit = self.own_change().map_or(until, |change| change.min(until));
            let service = self.bootloader.service();
            let Some(due) = service.and_then(UpgradeService::due).filter(|due| *due <= limit) else { return };
            let works_on_flash = service.is_some_and(UpgradeService::works_on_flash);
            let span = due - service.and_then(UpgradeService::worked_until).unwrap_or(due);
            self.tick(due);
            if works_on_flash {
                let (around, dice) = (&mut self.around, &mut self.dice);
                self.hooks.iter_mut().for_each(|hook| hook.load(around, Draw::FlashWork, span, dice));
            }
            if let Some(cause) = self.hooks.iter().find_map(|hook| hook.starves(&self.around)) {
                self.reset(due, RESET_TIME, cause);
            } else if self.bootloader.serve(due, self.around.supply) {
                self.departure = Some((due, Departure::Reset));
            }
        }
    }
}
