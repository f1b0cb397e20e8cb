//! What a host sees of a virtual board over a few boots, one line each.

use super::board::VirtualBoard;
use super::host_port::{self, Sighting};
use crate::observation::units::Micros;

/// How many boots are drawn.
pub const BOOTS: u64 = 12;
const ON: Micros = Micros::from_secs(3);
const OFF: Micros = Micros::from_secs(1);
/// One character stands for this.
const COLUMN: Micros = Micros::from_millis(75);

/// A line per boot: `.` while nothing is on the bus, `x` while the host tries in vain, `=` once the board is up.
pub fn boots(board: &mut VirtualBoard) -> Vec<String> {
    (0..BOOTS).map(|number| boot(board, number)).collect()
}

fn boot(board: &mut VirtualBoard, number: u64) -> String {
    let on = Micros((ON + OFF).0 * number);
    let starts = board.rom_starts();
    board.power_on(on);
    let sighting = host_port::watch(board, on, on + ON);
    board.power_off(on + ON);
    let tries = board.rom_starts() - starts;
    let columns = |span: Micros| (span.0 / COLUMN.0) as usize;
    let whole = columns(ON);
    let (strip, words) = match sighting {
        Sighting::Enumerated(seen) => {
            let until_up = columns(seen.at - on).min(whole);
            let strip = format!("{}{}", ".".repeat(until_up), "=".repeat(whole - until_up));
            (strip, format!("up after {}", seen.at - on))
        }
        Sighting::Refused { words, .. } => ("x".repeat(whole), words),
        Sighting::Nothing => (".".repeat(whole), "nothing on the port".to_owned()),
    };
    let retries =
        if tries > 1 { format!("; the ROM started {tries} times, which no host can see") } else { String::new() };
    format!("{:>3}  {strip}  {words}{retries}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_board_comes_up_alike_every_time() {
        let mut board = VirtualBoard::by_name("healthy-f407", 1).unwrap();
        let lines = boots(&mut board);
        assert_eq!(lines.len(), 12);
        assert!(lines.iter().all(|line| line.contains(".......=") && line.contains("up after")), "{lines:?}");
    }
}
