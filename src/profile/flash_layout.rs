//! Compares the flash layout that a board shows over DFU with what profiles know.

use crate::dfu::layout::Layout;
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;

use super::memory::{Flash, FlashRegion};

/// The runs of equal sectors in the first address group of a layout string; `None` if it names no memory.
pub fn regions(layout: &str) -> Option<Vec<FlashRegion>> {
    let layout = Layout::parse(&FieldText::from(layout));
    let group = layout.groups.first()?;
    let mut at = group.address.0;
    let mut regions = Vec::new();
    for segment in &group.segments {
        regions.push(FlashRegion { at: Address(at), sectors: segment.count, sector_bytes: segment.size_bytes });
        at = at.checked_add(segment.count.checked_mul(segment.size_bytes)?)?;
    }
    (!regions.is_empty()).then(|| merged(&regions))
}

/// Whether a part's flash can look like this: a string that its ROM was seen to show, or one of its maps.
pub fn fits(flash: &Flash, shown: &[FlashRegion]) -> bool {
    let strings = flash.layouts.iter().filter_map(|string| regions(string));
    let maps = flash.maps.iter().map(|map| merged(&map.regions));
    strings.chain(maps).any(|known| known == shown)
}

/// Neighbouring runs of equal sectors become one, so that two banks and one long run compare equal.
fn merged(regions: &[FlashRegion]) -> Vec<FlashRegion> {
    let mut merged: Vec<FlashRegion> = Vec::new();
    for region in regions {
        match merged.last_mut() {
            Some(last) if last.sector_bytes == region.sector_bytes && end(last) == u64::from(region.at.0) => {
                last.sectors = last.sectors.saturating_add(region.sectors);
            }
            _ => merged.push(*region),
        }
    }
    merged
}

fn end(region: &FlashRegion) -> u64 {
    u64::from(region.at.0) + u64::from(region.sectors) * u64::from(region.sector_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_banks_and_one_run_are_the_same_memory() {
        let banks = [
            FlashRegion { at: Address(0x0800_0000), sectors: 8, sector_bytes: 131_072 },
            FlashRegion { at: Address(0x0810_0000), sectors: 8, sector_bytes: 131_072 },
        ];
        assert_eq!(regions("@Internal Flash   /0x08000000/16*128Kg"), Some(merged(&banks)));
    }

    #[test]
    fn garbage_after_the_string_does_not_hide_the_memory() {
        let clean = regions("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg");
        assert!(clean.is_some());
        assert_eq!(regions("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg\u{101}\u{9}"), clean);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_string_is_compared_without_a_panic(layout in "@?.{0,20}/0x[0-9A-F]{1,9}/[0-9]{1,10}\\*[0-9]{1,10}[BKMg ]{0,2}.{0,10}") {
            regions(&layout);
        }
    }
}
