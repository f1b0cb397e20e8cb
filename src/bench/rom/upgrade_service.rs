//! The firmware upgrade service (FUS) on the coprocessor of a WB, as the ROM shows it over DFU.
//!
//! Source: FACTS section D and `fus_codes.csv` (state and error bytes, commands 0x52, 0x53 and 0x5A, several resets, scan of
//! the whole flash, secure flash from SFSA). Times follow from the flash: pages erased and bytes programmed at the rates of the
//! ROM's sheet, which gives the seconds that field logs show. Assumed: how long the check takes, the number of resets, which
//! error an image gets that needs a newer service (0x03), and that a stack gives way after the second question without a reset.
//! HYPOTHESIS: that flash work fails below `flash-needs-mv`. No numeric requirement on the supply has been published.

mod shown;

use serde::{Deserialize, Serialize};

use self::shown::{SFSA_WORD, code};
use super::coprocessor::Coprocessor;
use super::memory::Memory;
use super::sheet::{FlashTiming, millis};
use super::virtual_image::{self, Found, ImageKind};
use crate::dfu::command::{FUS_DELETE, FUS_INSTALL, FUS_START};
use crate::observation::units::{Address, Micros, Millivolts};
use crate::profile::fus_check::FusVersion;

/// What survives a reset and the end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub stack_page: Option<u16>,
    pub fus_version: (u8, u8, u8),
    runs: bool,
    /// The last error, and the state byte beside it.
    shown: (u8, u8),
}

#[derive(Clone, Debug)]
pub struct UpgradeService {
    figures: Coprocessor,
    flash: FlashTiming,
    /// Where the secure flash begins when no stack is installed: the service itself lies there.
    own_page: u16,
    kept: Kept,
    job: Option<Job>,
    asked: u8,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    kind: JobKind,
    /// It has come so far.
    at: Micros,
    until: Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobKind {
    Delete,
    Check,
    Install {
        page: u16,
        from: Address,
        length_bytes: u32,
        kind: ImageKind,
        version: FusVersion,
    },
    /// So many resets are still to come.
    Settle {
        resets: u32,
    },
}

const PAGE_BYTES: u32 = 4096;
const FLASH: u32 = 0x0800_0000;
/// How finely work is followed; a dip that is shorter may pass between two looks.
const GRAIN: Micros = Micros::from_millis(1);
/// Between two resets of the part; chosen.
const SETTLING: Micros = Micros::from_millis(400);
/// Time for the host to read the answer to its command; chosen.
const BEFORE_RESET: Micros = Micros::from_millis(20);
impl UpgradeService {
    pub fn new(figures: Coprocessor, flash: FlashTiming, memory: &mut Memory) -> Self {
        let word = memory.read(SFSA_WORD, 1).and_then(|bytes| bytes.first().copied());
        let FusVersion(major, minor, sub) = figures.fus_version;
        let kept = Kept {
            stack_page: figures.stack_page,
            fus_version: (major, minor, sub),
            runs: figures.stack_runs,
            shown: (code::IDLE, code::NO_ERROR),
        };
        let own_page = word.map_or(0x100, u16::from);
        let service = Self { figures, flash, own_page, kept, job: None, asked: 0 };
        service.publish(memory);
        service
    }

    pub const fn kept(&self) -> Kept {
        self.kept
    }

    pub fn restore(&mut self, kept: Kept, memory: &mut Memory) {
        self.kept = kept;
        self.publish(memory);
    }

    /// Whether the main processor's writes there are lost without a word.
    pub fn is_secure(&self, address: Address) -> bool {
        address.0 >= self.secure_start().0
    }

    fn secure_start(&self) -> Address {
        Address(FLASH + u32::from(self.kept.stack_page.unwrap_or(self.own_page)) * PAGE_BYTES)
    }

