//! What flakescope says about the bus and the boards on it before it runs anything.

use crate::guest::Case;

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("an_empty_bus_is_no_board", "flakescope list", |said| {
            said.code(3)?;
            said.has("no board in DFU mode")
        }),
        Case::new("doctor_finds_a_working_stack", "flakescope doctor", |said| {
            said.has("ok       libusb")?;
            said.has("ok       device-nodes")
        }),
        Case::new("list_names_port_speed_layout_and_part", "plug healthy-f407 0; flakescope list", |said| {
            said.code(0)?;
            said.all(&["1-1  0483:df11  DFU", "full speed", "0x2200", "@Internal Flash", "STM32F405"])
        }),
        Case::new(
            "two_boards_with_one_serial_number_are_told_apart_by_their_ports",
            "plug healthy-f407 0; plug healthy-f407 1
flakescope list; scope --board 1-2 --cycles 2
flakescope run --headless --board 0483:df11; echo code $?
flakescope run --headless --board 325E35633334; echo code $?",
            |said| {
                said.has("shares its serial number with 1-2")?;
                said.has("shares its serial number with 1-1")?;
                said.has("\"verdict\":\"clean\"")?;
                said.times(2, "2 boards fit")?;
                said.times(2, "choose one with --port: 1-1, 1-2")?;
                said.times(2, "code 3")
            },
        ),
        Case::new(
            "an_ordinary_user_is_told_the_udev_rule",
            "plug healthy-f407 0
su nobody -s /bin/sh -c 'flakescope list; cd /tmp; HOME=/tmp flakescope run --headless --board 1-1 --boots 1 --cycles 1 --case /tmp/nobody.case --format json; dfu-util -l'",
            |said| {
                said.has("you may not open it")?;
                said.has("ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"df11\"")?;
                said.has("\"class\":\"access-denied\"")?;
                // dfu-util meets the same.
                said.times(2, "LIBUSB_ERROR_ACCESS")
            },
        ),
    ]
}
