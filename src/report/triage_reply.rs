//! What is missing from a report, as a text to paste into the ticket: the shortest request that separates the leading causes.

use super::triage_text;
use crate::diagnosis::verdict::{UNKNOWN_CAUSE, VerdictKind};
use crate::investigation::register_facts::{self, Block};
use crate::investigation::triage::Triaged;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass;
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
pub fn reply(triaged: &Triaged) -> String {
    let mut text = String::from("Thank you for the report.\n");
    match triaged.verdict.verdict {
        VerdictKind::Clean => text.push_str("\nThe log shows no fault."),
        VerdictKind::Fault | VerdictKind::Inconclusive => {
            match triage_text::favourite(&triaged.verdict) {
                Some(cause) => text.push_str(&format!("\nWhat you describe may come from this: {}.", cause.name)),
                None => text.push_str("\nIt does not settle the cause yet."),
            }
            text.push_str("\nTo be sure we need the following. None of it writes to the board.\n");
            let experiment = triaged.verdict.next.first().map(|next| next.text.clone());
            for (number, question) in experiment.iter().chain(&questions(triaged)).enumerate() {
                text.push_str(&format!("\n{}. {question}", number + 1));
            }
        }
    }
    text.push('\n');
    text
}

/// The requests, most telling first.
pub fn questions(triaged: &Triaged) -> Vec<String> {
    let device = triaged.subject.device();
    let mut asked = Vec::new();
    asked.extend(registers(triaged, device));
    asked.extend(target_view(triaged));
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
    let device = device.filter(|_| suspects(triaged, &IN_REGISTERS) && !out_of_reach(triaged))?;
    let blocks = register_facts::wanted(device);
    if blocks.is_empty() {
        return None;
    }
    let command = if with_openocd(triaged) { openocd(device, &blocks) } else { cube_programmer(triaged, &blocks) };
    let with =
        if has_st_link(triaged) { "With the ST-LINK attached" } else { "If an ST-LINK is at hand: with it attached" };
    Some(format!(
        "{with} while the fault is there, the output of: {command} (of the {}, as far as its profile knows where they lie: \
         clock, reset cause, option bytes, bootloader version)",
        device.name
    ))
}

/// Where the probe does not reach the target there are no registers to ask for.
fn out_of_reach(triaged: &Triaged) -> bool {
    let no_target = [
        FailureClass::NoTarget,
        FailureClass::NoAcknowledge,
        FailureClass::NoProbe,
        FailureClass::HeldInReset,
        FailureClass::LowVoltage,
    ];
    triaged.verdict.transport == Some("swd")
        && triaged.verdict.failures.iter().any(|failure| no_target.contains(&failure.class))
}

/// A Nucleo or Discovery board carries one.
fn has_st_link(triaged: &Triaged) -> bool {
    const SHOWN_BY: [&str; 5] =
        ["probe-firmware", "target-voltage", "dev-board", "stlink-serial", "stlink-still-reaches-target"];
    const OF_ST: [&str; 4] = ["stlink-utility", "stlink", "stlink-gdb-server", "probe-drive"];
    triaged.facts.iter().any(|fact| SHOWN_BY.contains(&fact.key.as_str()))
        || triaged.verdict.tools.iter().any(|tool| OF_ST.contains(&tool.as_str()))
}

fn with_openocd(triaged: &Triaged) -> bool {
    let tools = &triaged.verdict.tools;
    tools.iter().any(|tool| tool == "openocd") && !tools.iter().any(|tool| tool == "cubeprogrammer")
}

fn cube_programmer(triaged: &Triaged, blocks: &[Block]) -> String {
    let reads: Vec<_> = blocks.iter().map(|block| format!("-r32 {} 0x{:X}", block.address, block.bytes)).collect();
    format!("{} -c port=SWD mode=HOTPLUG {}", cli_of(System::of(triaged)), reads.join(" "))
}

/// OpenOCD examines the target without halting it; `mdw` counts words.
fn openocd(device: &Device, blocks: &[Block]) -> String {
    let reads: Vec<_> = blocks.iter().map(|block| format!("mdw {} {}", block.address, block.bytes / 4)).collect();
    format!(
        "openocd -f interface/stlink.cfg -f target/{}.cfg -c \"init; {}; shutdown\"",
        target_script(&device.family),
        reads.join("; ")
    )
}