    /// A command that the ROM passes on; false if it is none.
    pub fn command(&mut self, at: Micros, byte: u8, memory: &mut Memory) -> bool {
        let begin = |kind, span: Micros| Some(Job { kind, at, until: at + span });
        self.asked = 0;
        match byte {
            FUS_DELETE => match self.kept.stack_page {
                Some(page) => {
                    let pages = u32::from(self.own_page.saturating_sub(page));
                    self.job = begin(JobKind::Delete, millis(self.flash.page_erase_ms * f64::from(pages)));
                    self.show(code::STACK_AT_WORK, code::NO_ERROR, memory);
                }
                None => self.show(code::BUSY, code::NOT_FOUND, memory),
            },
            FUS_INSTALL => {
                self.job = begin(JobKind::Check, millis(self.figures.check_ms));
                self.show(code::STACK_AT_WORK, code::NO_ERROR, memory);
            }
            FUS_START if self.kept.stack_page.is_some() => {
                self.kept.runs = true;
                self.job = begin(JobKind::Settle { resets: 1 }, BEFORE_RESET);
                self.show(code::IDLE, code::NO_ERROR, memory);
            }
            FUS_START => self.show(code::IDLE, code::NOT_FOUND, memory),
            _ => return false,
        }
        true
    }

    /// The host reads the state. A running stack answers first, and gives way when it is asked again.
    pub fn asked(&mut self, memory: &mut Memory) {
        if self.kept.runs && self.job.is_none() {
            self.asked += 1;
            if self.asked > 2 {
                self.kept.runs = false;
                self.kept.shown = (code::IDLE, code::NO_ERROR);
            }
        }
        self.publish(memory);
    }

    /// When it has something to do next.
    pub fn due(&self) -> Option<Micros> {
        self.job.map(|job| (job.at + GRAIN).min(job.until))
    }

    /// How far its present work has come.
    pub fn worked_until(&self) -> Option<Micros> {
        self.job.map(|job| job.at)
    }

    /// When its present work ends, if nothing comes between.
    pub fn ends(&self) -> Option<Micros> {
        self.job.map(|job| job.until)
    }

    pub fn works_on_flash(&self) -> bool {
        matches!(self.job, Some(Job { kind: JobKind::Delete | JobKind::Install { .. }, .. }))
    }

    /// Brings its work to this moment; true if the part now resets.
    pub fn work(&mut self, at: Micros, supply: Millivolts, memory: &mut Memory) -> bool {
        let Some(job) = &mut self.job else { return false };
        job.at = at;
        let job = *job;
        if self.works_on_flash() && supply.0 < self.figures.flash_needs_mv {
            let error = if job.kind == JobKind::Delete { code::ERASE } else { code::WRITE };
            self.give_up(error, memory);
            return false;
        }
        if at < job.until {
            return false;
        }
        match job.kind {
            JobKind::Delete => {
                self.kept.stack_page = None;
                self.settle(at, 1);
            }
            JobKind::Check => self.check(at, memory),
            JobKind::Install { page, from, length_bytes, kind, version } => {
                match kind {
                    ImageKind::Stack => self.kept.stack_page = Some(page),
                    ImageKind::Service => self.kept.fus_version = (version.0, version.1, version.2),
                }
                (from.0..from.0 + length_bytes).step_by(PAGE_BYTES as usize).for_each(|page| {
                    // What was installed is gone from where it was downloaded to.
                    memory.erase_around(Address(page));
                });
                self.settle(at, self.figures.resets.max(1));
            }
            JobKind::Settle { resets } => {
                let more = resets.saturating_sub(1);
                self.job = None;
                if more > 0 {
                    self.settle(at, more);
                } else if self.kept.runs {
                    self.kept.shown = (code::ERROR, code::NOT_RUNNING);
                } else {
                    self.kept.shown = (code::IDLE, code::NO_ERROR);
                }
                self.publish(memory);
                return true;
            }
        }
        self.publish(memory);
        false
    }

    fn settle(&mut self, at: Micros, resets: u32) {
        self.job = Some(Job { kind: JobKind::Settle { resets }, at, until: at + SETTLING });
    }

    fn check(&mut self, at: Micros, memory: &mut Memory) {
        let found = virtual_image::scan(memory, self.secure_start());
        match self.judge(&found) {
            Err(error) => self.give_up(error, memory),
            Ok(Found { image, lies_at, .. }) => {
                let pages = image.length_bytes.div_ceil(PAGE_BYTES);
                let time = self.flash.page_erase_ms * f64::from(pages)
                    + self.flash.write_us_per_byte * f64::from(image.length_bytes) / 1e3;
                let page = ((lies_at.0 - FLASH) / PAGE_BYTES) as u16;
                let (length_bytes, kind, version) = (image.length_bytes, image.kind, image.version);
                let kind = JobKind::Install { page, from: lies_at, length_bytes, kind, version };
                self.job = Some(Job { kind, at, until: at + millis(time) });
                if image.kind == ImageKind::Service {
                    self.show(code::SERVICE_AT_WORK, code::NO_ERROR, memory);
                }
            }
        }
    }

