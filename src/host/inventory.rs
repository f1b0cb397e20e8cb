//! The boards and probes on this computer, with what is wrong with each before anything is opened.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::observation::board::{PortPath, UsbSpeed};
use crate::observation::field_text::FieldText;
use crate::profile::device::Devices;

use super::access::Access;
use super::devices::HostDevice;
use super::serials::{self, SerialDoubt};
use super::sys_root::SysRoot;
use super::udev_rule;
use crate::swd::stlink_probe;

const ST: u16 = 0x0483;
const ROM_DFU: u16 = 0xdf11;

const SEGGER: u16 = 0x1366;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// 0483:df11. Application loaders use the pair as well.
    RomDfu,
    /// Another device with a DFU interface.
    OtherDfu,
    Probe,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    pub kind: Kind,
    pub device: HostDevice,
    /// Parts whose ROM is known to show this layout.
    pub suggested_parts: Vec<String>,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub text: FieldText,
    pub mend: Option<String>,
}

/// Boards in DFU mode and probes, by port.
pub fn take(root: &SysRoot, parts: &Devices) -> Vec<Listed> {
    let found = root.devices().into_iter().filter_map(|device| Some((kind_of(&device)?, device)));
    let mut listed: Vec<_> = found.map(|(kind, device)| list_one(root, parts, kind, device)).collect();
    // A serial number has to tell apart only what has the same IDs.
    let ids_of = |one: &Listed| (one.device.vendor_id, one.device.product_id);
    let ids: BTreeSet<_> = listed.iter().map(ids_of).collect();
    for ids in ids {
        let alike = listed.iter().filter(|one| ids_of(one) == ids);
        let shared = serials::shared(alike.map(|one| (&one.device.port, one.device.serial.as_ref())));
        shared.iter().for_each(|group| tell_doubles(&mut listed, group));
    }
    listed
}

fn tell_doubles(listed: &mut [Listed], group: &[PortPath]) {
    for one in listed.iter_mut().filter(|one| group.contains(&one.device.port)) {
        let others: Vec<_> = group.iter().filter(|port| **port != one.device.port).map(ToString::to_string).collect();
        let others = others.join(", ");
        let mend = match one.kind {
            Kind::RomDfu | Kind::OtherDfu => format!("choose it by its port: --board {}", one.device.port),
            // The library opens a probe by IDs and serial number, whatever port was meant.
            Kind::Probe => {
                format!("unplug {others}: probes that look the same cannot be told apart when they are opened")
            }
        };
        one.problems.push(Problem { text: format!("shares its serial number with {others}").into(), mend: Some(mend) });
    }
}

pub fn kind_of(device: &HostDevice) -> Option<Kind> {
    match (device.vendor_id, device.product_id) {
        (ST, ROM_DFU) => Some(Kind::RomDfu),
        _ if probe_name(device).is_some() => Some(Kind::Probe),
        _ => device.is_dfu.then_some(Kind::OtherDfu),
    }
}

/// What kind of debug probe it is.
pub fn probe_name(device: &HostDevice) -> Option<&'static str> {
    if let Some(st_link) = stlink_probe::of_usb_ids(device.vendor_id, device.product_id) {
        return Some(st_link.name);
    }
    if device.vendor_id == SEGGER {
        return Some("J-Link");
    }
    // The specification of CMSIS-DAP asks for these words in the product string or in that of an interface.
    let mut strings = device.product.iter().chain(&device.interface_strings);
    strings.any(|text| text.raw().contains("CMSIS-DAP") || text.raw().contains("CMSIS_DAP")).then_some("CMSIS-DAP")
}

fn list_one(root: &SysRoot, parts: &Devices, kind: Kind, device: HostDevice) -> Listed {
    let layouts = device.interface_strings.iter().filter(|text| text.raw().starts_with("@Internal Flash"));
    let suggested_parts = layouts.flat_map(|layout| parts.by_layout(layout.raw())).map(|part| part.name.clone());
    Listed { kind, suggested_parts: suggested_parts.collect(), problems: problems_of(root, kind, &device), device }
}

fn problems_of(root: &SysRoot, kind: Kind, device: &HostDevice) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Access::Denied { mode } = root.access(device) {
        let mode = mode.map(|mode| format!(" (mode {mode:03o})")).unwrap_or_default();
        problems.push(Problem {
            text: format!("you may not open it{mode}").into(),
            mend: Some(udev_rule::mend_for(device.vendor_id, device.product_id)),
        });
    }
    for holder in root.holders(device) {
        let text = format!("{} (process {}) has it open", holder.name.raw(), holder.pid);
        problems.push(Problem { text: text.into(), mend: Some("close that program first".to_owned()) });
    }
    if kind == Kind::Probe {
        problems.extend(unfit_probe(device));
        problems.extend(closed_hid_nodes(root, device));
    }
    if kind == Kind::RomDfu {
        problems.extend(serials::doubt(device.serial.as_ref()).map(doubtful_serial));
        problems.extend(device.speed.filter(|speed| *speed == UsbSpeed::Low).map(|_| Problem {
            text: "enumerated at low speed; an STM32 is a full-speed or high-speed device".into(),
            mend: Some("check D+ and D- for being swapped, and for a foreign pull-up".to_owned()),
        }));
    }
    problems
}

