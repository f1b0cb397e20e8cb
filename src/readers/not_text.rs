//! What is handed over as a report and is none: a case or a page of flakescope itself, and what holds no text.

use super::encoding;

/// So much of the beginning is looked at.
pub const LOOK_BYTES: usize = 4096;

const SQLITE: &[u8] = b"SQLite format 3\0";
/// Where an SQLite file names the program that it belongs to, and what ours says there.
const APPLICATION: std::ops::Range<usize> = 68..72;
const OURS: &[u8] = b"flks";
/// Every page that flakescope writes says so in its head.
pub const PAGE_MARK: &str = "flakescope";

/// Why the file that begins so is no report, with what to do instead.
pub fn refusal(name: &str, head: &[u8]) -> Option<String> {
    if head.starts_with(SQLITE) && head.get(APPLICATION) == Some(OURS) {
        Some(format!(
            "this is a case of flakescope and no report; `flakescope diagnose {name}` gives the verdict on its campaign, \
             `flakescope triage --case {name}` shows the reports that it holds"
        ))
    } else if is_page_of_ours(head) {
        Some(
            "this is a page that flakescope has written, and no report; give it what the page was made from".to_owned(),
        )
    } else if is_no_text(head) {
        Some("this is no text but an image, a dump or another binary, so nothing in it is judged; give what a tool printed or a person wrote".to_owned())
    } else {
        None
    }
}

fn is_page_of_ours(head: &[u8]) -> bool {
    let mark = format!("<meta name=\"generator\" content=\"{PAGE_MARK} ");
    head.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE html>"))
        && memchr::memmem::find(head, mark.as_bytes()).is_some()
}

/// Serial lines put noise into logs, and other alphabets use half of all bytes; what is no text holds far more of what no text
/// uses, or some of it among many bytes beyond ASCII, as what is compressed.
fn is_no_text(head: &[u8]) -> bool {
    if head.starts_with(b"%PDF-") {
        return true;
    }
    if encoding::is_utf16(head) {
        return false;
    }
    let strange = (0..head.len()).filter(|&at| is_strange(head, at)).count();
    let high = head.iter().filter(|&&byte| byte >= 0x80).count();
    strange * 10 >= head.len().max(1) || strange * 25 >= head.len().max(1) && high * 5 >= head.len() && strange > 4
}

/// Bytes that stand in no text. A zero between two letters is one of a piece in UTF-16, as where PowerShell has gone on with a file.
fn is_strange(head: &[u8], at: usize) -> bool {
    let is_letter = |at: Option<usize>| {
        at.and_then(|at| head.get(at)).is_some_and(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'))
    };
    match head[at] {
        0 => !(is_letter(at.checked_sub(1)) && is_letter(Some(at + 1))),
        0x08..=0x0d | 0x1a | 0x1b => false,
        0x01..=0x1f | 0x7f => true,
        // Erased flash; one alone is a letter of Russian.
        0xff => at.checked_sub(1).is_some_and(|before| head[before] == 0xff),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> bool {
        refusal("x", &bytes[..bytes.len().min(LOOK_BYTES)]).is_some()
    }

    fn noise(length: u32) -> Vec<u8> {
        (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    #[test]
    fn a_case_and_a_page_of_flakescope_are_told_by_their_marks() {
        let mut case = SQLITE.to_vec();
        case.resize(512, 0);
        case[APPLICATION].copy_from_slice(OURS);
        let told = refusal("wires.case", &case).unwrap();
        assert!(told.contains("diagnose wires.case") && told.contains("triage --case wires.case"), "{told}");
        let page = b"<!DOCTYPE html><html><head><meta name=\"generator\" content=\"flakescope 0.1.0\">";
        assert!(refusal("x.html", page).unwrap().contains("page that flakescope has written"));
        assert!(!refused(b"<!DOCTYPE html><html><title>my board</title><p>dfu-util fails, and flakescope too"));
    }

    #[test]
    fn what_holds_no_text_is_refused() {
        let table: Vec<u8> = (0..400_u32).flat_map(|n| (0x0800_0000 + n * 64).to_le_bytes()).collect();
        for bytes in [
            &noise(9_000)[..],
            &[0xff; 600],
            &[0; 600],
            &table,
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
            b"%PDF-1.7\n",
        ] {
            assert!(refused(bytes), "{:x?}", &bytes[..4]);
        }
    }

    #[test]
    fn text_of_any_alphabet_is_read_with_the_noise_of_a_serial_line_in_it() {
        let wide: Vec<u8> = "Error: target not found\r\n".repeat(9).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe][..], &wide].concat();
        let gone_on = [&b"Error: a line\r\n"[..], &wide].concat();
        let russian =
            encoding_rs::WINDOWS_1251.encode("Плата не появляется после прошивки, яркая ошибка").0.into_owned();
        let chinese = encoding_rs::GBK.encode("连接失败，请检查目标板的电源").0.into_owned();
        let serial = [&b"boot ok\r\n".repeat(40)[..], &noise(60)].concat();
        let coloured = b"\x1b[31mError\x1b[0m\n".repeat(20);
        for text in
            [&b""[..], b"x", &wide, &marked, &gone_on, &russian, &chinese, &serial, &coloured, "Übel: Größe".as_bytes()]
        {
            assert!(!refused(text), "{}", String::from_utf8_lossy(text));
        }
    }
}
