//! What the clock recovery system (CRS) says about HSI48 and the frames of the host.

use crate::clock::hsi48;
use crate::observation::units::Ppm;

/// CRS_ISR, taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrsStatus {
    /// The last frame was within the limit.
    pub sync_ok: bool,
    pub sync_warning: bool,
    pub error: bool,
    /// A frame came at a time that makes no sense.
    pub sync_error: bool,
    /// A frame was expected and none came.
    pub sync_missed: bool,
    /// The trim is at its end: the oscillator cannot be pulled in.
    pub trim_overflow: bool,
    /// The deviation that was captured at the last frame.
    pub deviation: Ppm,
}

/// CRS_CR: whether recovery is at work at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrsControl {
    /// CEN: the frequency error counter runs.
    pub counting: bool,
    /// AUTOTRIMEN: the trim follows it.
    pub trimming: bool,
}

impl CrsStatus {
    pub fn of_isr(word: u32) -> Self {
        let bit = |number: u32| word >> number & 1 == 1;
        Self {
            sync_ok: bit(0),
            sync_warning: bit(1),
            error: bit(2),
            sync_error: bit(8),
            sync_missed: bit(9),
            trim_overflow: bit(10),
            deviation: hsi48::error_from_capture((word >> 16) as u16, bit(15)),
        }
    }

    /// One sentence for an engineer, the gravest finding first.
    pub fn sentence(&self, control: CrsControl) -> String {
        if !control.counting || !control.trimming {
            return "clock recovery is off: HSI48 runs at its raw accuracy, which is not enough for USB".into();
        }
        if self.trim_overflow {
            return format!("the trim of HSI48 is at its end and {} remain", self.deviation);
        }
        // What was missed stays noted until it is cleared, and there are no frames before and during a bus reset.
        if (self.sync_missed || self.sync_error) && !self.sync_ok {
            return "frames of the host are missing or come at the wrong time".into();
        }
        if !self.sync_ok && !self.sync_warning && !self.error {
            return "no frame of the host has been seen yet".into();
        }
        format!("HSI48 follows the frames of the host; the last one deviated by {}", self.deviation)
    }
}

impl CrsControl {
    pub const fn of_cr(word: u32) -> Self {
        Self { counting: word >> 5 & 1 == 1, trimming: word >> 6 & 1 == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ON: CrsControl = CrsControl { counting: true, trimming: true };

    #[test]
    fn a_locked_oscillator_is_told_with_its_deviation() {
        let status = CrsStatus::of_isr(12 << 16 | 1);
        assert_eq!(status.sentence(ON), "HSI48 follows the frames of the host; the last one deviated by +250 ppm");
    }

    #[test]
    fn recovery_that_is_off_outweighs_the_flags() {
        let status = CrsStatus::of_isr(1);
        assert!(status.sentence(CrsControl::of_cr(0x2020)).contains("clock recovery is off"));
        assert_eq!(CrsControl::of_cr(0x2060), ON);
    }

    #[test]
    fn a_trim_at_its_end_is_told() {
        let status = CrsStatus::of_isr(480 << 16 | 1 << 15 | 1 << 10);
        assert_eq!(status.sentence(ON), "the trim of HSI48 is at its end and -1.00 % remain");
    }

    #[test]
    fn silence_is_not_taken_for_a_lock() {
        assert_eq!(CrsStatus::of_isr(0).sentence(ON), "no frame of the host has been seen yet");
    }
}
