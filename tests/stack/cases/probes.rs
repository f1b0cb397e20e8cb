//! Debug probes on the bus with a virtual board on their wires: OpenOCD and st-info, as Debian ships them, and the list of flakescope.

use crate::guest::{Case, Said};

/// `openocd_with INTERFACE COMMANDS` attaches to it as to an STM32F4.
const HELPERS: &str = r#"
openocd_with() {
    interface=$1; shift
    timeout 30 openocd -d1 -s /usr/share/openocd/scripts $interface -f target/stm32f4x.cfg -c init "$@" -c shutdown 2>&1
}
same() { dd if=/given/f407-flash.bin bs=4096 count=1 2>/dev/null | cmp - "$1" && echo "$2"; }
"#;

fn case(name: &str, script: &str, check: fn(&Said) -> Result<(), String>) -> Case {
    Case::new(name, format!("{HELPERS}{script}"), check)
}

const OPENOCD_STLINK: &str = "openocd_with '-f interface/stlink.cfg' -c 'mdw 0xE0042000' -c 'mdw 0x1FFF7A10 3' -c 'dump_image /tmp/flash.bin 0x08000000 4096'
same /tmp/flash.bin 'openocd reads what the board holds'";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "openocd_and_st_info_attach_to_the_emulated_st_link_v2_1",
            &format!(
                "serve_probe healthy-f407 stlink-v2-1
flakescope list
{OPENOCD_STLINK}
st-info --probe
st-flash read /tmp/read.bin 0x08000000 4096 > /tmp/out 2>&1 || cat /tmp/out
same /tmp/read.bin 'st-flash reads what the board holds'"
            ),
            |said| {
                said.all(&[
                    "1-1  0483:374b  ST-LINK/V2-1",
                    "0xe0042000: 10000413",
                    "openocd reads what the board holds",
                    "V2J40",
                    "chipid:     0x0413",
                    "st-flash reads what the board holds",
                ])
            },
        ),
        case(
            "openocd_and_st_info_attach_to_the_emulated_st_link_v3",
            &format!(
                "serve_probe healthy-f407 stlink-v3
flakescope list
{OPENOCD_STLINK}
st-info --probe"
            ),
            |said| {
                said.all(&[
                    "1-1  0483:374e  STLINK-V3",
                    "0xe0042000: 10000413",
                    "openocd reads what the board holds",
                    "V3J15",
                    "chipid:     0x0413",
                ])
            },
        ),
        case(
            "openocd_attaches_to_the_emulated_cmsis_dap",
            "serve_probe healthy-f407 cmsis-dap
openocd_with '-f interface/cmsis-dap.cfg' -c 'mdw 0xE0042000' -c 'dump_image /tmp/flash.bin 0x08000000 4096'
same /tmp/flash.bin 'openocd reads what the board holds'",
            |said| said.all(&["0xe0042000: 10000413", "openocd reads what the board holds"]),
        ),
    ]
}
