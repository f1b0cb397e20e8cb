//! A board on the bus and a debug probe on its pins at once: what both see is one board.

use crate::guest::{Case, Said};
use crate::in_process;

/// `plug_both BOARD KIND` puts the board on port 1-1, if it comes that far, and its probe on 1-2.
const HELPERS: &str = r#"
plug_both() { flakescope bench serve "$1" --beside "$2" --vhci > /tmp/served.1 2>&1 & await 1; }
"#;

fn case(name: &str, script: &str, check: fn(&Said) -> Result<(), String>) -> Case {
    Case::new(name, format!("{HELPERS}{script}"), check)
}

/// The frequency behind these words. An emulated host measures within a few per cent at worst, and says within how many.
fn is_near(said: &Said, words: &str, mhz: f64) -> Result<(), String> {
    let behind = said.text.split(words).nth(1).ok_or_else(|| format!("`{words}` is not there"))?;
    let number = behind.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    match number {
        Some(number) if (number / mhz - 1.0).abs() < 0.02 => Ok(()),
        other => Err(format!("{other:?} behind `{words}` instead of about {mhz}")),
    }
}

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "beside_dfu_util_openocd_meets_the_same_board",
            "plug_both healthy-f407 stlink-v2-1; await 0
flakescope list
dfu-util -d 0483:df11 -a 0 -s 0x08000000:4096 -U /tmp/usb.bin > /tmp/out 2>&1 || cat /tmp/out
openocd -d1 -s /usr/share/openocd/scripts -f interface/stlink.cfg -f target/stm32f4x.cfg -c init -c 'dump_image /tmp/swd.bin 0x08000000 4096' -c shutdown 2>&1
cmp /tmp/usb.bin /tmp/swd.bin && echo 'both read the same'
before=$(number)
openocd -d1 -s /usr/share/openocd/scripts -f interface/stlink.cfg -f target/stm32f4x.cfg -c init -c 'reset run' -c shutdown 2>&1
for i in $(seq 50); do now=$(number); [ -n \"$now\" ] && [ \"$now\" != \"$before\" ] && echo 'the reset is seen on USB' && break; sleep 0.1; done",
            |said| {
                said.all(&[
                    "1-1  0483:df11  DFU",
                    "1-2  0483:374b  ST-LINK/V2-1",
                    "both read the same",
                    "the reset is seen on USB",
                ])
            },
        ),
        case(
            "beside_dfu_the_crystal_that_runs_is_measured",
            "plug_both healthy-f407 stlink-v3; await 0
flakescope clock --measure --probe 1-2
echo clean $(scope --link witnessed --port 1-1 --probe 1-2 --recipe /given/lane-read.toml --cycles 2)",
            |said| {
                is_near(said, "crystal ", 8.0)?;
                let clean = in_process::verdict(said.value("clean")?)?;
                if clean.kind == "clean" { Ok(()) } else { Err(format!("{clean:?}")) }
            },
        ),
        case(
            "beside_dfu_a_misread_crystal_is_witnessed_as_in_process",
            "echo 500 > /sys/module/usbcore/parameters/initial_descriptor_timeout
plug_both /given/f746-misread.toml stlink-v2-1
scope --link witnessed --port 1-1 --probe 1-2 --profile example-f746-25mhz --recipe /given/lane-read.toml --cycles 2
echo 5000 > /sys/module/usbcore/parameters/initial_descriptor_timeout",
            |said| {
                said.has("believed 24.0 MHz")?;
                is_near(said, "believed 24.0 MHz, measured ", 25.0)?;
                let real = in_process::verdict(&said.text)?;
                let plan = ["--link", "witnessed", "--recipe", "tests/stack/recipes/lane-read.toml", "--boots", "1", "--cycles", "2"];
                let model = in_process::run("tests/stack/boards/f746-misread.toml", &plan)?;
                let says = |it: &in_process::Outcome| (it.kind.clone(), it.families.first().cloned());
                let decided = ("fault".to_owned(), Some("hse-mismatch".to_owned()));
                if says(&real) == decided && says(&model) == decided {
                    return Ok(());
                }
                Err(format!("{real:?} and in process {model:?}"))
            },
        ),
    ]
}
