//! When a campaign that ends once it is decided may end.
//!
//! It looks after every boot, so that it would stop at the luckiest look. A cause therefore has to stay above the threshold while the campaign
//! grows by half (judgement).

/// At least so many boots on.
const LEAST: u32 = 4;

/// Since when the verdict has been decided without a break.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steadiness {
    since: Option<u32>,
}

impl Steadiness {
    /// Looks after so many boots; true once the decision has held for long enough.
    pub fn look(&mut self, boots: u32, decided: bool) -> bool {
        let Some(since) = self.since.filter(|_| decided) else {
            self.since = decided.then_some(boots);
            return false;
        };
        boots >= since + (since / 2).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_after(decided: impl Fn(u32) -> bool) -> Option<u32> {
        let mut steadiness = Steadiness::default();
        (1..=100).find(|boots| steadiness.look(*boots, decided(*boots)))
    }

    #[test]
    fn a_decision_has_to_hold_while_the_campaign_grows_by_half() {
        assert_eq!(ends_after(|boots| boots >= 20), Some(30));
        assert_eq!(ends_after(|boots| boots >= 2), Some(6), "four boots at least");
        assert_eq!(ends_after(|_| false), None);
    }

    #[test]
    fn a_break_begins_it_anew() {
        assert_eq!(ends_after(|boots| boots >= 20 && boots != 25), Some(39));
    }
}
