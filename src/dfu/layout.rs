//! DfuSe layout strings: the memory behind an alternate setting, as the device describes it in its interface string.

use serde::{Deserialize, Serialize};

use crate::observation::field_text::FieldText;
use crate::observation::units::Address;

/// A parsed layout string. Reading is tolerant: what does not follow the grammar is kept as a defect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// As the device sent it.
    pub raw: FieldText,
    /// What stands between `@` and the first `/`, without padding.
    pub name: FieldText,
    pub groups: Vec<Group>,
    pub defects: Vec<LayoutDefect>,
}

/// Consecutive segments from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub address: Address,
    pub segments: Vec<Segment>,
}

/// `count` pages or sectors of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub count: u32,
    pub size_bytes: u32,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub read: bool,
    pub erase: bool,
    pub write: bool,
}

/// What the name says the memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Flash,
    OptionBytes,
    Otp,
    DeviceFeature,
    Other,
}

/// Where a layout string leaves the grammar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayoutDefect {
    /// It does not begin with `@`, so it is no layout string at all.
    NoAtSign,
    /// There is no `/address/segments` after the name.
    NoGroup,
    /// The address lacks `0x`.
    AddressWithoutPrefix,
    AddressUnreadable,
    /// A comma with nothing after it.
    TrailingComma,
    SegmentUnreadable,
    /// Neither blank, B, K nor M.
    UnknownUnit(char),
    /// No access letter from a to g.
    NoAccessLetter,
    /// Characters after the end of the grammar; they were cut off.
    TrailingGarbage,
}

impl LayoutDefect {
    pub const fn meaning(&self) -> &'static str {
        match self {
            Self::NoAtSign => "does not begin with @",
            Self::NoGroup => "names no memory",
            Self::AddressWithoutPrefix => "has an address without 0x",
            Self::AddressUnreadable => "has an unreadable address",
            Self::TrailingComma => "ends in a comma",
            Self::SegmentUnreadable => "has an unreadable segment",
            Self::UnknownUnit(_) => "has a size with an unknown unit",
            Self::NoAccessLetter => "has a segment without an access letter",
            Self::TrailingGarbage => "is followed by garbage",
        }
    }
}

impl Layout {
    pub fn parse(raw: &FieldText) -> Self {
        let mut defects = Vec::new();
        let Some(body) = raw.raw().strip_prefix('@') else {
            let name = FieldText::from(raw.raw().trim());
            return Self { raw: raw.clone(), name, groups: Vec::new(), defects: vec![LayoutDefect::NoAtSign] };
        };
        let (name, memory) = body.find('/').map_or((body, ""), |at| body.split_at(at));
        let mut reader = Reader { rest: memory };
        let mut groups = Vec::new();
        while reader.skip('/') {
            match group(&mut reader, &mut defects) {
                Some(group) => groups.push(group),
                None => break,
            }
        }
        if groups.is_empty() && defects.is_empty() {
            defects.push(LayoutDefect::NoGroup);
        } else if defects.is_empty() && !reader.rest.trim_end_matches([' ', '\0']).is_empty() {
            defects.push(LayoutDefect::TrailingGarbage);
        }
        let name = FieldText::from(name.trim());
        let mut layout = Self { raw: raw.clone(), name, groups, defects };
        layout.apply_device_feature_rule();
        layout
    }

    /// The Device Feature area is read and write whatever its letter says.
    fn apply_device_feature_rule(&mut self) {
        if self.area() == Area::DeviceFeature {
            let segments = self.groups.iter_mut().flat_map(|group| &mut group.segments);
            segments.for_each(|segment| segment.access = Access { read: true, erase: false, write: true });
        }
    }

    pub fn area(&self) -> Area {
        let name = self.name.raw().to_ascii_lowercase();
        if name.starts_with("device feature") {
            Area::DeviceFeature
        } else if name.starts_with("option byte") {
            Area::OptionBytes
        } else if name.starts_with("otp") {
            Area::Otp
        } else if name.contains("flash") {
            Area::Flash
        } else {
            Area::Other
        }
    }

    pub fn size_bytes(&self) -> u64 {
        self.groups.iter().map(Group::size_bytes).sum()
    }

    /// Whether `length_bytes` from `address` lie in one group of this memory.
    pub fn covers(&self, address: Address, length_bytes: u32) -> bool {
        let (start, end) = (u64::from(address.0), u64::from(address.0) + u64::from(length_bytes));
        self.groups.iter().any(|group| {
            let first = u64::from(group.address.0);
            first <= start && end <= first + group.size_bytes()
        })
    }

