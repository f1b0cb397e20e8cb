//! Alterations over the real stack: the gate, an upgrade through its re-enumerations, and a dip of the supply.

use crate::guest::{Case, Given, Said};

/// `upgrade BOARD ADDRESS ...` installs a small image of the bench, made as the rest says; `alter RECIPE ...` is confirmed by the port. A board on USB does
/// not tell its part, so a board profile says it, as a user's would.
const HELPERS: &str = r#"
alter() {
    recipe=$1; shift
    flakescope run -q --headless --format json --case /tmp/alter.case --port 1-1 --recipe $recipe --write --confirm 1-1 "$@"
}
ready() {
    plug "$1" 0
    export FLAKESCOPE_PROFILES=/tmp/profiles
    mkdir -p $FLAKESCOPE_PROFILES/boards
    printf 'name = "A WB55"\npart = "STM32WB55CE"\n' > $FLAKESCOPE_PROFILES/boards/mine.toml
}
image=/tmp/stm32wb5x_BLE_Stack_full_fw.bin
upgrade() {
    ready "$1"; address=$2; shift 2
    flakescope bench image --address $address --size 16384 --out $image "$@"
    alter fus-upgrade --profile mine --image $image --image-address 0x08053000 --despite-check
}
"#;

fn case(name: &str, script: &str, check: fn(&Said) -> Result<(), String>) -> Case {
    Case::new(name, format!("{HELPERS}{script}"), check)
}

pub fn given() -> Vec<Given> {
    let given = |name: &str, text: &str| Given { name: name.to_owned(), bytes: text.as_bytes().to_vec() };
    vec![
        given("wb55-short-dip.toml", include_str!("../boards/wb55-short-dip.toml")),
        given("wb55-short-collapse.toml", include_str!("../boards/wb55-short-collapse.toml")),
    ]
}

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "an_upgrade_goes_through_its_re_enumerations",
            "upgrade wb55-with-stack 0x08053000; flakescope journal /tmp/alter.case",
            |said| {
                said.all(&[
                    "\"verdict\":\"clean\"",
                    "delete the wireless stack: done",
                    "install the image: done",
                    "Nothing was left undone.",
                ])
            },
        ),
        case(
            "a_dip_while_it_installs_is_a_write_error_on_the_real_stack_too",
            "upgrade /given/wb55-short-dip.toml 0x08053000; flakescope journal /tmp/alter.case",
            |said| said.all(&["FUS_IMAGE_WRTERROR", "\"id\":\"fus-power\"", "it has no working wireless stack"]),
        ),
        case(
            "an_image_at_a_wrong_address_is_not_found_on_the_real_stack_too",
            "ready wb55-with-stack
flakescope bench image --address 0x08053000 --size 16384 --out $image
alter fus-upgrade --profile mine --image $image --image-address 0x08050000 --despite-check",
            |said| said.all(&["FUS_IMG_NOT_FOUND", "\"id\":\"fus-address\""]),
        ),
        case(
            "a_deeper_dip_takes_the_board_off_the_bus_and_the_upgrade_was_cut_off",
            "upgrade /given/wb55-short-collapse.toml 0x08053000; flakescope journal /tmp/alter.case",
            |said| said.all(&["FUS_IMAGE_USRABORT", "\"id\":\"fus-power\"", "it has no working wireless stack"]),
        ),
        case(
            "an_image_for_a_newer_service_is_not_authentic_on_the_real_stack_too",
            "upgrade wb55-with-stack 0x08053000 --needs 2.0.0",
            |said| said.all(&["FUS_IMG_NOT_AUTHENTIC", "\"id\":\"fus-version\""]),
        ),
        case(
            "a_second_copy_of_an_image_is_called_corrupt_on_the_real_stack_too",
            "ready wb55-with-stack
flakescope bench image --address 0x08053000 --size 16384 --out $image
alter fus-install --profile mine --image $image --image-address 0x08010000 --despite-check > /dev/null 2>&1
rm -f /tmp/alter.case
alter fus-upgrade --profile mine --image $image --image-address 0x08053000 --despite-check",
            |said| said.all(&["FUS_IMG_CORRUPT", "\"id\":\"fus-duplicate\""]),
        ),
        case(
            "option_bytes_are_set_verified_after_the_reset_and_put_back",
            "plug healthy-f407 0; permit='--port 1-1 --part STM32F407VG --write --confirm 1-1'
level() { flakescope option-bytes show --port 1-1 --part STM32F407VG | grep BOR_LEV; }
flakescope option-bytes set BOR_LEV=0 --case /tmp/alter.case $permit; level
flakescope option-bytes restore /tmp/alter.case $permit; level; flakescope journal /tmp/alter.case",
            |said| {
                said.all(&[
                    "level 3\n",
                    "off: only the power-on reset",
                    "write the option bytes",
                    "Nothing was left undone.",
                ])
            },
        ),
        case(
            "a_scratch_sector_is_written_and_put_back_through_the_worker",
            "plug healthy-f407 0; alter write-verify --scratch 0x0800C000; flakescope journal /tmp/alter.case",
            |said| {
                said.all(&[
                    "\"verdict\":\"clean\"",
                    "put back the contents of the scratch range",
                    "Nothing was left undone.",
                ])
            },
        ),
        case(
            "boards_that_share_a_serial_are_not_altered_even_by_their_port",
            "plug healthy-f407 0; plug healthy-f407 1; alter write-verify --scratch 0x0800C000
flakescope run -q --headless --port 1-1 --recipe write-verify --scratch 0x0800C000 --case /tmp/alter.case",
            |said| said.all(&["is on 1-1 and 1-2 at once", "--write was not given"]),
        ),
    ]
}
