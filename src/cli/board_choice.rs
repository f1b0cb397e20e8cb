//! Which board a command means, virtual or on this computer, and the link that reaches it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::exit::ExitCode;
use crate::bench::board::{NoSuchBoard, VirtualBoard};
use crate::host::sys_root::SysRoot;
use crate::link::Link;
use crate::link::board_selector::BoardSelector;
use crate::link::both_links::BothLinks;
use crate::link::dfu_link::DfuLink;
use crate::link::hardware::libusb_board;
use crate::link::hardware::plug_in::driver::Level;
use crate::link::hardware::probe_listing;
use crate::link::hardware::worker::Subject;
use crate::link::hardware::worker_client::WorkerLink;
use crate::link::link_used::LinkUsed;
use crate::link::virtual_board::VirtualUsbBoard;
use crate::observation::board::PortPath;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::step::Touch;

#[derive(Debug, Args)]
pub struct BoardChoice {
    /// A virtual board by name, or the path of its TOML file
    #[arg(long = "virtual", value_name = "NAME|FILE", conflicts_with_all = ["board", "port"])]
    pub virtual_board: Option<String>,
    /// The board: a port path such as 1-4.2, a serial number, or VID:PID
    #[arg(long, value_name = "SEL")]
    pub board: Option<String>,
    /// Watch this port, whether or not something enumerates on it
    #[arg(long, value_name = "PATH", conflicts_with = "board")]
    pub port: Option<PortPath>,
    /// Keep what the virtual board holds without power in this file, from one run to the next
    #[arg(long, value_name = "FILE", requires = "virtual_board")]
    pub virtual_memory: Option<PathBuf>,
    /// The debug probe for --link swd: a port path, a serial number, or VID:PID; the only one there is if not given
    #[arg(long, value_name = "SEL", conflicts_with = "virtual_board")]
    pub probe: Option<String>,
    /// A virtual board behind the real probe-rs in a worker process, in real time: transactions or bits
    #[arg(long, value_name = "LEVEL", requires = "virtual_board", hide = true)]
    pub through_probe_rs: Option<Level>,
}

/// How the board is reached, and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub link: LinkUsed,
    pub touch: Touch,
}

/// Why there is no board to work with.
#[derive(Debug)]
pub struct Refusal {
    pub code: ExitCode,
    pub text: String,
}

impl Refusal {
    pub fn of(code: ExitCode, error: &impl ToString) -> Self {
        Self { code, text: error.to_string() }
    }

    /// Of something that was said already.
    pub const fn told(code: ExitCode) -> Self {
        Self { code, text: String::new() }
    }
}

impl BoardChoice {
    /// Whether a board was named, rather than the only one there is being meant.
    pub const fn is_named(&self) -> bool {
        self.virtual_board.is_some() || self.board.is_some() || self.port.is_some() || self.probe.is_some()
    }

    /// The link to the board, and what somebody said about it. A board that is meant by its port may always be absent: a
    /// port on which nothing enumerates is watched, not refused.
    pub fn reach(
        &self,
        way: &Way,
        seed: u64,
        may_be_absent: bool,
        stop: &Arc<AtomicBool>,
    ) -> Result<(Box<dyn Link>, Vec<Fact>), Refusal> {
        if let Some(name) = &self.virtual_board {
            return match self.through_probe_rs {
                Some(level) => bench_link(name, level, way.touch, seed, stop),
                None => virtual_link(name, way, seed, self.virtual_memory.as_deref()),
            };
        }
        let absent_board = may_be_absent || self.port.is_some();
        let dfu = || real_link(self.selector(), absent_board, stop);
        let link = match way.link {
            LinkUsed::Dfu => dfu()?,
            LinkUsed::Swd => probe_link(self.probe.as_ref().or(self.board.as_ref()), way.touch, may_be_absent, stop)?,
            LinkUsed::Both | LinkUsed::Witnessed => {
                let swd = probe_link(self.probe.as_ref(), way.touch, may_be_absent, stop)?;
                Box::new(BothLinks::new(dfu()?, swd))
            }
        };
        Ok((link, Vec::new()))
    }

    fn selector(&self) -> BoardSelector {
        match (&self.port, &self.board) {
            (Some(port), _) => BoardSelector::Port(port.clone()),
            (None, Some(board)) => board.parse().unwrap_or_else(|never| match never {}),
            (None, None) => BoardSelector::any_rom(),
        }
    }
}

/// A virtual board by its name, or the TOML file of one.
fn virtual_board(name: &str, seed: u64) -> Result<VirtualBoard, Refusal> {
    VirtualBoard::by_name(name, seed).map_err(|error| match &error {
        NoSuchBoard::Unknown { .. } => Refusal::of(ExitCode::NoSuchBoard, &error),
        NoSuchBoard::Profile(_) => Refusal::of(ExitCode::UnreadableInput, &error),
    })
}

