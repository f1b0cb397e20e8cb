//! The identity register of the debug port (DPIDR, IDCODE).

/// Designer ARM, as JEP106 has it, with the bit that is always set.
const ARM: u32 = 0x477;
const DESIGNER: u32 = 0xFFF;
/// Part number, minimal flag and architecture of the port; above them is the revision, which parts of one core differ in.
const KIND: u32 = 0x0FFF_F000;

/// The port of a Cortex-M0 is 0x0bb11477, of an M0+ 0x0bc11477, of an M3 or M4 0x1ba01477 or 0x2ba01477, of an M7 0x5ba02477 or
/// 0x6ba02477, of an M33 0x0be12477.
pub fn is_of_another_core(one: u32, other: u32) -> bool {
    [one, other].iter().all(|id| id & DESIGNER == ARM) && (one ^ other) & KIND != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_does_not_make_another_core() {
        assert!(is_of_another_core(0x0bc1_1477, 0x0bb1_1477));
        assert!(is_of_another_core(0x6ba0_2477, 0x2ba0_1477));
        assert!(!is_of_another_core(0x2ba0_1477, 0x1ba0_1477));
        assert!(!is_of_another_core(0xffff_ffff, 0x1ba0_1477));
        assert!(!is_of_another_core(0x0700_0c13, 0x1ba0_1477));
    }
}