    fn judge(&self, found: &[Found]) -> Result<Found, u8> {
        let (major, minor, sub) = self.kept.fus_version;
        let [one] = found else { return Err(if found.is_empty() { code::NOT_FOUND } else { code::CORRUPT }) };
        match one {
            Found { is_whole: false, .. } => Err(code::CORRUPT),
            Found { image, .. } if image.family != 5 || image.needs > FusVersion(major, minor, sub) => {
                Err(code::NOT_AUTHENTIC)
            }
            Found { image, .. } if image.version < self.figures.oldest_image => Err(code::ROLLBACK),
            Found { image, lies_at, .. } if image.address != *lies_at => Err(code::NOT_FOUND),
            Found { .. } if self.kept.stack_page.is_some() => Err(code::NO_SPACE),
            found => Ok(*found),
        }
    }

    /// The state byte stays what it was: that is how field logs show an error.
    fn give_up(&mut self, error: u8, memory: &mut Memory) {
        self.job = None;
        self.show(self.kept.shown.0, error, memory);
    }

    /// A reset that it did not command itself.
    pub fn cut_off(&mut self, memory: &mut Memory) {
        match self.job.take().map(|job| job.kind) {
            Some(JobKind::Settle { .. }) if self.kept.runs => self.kept.shown = (code::ERROR, code::NOT_RUNNING),
            Some(JobKind::Settle { .. }) => self.kept.shown = (code::IDLE, code::NO_ERROR),
            Some(_) => self.kept.shown = (code::ERROR, code::ABORTED),
            None => {}
        }
        self.publish(memory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rom::memory::UPGRADE_SERVICE;
    use crate::bench::rom::sheet::by_name;
    use crate::bench::rom::virtual_image::VirtualImage;
    use crate::bench::rom::virtual_image::tests::stack;

    const GOOD: Millivolts = Millivolts(3_300.0);
    const PLACE: u32 = 0x0805_3000;

    struct Part {
        service: UpgradeService,
        memory: Memory,
        now: Micros,
        resets: u32,
    }

    impl Part {
        fn new(figures: Coprocessor) -> Self {
            let rom = by_name("wb55", false).unwrap().unwrap();
            let mut memory = Memory::new(&rom, 16 * 1024, 7);
            let service = UpgradeService::new(figures, rom.sheet.flash, &mut memory);
            Self { service, memory, now: Micros::ZERO, resets: 0 }
        }

        fn put(&mut self, address: u32, image: &VirtualImage) {
            self.memory.write(Address(address), &image.bytes(1)).unwrap();
        }

        /// From the command until nothing is left to do, with a supply that may depend on how long it works.
        fn run(&mut self, command: u8, supply: impl Fn(Micros) -> Millivolts) -> (u8, u8, Micros) {
            let began = self.now;
            assert!(self.service.command(self.now, command, &mut self.memory));
            while let Some(due) = self.service.due() {
                self.now = due;
                self.resets += u32::from(self.service.work(due, supply(due - began), &mut self.memory));
            }
            let answer = self.memory.read(UPGRADE_SERVICE, 2).unwrap();
            (answer[0], answer[1], self.now - began)
        }
    }

    fn with_stack() -> Coprocessor {
        Coprocessor { stack_page: Some(0xc7), ..Coprocessor::default() }
    }

    #[test]
    fn deleting_takes_as_long_as_its_pages_and_frees_the_secure_flash() {
        let mut part = Part::new(with_stack());
        assert!(part.service.is_secure(Address(0x080c_7000)));
        let (state, error, took) = part.run(FUS_DELETE, |_| GOOD);
        assert_eq!((state, error, part.resets), (0x00, 0x00, 1));
        // 0xF4 - 0xC7 pages of 23 ms.
        assert_eq!(took, Micros::from_millis(45 * 23) + SETTLING);
        assert!(!part.service.is_secure(Address(0x080c_7000)));
        assert_eq!(part.memory.read(SFSA_WORD, 1), Some(vec![0xf4]));
        assert_eq!(part.run(FUS_DELETE, |_| GOOD).1, 0x01, "there is nothing left to delete");
    }

    #[test]
    fn an_image_is_installed_and_leaves_its_place() {
        let mut part = Part::new(Coprocessor::default());
        part.put(PLACE, &stack(PLACE, 183_536));
        let (state, error, took) = part.run(FUS_INSTALL, |_| GOOD);
        assert_eq!((state, error, part.resets), (0x00, 0x00, 2));
        assert!((took.as_secs_f64() - 4.3).abs() < 0.2, "{took}");
        assert_eq!(part.service.kept().stack_page, Some(0x53));
        assert_eq!(part.memory.read(SFSA_WORD, 8), Some(vec![0x53, 0x10, 0, 0, 0xac, 0xef, 0xff, 0xff]));
        assert!(virtual_image::scan(&part.memory, Address(0x080f_4000)).is_empty());
    }

    #[test]
    fn every_wrong_image_has_its_own_error() {
        let good = stack(PLACE, 20_000);
        for (image, at, copies, figures, error) in [
            (good, 0x0806_0000, 1, Coprocessor::default(), code::NOT_FOUND),
            (good, PLACE, 2, Coprocessor::default(), code::CORRUPT),
            (
                VirtualImage { needs: FusVersion(2, 0, 0), ..good },
                PLACE,
                1,
                Coprocessor::default(),
                code::NOT_AUTHENTIC,
            ),
            (VirtualImage { family: 1, ..good }, PLACE, 1, Coprocessor::default(), code::NOT_AUTHENTIC),
            (
                good,
                PLACE,
                1,
                Coprocessor { oldest_image: FusVersion(1, 14, 0), ..Coprocessor::default() },
                code::ROLLBACK,
            ),
            (good, PLACE, 1, with_stack(), code::NO_SPACE),
        ] {
            let mut part = Part::new(figures);
            part.put(at, &image);
            if copies == 2 {
                part.put(0x0809_0000, &image);
            }
            let (state, said, took) = part.run(FUS_INSTALL, |_| GOOD);
            assert_eq!((state, said), (0x10, error), "{image:?} at {at:#x}");
            assert_eq!(took, Micros::from_millis(500), "it is refused by the check");
        }
        assert_eq!(Part::new(Coprocessor::default()).run(FUS_INSTALL, |_| GOOD).1, code::NOT_FOUND);
    }

    #[test]
    fn a_dip_while_it_writes_is_a_write_error_and_before_that_nothing() {
        let dip = |from_ms: u64, ms: u64| {
            move |at: Micros| {
                let within = at >= Micros::from_millis(from_ms) && at < Micros::from_millis(from_ms + ms);
                if within { Millivolts(2_300.0) } else { GOOD }
            }
        };
        let mut part = Part::new(Coprocessor::default());
        part.put(PLACE, &stack(PLACE, 183_536));
        let (state, error, took) = part.run(FUS_INSTALL, dip(2_000, 5));
        assert_eq!((state, error, took), (0x10, code::WRITE, Micros::from_millis(2_000)));
        let mut part = Part::new(Coprocessor::default());
        part.put(PLACE, &stack(PLACE, 183_536));
        assert_eq!(part.run(FUS_INSTALL, dip(100, 50)).1, code::NO_ERROR, "the check does not work on flash");
    }

    #[test]
    fn a_reset_from_outside_aborts_what_is_under_way() {
        let mut part = Part::new(Coprocessor::default());
        part.put(PLACE, &stack(PLACE, 183_536));
        part.service.command(Micros::ZERO, FUS_INSTALL, &mut part.memory);
        part.service.cut_off(&mut part.memory);
        assert_eq!(part.memory.read(UPGRADE_SERVICE, 2), Some(vec![code::ERROR, code::ABORTED]));
        assert_eq!(part.service.due(), None);
    }

    #[test]
    fn a_running_stack_gives_way_when_it_is_asked_again() {
        let mut part = Part::new(with_stack());
        assert_eq!(part.run(FUS_START, |_| GOOD).1, code::NOT_RUNNING);
        let ask = |part: &mut Part| {
            part.service.asked(&mut part.memory);
            part.memory.read(UPGRADE_SERVICE, 2).unwrap()[1]
        };
        assert_eq!([ask(&mut part), ask(&mut part), ask(&mut part)], [code::NOT_RUNNING, code::NOT_RUNNING, 0]);
    }
}