fn virtual_link(
    name: &str,
    way: &Way,
    seed: u64,
    memory: Option<&Path>,
) -> Result<(Box<dyn Link>, Vec<Fact>), Refusal> {
    let board = virtual_board(name, seed)?;
    let said = &board.blueprint();
    let facts = said_of(&said.part, said.crystal_mhz);
    let Some(path) = memory else { return Ok((way.link.to_virtual(board, way.touch), facts)) };
    if way.link != LinkUsed::Dfu {
        return Err(Refusal::of(ExitCode::Usage, &"--virtual-memory goes with --link dfu only"));
    }
    let board = VirtualUsbBoard::new(board).keeping(path);
    let board = board.map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    Ok((Box::new(DfuLink::new(board)), facts))
}

/// The debug pins of a virtual board through the real probe-rs, both in a worker process.
fn bench_link(
    name: &str,
    level: Level,
    touch: Touch,
    seed: u64,
    stop: &Arc<AtomicBool>,
) -> Result<(Box<dyn Link>, Vec<Fact>), Refusal> {
    let board = virtual_board(name, seed)?;
    let said = board.blueprint();
    let facts = said_of(&said.part, said.crystal_mhz);
    Ok((worker_link(Subject::Bench { board: name.to_owned(), seed, level, touch }, stop)?, facts))
}

/// What somebody said about the board: part and crystal. Not measurements.
pub fn said_of(part: &str, crystal_mhz: Option<f64>) -> Vec<Fact> {
    let fact = |key: &str, value, quote: String| Fact {
        key: key.to_owned(),
        value,
        origin: Origin::Profile,
        quote: Some(FieldText::new(quote)),
    };
    let crystal =
        crystal_mhz.map(|mhz| fact("fitted-crystal", FactValue::FrequencyMhz(mhz), format!("crystal {mhz} MHz")));
    let part = fact("part", FactValue::Text(FieldText::from(part)), part.to_owned());
    std::iter::once(part).chain(crystal).collect()
}

/// A real board through a worker process of its own.
fn real_link(selector: BoardSelector, may_be_absent: bool, stop: &Arc<AtomicBool>) -> Result<Box<dyn Link>, Refusal> {
    if !may_be_absent {
        demand_one_board(&selector)?;
    }
    worker_link(Subject::Board(selector), stop)
}

fn worker_link(subject: Subject, stop: &Arc<AtomicBool>) -> Result<Box<dyn Link>, Refusal> {
    let link = WorkerLink::new(subject, Arc::clone(stop))
        .map_err(|error| Refusal::of(ExitCode::Bug, &format!("the worker process cannot be started: {error}")))?;
    Ok(Box::new(link))
}

/// A real debug probe through a worker process of its own.
fn probe_link(
    wanted: Option<&String>,
    touch: Touch,
    may_be_absent: bool,
    stop: &Arc<AtomicBool>,
) -> Result<Box<dyn Link>, Refusal> {
    let selector = wanted.map(|text| text.parse::<BoardSelector>().unwrap_or_else(|never| match never {}));
    if !may_be_absent {
        let probes = probe_listing::probes(&SysRoot::default());
        if let Err(error) = probe_listing::choose(probes, selector.as_ref()) {
            return Err(Refusal::of(ExitCode::NoSuchBoard, &no_probe(&error.code)));
        }
    }
    worker_link(Subject::Probe { selector, touch }, stop)
}

fn no_probe(why: &str) -> String {
    format!(
        "{why}.\n`flakescope list` shows what this computer sees, with port and serial number for --probe.\n\
         Nothing attached? Try a virtual board: flakescope run --virtual swd-healthy-f407 --link swd"
    )
}

const TRY_VIRTUAL: &str = "Nothing attached? Try a virtual board: flakescope run --virtual f746-25mhz-warm-hsi";

fn demand_one_board(selector: &BoardSelector) -> Result<(), Refusal> {
    let boards = libusb_board::boards().map_err(|error| {
        let text = format!(
            "this computer shows no USB devices to programs ({error}), as in a container or a virtual machine without USB; `flakescope doctor` says more.\n{TRY_VIRTUAL}"
        );
        Refusal::of(ExitCode::NoSuchBoard, &text)
    })?;
    let fitting: Vec<_> = boards.iter().filter(|board| selector.matches(board)).collect();
    match fitting.as_slice() {
        [_] => Ok(()),
        [] => Err(Refusal::of(ExitCode::NoSuchBoard, &nothing_there(selector))),
        several => {
            let mut ports: Vec<_> =
                several.iter().filter_map(|board| board.port.as_ref()).map(ToString::to_string).collect();
            ports.sort();
            let text = format!("{} boards fit {selector}; choose one with --port: {}", several.len(), ports.join(", "));
            Err(Refusal::of(ExitCode::NoSuchBoard, &text))
        }
    }
}

fn nothing_there(selector: &BoardSelector) -> String {
    format!(
        "no board fits {selector}.\n\
         If it should be there: is it in bootloader mode (BOOT0 high at reset), and does the cable carry data? `flakescope list` shows what this computer sees, \
         and --port PATH watches a port on which nothing appears.\n\
         {TRY_VIRTUAL}"
    )
}
