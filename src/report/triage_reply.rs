//! What is missing from a report, as a text to paste into the ticket: the shortest request that separates the leading causes.

use crate::diagnosis::conclusion::Library;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, VerdictKind};
use crate::investigation::triage::Triaged;
use crate::observation::fact::FactValue;
use crate::observation::field_text::FieldText;
use crate::profile::device::Device;

/// Causes below this are not asked about.
const WORTH_ASKING: f64 = 0.05;
const ASKED: usize = 4;

/// Families that registers of the target settle.
const IN_REGISTERS: [&str; 15] = [
    "hse-mismatch",
    "hse-no-start",
    "hsi-drift",
    "crystal-fault",
    "rdp-active",
    "pcrop-secure",
    "flash-locked",
    "option-byte-corrupt",
    "boot-strap",
    "watchdog-reset",
    "flash-ecc",
    "device-not-in-dfu",
    "bootloader-interface-conflict",
    "fus-not-running",
    "supply-droop",
];

/// The whole text for the customer.
pub fn reply(triaged: &Triaged, library: &Library) -> String {
    let mut text = String::from("Thank you for the report.\n");
    match triaged.verdict.verdict {
        VerdictKind::Clean => text.push_str("\nThe log shows no fault."),
        VerdictKind::Fault | VerdictKind::Inconclusive => {
            if let Some(cause) = triaged.leading() {
                text.push_str(&format!("\nWhat you describe may come from this: {}.", cause.name));
            }
            text.push_str("\nTo be sure we need the following. None of it changes anything on the board.\n");
            let experiment = triaged.verdict.next.first().map(|next| next.text.clone());
            for (number, question) in experiment.iter().chain(&questions(triaged, library)).enumerate() {
                text.push_str(&format!("\n{}. {question}", number + 1));
            }
        }
    }
    text.push('\n');
    text
}

/// The requests, most telling first.
pub fn questions(triaged: &Triaged, library: &Library) -> Vec<String> {
    let device = triaged.verdict.device.as_deref().and_then(|part| library.devices.by_part(part));
    let mut asked = Vec::new();
    asked.extend(registers(triaged, device));
    asked.extend(host_view(triaged));
    asked.extend(supply(triaged));
    asked.extend(missing(triaged));
    asked.truncate(ASKED);
    asked
}

fn suspects(triaged: &Triaged, families: &[&str]) -> bool {
    let causes = triaged.verdict.causes.iter().filter(|cause| cause.id != UNKNOWN_CAUSE);
    causes.take(6).any(|cause| cause.probability >= WORTH_ASKING && families.contains(&cause.family.as_str()))
}

/// Commands that read and change nothing; triage decodes what they print.
fn registers(triaged: &Triaged, device: Option<&Device>) -> Option<String> {
    let device = device.filter(|_| suspects(triaged, &IN_REGISTERS))?;
    let mut blocks: Vec<String> = Vec::new();
    if let Some(registers) = &device.registers {
        blocks.extend(registers.rcc.map(|rcc| format!("-r32 {rcc} 0x80")));
        blocks.extend(registers.crs.map(|crs| format!("-r32 {crs} 0x10")));
    }
    let options = device.option_bytes.as_ref().and_then(|bytes| bytes.swd_address);
    blocks.extend(options.map(|address| format!("-r32 {address} 0x20")));
    blocks.extend(device.system_memory.as_ref().and_then(|memory| memory.id_address).map(|id| {
        let word = id.0 & !3;
        format!("-r32 0x{word:08X} 0x4")
    }));
    if blocks.is_empty() {
        return None;
    }
    let mode = "STM32_Programmer_CLI -c port=SWD mode=HOTPLUG";
    Some(format!(
        "With an ST-LINK attached while the fault is there, the output of: {mode} {} (clock, reset cause, option bytes \
         and bootloader version of the {})",
        blocks.join(" "),
        device.name
    ))
}

fn host_view(triaged: &Triaged) -> Option<String> {
    let usb = triaged.verdict.transport != Some("swd")
        || suspects(
            triaged,
            &["host-permission", "host-driver-missing", "probe-busy", "probe-usb-fault", "host-usb-controller"],
        );
    if !usb {
        return None;
    }
    let os = triaged.facts.iter().find(|fact| fact.key == "host-os").map(|fact| match &fact.value {
        FactValue::Text(text) => text.raw().to_lowercase(),
        _ => String::new(),
    });
    Some(match os.as_deref() {
        Some(os) if ["windows", "win", "device manager", "zadig", ".exe"].iter().any(|word| os.contains(word)) => {
            "From the Device Manager: name, hardware ids, driver provider and error code of the device (pnputil \
             /enum-devices /connected lists them)"
                .to_owned()
        }
        Some(os) if ["mac", "os x", "osx", "darwin", "/dev/cu"].iter().any(|word| os.contains(word)) => {
            "The output of: system_profiler SPUSBDataType, with the board attached".to_owned()
        }
        Some(os) if os.contains("freebsd") => "The output of: usbconfig list; dmesg | tail -40".to_owned(),
        Some(_) => "Right after plugging in, the output of: lsusb -t; sudo dmesg | tail -40".to_owned(),
        None => "The operating system, and what it says when the board is plugged in (Linux: lsusb -t; sudo dmesg | \
                 tail -40; Windows: Device Manager entry with hardware ids and error code)"
            .to_owned(),
    })
}

fn supply(triaged: &Triaged) -> Option<String> {
    let known = ["bus-powered", "external-supply", "target-voltage"];
    let told = triaged.facts.iter().any(|fact| known.contains(&fact.key.as_str()));
    let suspected = suspects(triaged, &["usb-power", "supply-droop", "fus-power", "target-unpowered", "vtref-missing"]);
    (suspected && !told).then(|| {
        "How the board is powered, and the lowest voltage at a VDD pin during the failing step (an oscilloscope, or the \
         minimum of a multimeter)"
            .to_owned()
    })
}

fn missing(triaged: &Triaged) -> Vec<String> {
    let told = |key: &str| triaged.facts.iter().any(|fact| fact.key == key);
    let mut asked = Vec::new();
    if triaged.verdict.device.is_none() {
        asked.push(
            "The full part number on the chip, and the board's schematic around USB or SWD, BOOT0 and NRST".to_owned(),
        );
    }
    let crystal_matters = suspects(triaged, &["hse-mismatch", "hse-no-start", "hsi-drift", "crystal-fault"]);
    if crystal_matters && !told("fitted-crystal") && !told("fitted-oscillator") {
        asked.push("The frequency of the crystal and its load capacitors".to_owned());
    }
    if !told("tool-version") {
        let tool = triaged.verdict.tools.first().map_or("the tool", String::as_str);
        asked.push(format!(
            "The version of {}, and the complete log with nothing left out",
            FieldText::new(tool).for_terminal()
        ));
    }
    asked
}
