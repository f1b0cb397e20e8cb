//! Which way a campaign goes to its board: over USB, over the debug pins, or over both in turn.

use std::str::FromStr;

use serde::Deserialize;

use crate::bench::board::VirtualBoard;
use crate::observation::event::Transport;
use crate::observation::step::Touch;

use super::Link;
use super::both_links::BothLinks;
use super::dfu_link::DfuLink;
use super::swd_link::SwdLink;
use super::virtual_bench::BenchShare;
use super::virtual_board::VirtualUsbBoard;
use super::virtual_probe::VirtualProbe;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkUsed {
    #[default]
    Dfu,
    Swd,
    Both,
    /// Cycles over USB, and a debug probe that looks at the board when one fails.
    Witnessed,
}

impl FromStr for LinkUsed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "dfu" => Ok(Self::Dfu),
            "swd" => Ok(Self::Swd),
            "both" => Ok(Self::Both),
            "witnessed" => Ok(Self::Witnessed),
            _ => Err("expected dfu, swd, both or witnessed".to_owned()),
        }
    }
}

impl LinkUsed {
    /// What is done where nobody names a recipe.
    pub const fn usual_recipe(self) -> &'static str {
        match self {
            Self::Dfu | Self::Both | Self::Witnessed => "dfu-read",
            Self::Swd => "swd-read",
        }
    }

    /// As the start of a campaign tells it; of two links neither is the one.
    pub const fn transport(self) -> Transport {
        match self {
            Self::Dfu | Self::Witnessed => Transport::Dfu,
            Self::Swd => Transport::Swd,
            Self::Both => Transport::Other,
        }
    }

    /// The link to a virtual board; a debug probe may do what `touch` says.
    pub fn to_virtual(self, board: VirtualBoard, touch: Touch) -> Box<dyn Link> {
        let bench = BenchShare::new(board);
        let dfu = || Box::new(DfuLink::new(VirtualUsbBoard::on(bench.clone())));
        let swd = || Box::new(SwdLink::new(VirtualProbe::new(bench.clone()), touch));
        match self {
            Self::Dfu => dfu(),
            Self::Swd => swd(),
            Self::Both | Self::Witnessed => Box::new(BothLinks::new(dfu(), swd())),
        }
    }
}