    /// The part of the string that follows the grammar; what a profile is matched against.
    pub fn meaningful_text(&self) -> &str {
        let raw = self.raw.raw();
        if self.defects.contains(&LayoutDefect::TrailingGarbage) {
            let end = raw.find(|c: char| !c.is_ascii() || c.is_ascii_control()).unwrap_or(raw.len());
            return raw[..end].trim_end();
        }
        raw.trim_end_matches(['\0', ' '])
    }
}

impl Group {
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.count) * u64::from(segment.size_bytes)).sum()
    }

    /// The bytes from the start that may be read, up to the first segment that may not.
    pub fn readable_bytes(&self) -> u64 {
        let readable = self.segments.iter().take_while(|segment| segment.access.read);
        readable.map(|segment| u64::from(segment.count) * u64::from(segment.size_bytes)).sum()
    }
}

impl Access {
    /// Letters a to g; the low three bits of the character are read, erase, write.
    pub fn from_letter(letter: char) -> Option<Self> {
        let bits = u32::from(letter) & 7;
        matches!(letter, 'a'..='g').then_some(Self { read: bits & 1 != 0, erase: bits & 2 != 0, write: bits & 4 != 0 })
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, wanted: char) -> bool {
        self.rest.strip_prefix(wanted).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }
}

/// `ADDRESS/SEGMENT,SEGMENT...`; absent if the address cannot be read.
fn group(reader: &mut Reader<'_>, defects: &mut Vec<LayoutDefect>) -> Option<Group> {
    let digits = reader.take_while(|c| c.is_ascii_alphanumeric());
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    if hex.is_none() {
        defects.push(LayoutDefect::AddressWithoutPrefix);
    }
    let Ok(address) = u32::from_str_radix(hex.unwrap_or(digits), 16) else {
        defects.push(LayoutDefect::AddressUnreadable);
        return None;
    };
    let mut segments = Vec::new();
    if !reader.skip('/') {
        defects.push(LayoutDefect::SegmentUnreadable);
    } else {
        while let Some(segment) = segment(reader, defects) {
            segments.push(segment);
            if !reader.skip(',') {
                break;
            }
            if reader.peek().is_none() {
                defects.push(LayoutDefect::TrailingComma);
                break;
            }
        }
    }
    Some(Group { address: Address(address), segments })
}

/// `COUNT*SIZE UNIT TYPE`; absent, with a defect, if the size cannot be known.
fn segment(reader: &mut Reader<'_>, defects: &mut Vec<LayoutDefect>) -> Option<Segment> {
    let count = reader.take_while(|c| c.is_ascii_digit()).parse::<u32>();
    let star = reader.skip('*');
    let size = reader.take_while(|c| c.is_ascii_digit()).parse::<u32>();
    let (Ok(count), true, Ok(size)) = (count, star, size) else {
        defects.push(LayoutDefect::SegmentUnreadable);
        return None;
    };
    let factor = match reader.peek() {
        Some(' ' | 'B') => 1,
        Some('K') => 1024,
        Some('M') => 1024 * 1024,
        // No unit and no letter; what follows belongs to the next segment or group.
        None | Some(',' | '/') => {
            defects.push(LayoutDefect::NoAccessLetter);
            return Some(Segment { count, size_bytes: size, access: Access::default() });
        }
        Some(other) => {
            defects.push(LayoutDefect::UnknownUnit(other));
            return None;
        }
    };
    reader.next();
    let Some(size_bytes) = size.checked_mul(factor) else {
        defects.push(LayoutDefect::SegmentUnreadable);
        return None;
    };
    let access = reader.peek().and_then(Access::from_letter);
    match access {
        Some(_) => _ = reader.next(),
        None => defects.push(LayoutDefect::NoAccessLetter),
    }
    Some(Segment { count, size_bytes, access: access.unwrap_or_default() })
}

