//! What the reset flags say to a probe beside a campaign. They are sticky: only those count that were set after they had been cleared
//! in the same boot, and a flag that is missing clears nobody.

use std::collections::BTreeMap;

use crate::observation::fact::{Fact, FactValue};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device;

/// The key of flags that count, and of those that do not.
pub const SINCE_CLEARED: &str = "reset-flags-since-cleared";
pub const SINCE_UNKNOWN: &str = "reset-flags-since-unknown";

/// Since when the flags have been collecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    SinceUnknown,
    ClearedThisBoot,
}

/// The flags that are set; nothing where the register was not read.
pub fn told(dev_id: Option<u16>, words: &BTreeMap<Address, u32>, flags: Flags) -> Option<Fact> {
    let devices = device::catalogue().ok()?;
    let register =
        devices.by_dev_id(dev_id?).into_iter().find_map(|device| device.registers.as_ref()?.reset_cause.as_ref())?;
    let word = *words.get(&register.address)?;
    let names = register.names(word);
    let (key, since) = match flags {
        Flags::ClearedThisBoot => (SINCE_CLEARED, "cleared at the beginning of the boot"),
        Flags::SinceUnknown => (SINCE_UNKNOWN, "sticky, and never cleared in this boot"),
    };
    let quote = FieldText::new(format!("{names} ({since})"));
    Some(Fact { quote: Some(quote), ..Fact::measured(key, FactValue::Text(FieldText::from(names.as_str()))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_with_the_time_since_when_they_count() {
        let words = BTreeMap::from([(Address(0x4002_3874), 0x2400_0003)]);
        let fact = told(Some(0x413), &words, Flags::ClearedThisBoot).unwrap();
        assert_eq!((fact.key.as_str(), fact.value), (SINCE_CLEARED, FactValue::Text("PINRSTF IWDGRSTF".into())));
        let fact = told(Some(0x413), &words, Flags::SinceUnknown).unwrap();
        assert_eq!(fact.key, SINCE_UNKNOWN);
        assert!(fact.quote.unwrap().raw().contains("never cleared"));
    }

    #[test]
    fn what_was_not_read_is_not_told() {
        assert_eq!(told(Some(0x413), &BTreeMap::new(), Flags::ClearedThisBoot), None);
        assert_eq!(told(None, &BTreeMap::new(), Flags::ClearedThisBoot), None);
    }
}
