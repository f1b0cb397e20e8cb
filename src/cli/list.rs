//! `flakescope list`: boards and probes on this computer, and what is wrong with each.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::host::inventory::{self, Kind, Listed};
use crate::host::sys_root::SysRoot;
use crate::observation::field_text::FieldText;
use crate::profile::device;

use super::console::Console;
use super::exit::ExitCode;

/// List the boards in DFU mode and the probes on this computer
///
/// Nothing is opened. A board that does not appear here did not enumerate; watch its port with `run --port`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  flakescope list --format json")]
pub struct ListArgs {
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
    boards: &'a [Listed],
}

pub fn run(args: &ListArgs, console: &mut Console) -> ExitCode {
    let parts = match device::catalogue() {
        Ok(parts) => parts,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let root = SysRoot::default();
    let boards = inventory::take(&root, &parts);
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

fn write_json(boards: &[Listed], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Answer { schema: "flakescope.list/1", boards })?;
    writeln!(out)
}

fn write_text(boards: &[Listed], out: &mut impl Write) -> io::Result<()> {
    for board in boards {
        write_board(board, out)?;
    }
    Ok(())
}

fn write_board(board: &Listed, out: &mut impl Write) -> io::Result<()> {
    let device = &board.device;
    let kind = match board.kind {
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
    if !board.suggested_parts.is_empty() {
        row(out, "part", &suggestion(&board.suggested_parts))?;
    }
    for problem in &board.problems {
        row(out, "problem", &problem.text.for_terminal())?;
        if let Some(mend) = &problem.mend {
            row(out, "mend", mend)?;
        }
    }
    Ok(())
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
    use crate::host::inventory::Problem;
    use crate::host::udev_rule;
    use crate::observation::board::UsbSpeed;

    fn board() -> Listed {
        Listed {
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
        }
    }

    #[test]
    fn a_board_with_a_problem_is_listed_with_its_mend() {
        let mut out = Vec::new();
        write_text(&[board()], &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn the_json_list_names_its_schema_and_ports() {
        let mut out = Vec::new();
        write_json(&[board()], &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["schema"], "flakescope.list/1");
        assert_eq!(value["boards"][0]["device"]["port"], "1-4.2");
        assert_eq!(value["boards"][0]["kind"], "rom-dfu");
    }
}
