//! The serial number that the ROM shows over USB.

use super::sheet::SerialRule;

/// The 96-bit unique identity as three words, lowest address first.
pub type Uid = [u32; 3];

impl SerialRule {
    /// `power_ons` counts how often the part has been switched on.
    pub fn serial(&self, uid: Uid, power_ons: u32) -> String {
        match self {
            Self::UidSum => uid_sum(uid),
            Self::UidSumUpperWord2 => uid_sum([uid[0], uid[2], uid[2]]),
            Self::Constant(text) => text.clone(),
            Self::NewAtPowerOn => uid_sum([uid[0].wrapping_add(power_ons.wrapping_mul(0x9e37_79b9)), uid[1], uid[2]]),
        }
    }
}

fn uid_sum(uid: Uid) -> String {
    format!("{:08X}{:04X}", uid[0].wrapping_add(uid[2]), uid[1] >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_gives_the_serials_that_were_seen_with_these_uids() {
        assert_eq!(SerialRule::UidSum.serial([0x002d_0030, 0x3334_510b, 0x3231_3533], 1), "325E35633334");
        let c071 = [u32::from_le_bytes([0x7a, 0, 0x25, 0]), u32::from_le_bytes([1, 0x50, 0x36, 0x42]), 0x2030_3748];
        assert_eq!(SerialRule::UidSum.serial(c071, 1), "205537C24236");
        let f3 = [0x003b_0041, 0x5033_5706, 0x2033_3333];
        assert_eq!(SerialRule::UidSumUpperWord2.serial(f3, 1), "206E33742033");
    }

    #[test]
    fn an_unreadable_uid_gives_the_serial_of_all_ones() {
        assert_eq!(SerialRule::UidSum.serial([u32::MAX; 3], 1), "FFFFFFFEFFFF");
    }

    #[test]
    fn some_parts_have_no_identity_in_their_serial() {
        let constant = SerialRule::Constant("200364500000".to_owned());
        assert_eq!(constant.serial([1, 2, 3], 1), constant.serial([4, 5, 6], 1));
        assert_ne!(SerialRule::NewAtPowerOn.serial([1, 2, 3], 1), SerialRule::NewAtPowerOn.serial([1, 2, 3], 2));
    }
}
