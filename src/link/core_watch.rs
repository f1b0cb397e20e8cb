//! The core of the target through its debug registers: whether it lives, and stopping it where that is allowed.

use crate::observation::fact::{Fact, FactValue};
use crate::observation::failure::FailureClass;
use crate::observation::units::{Address, Micros};
use crate::swd::core_debug::{
    C_DEBUGEN, C_HALT, CYCCNTENA, DEBUG_KEY, DEMCR, DHCSR, DWT_CTRL, DWT_CYCCNT, NOCYCCNT, S_HALT, S_LOCKUP,
    S_RESET_ST, S_RETIRE_ST, TRCENA, VC_CORERESET,
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

/// Lets the core go on and ends debugging.
pub fn let_go<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(), SwdFault> {
    Ok(wire.write_word(DHCSR, DEBUG_KEY)?)
}

/// Counts cycles of the core over a span of the link's time; puts the counter's switches back as they were.
pub fn clock<P: SwdProbe>(wire: &mut SwdWire<'_, P>, span: Micros, learned: &mut Vec<Fact>) -> Result<(), SwdFault> {
    let trace = wire.read_word(DEMCR)?;
    set(wire, DEMCR, trace, TRCENA)?;
    let counting = with_trace(wire, span);
    let restored = set_back(wire, DEMCR, trace);
    if let Some((hertz, uncertainty)) = counting? {
        learned.push(Fact::measured("core-clock", FactValue::FrequencyMhz(hertz / 1e6)));
        learned.push(Fact::measured("core-clock-uncertainty-ppm", FactValue::Number(uncertainty * 1e6)));
    }
    restored
}

fn with_trace<P: SwdProbe>(wire: &mut SwdWire<'_, P>, span: Micros) -> Result<Option<(f64, f64)>, SwdFault> {
    let control = wire.read_word(DWT_CTRL)?;
    if control & NOCYCCNT != 0 {
        return Ok(None);
    }
    set(wire, DWT_CTRL, control, CYCCNTENA)?;
    let counted = count(wire, span);
    let restored = set_back(wire, DWT_CTRL, control);
    let counted = counted?;
    restored?;
    Ok(counted)
}

/// Frequency and its relative uncertainty; nothing where the counter stands.
fn count<P: SwdProbe>(wire: &mut SwdWire<'_, P>, span: Micros) -> Result<Option<(f64, f64)>, SwdFault> {
    let (began, began_for, first) = stamped(wire)?;
    let span = span.min(wire.remaining());
    wire.probe().wait(span);
    let (ended, ended_for, last) = stamped(wire)?;
    let cycles = f64::from(last.wrapping_sub(first));
    let seconds = (ended - began).as_secs_f64();
    if cycles == 0.0 || seconds == 0.0 {
        return Ok(None);
    }
    // Each reading happened somewhere within its call.
    let uncertainty = (began_for + ended_for).as_secs_f64() / 2.0 / seconds;
    Ok(Some((cycles / seconds, uncertainty)))
}

/// The middle and the length of the call, and the counter.
fn stamped<P: SwdProbe>(wire: &mut SwdWire<'_, P>) -> Result<(Micros, Micros, u32), SwdFault> {
    let before = wire.probe().now();
    let cycles = wire.read_word(DWT_CYCCNT)?;
    let length = wire.probe().now() - before;
    Ok((before + Micros(length.0 / 2), length, cycles))
}

fn set<P: SwdProbe>(wire: &mut SwdWire<'_, P>, register: Address, before: u32, bit: u32) -> Result<(), SwdFault> {
    if before & bit == 0 {
        wire.write_word(register, before | bit)?;
    }
    Ok(())
}

fn set_back<P: SwdProbe>(wire: &mut SwdWire<'_, P>, register: Address, before: u32) -> Result<(), SwdFault> {
    if wire.read_word(register)? != before {
        wire.write_word(register, before)?;
    }
    Ok(())
}
