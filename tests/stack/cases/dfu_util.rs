//! An unmodified dfu-util against the virtual boards: a third party believes the models, or it does not.

use flakescope::bench::board::VirtualBoard;
use flakescope::observation::units::Address;

use crate::guest::{Case, Given, golden};

/// Name of the golden text, board.
const PARTS: [(&str, &str); 6] = [
    ("f405", "/given/f405.toml"),
    ("f74x", "/given/f74x.toml"),
    ("h74x", "healthy-h743"),
    ("l47x", "/given/l47x.toml"),
    ("g47x", "/given/g47x.toml"),
    ("wb55", "healthy-wb55"),
];

const FLASH_BYTES: u32 = 1024 * 1024;

/// What the models hold, for comparison byte by byte.
pub fn given() -> Vec<Given> {
    let board = |name| VirtualBoard::by_name(name, 1).unwrap();
    let (f407, f746) = (board("healthy-f407"), board("f746-25mhz-warm-hsi"));
    let holds = |address, length| f407.memory().read(Address(address), length).unwrap();
    let given = |name: &str, bytes: Vec<u8>| Given { name: name.to_owned(), bytes };
    vec![
        given("f407-flash.bin", holds(0x0800_0000, FLASH_BYTES)),
        given("f746-flash.bin", f746.memory().read(Address(0x0800_0000), 4096).unwrap()),
        given("f407-options.bin", holds(0x1fff_c000, 16)),
        given("f407-otp.bin", holds(0x1fff_7800, 528)),
    ]
}

fn lists_every_part() -> Case {
    let plugs: String = (0..).zip(PARTS).map(|(port, (_, board))| format!("start {board} {port}\n")).collect();
    let script = format!("{plugs}for port in 0 1 2 3 4 5; do await $port; done; dfu-util -l");
    Case::new("dfu_util_lists_the_layouts_of_six_parts", script, |said| {
        said.code(0)?;
        for (port, (name, _)) in (1..).zip(PARTS) {
            let path = format!("path=\"1-{port}\"");
            let of_board = said.text.lines().filter(|line| line.contains(&path)).map(without_address_on_the_bus);
            golden(&format!("dfu-util-{name}.txt"), &(of_board.collect::<Vec<_>>().join("\n") + "\n"))?;
        }
        Ok(())
    })
}

/// It depends on what was plugged in before.
fn without_address_on_the_bus(line: &str) -> String {
    let Some((before, rest)) = line.split_once("devnum=") else { return line.to_owned() };
    format!("{before}devnum=N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

pub fn cases() -> Vec<Case> {
    vec![
        lists_every_part(),
        Case::new(
            "dfu_util_uploads_what_the_model_holds",
            "plug healthy-f407 0
upload() { dfu-util -a $1 -s $2 -U /tmp/$3 > /tmp/out 2>&1 || cat /tmp/out; cmp /tmp/$3 /given/$3 && wc -c /tmp/$3; }
upload 0 0x08000000:1048576 f407-flash.bin
upload 1 0x1FFFC000:16 f407-options.bin
upload 2 0x1FFF7800:528 f407-otp.bin",
            |said| {
                said.code(0)?;
                said.all(&["1048576 /tmp/f407-flash.bin", "16 /tmp/f407-options.bin", "528 /tmp/f407-otp.bin"])
            },
        ),
        Case::new(
            "dfu_util_downloads_verifies_and_leaves",
            "plug healthy-f407 0
dd if=/dev/urandom of=/tmp/new.bin bs=1024 count=20 2>/dev/null
dfu-util -a 0 -s 0x08000000 -D /tmp/new.bin > /tmp/out 2>&1 || cat /tmp/out
dfu-util -a 0 -s 0x08000000:20480 -U /tmp/back.bin > /tmp/out 2>&1 || cat /tmp/out
cmp /tmp/new.bin /tmp/back.bin && echo 'reads back the same'
# The rest of the two sectors that were erased, and what lies behind them.
dfu-util -a 0 -s 0x08005000:12288 -U /tmp/rest.bin > /tmp/out 2>&1 || cat /tmp/out
[ $(tr -d '\\377' < /tmp/rest.bin | wc -c) = 0 ] && echo 'the rest is erased'
dfu-util -a 0 -s 0x08008000:4096 -U /tmp/behind.bin > /tmp/out 2>&1 || cat /tmp/out
dd if=/given/f407-flash.bin bs=4096 skip=8 count=1 2>/dev/null | cmp - /tmp/behind.bin && echo 'what lies behind is untouched'
before=$(number)
timeout 20 dfu-util -a 0 -s 0x08000000:leave -D /tmp/new.bin
for i in $(seq 60); do [ \"$(number)\" = \"$before\" ] || break; sleep 0.1; done
[ \"$(number)\" = \"$before\" ] || echo 'the board has left'",
            |said| {
                said.all(&[
                    "reads back the same",
                    "the rest is erased",
                    "what lies behind is untouched",
                    "Submitting leave request",
                    "the board has left",
                ])
            },
        ),
        Case::new(
            "a_protected_board_stalls_for_both_tools",
            "plug /given/protected.toml 0
dfu-util -a 0 -s 0x08000000:1024 -U /tmp/a.bin
scope --board 1-1 --cycles 3",
            |said| {
                said.has("LIBUSB_ERROR_PIPE")?;
                said.has("\"class\":\"protected\"")?;
                said.has("errVENDOR after LIBUSB_ERROR_PIPE")
            },
        ),
        Case::new(
            "an_unplug_during_an_upload_is_seen_by_dfu_util",
            "plug healthy-f407 0
unplug_in_session 0 &
dfu-util -a 0 -s 0x08000000:1048576 -U /tmp/a.bin",
            |said| said.has("LIBUSB_ERROR_NO_DEVICE"),
        ),
        Case::new(
            "dfu_util_takes_one_of_two_boards_by_its_path",
            "plug healthy-f407 0; plug /given/f74x.toml 1
dfu-util -a 0 -s 0x08000000:64 -U /tmp/a.bin
for n in 1 2; do dfu-util -p 1-$n -a 0 -s 0x08000000:1024 -U /tmp/$n.bin > /tmp/out 2>&1 || cat /tmp/out; done
dd if=/given/f407-flash.bin bs=1024 count=1 2>/dev/null | cmp - /tmp/1.bin && echo 'the first is the first'
cmp -s /tmp/1.bin /tmp/2.bin || echo 'the second is another'",
            |said| {
                said.has("More than one DFU capable USB device found")?;
                said.all(&["the first is the first", "the second is another"])
            },
        ),
    ]
}
