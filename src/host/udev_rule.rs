//! The udev rule that lets ordinary users open a board.

/// Where the rule goes.
pub const RULE_FILE: &str = "/etc/udev/rules.d/60-flakescope.rules";

/// One rule for a vendor and product; `uaccess` gives the device to whoever sits at the computer.
pub fn rule_for(vendor_id: u16, product_id: u16) -> String {
    format!(
        "SUBSYSTEM==\"usb\", ATTRS{{idVendor}}==\"{vendor_id:04x}\", ATTRS{{idProduct}}==\"{product_id:04x}\", MODE=\"0660\", TAG+=\"uaccess\""
    )
}

/// What to do, for a person who was refused.
pub fn mend_for(vendor_id: u16, product_id: u16) -> String {
    format!(
        "put this line into {RULE_FILE}, run `sudo udevadm control --reload` and plug the board in again:\n  {}",
        rule_for(vendor_id, product_id)
    )
}

/// The same for a probe that is reached through its HID node.
pub fn hid_mend_for(vendor_id: u16, product_id: u16) -> String {
    format!(
        "put this line into {RULE_FILE}, run `sudo udevadm control --reload` and plug the probe in again:\n  \
         KERNEL==\"hidraw*\", ATTRS{{idVendor}}==\"{vendor_id:04x}\", ATTRS{{idProduct}}==\"{product_id:04x}\", MODE=\"0660\", TAG+=\"uaccess\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_the_board() {
        let rule = rule_for(0x0483, 0xdf11);
        assert!(rule.contains("ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"df11\""), "{rule}");
    }
}
