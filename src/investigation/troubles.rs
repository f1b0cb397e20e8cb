//! Programs of the user that did not do what they were asked to: sensors that gave no value, hooks that failed. Each is told once, with
//! how often, beside the verdict: a campaign goes on without them, and nobody should think that they were heard.

use crate::campaign::attend::{HOOK_FAILED, NOT_READ};
use crate::observation::field_text::FieldText;

/// More different ones are not told apart.
const KEPT: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct Troubles(Vec<Trouble>);

#[derive(Clone, Debug)]
struct Trouble {
    what: &'static str,
    why: String,
    times: u64,
}

impl Troubles {
    pub fn note(&mut self, note: &FieldText) {
        let found = [(NOT_READ, "A sensor gave no value"), (HOOK_FAILED, "The program of --on-failure failed")];
        let text = note.for_terminal();
        let Some((rest, what)) = found.into_iter().find_map(|(prefix, what)| Some((text.strip_prefix(prefix)?, what)))
        else {
            return;
        };
        // The number of the cycle stands before the reason.
        let why = rest.split_once(": ").map_or(rest, |(_, why)| why).to_owned();
        if let Some(known) = self.0.iter_mut().find(|trouble| trouble.what == what && trouble.why == why) {
            known.times += 1;
        } else if self.0.len() < KEPT {
            self.0.push(Trouble { what, why, times: 1 });
        }
    }

    /// Sentences for the limits of a campaign.
    pub fn limits(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|Trouble { what, why, times }| {
            let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!("{what}, {times}: {why}.")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_with_how_often() {
        let mut troubles = Troubles::default();
        for cycle in 1..=3 {
            troubles
                .note(&FieldText::new(format!("{NOT_READ}cycle {cycle}: sensor `vdd` ended with exit status: 127")));
        }
        troubles.note(&FieldText::new(format!("{HOOK_FAILED}cycle 2: `scope` ended with exit status: 1")));
        troubles.note(&FieldText::new("note by a person: sensor"));
        let limits: Vec<_> = troubles.limits().collect();
        assert_eq!(
            limits,
            [
                "A sensor gave no value, 3 times: sensor `vdd` ended with exit status: 127.",
                "The program of --on-failure failed, once: `scope` ended with exit status: 1."
            ]
        );
    }
}
