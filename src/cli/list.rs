//! `flakescope list`: boards and probes on this computer, and what is wrong with each.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::host::inventory::{self, Kind, Listed, Problem};
use crate::host::sys_root::SysRoot;
use crate::link::hardware::probe_inspection::{self, Inspection};
use crate::observation::field_text::FieldText;
use crate::observation::units::Millivolts;
use crate::profile::device;
use crate::swd::stlink_firmware;

use super::console::Console;
use super::exit::ExitCode;

/// List the boards in DFU mode and the probes on this computer
///
/// Boards are not opened. Probes are asked for their firmware and the voltage they measure; their targets are not touched.
/// A board that does not appear here did not enumerate; watch its port with `run --port`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope list --format json")]
pub struct ListArgs {
    /// Open nothing; probes are listed without firmware and voltage
    #[arg(long)]
    passive: bool,
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Text,
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    boards: &'a [Shown],
}

/// A board or probe with what a probe said when it was asked.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    pub listed: Listed,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Inspection>,
}

impl Shown {
    /// Asks a probe that can be asked.
    pub fn of(listed: Listed, passive: bool) -> Self {
        let ask = listed.kind == Kind::Probe && !passive && listed.problems.is_empty();
        let probe = ask.then(|| probe_inspection::in_worker(&listed.device.port));
        Self { listed, probe }
    }

    /// What is wrong with it, as the host and the probe tell.
    pub fn problems(&self) -> Vec<Problem> {
        let of_probe = self.probe.as_ref().map(probe_problems).unwrap_or_default();
        self.listed.problems.iter().cloned().chain(of_probe).collect()
    }
}

fn probe_problems(probe: &Inspection) -> Vec<Problem> {
    let trouble = probe.trouble.as_ref().map(|trouble| Problem {
        text: format!("{} ({})", trouble.class.meaning().trim_end_matches('.'), trouble.code.raw()).into(),
        mend: Some(format!("flakescope explain {}", trouble.class)),
    });
    let old = probe.falls_short_of().map(|minimum| Problem {
        text: format!("its firmware is older than V{}J{}", minimum.hardware, minimum.jtag).into(),
        mend: Some("update it with ST's ST-LINK updater, or choose another probe".to_owned()),
    });
    let volts = probe.target_voltage.filter(|voltage| voltage.0 < LEAST_SUPPLY.0).map(|voltage| Problem {
        text: format!("it measures {voltage} on its target").into(),
        mend: Some("supply the board, and connect VTref (VAPP) of the probe to its supply".to_owned()),
    });
    trouble.into_iter().chain(old).chain(volts).collect()
}

/// Below this no STM32 runs.
const LEAST_SUPPLY: Millivolts = Millivolts(1_600.0);

pub fn run(args: &ListArgs, console: &mut Console) -> ExitCode {
    let parts = match device::catalogue() {
        Ok(parts) => parts,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let root = SysRoot::default();
    let boards: Vec<_> =
        inventory::take(&root, &parts).into_iter().map(|listed| Shown::of(listed, args.passive)).collect();
    let written = match args.format {
        ListFormat::Text => write_text(&boards, &mut console.out),
        ListFormat::Json => write_json(&boards, &mut console.out),
    };
    if let Err(error) = written {
        console.error(&format!("the list could not be written: {error}"));
        return ExitCode::UnreadableInput;
    }
    if !boards.is_empty() {
        return ExitCode::Clean;
    }
    console.note(nothing_here(&root));
    ExitCode::NoSuchBoard
}

fn nothing_here(root: &SysRoot) -> &'static str {
    if root.has_usb() {
        "no board in DFU mode and no probe is on the bus. If one is plugged in, it did not enumerate: `flakescope doctor` says \
         what the host can see.\nWithout a board, try: flakescope run --virtual f746-25mhz-warm-hsi"
    } else {
        "this computer's kernel shows no USB at all; `flakescope doctor` says why.\n\
         Without a board, try: flakescope run --virtual f746-25mhz-warm-hsi"
    }
}

fn write_json(boards: &[Shown], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Answer { schema: "flakescope.list/1", boards })?;
    writeln!(out)
}

fn write_text(boards: &[Shown], out: &mut impl Write) -> io::Result<()> {
    for board in boards {
        write_board(board, out)?;
    }
    Ok(())
}

fn write_board(board: &Shown, out: &mut impl Write) -> io::Result<()> {
    let device = &board.listed.device;
    let kind = match board.listed.kind {
        Kind::RomDfu => "DFU",
        Kind::OtherDfu => "DFU, not ST's pair of IDs",
        Kind::Probe => inventory::probe_name(device).unwrap_or("probe"),
    };
    writeln!(out, "{}  {:04x}:{:04x}  {kind}", device.port, device.vendor_id, device.product_id)?;
    let shown = |text: &Option<FieldText>| text.as_ref().map_or_else(|| "none".to_owned(), FieldText::for_terminal);
    row(out, "product", &shown(&device.product))?;
    row(out, "serial", &shown(&device.serial))?;
    if let Some(bcd_device) = device.bcd_device {
        row(out, "bcdDevice", &format!("0x{bcd_device:04X}"))?;
    }
    if let Some(speed) = device.speed {
        row(out, "speed", speed.name())?;
    }
    for hub in &device.hubs {
        row(out, "hub", &format!("{} on {}", shown(&hub.product), hub.port))?;
    }
    if let Some(controller) = &device.controller {
        row(out, "controller", controller)?;
    }
    for layout in &device.interface_strings {
        row(out, "layout", &layout.for_terminal())?;
    }
    if !board.listed.suggested_parts.is_empty() {
        row(out, "part", &suggestion(&board.listed.suggested_parts))?;
    }
    if let Some(probe) = &board.probe {
        write_probe(probe, out)?;
    }
    for problem in board.problems() {
        row(out, "problem", &problem.text.for_terminal())?;
        if let Some(mend) = &problem.mend {
            row(out, "mend", mend)?;
        }
    }
    Ok(())
}

