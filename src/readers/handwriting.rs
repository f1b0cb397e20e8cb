//! Which lines a person may have written. Telling it from the bytes alone has to cost next to nothing: most of a large log is not.

use super::timestamps;

/// Signs of paths, tables, assignments and identifiers; a person uses a few of them, a build log many.
const MACHINE_SIGNS: &[u8] = b"/_=[]{}|\\$~^";

const SIGNS: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < MACHINE_SIGNS.len() {
        table[MACHINE_SIGNS[at] as usize] = true;
        at += 1;
    }
    table
};

/// So many of them are still a person's: a path, a part of a command.
const FEW: usize = 3;
/// Beyond that, one in so many bytes.
const ONE_IN: usize = 11;

/// A line that bears a time was printed, and so was one that is full of signs.
pub fn may_be(line: &[u8]) -> bool {
    !is_full_of_signs(line) && !is_stamped(line)
}

fn is_full_of_signs(line: &[u8]) -> bool {
    let signs = line.iter().filter(|&&byte| SIGNS[usize::from(byte)]).count();
    signs > FEW && signs * ONE_IN > line.len()
}

fn is_stamped(line: &[u8]) -> bool {
    let first = line.iter().find(|byte| !byte.is_ascii_whitespace());
    let may_begin_one = first.is_some_and(|byte| matches!(byte, b'[' | b'0'..=b'9' | b'A'..=b'S'));
    may_begin_one && std::str::from_utf8(line).is_ok_and(timestamps::is_stamped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_use_a_few_signs() {
        for written in [
            "Board: custom STM32F405, 8MHz crystal, Win10/64, dfu-util 0.11, USB3.0 hub",
            "> I called `dfu-util -a 0 -s 0x08000000:leave -D build/firmware.bin` and it hangs",
            "see /dev/ttyACM0 and https://example.org/a_b/c_d for the schematic of this board, it has a pull-up on PA_11",
            "<p>It works on my laptop</p>",
            "- [x] tried another cable, - [ ] tried a hub",
        ] {
            assert!(may_be(written.as_bytes()), "{written}");
        }
    }

    #[test]
    fn what_programs_print_is_not_taken_for_words() {
        for printed in [
            "[   123] cc -O2 -c source/module_123.c -o out/module_123.o",
            "/usr/lib/x86_64-linux-gnu/libusb-1.0.so.0",
            "-DCMAKE_BUILD_TYPE=Release -DBOARD=nucleo_f446re",
            "2026-11-26T14:33:01 status half-configured works fine",
            "08:59:06 : Data read successfully",
            "[ 9685.451234] usb 1-2: device not accepting address",
        ] {
            assert!(!may_be(printed.as_bytes()), "{printed}");
        }
    }
}
