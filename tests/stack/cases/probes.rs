//! Debug probes on the bus with a virtual board on their wires: OpenOCD and st-info, as Debian ships them, and the list of flakescope.

use crate::guest::{Case, Said};

/// `openocd_with INTERFACE COMMANDS` attaches to it as to an STM32F4, or as `$target` says.
const HELPERS: &str = r#"
openocd_with() {
    interface=$1; shift
    timeout 30 openocd -d1 -s /usr/share/openocd/scripts $interface -f target/${target:-stm32f4x}.cfg -c init "$@" -c shutdown 2>&1
}
# What was dumped against as much of what the board holds.
same() { head -c $(stat -c %s "$1") /given/${holds:-f407}-flash.bin | cmp - "$1" && echo "$2"; }
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
            // OpenOCD trusts the address counter of a Cortex-M4 with 4 KiB, and that of an M7 with 1 KiB.
            "openocd_attaches_to_the_emulated_cmsis_dap_and_reads_across_the_blocks_of_its_address_counter",
            "plug_probe healthy-f407 cmsis-dap 0
openocd_with '-f interface/cmsis-dap.cfg' -c 'mdw 0xE0042000' -c 'dump_image /tmp/flash.bin 0x08000000 10240'
same /tmp/flash.bin '10240 bytes of an M4'
unplug 0; await_gone 1-1; plug_probe f746-25mhz-warm-hsi cmsis-dap 1
target=stm32f7x; holds=f746; rm /tmp/flash.bin
openocd_with '-f interface/cmsis-dap.cfg' -c 'mdw 0xE0042000' -c 'dump_image /tmp/flash.bin 0x08000000 3072'
same /tmp/flash.bin '3072 bytes of an M7'",
            |said| {
                said.all(&[
                    "0xe0042000: 10000413",
                    "10240 bytes of an M4",
                    "0xe0042000: 10000449",
                    "3072 bytes of an M7",
                ])
            },
        ),
    ]
}
