//! `flakescope bench show`: a virtual board in words, and its boots as pictures in text.

use crate::bench::board::VirtualBoard;
use crate::bench::timeline;
use crate::bench::trace::{Happening, Moment};
use crate::campaign::recipe::{Recipe, RecipeError};
use crate::link::Link;
use crate::link::dfu_link::DfuLink;
use crate::link::virtual_board::VirtualUsbBoard;
use crate::observation::step::StepRecord;
use crate::observation::units::{Hertz, Micros};

/// How wide a picture of one boot is.
const COLUMNS: u64 = 64;
const LABEL: usize = 14;
/// Boots that are looked at for one that goes well and one that does not.
const BOOTS: u32 = 12;
const OFF: Micros = Micros::from_secs(1);

/// The board in words, the boots of one seed, and two of them drawn.
pub fn page(board: &mut VirtualBoard, fresh: VirtualBoard, seed: u64) -> Result<String, RecipeError> {
    let mut lines = description(board);
    lines.push(String::new());
    lines.push(format!("What a host sees in {} boots of 3 s with 1 s off between, seed {seed}:", timeline::BOOTS));
    lines.extend(timeline::boots(board));
    for picture in pictures(fresh)? {
        lines.push(String::new());
        lines.extend(picture);
    }
    Ok(lines.join("\n"))
}

fn description(board: &VirtualBoard) -> Vec<String> {
    let (blueprint, rom) = (board.blueprint(), board.rom());
    let mut lines = vec![board.name.clone(), blueprint.text.clone(), String::new()];
    let generation = rom.generation.as_deref().map(|it| format!(", {it}")).unwrap_or_default();
    lines.push(format!("part      {} ({}, ROM id 0x{:02X}{generation})", blueprint.part, rom.device, rom.sheet.rom_id));
    if let Some(mhz) = blueprint.crystal_mhz {
        lines.push(format!("crystal   {}", Hertz::from_mhz(mhz)));
    }
    lines.push(format!("serial    {}", rom.serial.serial(blueprint.uid, 1)));
    lines.extend(rom.sheet.alternates.iter().map(|layout| format!("layout    {layout}")));
    let host = &blueprint.host;
    lines.push(format!("host      {} transactions of a control transfer in a frame", host.transactions_per_frame));
    lines.push(String::new());
    let troubles = board.blueprint().describe();
    lines.push(if troubles.is_empty() { "Nothing troubles it.".to_owned() } else { troubles.join("\n") });
    lines.extend(rom.departures().iter().map(|departure| format!("The ROM: {departure}")));
    lines
}

/// The first boot that goes well, and the first that does not.
fn pictures(board: VirtualBoard) -> Result<Vec<Vec<String>>, RecipeError> {
    let recipe = Recipe::find("dfu-read")?;
    let mut board = board;
    board.trace();
    let mut link = DfuLink::new(VirtualUsbBoard::new(board));
    let mut well = None;
    let mut ill = None;
    for number in 1..=BOOTS {
        let begun = if number == 1 { Micros::ZERO } else { link.now() };
        let mut records = Vec::new();
        for line in &recipe.steps {
            records.push(link.perform(&line.step, line.deadline));
            if records.last().and_then(StepRecord::failure).is_some() {
                break;
            }
        }
        let failed = records.last().and_then(StepRecord::failure).is_some();
        let place = if failed { &mut ill } else { &mut well };
        if place.is_none() {
            let traced = link.board().bench().lock().board.traced().to_vec();
            *place = Some(picture(number, begun, link.now(), &traced, &records));
        }
        if well.is_some() && ill.is_some() {
            break;
        }
        link.power_cycle(OFF);
    }
    Ok(well.into_iter().chain(ill).collect())
}

fn picture(number: u32, begun: Micros, ended: Micros, traced: &[Moment], records: &[StepRecord]) -> Vec<String> {
    let scale = Scale { begun, column: ((ended - begun).0 / COLUMNS).max(1) };
    let column = Micros(scale.column);
    let mut lines = vec![format!("Boot {number}, drawn; one column is {column}:")];
    let within: Vec<_> = traced.iter().filter(|moment| moment.at >= begun && moment.at <= ended).collect();
    lines.push(scale.row("power", &scale.bar(begun, ended), "on"));
    let starts: Vec<_> = within.iter().filter(|it| it.what == Happening::Starts).map(|it| it.at).collect();
    let told = if starts.len() > 1 { format!("{} starts, which no host can see", starts.len()) } else { String::new() };
    lines.push(scale.row("ROM starts", &scale.marks(&starts), &told));
    lines.push(scale.row("pull-up on", &scale.attached(&within, ended), ""));
    for record in records {
        let (Some(started), Some(elapsed)) = (record.started, record.elapsed) else { continue };
        let ending = match record.failure() {
            Some(failure) => {
                let code = failure.code.as_ref().map(|code| format!(" ({})", code.for_terminal())).unwrap_or_default();
                format!("{elapsed}: {}{code}", failure.class)
            }
            None => elapsed.to_string(),
        };
        lines.push(scale.row(record.phase.name(), &scale.bar(started, started + elapsed), &ending));
    }
    lines
}

/// Where a moment is drawn.
#[derive(Clone, Copy)]
struct Scale {
    begun: Micros,
    /// Microseconds.
    column: u64,
}

impl Scale {
    fn place(self, at: Micros) -> usize {
        ((at - self.begun).0 / self.column).min(COLUMNS - 1) as usize
    }

    fn bar(self, from: Micros, to: Micros) -> String {
        let (from, to) = (self.place(from), self.place(to));
        if from == to {
            format!("{}|", " ".repeat(from))
        } else {
            format!("{}{}", " ".repeat(from), "=".repeat(to - from))
        }
    }

    fn marks(self, moments: &[Micros]) -> String {
        let mut row = vec![' '; COLUMNS as usize];
        moments.iter().for_each(|&at| row[self.place(at)] = '|');
        row.into_iter().collect()
    }

    /// While the pull-up is on.
    fn attached(self, moments: &[&Moment], ended: Micros) -> String {
        let mut row = vec!['.'; COLUMNS as usize];
        let mut since = None;
        for moment in moments {
            match (moment.what, since) {
                (Happening::Attaches, None) => since = Some(moment.at),
                (Happening::Leaves | Happening::Starts, Some(from)) => {
                    row[self.place(from)..=self.place(moment.at)].fill('=');
                    since = None;
                }
                _ => {}
            }
        }
        if let Some(from) = since {
            row[self.place(from)..=self.place(ended)].fill('=');
        }
        row.into_iter().collect()
    }

    fn row(self, label: &str, drawn: &str, told: &str) -> String {
        let width = COLUMNS as usize;
        format!("  {label:LABEL$}{drawn:width$}  {told}").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        let board = |seed| VirtualBoard::by_name(name, seed).unwrap();
        page(&mut board(1), board(1), 1).unwrap()
    }

    #[test]
    fn a_board_is_told_in_words_and_drawn() {
        insta::assert_snapshot!(shown("f746-25mhz-warm-hsi"));
    }

    #[test]
    fn starts_of_the_rom_that_nobody_sees_are_drawn() {
        insta::assert_snapshot!(shown("f405-slow-8mhz"));
    }
}
