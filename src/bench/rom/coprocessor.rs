//! The coprocessor of a WB as a board's file describes it. What of it is assumed, and the one hypothesis, stand in `upgrade_service.rs`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::profile::fus_check::FusVersion;

/// The coprocessor side of a board, as its file describes it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Coprocessor {
    #[schemars(with = "String")]
    pub fus_version: FusVersion,
    /// Flash page at which an installed stack begins; absent where none is installed.
    pub stack_page: Option<u16>,
    /// The stack runs, and the service only after it was asked for twice.
    pub stack_runs: bool,
    /// Images older than this are refused.
    #[schemars(with = "String")]
    pub oldest_image: FusVersion,
    /// How long an image is checked before anything is written.
    pub check_ms: f64,
    /// How often the part resets after an installation.
    pub resets: u32,
    /// HYPOTHESIS: below this, erasing and programming inside the service fail.
    pub flash_needs_mv: f64,
}

impl Default for Coprocessor {
    fn default() -> Self {
        Self {
            fus_version: FusVersion(1, 2, 0),
            stack_page: None,
            stack_runs: false,
            oldest_image: FusVersion(0, 0, 0),
            check_ms: 500.0,
            resets: 2,
            flash_needs_mv: 2_500.0,
        }
    }
}
