//! Alterations over the real stack: the gate, an upgrade through its re-enumerations, and a dip of the supply.

use crate::guest::{Case, Given, Said};

/// `upgrade BOARD ADDRESS` installs a small image of the bench; `alter RECIPE ...` is confirmed by the port. A board on USB does
/// not tell its part, so a board profile says it, as a user's would.
const HELPERS: &str = r#"
alter() {
    recipe=$1; shift
    flakescope run -q --headless --format json --case /tmp/alter.case --port 1-1 --recipe $recipe --write --confirm 1-1 "$@"
}
upgrade() {
    image=/tmp/stm32wb5x_BLE_Stack_full_fw.bin
    flakescope bench image --address "$2" --size 16384 --out $image
    plug "$1" 0
    export FLAKESCOPE_PROFILES=/tmp/profiles
    mkdir -p $FLAKESCOPE_PROFILES/boards
    printf 'name = "A WB55"\npart = "STM32WB55CE"\n' > $FLAKESCOPE_PROFILES/boards/mine.toml
    alter fus-upgrade --profile mine --image $image --image-address 0x08053000 --despite-check
}
"#;

fn case(name: &str, script: &str, check: fn(&Said) -> Result<(), String>) -> Case {
    Case::new(name, format!("{HELPERS}{script}"), check)
}

pub fn given() -> Vec<Given> {
    let bytes = include_bytes!("../boards/wb55-short-dip.toml").to_vec();
    vec![Given { name: "wb55-short-dip.toml".to_owned(), bytes }]
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
            "an_image_for_another_address_is_not_found_on_the_real_stack_too",
            "upgrade wb55-with-stack 0x08060000",
            |said| said.all(&["FUS_IMG_NOT_FOUND", "\"id\":\"fus-address\""]),
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
