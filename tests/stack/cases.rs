//! The cases of the lane: what each runs in the guest, and what has to come of it.

use crate::guest::Section;

pub struct Case {
    /// One word; it also marks the case's section of the console.
    pub name: &'static str,
    /// Shell, in the guest. Boards that it plugs in are unplugged afterwards.
    pub script: &'static str,
    pub check: fn(&Section) -> Result<(), String>,
}

/// Available to every script. `plug BOARD PORT` serves a virtual board on a port of the virtual controller and waits for it.
const HELPERS: &str = r#"
vhci=/sys/devices/platform/vhci_hcd.0
start() { flakescope bench serve "$1" --vhci --vhci-port "$2" > "/tmp/served.$2" 2>&1 & }
await() {
    for i in $(seq 100); do [ -e "/sys/bus/usb/devices/1-$(($1 + 1)):1.0" ] && return; sleep 0.05; done
    echo "nothing came to port $1"; cat "/tmp/served.$1"; exit 99
}
plug() { start "$1" "$2"; await "$2"; }
unplug() { echo "$1" > $vhci/detach; }
# The interface belongs to usbfs from the claim of a program until its close.
unplug_in_session() {
    until [ -e "/sys/bus/usb/devices/1-$(($1 + 1)):1.0/driver" ]; do sleep 0.02; done
    sleep 0.3; unplug "$1"
}
number() { cat /sys/bus/usb/devices/1-1/devnum 2>/dev/null; }
scope() { flakescope run --headless --boots 1 --format json --case "/tmp/$$.case" "$@"; }
"#;

