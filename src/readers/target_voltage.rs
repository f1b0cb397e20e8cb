//! What a probe reads at its reference pin, whichever tool prints it.

use crate::observation::fact::FactValue;
use crate::observation::failure::FailureClass as F;
use crate::observation::step::Phase as P;

use super::message::Line;
use super::notebook::Notebook;

/// Notes the probe's reading and what is wrong with it: about 0 V or above 5 V is an open reference pin, or no supply.
pub fn note(notebook: &mut Notebook, volts: f64, line: &Line<'_>) {
    notebook.fact("target-voltage", FactValue::Volts(volts), line);
    let code = format!("{volts:.2} V");
    if volts < 0.5 {
        notebook.fact("target-voltage-zero", FactValue::Flag(true), line);
        notebook.fail(F::LowVoltage, P::TargetVoltage, &code, line);
    } else if volts < 1.65 {
        notebook.fact("target-voltage-low", FactValue::Flag(true), line);
        notebook.fail(F::LowVoltage, P::TargetVoltage, &code, line);
    } else if volts > 5.4 {
        notebook.fact("target-voltage-implausible", FactValue::Flag(true), line);
    } else if volts > 2.7 {
        notebook.fact("target-voltage-good", FactValue::Flag(true), line);
    }
}
