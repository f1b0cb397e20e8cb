//! Any string may be a layout string, any bytes a descriptor.
#![no_main]

use flakescope::dfu::descriptors::{Configuration, DeviceDescriptor};
use flakescope::dfu::layout::Layout;
use flakescope::observation::field_text::FieldText;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = DeviceDescriptor::parse(bytes);
    let _ = Configuration::parse(bytes);
    let layout = Layout::parse(&FieldText::new(String::from_utf8_lossy(bytes)));
    let _ = layout.meaningful_text();
});