const AFTER: &str = r"
for port in 0 1 2 3; do echo $port > /sys/devices/platform/vhci_hcd.0/detach; done 2>/dev/null
killall flakescope dfu-util 2>/dev/null
for i in $(seq 100); do [ -e /sys/bus/usb/devices/1-1 ] || [ -e /sys/bus/usb/devices/1-2 ] || break; sleep 0.05; done
rm -f /tmp/*.case* /tmp/*.bin
";

const PROTECTED: &str = r#"
text = "An STM32F407 with its read-out protection on."
part = "STM32F407VGT6"
rom = "f40x-v9"
crystal-mhz = 8.0
read-out-protected = true
"#;

const NOISY: &str = r#"
text = "An STM32F407 on a pair so noisy that some transfer of every session fails for good."
part = "STM32F407VGT6"
rom = "f40x-v9"
crystal-mhz = 8.0

[mechanism.bit-errors]
to-host-per-bit = 6e-4
to-device-per-bit = 6e-4
"#;

const F74X: &str = r#"
text = "An STM32F746 with an 8 MHz crystal."
part = "STM32F746ZGT6"
rom = "f74x"
crystal-mhz = 8.0
"#;

const L47X: &str = r#"
text = "An STM32L476 with a 32 kHz crystal."
part = "STM32L476RGT6"
rom = "l47x-v10"
lse-fitted = true
"#;

/// Long enough for an unplug to come in the middle.
const LONG_READ: &str = r#"
description = "Reads a long range, so that something can happen meanwhile"

[[step]]
do = "enumerate"
deadline-ms = 5000

[[step]]
do = "open"

[[step]]
do = "claim"

[[step]]
do = { read = { address = 0x0800_0000, length-bytes = 1048576 } }
deadline-ms = 60000

[[step]]
do = "close"
"#;

pub fn all() -> Vec<Case> {
    vec![
        Case {
            name: "an_empty_bus_is_no_board",
            script: "flakescope list",
            check: |section| {
                expect_code(section, 3)?;
                expect(section, "no board in DFU mode")
            },
        },
        Case {
            name: "doctor_finds_a_working_stack",
            script: "flakescope doctor",
            check: |section| {
                expect(section, "ok       libusb")?;
                expect(section, "ok       device-nodes")
            },
        },
        Case {
            name: "dfu_util_lists_every_alternate_setting",
            script: "plug healthy-f407 0; dfu-util -l",
            check: |section| {
                expect_code(section, 0)?;
                expect(section, "Found DFU: [0483:df11] ver=2200")?;
                expect(section, "name=\"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg\"")?;
                expect(section, "name=\"@Option Bytes  /0x1FFFC000/01*016 e\"")?;
                expect(section, "name=\"@OTP Memory /0x1FFF7800/01*512 e,01*016 e\"")
            },
        },
        Case {
            name: "list_names_port_speed_layout_and_part",
            script: "plug healthy-f407 0; flakescope list",
            check: |section| {
                expect_code(section, 0)?;
                for words in ["1-1  0483:df11  DFU", "full speed", "0x2200", "@Internal Flash", "STM32F405"] {
                    expect(section, words)?;
                }
                Ok(())
            },
        },
        Case {
            name: "dfu_util_uploads_the_same_bytes_twice",
            script: "plug healthy-f407 0
for name in a b; do dfu-util -a 0 -s 0x08000000:20000 -U /tmp/$name.bin > /tmp/out 2>&1 || cat /tmp/out; done
dfu-util -a 1 -s 0x1FFFC000:16 -U /tmp/options.bin > /tmp/out 2>&1 || cat /tmp/out
cmp /tmp/a.bin /tmp/b.bin && wc -c /tmp/a.bin /tmp/options.bin",
            check: |section| {
                expect_code(section, 0)?;
                expect(section, "20000 /tmp/a.bin")?;
                expect(section, "16 /tmp/options.bin")
            },
        },
        Case {
            name: "dfu_util_reads_the_layouts_of_other_parts",
            script: "plug /tmp/f74x.toml 0; plug /tmp/l47x.toml 1; dfu-util -l",
            check: |section| {
                expect(section, "path=\"1-1\", alt=0, name=\"@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg\"")?;
                expect(section, "path=\"1-1\", alt=2, name=\"@OTP Memory /0x1FF0F000/01*1024 e,01*016 e\"")?;
                expect(section, "path=\"1-2\", alt=0, name=\"@Internal Flash  /0x08000000/512*0002Kg\"")
            },
        },
        Case {
            name: "dfu_util_downloads_verifies_and_leaves",
            script: "plug healthy-f407 0
dd if=/dev/urandom of=/tmp/new.bin bs=1024 count=20 2>/dev/null
dfu-util -a 0 -s 0x08000000 -D /tmp/new.bin > /tmp/out 2>&1 || cat /tmp/out
dfu-util -a 0 -s 0x08000000:20480 -U /tmp/back.bin > /tmp/out 2>&1 || cat /tmp/out
cmp /tmp/new.bin /tmp/back.bin && echo 'reads back the same'
before=$(number)
timeout 20 dfu-util -a 0 -s 0x08000000:leave -D /tmp/new.bin
for i in $(seq 60); do [ \"$(number)\" = \"$before\" ] || break; sleep 0.05; done
[ \"$(number)\" = \"$before\" ] || echo 'the board has left'",
            check: |section| {
                expect(section, "reads back the same")?;
                expect(section, "Submitting leave request")?;
                expect(section, "the board has left")
            },
        },
        Case {
            name: "twenty_cycles_over_libusb_are_clean",
            script: "plug healthy-f407 0; scope --board 1-1 --cycles 20",
            check: |section| {
                expect_code(section, 0)?;
                expect(section, "\"verdict\":\"clean\"")?;
                expect(section, "\"cycles\":20")
            },
        },
        Case {
            name: "a_protected_board_stalls_for_both_tools",
            script: "plug /tmp/protected.toml 0
dfu-util -a 0 -s 0x08000000:1024 -U /tmp/a.bin
scope --board 1-1 --cycles 3",
            check: |section| {
                expect(section, "LIBUSB_ERROR_PIPE")?;
                expect(section, "\"class\":\"protected\"")?;
                expect(section, "errVENDOR after LIBUSB_ERROR_PIPE")
            },
        },
        Case {
            name: "an_unplug_during_an_upload_is_seen_by_dfu_util",
            script: "plug healthy-f407 0
unplug_in_session 0 &
dfu-util -a 0 -s 0x08000000:1048576 -U /tmp/a.bin",
            check: |section| expect(section, "LIBUSB_ERROR_NO_DEVICE"),
        },
        Case {
            name: "an_unplug_during_a_read_is_a_disconnect_and_then_an_empty_port",
            script: "plug healthy-f407 0
unplug_in_session 0 &
scope --port 1-1 --recipe /tmp/long-read.toml --cycles 2",
            check: |section| {
                expect_code(section, 1)?;
                expect(section, "\"class\":\"disconnected\",\"phase\":\"read\",\"code\":\"LIBUSB_ERROR_NO_DEVICE\"")?;
                expect(section, "\"class\":\"not-enumerated\",\"phase\":\"enumerate\"")
            },
        },
        Case {
            name: "a_board_that_arrives_late_is_waited_for",
            script: "(sleep 1; start healthy-f407 0) &
scope --port 1-1 --cycles 3",
            check: |section| {
                expect_code(section, 0)?;
                expect(section, "\"verdict\":\"clean\"")
            },
        },
        Case {
            name: "a_bus_error_keeps_the_kernels_code_beside_libusbs",
            script: "start /tmp/noisy.toml 0; sleep 2; scope --port 1-1 --cycles 6",
            check: |section| {
                expect_code(section, 1)?;
                expect(section, "\"class\":\"bus-error\"")?;
                expect(section, "LIBUSB_ERROR_IO (-71)")
            },
        },
        Case {
            name: "a_board_that_never_enumerates_is_told_in_the_kernels_words",
            script: "echo 500 > /sys/module/usbcore/parameters/initial_descriptor_timeout
start deaf-f407 0; scope --port 1-1 --cycles 1 --recipe /tmp/long-read.toml
echo 5000 > /sys/module/usbcore/parameters/initial_descriptor_timeout",
            check: |section| {
                expect(section, "\"class\":\"descriptor-failed\"")?;
                expect(section, "error -110")
            },
        },
        Case {
            name: "two_boards_are_told_apart_by_their_ports",
            script: "plug healthy-f407 0; plug healthy-f407 1
flakescope list; scope --board 1-2 --cycles 2; flakescope run --headless --board 0483:df11",
            check: |section| {
                expect(section, "shares its serial number with 1-2")?;
                expect(section, "shares its serial number with 1-1")?;
                expect(section, "\"verdict\":\"clean\"")
            },
        },
        Case {
            name: "an_ordinary_user_is_told_the_udev_rule",
            script: "plug healthy-f407 0
su nobody -s /bin/sh -c 'flakescope list; cd /tmp; HOME=/tmp flakescope run --headless --board 1-1 --boots 1 --cycles 1 --case /tmp/nobody.case --format json'",
            check: |section| {
                expect(section, "you may not open it")?;
                expect(section, "ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"df11\"")?;
                expect(section, "\"class\":\"access-denied\"")?;
                expect(section, "LIBUSB_ERROR_ACCESS")
            },
        },
    ]
}

/// The script that the guest runs: every case with its own deadline.
pub fn script() -> String {
    let mut script = String::new();
    let files = [
        ("helpers.sh", HELPERS),
        ("after.sh", AFTER),
        ("protected.toml", PROTECTED),
        ("noisy.toml", NOISY),
        ("f74x.toml", F74X),
        ("l47x.toml", L47X),
        ("long-read.toml", LONG_READ),
    ];
    for (file, text) in files {
        script.push_str(&format!("cat > /tmp/{file} <<'END'\n{text}\nEND\n"));
    }
    for Case { name, script: body, .. } in all() {
        script.push_str(&format!("echo '@@case {name}'\ncat > /tmp/case.sh <<'END'\n. /tmp/helpers.sh\n{body}\nEND\n"));
        script.push_str(&format!("timeout 60 sh /tmp/case.sh 2>&1\necho \"@@end {name} $? $(cut -d' ' -f1 /proc/uptime)\"\nsh /tmp/after.sh\n"));
    }
    script
}

fn expect_code(section: &Section, code: i32) -> Result<(), String> {
    if section.code == code { Ok(()) } else { Err(format!("exit code {} instead of {code}", section.code)) }
}

fn expect(section: &Section, words: &str) -> Result<(), String> {
    if section.text.contains(words) { Ok(()) } else { Err(format!("`{words}` is not there")) }
}
