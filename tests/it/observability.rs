//! A virtual link shows what libusb and the kernel could show, and nothing else; the table of who can see what is in the docs.

use std::collections::BTreeSet;

use flakescope::bench::board::VirtualBoard;
use flakescope::link::Link;
use flakescope::link::dfu_link::DfuLink;
use flakescope::link::observability;
use flakescope::link::virtual_board::VirtualUsbBoard;
use flakescope::observation::step::{Phase, Step, StepRecord};
use flakescope::observation::units::{Address, Micros};
use serde_json::Value;

use super::kept_block;

#[test]
fn the_table_in_the_docs_is_the_table_of_the_code() {
    kept_block::is_kept("docs/observability.md", (BEGIN, END), &observability::table());
}

const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->";

/// What a record of a DFU session over libusb can hold, as paths into its JSON; `[]` is any element.
const RECORD: [&str; 24] = [
    "phase",
    "started",
    "elapsed",
    "outcome",
    "outcome.failed.class",
    "outcome.failed.phase",
    "outcome.failed.code",
    "outcome.failed.elapsed",
    "outcome.failed.address",
    "outcome.failed.dfu.alternate[]",
    "outcome.failed.dfu.state",
    "summary.count",
    "summary.bytes",
    "summary.total",
    "summary.max",
    "summary.inferred_retries",
    "transfers[].request",
    "transfers[].elapsed",
    "transfers[].length_bytes",
    "transfers[].code",
    "facts[].key",
    "facts[].value.text",
    "facts[].value.number",
    "facts[].value.bytes[]",
];

/// Where a fact comes from, and the counts that only a probe fills: they say nothing over USB.
const FIXED: [(&str, &str); 3] = [("facts[].origin", "\"link\""), ("summary.waits", "0"), ("summary.repeats", "0")];

/// What libusb and sysfs know of a device; part, DEV_ID and ROM identity are for others to say.
const IDENTITY: [&str; 10] =
    ["port", "serial", "product", "vendor_id", "product_id", "bcd_device", "speed", "layouts[]", "part", "dev_id"];

/// The codes of libusb that a session can meet, and what it says itself.
fn libusb_can_say(code: &str) -> bool {
    let names = ["IO", "ACCESS", "NO_DEVICE", "NOT_FOUND", "BUSY", "TIMEOUT", "OVERFLOW", "PIPE", "NO_MEM", "OTHER"];
    let is_code = |text: &str| names.iter().any(|name| text == format!("LIBUSB_ERROR_{name}"));
    is_code(code.split(" (-").next().unwrap_or_default())
}

/// How a kernel begins when it tells that a device could not be brought up (drivers/usb/core/hub.c and config.c).
const KERNEL_REFUSALS: [&str; 5] = [
    "device descriptor read/",
    "device not accepting address ",
    "unable to read config index ",
    "can't set config",
    "can't read configurations",
];

fn recipe() -> Vec<Step> {
    let flash = Step::Read { address: Address(0x0800_0000), length_bytes: 4096, transfer_bytes: None };
    let pause = Step::Wait { span: Micros::from_millis(40) };
    let opened = [Step::Enumerate, Step::Open, Step::Claim, Step::Descriptors, Step::Layout, Step::Status];
    opened.into_iter().chain([pause, flash, Step::OptionBytes, Step::Otp, Step::Close]).collect()
}

/// Everything that a virtual link says of a board over a few boots.
fn said(name: &str) -> (Vec<StepRecord>, Value, Vec<String>) {
    let board = VirtualBoard::by_name(name, 5).unwrap();
    let mut link = DfuLink::new(VirtualUsbBoard::new(board));
    let mut records = Vec::new();
    let mut messages = Vec::new();
    for _ in 0..6 {
        for step in recipe() {
            records.push(link.perform(&step, Micros::from_secs(5)));
            if records.last().and_then(StepRecord::failure).is_some() {
                break;
            }
        }
        messages.extend(link.host_messages().iter().map(|text| text.raw().to_owned()));
        link.power_cycle(Micros::from_secs(2)).unwrap();
    }
    (records, serde_json::to_value(link.identity()).unwrap(), messages)
}

/// The paths of everything in a value that is not null.
fn paths(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, member) in members {
                let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                paths(member, &inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{place}[]"), found)),
        value if FIXED.contains(&(place, value.to_string().as_str())) => {}
        _ => _ = found.insert(place.to_owned()),
    }
}

#[test]
fn a_virtual_link_fills_no_field_that_a_real_one_could_not() {
    let mut extra = BTreeSet::new();
    for name in VirtualBoard::names().unwrap() {
        let (records, identity, messages) = said(&name);
        let mut seen = BTreeSet::new();
        records.iter().for_each(|record| paths(&serde_json::to_value(record).unwrap(), "", &mut seen));
        extra.extend(seen.into_iter().filter(|path| !RECORD.contains(&path.as_str())));
        let mut seen = BTreeSet::new();
        paths(&identity, "", &mut seen);
        extra.extend(seen.into_iter().filter(|path| !IDENTITY.contains(&path.as_str())));
        extra.extend(messages.into_iter().filter(|message| !message.starts_with("usb usb1-port1: ")));
    }
    assert!(extra.is_empty(), "{extra:?}");
}

#[test]
fn every_code_is_one_that_libusb_or_the_kernel_gives() {
    let mut wrong = BTreeSet::new();
    for name in VirtualBoard::names().unwrap() {
        for record in said(&name).0 {
            let transfers = record.transfers.iter().filter_map(|transfer| transfer.code.as_deref());
            wrong.extend(transfers.filter(|code| !libusb_can_say(code)).map(str::to_owned));
            let Some(failure) = record.failure() else { continue };
            let code = failure.code.as_ref().map(|code| code.raw().to_owned()).unwrap_or_default();
            let by_kernel = KERNEL_REFUSALS.iter().any(|words| code.starts_with(words)) || code == NOTHING;
            let fits = if failure.phase == Phase::Enumerate { by_kernel } else { libusb_can_say(&code) };
            // What the session itself finds wrong has its own words, on every link.
            let own = code.contains("dfu")
                || code.contains(" after LIBUSB_ERROR_")
                || code.contains("instead of")
                || code == "deadline of the step";
            if !fits && !own {
                wrong.insert(format!("{}: {code}", failure.phase));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// As where libusb lists nothing.
const NOTHING: &str = "no device on the port";

#[test]
fn the_host_is_told_of_an_over_current_and_of_nothing_inside_the_part() {
    let (_, _, messages) = said("f407-large-inrush");
    assert!(messages.contains(&"usb usb1-port1: over-current condition".to_owned()), "{messages:?}");
    assert_eq!(said("f405-slow-8mhz").2, [""; 0], "how often the ROM started is nobody's to know");
}
