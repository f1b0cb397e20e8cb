//! The core of the target through its debug registers: whether it lives, and stopping it where that is allowed.

use crate::observation::failure::FailureClass;
use crate::observation::units::Micros;
use crate::swd::core_debug::{
    AIRCR, C_DEBUGEN, C_HALT, DEBUG_KEY, DEMCR, DHCSR, S_HALT, S_LOCKUP, S_RESET_ST, S_RETIRE_ST, SYSRESETREQ,
    VC_CORERESET,
};

use super::swd_probe::SwdProbe;
use super::swd_session::SwdFault;
use super::swd_wire::SwdWire;

/// How often the core is looked at before it is said to be in reset or to reset itself.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Micros = Micros::from_millis(15);
/// How long a core may take to stop.
const HALT_PATIENCE: Micros = Micros::from_millis(200);
const BETWEEN_POLLS: Micros = Micros::from_millis(2);

/// Whether the core is in reset, resets again and again, or stands still. Reads only.
pub fn look<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    // The first reading tells of the time before, since any reset since power-on sets its flag.
    let first = wire.read_word(DHCSR)?;
    if first & (S_HALT | S_LOCKUP) == 0 && first & S_RESET_ST == 0 {
        return Ok(());
    }
    let (mut resets, mut lives, mut last) = (0, 0, first);
    for _ in 0..LOOKS {
        wire.probe().wait(BETWEEN_LOOKS);
        last = wire.read_word(DHCSR)?;
        resets += u32::from(last & S_RESET_ST != 0);
        lives += u32::from(last & S_RETIRE_ST != 0);
    }
    let status = format!("DHCSR 0x{last:08X}");
    match (resets, lives) {
        (LOOKS, 0) => Err(SwdFault::new(FailureClass::HeldInReset, status)),
        (2.., _) => {
            Err(SwdFault::new(FailureClass::ResetLoop, format!("{resets} of {LOOKS} looks saw a reset; {status}")))
        }
        _ if last & S_LOCKUP != 0 => Err(SwdFault::new(FailureClass::Halted, format!("locked up; {status}"))),
        _ if last & S_HALT != 0 => Err(SwdFault::new(FailureClass::Halted, format!("halted by a debugger; {status}"))),
        _ => Ok(()),
    }
}

/// Stops the core.
pub fn halt<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    wire.write_word(DHCSR, DEBUG_KEY | C_DEBUGEN | C_HALT)?;
    await_halt(wire)
}

fn await_halt<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    let until = wire.probe().now() + HALT_PATIENCE;
    loop {
        let status = wire.read_word(DHCSR)?;
        if status & S_HALT != 0 {
            return Ok(());
        }
        if wire.probe().now() >= until {
            let in_reset = status & S_RESET_ST != 0 && status & S_RETIRE_ST == 0;
            let class = if in_reset { FailureClass::HeldInReset } else { FailureClass::NotHalted };
            return Err(SwdFault::new(class, format!("DHCSR 0x{status:08X}")));
        }
        wire.probe().wait(BETWEEN_POLLS);
    }
}

/// With NRST low: arranges that the core stops at its first instruction, and lets NRST go.
pub fn catch_reset<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    let before = wire.read_word(DEMCR)?;
    wire.write_word(DHCSR, DEBUG_KEY | C_DEBUGEN)?;
    wire.write_word(DEMCR, before | VC_CORERESET)?;
    wire.reset_line(false)?;
    let caught = await_halt(wire);
    let restored = wire.write_word(DEMCR, before & !VC_CORERESET);
    caught?;
    Ok(restored?)
}

/// Resets the part and stops it at its first instruction.
pub fn catch_software_reset<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    let before = wire.read_word(DEMCR)?;
    wire.write_word(DHCSR, DEBUG_KEY | C_DEBUGEN)?;
    wire.write_word(DEMCR, before | VC_CORERESET)?;
    // The reset may come before the answer.
    let asked = wire.write_word(AIRCR, SYSRESETREQ);
    let caught = await_halt(wire);
    let restored = wire.write_word(DEMCR, before & !VC_CORERESET);
    if caught.is_err() {
        asked?;
    }
    caught?;
    Ok(restored?)
}

/// Lets the core go on and ends debugging.
pub fn let_go<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    Ok(wire.write_word(DHCSR, DEBUG_KEY)?)
}
