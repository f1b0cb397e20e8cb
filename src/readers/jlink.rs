//! SEGGER's J-Link Commander, GDB server and the DLL under them, in front of an STM32.

use crate::observation::event::Transport;
use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::{Line, Message, Says, Tool, first_hex, first_number};
use super::notebook::Notebook;
use super::target_voltage;

pub const NAME: &str = "jlink";

pub static TOOL: Tool = Tool { name: NAME, transport: Transport::Swd, messages: MESSAGES };

const fn message(needle: &'static str, says: Says) -> Message {
    Message { needle, says }
}

const MESSAGES: &[Message] = &[
    message("SEGGER J-Link Commander V", Says::Started),
    message("SEGGER J-Link GDB Server V", Says::Started),
    message("J-Link is connected.", Says::Done(P::ProbeOpen)),
    message("VTref=", Says::Look(voltage)),
    message("VTarget = ", Says::Look(voltage)),
    message("Cannot connect to J-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Could not connect to J-Link", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("Connecting to J-Link failed", Says::Fails(F::NoProbe, P::ProbeOpen)),
    message("The connected J-Link is defective", Says::Look(defective)),
    message("appears to be a J-Link clone", Says::Look(defective)),
    message("USB communication timed out", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Communication timed out: Requested", Says::Fails(F::ProbeFault, P::Unknown)),
    message("Found SW-DP with ID", Says::Look(debug_port)),
    message("Found SWD-DP with ID", Says::Look(debug_port)),
    message("Found Cortex-M", Says::Done(P::Connect)),
    message("Cortex-M0 identified.", Says::Done(P::Identify)),
    message("Cortex-M3 identified.", Says::Done(P::Identify)),
    message("Cortex-M4 identified.", Says::Done(P::Identify)),
    message("Cortex-M7 identified.", Says::Done(P::Identify)),
    message("Cortex-M33 identified.", Says::Done(P::Identify)),
    message("Could not connect to the target device", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not connect to target.", Says::Fails(F::NoTarget, P::Connect)),
    message("Please check power, connection and settings", Says::Fails(F::NoTarget, P::Connect)),
    message("Error occurred: Could not connect", Says::Fails(F::NoTarget, P::Connect)),
    message("Could not find core in Coresight setup", Says::Fails(F::NoTarget, P::Connect)),
    message("No device found on SWD", Says::Fails(F::NoTarget, P::Connect)),
    message("Failed to get index for device name", Says::Fails(F::BadArguments, P::ProbeOpen)),
    message("Unknown device. Is device connected", Says::Fails(F::NoTarget, P::Connect)),
    message("Can not attach to CPU", Says::Fails(F::NoTarget, P::Halt)),
    message("Cannot attach to CPU", Says::Fails(F::NoTarget, P::Halt)),
    message("Failed to attach to CPU", Says::Fails(F::NoTarget, P::Halt)),
    message("TotalIRLen = ?", Says::Fails(F::NoAcknowledge, P::Connect)),
    message("Failed to power up DAP", Says::Fails(F::PowerUp, P::Connect)),
    message("DAP error while", Says::Fails(F::SwdFault, P::Connect)),
    message("CPU could not be halted", Says::Fails(F::NotHalted, P::Halt)),
    message("Could not halt CPU", Says::Fails(F::NotHalted, P::Halt)),
    message("Timeout while waiting for CPU to halt", Says::Fails(F::NotHalted, P::Halt)),
    message("CPU did not halt after reset", Says::Fails(F::NotHalted, P::Reset)),
    message("Target voltage too low", Says::Fails(F::LowVoltage, P::TargetVoltage)),
    message("Supply voltage of target too low", Says::Fails(F::LowVoltage, P::TargetVoltage)),
    message("Active read protected", Says::Fails(F::Protected, P::Connect)),
    message("Active read protection", Says::Fails(F::Protected, P::Connect)),
    message("This device is read protected", Says::Fails(F::Protected, P::Connect)),
    message("device is secured. Debug", Says::Fails(F::Protected, P::Connect)),
    message("Failed to erase sectors", Says::Fails(F::EraseFailed, P::Erase)),
    message("Error while determining flash info", Says::Fails(F::ReadFailed, P::Identify)),
    message("Failed to prepare for programming", Says::Fails(F::WriteFailed, P::Write)),
    message("Failed to download RAMCode", Says::Fails(F::WriteFailed, P::Write)),
    message("RAM check failed @", Says::Fails(F::VerifyFailed, P::Write)),
    message("Programming failed @ address", Says::Look(programming)),
    message("Timeout while programming", Says::Fails(F::Timeout, P::Write)),
    message("Timeout while erasing", Says::Fails(F::Timeout, P::Erase)),
    message("Unspecified error -1", Says::Nothing),
    message("Verification failed @ address", Says::Fails(F::VerifyFailed, P::Verify)),
    message("Could not read memory.", Says::Fails(F::ReadFailed, P::Read)),
    message("Contents already match", Says::Done(P::Verify)),
    message("J-Link: Flash download: Total", Says::Done(P::Write)),
];

/// `VTref=3.293V`, `VTarget = 3.300V`.
fn voltage(notebook: &mut Notebook, line: &Line<'_>) {
    let volts = line.value_of("VTref").or_else(|| line.value_of("VTarget"));
    let Some(volts) = volts.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())).and_then(first_number) else {
        return;
    };
    notebook.at_work_if_alone(NAME, Transport::Swd, line);
    target_voltage::note(notebook, volts, line);
}

/// What the DLL says of a probe that is not SEGGER's own.
fn defective(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.fact("probe-clone-named", FactValue::Flag(true), line);
    notebook.fail(F::Other, P::ProbeOpen, "the probe is called a clone or defective", line);
}

fn debug_port(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    notebook.done(P::Connect, line);
    if let Some(id) = first_hex(line.text) {
        notebook.text_fact("idcode", &format!("{id:#010x}"), line);
    }
}

/// `Programming failed @ address 0x08000000 (Sector is write protected)`
fn programming(notebook: &mut Notebook, line: &Line<'_>) {
    notebook.at_work(NAME, Transport::Swd, line);
    let class = if line.contains("write protected") { F::WriteProtected } else { F::WriteFailed };
    notebook.fail_at(class, P::Write, "Programming failed", first_hex(line.text), line);
}