/// The scripts of OpenOCD are named by families with an x, but for two.
fn target_script(family: &str) -> String {
    match family {
        "STM32L0" | "STM32L1" => family.to_ascii_lowercase(),
        "STM32L4+" => "stm32l4x".to_owned(),
        _ => format!("{}x", family.to_ascii_lowercase()),
    }
}

/// Where the program lies after a default installation.
const fn cli_of(system: Option<System>) -> &'static str {
    match system {
        Some(System::Windows) => {
            "\"C:\\Program Files\\STMicroelectronics\\STM32Cube\\STM32CubeProgrammer\\bin\\STM32_Programmer_CLI.exe\""
        }
        Some(System::MacOs) => {
            "/Applications/STMicroelectronics/STM32Cube/STM32CubeProgrammer/STM32CubeProgrammer.app/Contents/MacOs/bin/STM32_Programmer_CLI"
        }
        _ => "STM32_Programmer_CLI",
    }
}

/// What the customer's computer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Windows,
    Linux,
    MacOs,
    FreeBsd,
}

impl System {
    fn of(triaged: &Triaged) -> Option<Self> {
        let fact = triaged.facts.iter().find(|fact| fact.key == "host-os")?;
        let FactValue::Text(text) = &fact.value else { return None };
        let text = text.raw().to_lowercase();
        let names =
            [("windows", Self::Windows), ("linux", Self::Linux), ("macos", Self::MacOs), ("freebsd", Self::FreeBsd)];
        names.into_iter().find(|(name, _)| text.contains(name)).map(|(_, system)| system)
    }
}

/// For a target that does not answer the probe: what decides between supply, reset, wires and firmware.
fn target_view(triaged: &Triaged) -> Option<String> {
    out_of_reach(triaged).then(|| {
        let under_reset = if triaged.findings.iter().any(|finding| finding.id == "fails-under-reset") {
            String::new()
        } else {
            format!(", and whether it connects with {} (this restarts the firmware)", connect_under_reset(triaged))
        };
        format!(
            "With the probe attached: the voltage at the VDD, NRST and BOOT0 pins of the chip, which wires go to the probe \
             and how long they are{under_reset}"
        )
    })
}

