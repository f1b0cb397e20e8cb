//! Memory that was read by any tool: raw bytes, or lines of an address and words as STM32CubeProgrammer and OpenOCD print them.

use crate::observation::units::Address;

use super::option_bytes::Reading;

/// Takes a dump apart. Lines such as `0x40023C14 : 0FFFAAED` say their own addresses; raw bytes begin at `start`.
pub fn readings(dump: &[u8], start: Address) -> Vec<Reading> {
    let lines = std::str::from_utf8(dump).map(of_lines).unwrap_or_default();
    if lines.is_empty() { vec![Reading { address: start, bytes: dump.to_vec() }] } else { lines }
}

/// Every line that is an address and words; neighbours are joined. What else stands in the text is passed over.
fn of_lines(text: &str) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    for (address, bytes) in text.lines().filter_map(line) {
        match readings.last_mut() {
            Some(last) if u64::from(last.address.0) + last.bytes.len() as u64 == u64::from(address.0) => {
                last.bytes.extend(bytes);
            }
            _ => readings.push(Reading { address, bytes }),
        }
    }
    readings
}

/// A time stamp may stand before the address.
fn line(line: &str) -> Option<(Address, Vec<u8>)> {
    let from = line.find("0x").or_else(|| line.find("0X"))?;
    let (address, words) = line[from + 2..].split_once(':')?;
    let address = u32::from_str_radix(address.trim(), 16).ok()?;
    let words = words.split_whitespace().map(|word| {
        let digits = word.trim_start_matches("0x").trim_start_matches("0X");
        (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    });
    let words: Option<Vec<u32>> = words.collect();
    let bytes: Vec<u8> = words?.into_iter().flat_map(u32::to_le_bytes).collect();
    (!bytes.is_empty()).then_some((Address(address), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_with_addresses_are_read_and_joined() {
        let text = "08:58:45:123 : 0x1FFF8000 : 3DFFF1AA C2000E55\n0x1FFF8008: 0x000001FF\nData read successfully\n";
        let readings = readings(text.as_bytes(), Address(0));
        assert_eq!(readings.len(), 1);
        assert_eq!(readings[0].address, Address(0x1FFF_8000));
        assert_eq!(readings[0].bytes, [0xAA, 0xF1, 0xFF, 0x3D, 0x55, 0x0E, 0x00, 0xC2, 0xFF, 0x01, 0x00, 0x00]);
    }

    #[test]
    fn raw_bytes_begin_where_they_are_said_to() {
        let raw = [0xFF, 0xAA, 0x00, 0x55];
        assert_eq!(
            readings(&raw, Address(0x1FFF_C000)),
            [Reading { address: Address(0x1FFF_C000), bytes: raw.to_vec() }]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_taken_without_a_panic(dump in proptest::collection::vec(any::<u8>(), 0..200)) {
            readings(&dump, Address(u32::MAX));
        }

        #[test]
        fn any_line_is_taken_without_a_panic(text in "(0x)?[0-9a-fA-F: x\u{e9}]{0,60}") {
            readings(text.as_bytes(), Address(0));
        }
    }
}
