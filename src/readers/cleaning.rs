//! Cleans one line of what copying, quoting and terminals left in it, so that readers see what the tool printed.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Longer lines are read in pieces of this length; no message of any tool is longer.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

/// Decodes, removes terminal escapes, quote prefixes and markup, and turns typographic quotes, dashes and dots into plain ones.
pub fn clean(raw: &[u8]) -> String {
    let decoded = decode(raw);
    let mut text = strip_escapes(&decoded);
    if text.contains('&') {
        text = decode_entities(&text);
    }
    if !text.is_ascii() {
        text = plain_quotes(&text);
    }
    if text.contains("**") {
        text = without_emphasis(&text);
    }
    let text = if SPACED_NAME.is_match(&text) { SPACED_NAME.replace_all(&text, "$1-$2").into_owned() } else { text };
    strip_quote_prefix(&text).trim_end().to_owned()
}

/// `ST Link` and `dfu util`, as people write what all tools and phrases know with a hyphen.
static SPACED_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\b(st|dfu) (link|util)\b").expect("the pattern is fixed"));

/// UTF-8, or Windows-1252 where it is not.
fn decode(raw: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&raw[..error.valid_up_to()]),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(raw).0,
    }
}

/// Removes ANSI sequences and other control characters; a tab becomes a space.
fn strip_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
                }
                Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\\') {},
                _ => {}
            },
            '\t' | '\u{a0}' => out.push(' '),
            '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').filter(|&end| end <= 8).map(|end| &rest[1..end]);
        match entity.and_then(entity_char) {
            Some(c) => {
                out.push(c);
                rest = &rest[entity.map_or(0, str::len) + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity_char(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let code = name.strip_prefix('#')?;
            let number = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => code.parse().ok()?,
            };
            char::from_u32(number).filter(|c| !c.is_control())
        }
    }
}

/// Typographic characters, and the same after they were read with the wrong encoding.
const PLAIN: [(&str, &str); 15] = [
    ("\u{e2}\u{20ac}\u{2122}", "'"),
    ("\u{e2}\u{20ac}\u{2dc}", "'"),
    ("\u{e2}\u{20ac}\u{153}", "\""),
    ("\u{e2}\u{20ac}\u{9d}", "\""),
    ("\u{e2}\u{20ac}\u{201c}", "-"),
    ("\u{e2}\u{20ac}\u{201d}", "-"),
    ("\u{c2}\u{b0}", "\u{b0}"),
    ("\u{c2}\u{b5}", "u"),
    ("\u{2018}", "'"),
    ("\u{2019}", "'"),
    ("\u{201c}", "\""),
    ("\u{201d}", "\""),
    ("\u{2026}", "..."),
    ("\u{2013}", "-"),
    ("\u{2014}", "-"),
];

fn plain_quotes(text: &str) -> String {
    PLAIN
        .iter()
        .fold(text.to_owned(), |text, (from, to)| if text.contains(from) { text.replace(from, to) } else { text })
}

/// Removes the stars of `**bold**`, which stand close to a word. Those that tools put around a message stand apart: `** Programming Started **`.
fn without_emphasis(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("**") {
        let (before, from_stars) = rest.split_at(at);
        out.push_str(before);
        let behind = from_stars.trim_start_matches('*');
        let stars = &from_stars[..from_stars.len() - behind.len()];
        let stands_apart = |c: Option<char>| c.is_none_or(char::is_whitespace);
        if stands_apart(out.chars().next_back()) && stands_apart(behind.chars().next()) {
            out.push_str(stars);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Mail and Markdown quote signs in front of a line.
fn strip_quote_prefix(text: &str) -> &str {
    let mut rest = text;
    while let Some(after) = rest.trim_start().strip_prefix('>') {
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_message_is_removed() {
        for (raw, cleaned) in [
            (&b"\x1b[1;31mError:\x1b[0m init mode failed\r"[..], "Error: init mode failed"),
            (b"> > Download done.", " Download done."),
            (b"it doesn&#39;t work &amp; fails", "it doesn't work & fails"),
            ("it doesn\u{2019}t".as_bytes(), "it doesn't"),
            ("it doesn\u{e2}\u{20ac}\u{2122}t".as_bytes(), "it doesn't"),
            (b"temperature 25\xb0C", "temperature 25\u{b0}C"),
            (b"a\tb\0c", "a bc"),
            ("Verification\u{2026}OK".as_bytes(), "Verification...OK"),
            (b"AT&T; R&D", "AT&T; R&D"),
            (b"**Error:** it **never** enumerates", "Error: it never enumerates"),
            (b"** Programming Failed **", "** Programming Failed **"),
            (b"*** [upload] Error 1", "*** [upload] Error 1"),
        ] {
            assert_eq!(clean(raw), cleaned);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_give_text_without_control_characters(raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(!clean(&raw).chars().any(char::is_control));
        }
    }
}
