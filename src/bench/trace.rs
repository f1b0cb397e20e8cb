//! What a virtual board goes through, moment by moment, for who draws or explains it. No link reads this.

use crate::observation::units::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Micros,
    pub what: Happening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The core starts from reset.
    Starts,
    /// The pull-up goes on.
    Attaches,
    /// The pull-up goes off.
    Leaves,
}

/// A record of moments, kept only where somebody asked for it.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Vec<Moment>>);

impl Trace {
    pub fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    pub fn note(&mut self, at: Micros, what: Happening) {
        if let Some(moments) = &mut self.0 {
            moments.push(Moment { at, what });
        }
    }

    pub fn moments(&self) -> &[Moment] {
        self.0.as_deref().unwrap_or_default()
    }
}
