//! The factors that a campaign can vary by itself, and what their levels are called in a case.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactorName {
    /// Bytes per UPLOAD.
    TransferSize,
    /// The speed of SWCLK.
    Speed,
    /// How the probe takes hold of the target.
    Connect,
    /// Bytes that are read over SWD at once.
    Block,
    /// Which link a cycle goes over, where both are used.
    Link,
    /// Whether a debug probe hangs on the board: a second ground, a pull-up on NRST, a way for current into the rail.
    Probe,
}

/// The levels of [`FactorName::Probe`].
pub const PROBE_ATTACHED: &str = "attached";
pub const PROBE_DETACHED: &str = "detached";

impl FactorName {
    pub const fn name(self) -> &'static str {
        match self {
            Self::TransferSize => "transfer-size",
            Self::Speed => "speed",
            Self::Connect => "connect",
            Self::Block => "block",
            Self::Link => "link",
            Self::Probe => "probe",
        }
    }
}