fn write_probe(probe: &Inspection, out: &mut impl Write) -> io::Result<()> {
    if let Some(firmware) = &probe.firmware {
        let needed = probe.version().and_then(|version| stlink_firmware::needed_by_probe_rs(version.hardware));
        let needed = needed.map(|least| format!(" (V{}J{} or later is needed)", least.hardware, least.jtag));
        row(out, "firmware", &format!("{}{}", firmware.for_terminal(), needed.unwrap_or_default()))?;
    }
    match probe.target_voltage {
        Some(voltage) => row(out, "target", &voltage.to_string()),
        None if probe.trouble.is_none() => row(out, "target", "this probe does not measure its supply"),
        None => Ok(()),
    }
}

/// Many parts share a layout; the first few say enough.
fn suggestion(parts: &[String]) -> String {
    const SHOWN: usize = 4;
    let named = parts[..parts.len().min(SHOWN)].join(" or ");
    match parts.len().saturating_sub(SHOWN) {
        0 => format!("{named} (by its layout)"),
        more => format!("{named} or one of {more} others (by its layout)"),
    }
}

fn row(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<10} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::devices::{HostDevice, Hub};
    use crate::host::udev_rule;
    use crate::observation::board::UsbSpeed;
    use crate::observation::failure::FailureClass;

    fn board() -> Shown {
        let listed = Listed {
            kind: Kind::RomDfu,
            device: HostDevice {
                port: "1-4.2".parse().unwrap(),
                bus_number: 1,
                device_number: 7,
                vendor_id: 0x0483,
                product_id: 0xdf11,
                bcd_device: Some(0x2200),
                speed: Some(UsbSpeed::Full),
                manufacturer: None,
                product: Some("STM32  BOOTLOADER".into()),
                serial: Some("\u{1b}[31mFFFFFFFEFFFF".into()),
                drivers: Vec::new(),
                interface_strings: vec!["@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg".into()],
                hubs: vec![Hub {
                    port: "1-4".parse().unwrap(),
                    product: Some("USB2.0 Hub".into()),
                    speed: Some(UsbSpeed::High),
                }],
                controller: Some("0000:00:14.0 (xhci_hcd)".to_owned()),
                is_hub: false,
                is_dfu: true,
            },
            suggested_parts: vec!["STM32F405/407/415/417".to_owned(), "STM32F42x".to_owned()],
            problems: vec![Problem {
                text: "you may not open it (mode 664)".into(),
                mend: Some(udev_rule::mend_for(0x0483, 0xdf11)),
            }],
        };
        Shown { listed, probe: None }
    }

    fn probe(inspection: Inspection) -> Shown {
        let mut shown = board();
        shown.listed.kind = Kind::Probe;
        shown.listed.problems.clear();
        shown.listed.suggested_parts.clear();
        let device = &mut shown.listed.device;
        device.product_id = 0x374B;
        device.product = Some("STM32 STLink".into());
        device.serial = Some("066DFF485550755187121723".into());
        device.interface_strings.clear();
        device.hubs.clear();
        Shown { probe: Some(inspection), ..shown }
    }

    fn text(boards: &[Shown]) -> String {
        let mut out = Vec::new();
        write_text(boards, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_board_with_a_problem_is_listed_with_its_mend() {
        insta::assert_snapshot!(text(&[board()]));
    }

    #[test]
    fn probes_are_listed_with_firmware_voltage_and_what_is_wrong() {
        let good =
            Inspection { firmware: Some("V2J43M28".into()), target_voltage: Some(Millivolts(3_272.0)), trouble: None };
        let poor =
            Inspection { firmware: Some("V2J25S4".into()), target_voltage: Some(Millivolts(20.0)), trouble: None };
        let held = Inspection {
            trouble: Some(probe_inspection::Trouble {
                class: FailureClass::Busy,
                code: "openocd (process 4242) has it open".into(),
            }),
            ..Inspection::default()
        };
        insta::assert_snapshot!(text(&[probe(good), probe(poor), probe(held)]));
    }

    #[test]
    fn the_json_list_names_its_schema_and_ports() {
        let mut out = Vec::new();
        let inspection = Inspection { firmware: Some("V2J43M28".into()), ..Inspection::default() };
        write_json(&[board(), probe(inspection)], &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema"], "flakescope.list/1");
        assert_eq!(value["boards"][0]["device"]["port"], "1-4.2");
        assert_eq!(value["boards"][0]["kind"], "rom-dfu");
        assert_eq!(value["boards"][0].get("probe"), None);
        assert_eq!(value["boards"][1]["probe"]["firmware"], "V2J43M28");
    }
}
