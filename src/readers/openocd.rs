//! OpenOCD, old and new, and the IDEs that print its lines.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::{Failure, FailureClass as F};
use crate::observation::step::Phase as P;

use crate::swd::{debug_port, stlink_status};

use super::message::{Line, Message, Says, Tool, first_hex, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "openocd";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("Open On-Chip Debugger", Says::Started),
    message("target/stm32", Says::Look(target_script)),
    message("Info : STLINK V", Says::Look(probe)),
    message("Info : clock speed", Says::Look(clock_speed)),
    message("Info : Target voltage:", Says::Look(voltage)),
    message("target voltage may be too low for reliable debugging", Says::Fails(F::LowVoltage, P::TargetVoltage)),
    message("init mode failed", Says::Fails(F::NoTarget, P::Connect)),
    message("interface/stlink-v", Says::Look(script_of_one_probe)),
    message("board/stm32", Says::Look(script_of_one_probe)),
    message("board/st_nucleo", Says::Look(script_of_one_probe)),
    message("Error: open failed", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("(): open failed", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("interface/", Says::Look(interface_script)),
    message("Error: unable to open ftdi device", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Error: unable to find a matching CMSIS-DAP device", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Error: unable to find CMSIS-DAP device", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Error: No J-Link device found", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("no ST-LINK detected", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("libusb_open() failed with", Says::Look(libusb_open)),
    message("libusb_bulk_write error:", Says::Fails(F::ProbeFault, P::Unknown)),
    message("libusb_bulk_read error:", Says::Fails(F::ProbeFault, P::Unknown)),
    message("the selected device is already used", Says::Fails(F::Busy, P::ProbeOpen)),
    message("libusb_claim_interface() failed", Says::Fails(F::Busy, P::ProbeOpen)),
    message("STLINK V1 API is not supported", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("jtag status contains invalid mode value", Says::Fails(F::NotHalted, P::Halt)),
    message("Previous state query failed, trying to reconnect", Says::Fails(F::NoTarget, P::Halt)),
    message("Polling target", Says::Look(polling)),
    message("Fail reading CTRL/STAT register", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("Failed to read memory at", Says::Look(memory)),
    message("Failed to write memory at", Says::Look(memory)),
    message("Error connecting DP: cannot read IDR", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("JTAG-DP STICKY ERROR", Says::Fails(F::SwdFault, P::Connect)),
    message("SWD DPIDR", Says::Look(debug_port_read)),
    message("SWD IDCODE", Says::Look(debug_port_read)),
    message("Invalid ACK", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("UNEXPECTED idcode", Says::Look(unexpected_idcode)),
    message("Error: expected 1 of 1", Says::Look(expected_idcode)),
    message("timed out while waiting for target halted", Says::Fails(F::NotHalted, P::Halt)),
    message("TARGET: ", Says::Look(not_halted)),
    message("Examination failed", Says::Fails(F::NoTarget, P::Connect)),
    message("target not examined yet", Says::Fails(F::NoTarget, P::Connect)),
    message("hardware has", Says::Look(examined)),
    message("target halted due to", Says::Done(P::Halt)),
    message("Unable to reset target", Says::Fails(F::NotHalted, P::Reset)),
    message("device id = 0x", Says::Look(device_id)),
    message("Cannot identify target as a STM32", Says::Fails(F::IdMismatch, P::Identify)),
    message("auto_probe failed", Says::Fails(F::IdMismatch, P::Identify)),
    message("STM32 flash size failed", Says::Fails(F::ReadFailed, P::Identify)),
    message("stm32x device protected", Says::Fails(F::WriteProtected, P::Erase)),
    message("Device Security Bit Set", Says::Fails(F::Protected, P::Connect)),
    message("failed to unlock device", Says::Fails(F::Protected, P::ReadUnprotect)),
    message("timed out waiting for flash", Says::Fails(F::Timeout, P::Erase)),
    message("failed erasing sectors", Says::Fails(F::EraseFailed, P::Erase)),
    message("error writing to flash", Says::Fails(F::WriteFailed, P::Write)),
    message("flash memory write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("flash write failed", Says::Fails(F::WriteFailed, P::Write)),
    message("flash write algorithm aborted by target", Says::Fails(F::WriteFailed, P::Write)),
    message("error executing stm32", Says::Fails(F::WriteFailed, P::Write)),
    message("timeout waiting for algorithm", Says::Fails(F::Timeout, P::Write)),
    message("** Programming Started **", Says::Begins(P::Write)),
    message("** Programming Finished **", Says::Done(P::Write)),
    message("** Programming Failed **", Says::Fails(F::WriteFailed, P::Write)),
    message("bytes from file ", Says::Look(wrote)),
    message(" bytes in ", Says::Look(verified)),
    message("Info : J-Link V", Says::Look(opened)),
    message("** Verified OK **", Says::Done(P::Verify)),
    message("** Verify Failed **", Says::Fails(F::VerifyFailed, P::Verify)),
    message("checksum mismatch - attempting binary compare", Says::Look(mismatch)),
    message("Can't find interface/", Says::Look(script_missing)),
    message("Can't find target/", Says::Look(script_missing)),
    message("Can't find board/", Says::Look(script_missing)),
    message("Error: invalid command name", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Error: Can't find -", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Error: unable to select transport", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug adapter doesn't support any transports", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("couldn't bind", Says::Fails(F::Busy, P::Open)),
    message("stlink_dap_op_connect", Says::Nothing),
    message("Error: SWD ", Says::Look(swd_error)),
    message("unknown/unexpected STLINK status code", Says::Look(status_code)),
    message("Check JTAG interface, timings, target power", Says::Nothing),
    message("JTAG scan chain interrogation failed", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("IR capture error at bit", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("Trying to use configured scan chain anyway", Says::Nothing),
    message("Error: read version failed", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Error: reset device failed", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Error: failed to send USB CMD", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("Error: failed to receive USB CMD response", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("mode (transport) not supported by device", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("selected mode (transport) not supported", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("ST-Link adapter only supports deprecated HLA", Says::Fails(F::ProbeFirmware, P::ProbeOpen)),
    message("ST-LINK open failed (serial mismatch)", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("ST-LINK open failed (vid/pid mismatch)", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("cannot connect to stlink server", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("voltage check failed", Says::Fails(F::ProbeFault, P::TargetVoltage)),
    message("Connecting DP: stalled AP operation", Says::Fails(F::SwdWait, P::Connect)),
    message("stalled AP operation, issuing ABORT", Says::Fails(F::SwdWait, P::Connect)),
    message("Debug regions are unpowered", Says::Fails(F::PowerUp, P::Connect)),
    message("DP initialisation failed", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not initialize the debug port", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not find MEM-AP to control the core", Says::Fails(F::NoTarget, P::Connect)),
    message("Error: Failed to read memory and, additionally", Says::Fails(F::ReadFailed, P::Read)),
    message("Error: Failed to write memory and, additionally", Says::Fails(F::WriteFailed, P::Write)),
    message("is unrecognized", Says::Look(core_unrecognized)),
    message("Timeout waiting for DCRDR transfer ready", Says::Fails(F::NotHalted, P::Halt)),
    message("target was in unknown state when halt was requested", Says::Fails(F::NotHalted, P::Halt)),
    message("Error: Target not halted", Says::Fails(F::NotHalted, P::Halt)),
    message("Warn : target not halted", Says::Fails(F::NotHalted, P::Halt)),
    message("external reset detected", Says::Look(reset_from_outside)),
    message("target needs reset", Says::Nothing),
    message("clearing lockup after double fault", Says::Nothing),
    message("Error executing event gdb-attach", Says::Nothing),
    message("no flash bank found for address", Says::Look(no_bank)),
    message("Error: No flash at address", Says::Fails(F::AddressRefused, P::Write)),
    message("Flash access does not fit into bank", Says::Fails(F::AddressRefused, P::Write)),
    message("Cannot identify target as an STM32", Says::Fails(F::IdMismatch, P::Identify)),
    message("Cannot identify target as a stm32", Says::Fails(F::IdMismatch, P::Identify)),
    message("Flash pages count cannot be zero", Says::Fails(F::ReadFailed, P::Identify)),
    message("Failed to execute algorithm at 0x", Says::Fails(F::WriteFailed, P::Write)),
    message("Error: block write failed", Says::Fails(F::WriteFailed, P::Write)),
    message("Error erase sector", Says::Look(erase_of_sector)),
    message("erase time-out or operation error sector", Says::Fails(F::EraseFailed, P::Erase)),
    message("wait_flash_op_queue, write protection error", Says::Fails(F::WriteProtected, P::Write)),
    message("wait_flash_op_queue, time out expired", Says::Fails(F::Timeout, P::Write)),
    message("access denied / write protected", Says::Fails(F::WriteProtected, P::Write)),
    message("PELOCK is not cleared", Says::Fails(F::WriteProtected, P::Write)),
    message("PRGLOCK is not cleared", Says::Fails(F::WriteProtected, P::Write)),
    message("error changing option bytes (OPTCHANGEERR=1)", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("waiting for OBL launch, time out expired", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("error during the lock of flash options", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("cannot set the requested protection", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("failed setting protection for blocks", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("failed setting protection for areas", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("stm32x failed to erase options", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("failed to read options", Says::Fails(F::ReadFailed, P::OptionBytes)),
    message("stm32x failed to lock device", Says::Fails(F::WriteFailed, P::OptionBytesWrite)),
    message("is disabled for write commands", Says::Fails(F::WriteProtected, P::Otp)),
    message("mem2array: Read @", Says::Look(identity_read)),
    message("cannot erase OTP memory", Says::Fails(F::WriteProtected, P::Otp)),
    message("error reading to flash at address", Says::Fails(F::ReadFailed, P::Read)),
    message("error executing cortex_m crc algorithm", Says::Fails(F::VerifyFailed, P::Verify)),
    message("session transport was not selected", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("unable to select a session transport", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("No transport named", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug adapter doesn't support '", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug adapter does not support '", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug adapter does not support any transports", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Can't change session's transport after", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug Adapter has to be specified", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Debug Interface has to be specified", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("The specified adapter driver was not found", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("The specified debug interface was not found", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("An adapter speed is not selected in the init scripts", Says::Nothing),
    message("CMSIS-DAP command mismatch", Says::Fails(F::ProbeFault, P::Unknown)),
    message("CMSIS-DAP transfer count mismatch", Says::Fails(F::ProbeFault, P::Unknown)),
    message("CMSIS-DAP command failed", Says::Fails(F::ProbeFault, P::Unknown)),
    message("CMSIS-DAP command CMD_", Says::Look(probe_command)),
    message("CMSIS-DAP failed to connect in mode", Says::Fails(F::ProbeFault, P::ProbeOpen)),
    message("unable to open CMSIS-DAP device 0x", Says::Fails(F::Access, P::ProbeOpen)),
    message("Error: error writing USB data", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Error: error reading USB data", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Error: error writing data:", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Error: error reading data:", Says::Fails(F::ProbeFault, P::Unknown)),
    message("SWD: Read data parity mismatch", Says::Fails(F::Parity, P::Connect)),
    message("Multiple devices found, specify the desired device", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Error: Failed to open device: ", Says::Look(libusb_open)),
    message("jaylink_swd_io() failed", Says::Fails(F::ProbeFault, P::Connect)),
    message("jaylink_init() failed", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("** OpenOCD init failed **", Says::Nothing),
    message("** Unable to reset target **", Says::Fails(F::NotHalted, P::Reset)),
];

fn script_missing(notebook: &mut Notebook, line: &Line<'_>) {
    let script = line.value_of("Can't find").unwrap_or_default();
    let script = script.split_whitespace().next().unwrap_or_default();
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail(F::BadArguments, P::ProbeOpen, &format!("Can't find {script}"), line);
}

/// Such a script names the USB identity of the probe that it looks for.
fn script_of_one_probe(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains(".cfg") && (line.contains("-f ") || line.contains("[find ")) {
        notebook.fact("script-of-one-probe", FactValue::Flag(true), line);
    }
}

/// `STLINK V2J37S7 (API v2) VID:PID 0483:3748`, `STLINK v2 JTAG v28 API v2 SWIM v7 VID 0x0483 PID 0x3748`.
fn probe(notebook: &mut Notebook, line: &Line<'_>) {
    opened(notebook, line);
    let Some(text) = line.value_of("STLINK") else { return };
    notebook.text_fact("probe-firmware", text, line);
    if text.contains("V0J") || text.contains("0000:0000") {
        notebook.fact("probe-version-implausible", FactValue::Flag(true), line);
    }
}

/// Through libusb it tries one device after the other until one is the probe.
fn opened(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let other_device = |failure: &Failure| failure.phase == P::ProbeOpen && failure.class != F::ProbeFirmware;
    notebook.excuse_with_quotes(other_device, "the tool tried other devices before it opened the probe");
    notebook.done(P::ProbeOpen, line);
}

/// `wrote 16384 bytes from file zephyr.hex in 0.752763s (21.255 KiB/s)`
fn wrote(notebook: &mut Notebook, line: &Line<'_>) {
    if line.text.trim_start().starts_with("wrote ") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Write, line);
    }
}

/// `verified 13208 bytes in 0.134592s (95.834 KiB/s)`
fn verified(notebook: &mut Notebook, line: &Line<'_>) {
    if line.text.trim_start().starts_with("verified ") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Verify, line);
    }
}

/// What a script reads first is the identity; where that fails nothing of the target answers.
fn identity_read(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failed") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::NoTarget, P::Identify, "mem2array: Read failed", line);
    }
}

const WITHOUT_BANK: &str = "openocd-without-bank";

fn no_bank(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.remember(WITHOUT_BANK, "yes");
    notebook.fail_at(F::AddressRefused, P::Write, "no flash bank found for address", first_hex(line.text), line);
}

/// What has no flash at its address was not written, so it cannot verify.
fn mismatch(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let code = "checksum mismatch";
    if notebook.recall(WITHOUT_BANK).is_some() {
        notebook.normal(F::VerifyFailed, P::Verify, code, "a part of the image has no flash at its address", line);
    } else {
        notebook.fail(F::VerifyFailed, P::Verify, code, line);
    }
}

/// `unknown/unexpected STLINK status code 0x5`
fn status_code(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let status = first_hex(line.text).and_then(|code| u8::try_from(code).ok()).and_then(stlink_status::of_code);
    let class = status.and_then(|status| status.class).unwrap_or(F::ProbeFault);
    notebook.fail(class, P::Connect, status.map_or("unknown STLINK status", |status| status.name), line);
}

/// A processor that is none shows wires that read as zeros or ones, or another chip.
fn core_unrecognized(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("CPUID") {
        notebook.at_work(NAME, Transport::Swd, line);
        let nothing = matches!(first_hex(line.text), Some(0 | 0xffff_ffff));
        let class = if nothing { F::NoTarget } else { F::IdMismatch };
        notebook.fail(class, P::Identify, "unrecognized CPUID", line);
    }
}

/// Once is what a reset button or the probe does; again and again is something on the board.
fn reset_from_outside(notebook: &mut Notebook, line: &Line<'_>) {
    let seen = notebook.recall(RESETS).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0) + 1;
    notebook.remember(RESETS, seen.to_string());
    if seen == RESETS_OF_A_LOOP {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::ResetLoop, P::Halt, "external reset detected", line);
    }
}

const RESETS: &str = "openocd-resets";
const RESETS_OF_A_LOOP: u32 = 3;

fn erase_of_sector(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("Error: ") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::EraseFailed, P::Erase, "Error erase sector", line);
    }
}

fn probe_command(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failed") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::ProbeFault, P::ProbeOpen, "CMSIS-DAP command failed", line);
    }
}

/// `-f interface/stlink-v2-1.cfg`: which generation of probe the tool was told to look for.
fn interface_script(notebook: &mut Notebook, line: &Line<'_>) {
    let rest = line.text.split("interface/").nth(1).unwrap_or_default();
    if let Some(name) = rest.split(".cfg").next().filter(|name| rest.contains(".cfg") && name.len() <= 14) {
        notebook.text_fact("openocd-interface", &name.to_ascii_lowercase(), line);
    }
}

/// `-f target/stm32f4x.cfg`: which family the tool was told to expect.
fn target_script(notebook: &mut Notebook, line: &Line<'_>) {
    let rest = line.text.split("target/stm32").nth(1).unwrap_or_default();
    if let Some(series) = rest.split(".cfg").next().filter(|series| rest.contains(".cfg") && series.len() <= 5) {
        notebook.text_fact("openocd-target", &format!("stm32{}", series.to_ascii_lowercase()), line);
    }
}

fn clock_speed(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(khz) = line.value_of("clock speed").and_then(first_number) {
        notebook.fact("swd-frequency-khz", FactValue::Number(khz), line);
    }
}

fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(volts) = line.value_of("Target voltage").and_then(first_number) {
        target_voltage::note(notebook, volts, line);
    }
}

fn libusb_open(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let class = super::libusb::class_in(line.text).unwrap_or(F::NoProbe);
    let code = super::libusb::name_in(line.text).unwrap_or("libusb_open() failed");
    notebook.fail(class, P::ProbeOpen, code, line);
}

fn polling(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("failed") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::NoTarget, P::Halt, "Polling target failed", line);
    }
}

fn memory(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let reads = line.contains("read");
    let (class, phase) = if reads { (F::ReadFailed, P::Read) } else { (F::WriteFailed, P::Write) };
    notebook.fail_at(class, phase, "Failed to access memory", first_hex(line.text), line);
}

fn unexpected_idcode(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    if let Some(id) = first_hex(line.text) {
        notebook.fact("unexpected-idcode", FactValue::Flag(true), line);
        notebook.text_fact("idcode", &format!("{id:#010x}"), line);
        notebook.remember(IDCODE, id.to_string());
    }
    notebook.fail(F::IdMismatch, P::Identify, "UNEXPECTED idcode", line);
}

fn debug_port_read(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(id) = first_hex(line.text) {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Connect, line);
        notebook.text_fact("idcode", &format!("{id:#010x}"), line);
    }
}

const IDCODE: &str = "openocd-idcode";

/// Another kind of core than the script expects is another family of parts: a copy has the core of what it copies.
fn expected_idcode(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(expected) = line.text.rsplit(": ").next().and_then(first_hex) {
        notebook.at_work(NAME, Transport::Swd, line);
        let read = notebook.recall(IDCODE).and_then(|id| id.parse::<u32>().ok());
        if let Some(read) = read.filter(|&read| debug_port::is_of_another_core(read, expected)) {
            let words = format!(
                "the script expects a debug port {expected:#010x}, {read:#010x} is that of another kind of core"
            );
            notebook.fact_quoted("target-script-does-not-fit", FactValue::Flag(true), &words, line);
        }
        notebook.fail(F::IdMismatch, P::Identify, "expected another idcode", line);
    }
}

fn not_halted(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("not halted") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.fail(F::NotHalted, P::Halt, "Not halted", line);
    }
}

fn examined(notebook: &mut Notebook, line: &Line<'_>) {
    if line.contains("breakpoints") {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Connect, line);
    }
}

fn device_id(notebook: &mut Notebook, line: &Line<'_>) {
    if let Some(id) = line.value_of("device id").and_then(first_hex) {
        notebook.at_work(NAME, Transport::Swd, line);
        notebook.done(P::Identify, line);
        notebook.fact("dev-id", FactValue::Number(f64::from(id & 0xfff)), line);
    }
}

fn swd_error(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fail(F::NoAcknowledge, P::Connect, "SWD error", line);
}