/// Slowly and under reset, with the program that the customer uses.
fn connect_under_reset(triaged: &Triaged) -> String {
    let is_used = |name: &str| triaged.verdict.tools.iter().any(|tool| tool == name);
    if with_openocd(triaged) {
        "OpenOCD and `reset_config srst_only srst_nogate connect_assert_srst; adapter speed 480`".to_owned()
    } else if is_used("jlink") {
        "J-Link Commander at 480 kHz while the reset button is held and let go right after `connect`".to_owned()
    } else if is_used("pyocd") {
        "pyocd commander --connect under-reset --frequency 480000".to_owned()
    } else if is_used("probe-rs") {
        "probe-rs info --protocol swd --speed 480 --connect-under-reset".to_owned()
    } else {
        format!("{} -c port=SWD mode=UR freq=480", cli_of(System::of(triaged)))
    }
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
    Some(
        match System::of(triaged) {
            Some(System::Windows) => {
                "From the Device Manager: name, hardware ids, driver provider and error code of the device (pnputil \
                 /enum-devices /connected lists them)"
            }
            Some(System::MacOs) => "The output of: system_profiler SPUSBDataType, with the board attached",
            Some(System::FreeBsd) => "The output of: usbconfig list; dmesg | tail -40",
            Some(System::Linux) => "Right after plugging in, the output of: lsusb -t; lsusb; sudo dmesg | tail -40",
            None => {
                "The operating system, and what it says when the board is plugged in (Linux: lsusb -t; sudo dmesg | tail \
                 -40; Windows: Device Manager entry with hardware ids and error code)"
            }
        }
        .to_owned(),
    )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::investigation::triage::Triage;

    fn asked(report: &str) -> (Triage, Triaged, String) {
        let triage = Triage::load().unwrap();
        let triaged = triage.report("ticket", &mut report.as_bytes()).unwrap();
        let text = reply(&triaged);
        (triage, triaged, text)
    }

    const F746: &str = "My STM32F746 board has a 24 MHz crystal and never shows up in DFU.\n\
                        Unknown USB Device (Device Descriptor Request Failed)\n";

    /// What is asked for is what triage decodes: the answer to the request decides the case.
    #[test]
    fn the_answer_to_the_request_is_decoded() {
        let (triage, before, text) = asked(F746);
        assert!(text.contains("mode=HOTPLUG -r32") && text.contains("-r32 0x40023800 0x94"), "{text}");
        let answer = "0x40023800 : 03030083 24403019 0000000A 00000000\n0x40023888 : 00000000\n0x40023890 : 00000000\n\
                      0x40023874 : 24000003\n0x40023C14 : 0FFFAAED\n";
        let after = triage.report("ticket", &mut format!("{F746}{answer}").as_bytes()).unwrap();
        let share = |triaged: &Triaged| -> f64 {
            let crystal = triaged.verdict.causes.iter().filter(|cause| cause.family == "hse-mismatch");
            crystal.map(|cause| cause.probability).sum()
        };
        assert!(share(&after) > 0.6, "{}", share(&after));
        assert!(!before.findings.iter().any(|finding| finding.id == "crystal-misread-measured"));
        assert!(after.findings.iter().any(|finding| finding.id == "crystal-misread-measured"));
        assert!(after.findings.iter().any(|finding| finding.id == "watchdog-reset-seen"));
    }

    #[test]
    fn commands_are_for_the_customers_own_system_and_tool() {
        let (_, _, text) = asked(&format!("{F746}Windows 11\n"));
        assert!(text.contains("STM32_Programmer_CLI.exe\" -c port=SWD") && text.contains("Device Manager"), "{text}");
        let (_, _, text) = asked(
            &format!("{F746}on my MacBook\n")
                .replace("Unknown USB Device (Device Descriptor Request Failed)", "it does not enumerate"),
        );
        assert!(text.contains("Contents/MacOs/bin/STM32_Programmer_CLI") && text.contains("system_profiler"), "{text}");
        let log = "Open On-Chip Debugger 0.12.0\nSTM32F407\nError: stm32x device protected\nError: failed erasing sectors 0 to 2\n";
        let (_, _, text) = asked(log);
        assert!(text.contains("target/stm32f4x.cfg -c") && text.contains("mdw 0x40023800 30"), "{text}");
    }

    #[test]
    fn a_cause_is_named_to_the_customer_only_if_it_stands_out() {
        let (_, triaged, text) = asked("STM32H753 in DFU mode\n23:42:46:012 : Error: Data read failed\n");
        assert!(triage_text::favourite(&triaged.verdict).is_none());
        assert!(text.contains("It does not settle the cause yet.") && !text.contains("may come from"), "{text}");
        let (_, _, text) = asked("STM32F407\nst-link already used by another program\nError: ST-LINK already used\n");
        assert!(text.contains("may come from this: Another program holds the device"), "{text}");
    }

    #[test]
    fn what_was_tried_in_vain_and_other_programs_are_not_asked_for() {
        let log = "STM32F407\nInfo : Target voltage: 3.2\nError: init mode failed (unable to connect to the target)\n";
        let (_, _, text) = asked(log);
        assert!(text.contains("connect_assert_srst") && !text.contains("STM32_Programmer_CLI"), "{text}");
        let (_, _, text) = asked(&format!("{log}I tried connecting under reset, it does not connect either.\n"));
        assert!(!text.contains("connect_assert_srst") && !text.contains("Connect under reset."), "{text}");
        assert!(!text.contains("flakescope"), "{text}");
    }

    #[test]
    fn a_target_out_of_reach_is_not_asked_for_its_registers() {
        let (_, _, text) =
            asked("STM32F407\nInfo : Target voltage: 3.2\nError: init mode failed (unable to connect to the target)\n");
        assert!(text.contains("voltage at the VDD") && !text.contains("-r32"), "{text}");
    }
}
