//! The table of modelled ROMs in the docs is written from their sheets.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use flakescope::bench::rom::sheet::{UsbClock, by_name, names};

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->";

fn table() -> String {
    let mut text = String::from(
        "| sheet | part | ROM id | USB clock | departs from the documents |\n| --- | --- | --- | --- | --- |\n",
    );
    for name in names() {
        let rom = by_name(&name, false).unwrap().unwrap();
        let clock = match &rom.clock {
            UsbClock::HseMeasured { .. } => "crystal, measured",
            UsbClock::HseListed { .. } | UsbClock::Hse => "crystal",
            UsbClock::HseTried { .. } => "crystal, values tried",
            UsbClock::LseLocked => "32 kHz crystal",
            UsbClock::Hsi48Recovered(_) => "HSI48, recovered",
        };
        let departures = rom.departures().join(" ");
        writeln!(text, "| `{name}` | {} | 0x{:02X} | {clock} | {departures} |", rom.device, rom.sheet.rom_id).unwrap();
    }
    text
}

#[test]
fn the_table_in_the_docs_is_that_of_the_sheets() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/virtual-roms.md");
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let expected = format!("{head}{BEGIN}{}{END}{tail}", table());
    if std::env::var_os("FLAKESCOPE_UPDATE").is_some() {
        fs::write(&file, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "run with FLAKESCOPE_UPDATE=1 and look at the difference");
    }
}