/// A probe that cannot be worked with as it is.
fn unfit_probe(device: &HostDevice) -> Option<Problem> {
    let unfit = stlink_probe::of_usb_ids(device.vendor_id, device.product_id)?.unfit?;
    Some(Problem { text: unfit.why.into(), mend: Some(unfit.mend.to_owned()) })
}

/// CMSIS-DAP v1 goes through the HID driver, whose nodes have permissions of their own.
fn closed_hid_nodes(root: &SysRoot, device: &HostDevice) -> Option<Problem> {
    let denied = root.hid_nodes(device).into_iter().find(|node| root.is_denied(node))?;
    Some(Problem {
        text: format!("you may not open its HID node {}", denied.display()).into(),
        mend: Some(udev_rule::hid_mend_for(device.vendor_id, device.product_id)),
    })
}

fn doubtful_serial(doubt: SerialDoubt) -> Problem {
    Problem { text: doubt.meaning().into(), mend: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake_host::FakeHost;

    fn listed(host: &FakeHost) -> Vec<Listed> {
        take(&host.root(), &Devices::from_sheets(&crate::profile::shelf::built_in("devices")).unwrap())
    }

    #[test]
    fn boards_and_probes_are_listed_and_nothing_else() {
        let host = FakeHost::new();
        host.rom("1-1", "357236543131");
        host.device("1-2", "0483", "374b", "12", &[("serial", "066DFF")]);
        host.device("1-3", "046d", "c077", "1.5", &[]);
        let kinds: Vec<_> = listed(&host).iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [Kind::RomDfu, Kind::Probe]);
    }

    #[test]
    fn probes_of_every_make_are_known() {
        let host = FakeHost::new();
        host.device("1-1", "0483", "3748", "12", &[]);
        host.device("1-2", "1366", "0101", "12", &[("product", "J-Link")]);
        host.device("1-3", "0d28", "0204", "12", &[("product", "DAPLink CMSIS-DAP")]);
        let names: Vec<_> = listed(&host).iter().filter_map(|one| probe_name(&one.device)).collect();
        assert_eq!(names, ["ST-LINK/V2", "J-Link", "CMSIS-DAP"]);
    }

    #[test]
    fn a_probe_in_its_loader_is_told_to_be_updated() {
        let host = FakeHost::new();
        host.device("1-1", "0483", "374d", "480", &[]);
        let problem = &listed(&host)[0].problems[0];
        assert!(problem.text.raw().contains("loader"), "{problem:?}");
        assert!(problem.mend.as_ref().unwrap().contains("update"), "{problem:?}");
    }

    #[test]
    fn the_layout_suggests_parts() {
        let host = FakeHost::new();
        host.rom("1-1", "357236543131");
        let board = &listed(&host)[0];
        assert!(board.suggested_parts.iter().any(|part| part.contains("STM32F405")), "{:?}", board.suggested_parts);
        assert_eq!(board.problems, []);
    }

    #[test]
    fn boards_with_one_serial_are_told_to_be_chosen_by_port() {
        let host = FakeHost::new();
        host.rom("1-1", "200364500000");
        host.rom("1-4.2", "200364500000");
        let boards = listed(&host);
        assert_eq!(boards[0].problems[0].text.raw(), "shares its serial number with 1-4.2");
        assert_eq!(boards[1].problems[0].mend.as_deref(), Some("choose it by its port: --board 1-4.2"));
    }

    #[test]
    fn a_serial_tells_apart_only_what_has_the_same_ids() {
        let host = FakeHost::new();
        for (port, product) in [("1-1", "374b"), ("1-2", "374b"), ("1-3", "374e")] {
            host.device(port, "0483", product, "12", &[("serial", "066DFF")]);
        }
        let probes = listed(&host);
        assert_eq!(probes[0].problems[0].text.raw(), "shares its serial number with 1-2");
        assert!(probes[1].problems[0].mend.as_ref().unwrap().starts_with("unplug 1-1:"), "{:?}", probes[1].problems);
        assert_eq!(probes[2].problems, []);
    }

    #[test]
    fn an_implausible_serial_is_a_problem() {
        let host = FakeHost::new();
        host.rom("1-1", "FFFFFFFEFFFF");
        assert!(listed(&host)[0].problems[0].text.raw().contains("all ones"));
    }
}
