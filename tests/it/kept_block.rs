//! A block of a page in the docs that the code writes, between two marks.

use std::fs;
use std::path::Path;

/// Compares the block with what the code would write; with `FLAKESCOPE_UPDATE` set writes it.
pub fn is_kept(page: &str, marks: (&str, &str), block: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(&file).unwrap();
    let (begin, end) = marks;
    let (head, rest) = text.split_once(begin).unwrap();
    let (_, tail) = rest.split_once(end).unwrap();
    let expected = format!("{head}{begin}{block}{end}{tail}");
    if std::env::var_os("FLAKESCOPE_UPDATE").is_some() {
        fs::write(&file, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "{page}: run with FLAKESCOPE_UPDATE=1 and look at the difference");
    }
}