/// Where a memory of a kind lies, as the layout strings say.
pub fn areas(layouts: &[Layout], wanted: Area) -> Vec<(Address, u32)> {
    let groups = layouts.iter().filter(|layout| layout.area() == wanted).flat_map(|layout| &layout.groups);
    groups.filter_map(|group| Some((group.address, u32::try_from(group.size_bytes()).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Layout {
        Layout::parse(&FieldText::from(text))
    }

    #[test]
    fn strings_seen_on_parts_are_read_without_a_defect() {
        for (text, area, groups, size_bytes) in [
            ("@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", Area::Flash, 1, 1024 * 1024),
            ("@Option Bytes  /0x1FFFC000/01*016 e", Area::OptionBytes, 1, 16),
            ("@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e", Area::OptionBytes, 2, 32),
            ("@OTP Memory /0x1FFF7800/01*512 e,01*016 e", Area::Otp, 1, 528),
            ("@Device Feature/0xFFFF0000/01*004 e", Area::DeviceFeature, 1, 4),
            ("@Internal Flash  /0x08000000/128*0002Kg", Area::Flash, 1, 256 * 1024),
            ("@Internal Flash  /0x08000000/04*016Kg,01*64Kg,03*128Kg", Area::Flash, 1, 512 * 1024),
            ("@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg", Area::Flash, 1, 1024 * 1024),
            ("@Internal Flash   /0x08000000/256*08Kg", Area::Flash, 1, 2048 * 1024),
            ("@Option Bytes   /0x5200201C/01*297 e", Area::OptionBytes, 1, 297),
            ("@OTP Memory   /0x08FFF000/01*1024 e", Area::Otp, 1, 1024),
            ("@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e", Area::OptionBytes, 2, 96),
            ("@Option byte   /0x1FFFC000/01*4096 g", Area::OptionBytes, 1, 4096),
            ("@Internal Flash  /0x08000000/512*002Kg", Area::Flash, 1, 1024 * 1024),
            ("@Internal Flash/0x08000000/04*016Kg", Area::Flash, 1, 64 * 1024),
        ] {
            let layout = parse(text);
            assert_eq!(layout.defects, [], "{text}");
            assert_eq!((layout.area(), layout.groups.len(), layout.size_bytes()), (area, groups, size_bytes), "{text}");
        }
    }

    #[test]
    fn malformed_strings_are_read_as_far_as_they_go_and_flagged() {
        for (text, defect, size_bytes) in [
            ("@Internal Flash  /0x08000000/04*016Kg,", LayoutDefect::TrailingComma, 64 * 1024),
            ("@Internal Flash  /08000000/04*016Kg", LayoutDefect::AddressWithoutPrefix, 64 * 1024),
            ("@Internal Flash  /0x08000000/04*016", LayoutDefect::NoAccessLetter, 64),
            ("@Internal Flash  /0x08000000/04*016Xg", LayoutDefect::UnknownUnit('X'), 0),
            ("@Internal Flash  /0x08000000/04*016Kg\u{ff}\u{2603}", LayoutDefect::TrailingGarbage, 64 * 1024),
            ("@Internal Flash", LayoutDefect::NoGroup, 0),
            ("DFU interface", LayoutDefect::NoAtSign, 0),
            ("@Flash /0xZZ/01*01Kg", LayoutDefect::AddressUnreadable, 0),
            ("@Flash /0x08000000", LayoutDefect::SegmentUnreadable, 0),
        ] {
            let layout = parse(text);
            assert_eq!(layout.defects, [defect], "{text}");
            assert_eq!(layout.size_bytes(), size_bytes, "{text}");
        }
    }

    #[test]
    fn garbage_after_the_grammar_is_cut_off() {
        let text = "@Internal Flash  /0x08000000/04*016Kg";
        assert_eq!(parse(&format!("{text}\u{3c3}\u{1}")).meaningful_text(), text);
        assert_eq!(parse(text).meaningful_text(), text);
    }

    #[test]
    fn device_feature_is_readable_whatever_its_letter_says() {
        let access = parse("@Device Feature/0xFFFF0000/01*004 g").groups[0].segments[0].access;
        assert_eq!(access, Access { read: true, erase: false, write: true });
    }

    #[test]
    fn a_range_is_covered_only_inside_one_group() {
        let layout = parse("@Internal Flash  /0x08000000/04*016Kg");
        assert!(layout.covers(Address(0x0800_0000), 65_536));
        assert!(!layout.covers(Address(0x0800_0000), 65_537));
        assert!(!layout.covers(Address(0x1fff_f000), 16));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            parse(&text).meaningful_text();
        }

        #[test]
        fn nothing_near_the_grammar_panics(text in "@[a-zO ]{0,6}(/(0x)?[0-9A-F]{0,9}/([0-9]{0,11}\\*[0-9]{0,11}[ BKMX]?[a-h]?,?){0,3}){0,3}.{0,2}") {
            let layout = parse(&text);
            layout.size_bytes();
            layout.covers(Address(0xffff_fffc), u32::MAX);
        }
    }
}
