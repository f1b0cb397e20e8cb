//! What `run` does before a recipe that alters: looks at the board, checks what cannot work, and opens the gate.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::effect;
use crate::campaign::journal::Journal;
use crate::campaign::materials::{Image, Materials, Scratch};
use crate::campaign::recipe::Recipe;
use crate::campaign::recovery;
use crate::case::file::Case;
use crate::cli::board_choice::Refusal;
use crate::cli::console::Console;
use crate::cli::exit::ExitCode;
use crate::cli::gate::GateArgs;
use crate::cli::look::Look;
use crate::cli::{ownership, part, reading};
use crate::dfu::alter_scope::flash_sectors;
use crate::dfu::download::filled_bytes;
use crate::investigation::kinship::Present;
use crate::link::Link;
use crate::observation::alteration::Payload;
use crate::observation::fact::{Fact, FactValue, Origin};
use crate::observation::field_text::FieldText;
use crate::observation::units::Address;
use crate::profile::device;
use crate::profile::fus;
use crate::profile::fus_check::{self, FusVersion, Grade, Judgement};
use crate::profile::option_bytes::{self, View};
use crate::profile::read_protection::ReadProtection;

#[derive(Debug, Args)]
#[command(next_help_heading = "For recipes that alter the board")]
pub struct AlterArgs {
    #[command(flatten)]
    pub gate: GateArgs,
    /// The sector that write-verify may erase and write; its contents are saved before and put back after
    #[arg(long, value_name = "ADDRESS[:LENGTH]", value_parser = range)]
    pub scratch: Option<Range>,
    /// The coprocessor image that fus-upgrade and fus-install download
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Where the image goes, if not where its release wants it
    #[arg(long, value_name = "ADDRESS", value_parser = reading::address)]
    pub image_address: Option<Address>,
    /// The release of STM32CubeWB that the image is from
    #[arg(long, value_name = "R")]
    pub release: Option<String>,
    /// The version that the upgrade service reports, for example 1.2.0
    #[arg(long, value_name = "VERSION")]
    pub fus_version: Option<FusVersion>,
    /// The whole order code, for example STM32WB55CE
    #[arg(long, value_name = "PART")]
    pub part: Option<String>,
    /// Install an image that the check calls wrong, to see how it fails
    #[arg(long)]
    pub despite_check: bool,
    /// Go on after a cycle that failed
    #[arg(long)]
    pub keep_going: bool,
}

/// `0x0800C000` or `0x0800C000:16384`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    address: Address,
    length_bytes: u32,
}

fn range(text: &str) -> Result<Range, String> {
    let (address, length) = text.split_once(':').unwrap_or((text, "1"));
    let length_bytes = length.parse().map_err(|_| "a range looks like 0x0800C000:16384".to_owned())?;
    if length_bytes == 0 {
        return Err("a range has at least one byte".to_owned());
    }
    Ok(Range { address: reading::address(address)?, length_bytes })
}

/// What the recipe works with, and what is now known of the board.
#[derive(Debug, Default)]
pub struct Prepared {
    pub materials: Materials,
    pub facts: Vec<Fact>,
}

/// Everything around a recipe that alters.
pub struct Occasion<'a> {
    /// As it was named, for reading it again.
    pub named: &'a str,
    /// With some of everything for what it works with.
    pub recipe: &'a Recipe,
    pub seed: u64,
    /// How often it will be performed.
    pub times: u32,
    pub case: &'a Case,
    pub journal: &'a Journal,
    /// What was said about the board.
    pub facts: &'a [Fact],
    pub is_virtual: bool,
}

impl AlterArgs {
    /// Looks, checks, shows the plan and asks. After this the link may alter.
    pub fn prepare(
        &self,
        occasion: &Occasion<'_>,
        link: &mut dyn Link,
        console: &mut Console,
    ) -> Result<Prepared, Refusal> {
        self.gate.demand_write()?;
        let look = Look::at(link)?;
        let part = self.part(occasion);
        let mut prepared = Prepared::default();
        let mut plan = self.board_in_words(link, part.as_deref());
        let devices = device::catalogue().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
        let here = Present::named(part.as_deref(), link.identity(), &devices);
        plan.extend(ownership::demand(occasion.case, &here, &devices)?);
        prepared.facts.extend(self.part.as_deref().map(part::named));
        self.refuse_protected(&look, part.as_deref())?;
        if let Some(range) = self.scratch_range(occasion.journal) {
            let scratch = whole_sectors(range, &look, occasion)?;
            let (address, length) = (scratch.address, scratch.length_bytes);
            let _ = writeln!(
                plan,
                "Scratch: {address}, {length} bytes; saved in the case first, put back and read back at the end"
            );
            prepared.materials.scratch = Some(scratch);
        }
        if let Some(path) = &self.image {
            let bytes = reading::whole(path, console)
                .map_err(|code| Refusal { code, text: "no image, nothing was changed".to_owned() })?;
            let image = self.image(path, bytes, &look, part.as_deref(), occasion, &mut plan)?;
            prepared.facts.extend(image_facts(path, &image, self.release.as_deref(), part.as_deref())?);
            prepared.materials.image = Some(image);
        }
        // The recipe itself says whether something is lacking, before anybody is asked.
        Recipe::find_with(occasion.named, &prepared.materials).map_err(|error| Refusal::of(ExitCode::Usage, &error))?;
        let _ = writeln!(
            plan,
            "Recipe {}, {} time{}: {}",
            occasion.named,
            occasion.times,
            if occasion.times == 1 { "" } else { "s" },
            effect::in_words(occasion.recipe)
        );
        self.gate.open(link, &plan, occasion.is_virtual, console)?;
        Ok(prepared)
    }

    fn part(&self, occasion: &Occasion<'_>) -> Option<String> {
        let said = occasion.facts.iter().find(|fact| fact.key == "part").map(|fact| &fact.value);
        let said = if let Some(FactValue::Text(part)) = said { Some(part.raw().to_owned()) } else { None };
        self.part.clone().or(said)
    }

    fn scratch_range(&self, journal: &Journal) -> Option<Range> {
        let left = journal.scratch().map(|it| Range { address: it.address, length_bytes: it.length_bytes });
        self.scratch.or(left)
    }

    fn board_in_words(&self, link: &dyn Link, part: Option<&str>) -> String {
        let board = link.identity();
        let serial = board.serial.map_or_else(|| "none".to_owned(), |serial| serial.for_terminal());
        let port = board.port.map_or_else(|| "none".to_owned(), |port| port.to_string());
        let part = part.map_or_else(|| "not named".to_owned(), |part| FieldText::from(part).for_terminal());
        format!("About to ALTER a board\nBoard: serial {serial}, port {port}, part {part}\n")
    }

    fn refuse_protected(&self, look: &Look, part: Option<&str>) -> Result<(), Refusal> {
        let devices = device::catalogue().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
        let Some(device) = part.and_then(|part| devices.by_part(part)) else { return Ok(()) };
        let decoded = option_bytes::decode(device, View::Dfu, &look.option_bytes);
        match ReadProtection::read(device, &decoded) {
            None | Some(ReadProtection::Level0) => Ok(()),
            Some(level) => {
                let text = format!("the board's read-out protection is at level {level}; nothing was changed");
                Err(Refusal { code: ExitCode::Usage, text })
            }
        }
    }

    fn image(
        &self,
        path: &std::path::Path,
        bytes: Vec<u8>,
        look: &Look,
        part: Option<&str>,
        occasion: &Occasion<'_>,
        plan: &mut String,
    ) -> Result<Image, Refusal> {
        let usage = |text: String| Refusal { code: ExitCode::Usage, text };
        let binary = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let table = fus::table().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
        let judgements = match (part, &self.release) {
            (Some(part), Some(release)) => {
                // A stack that is deleted first does not stand in the way of its successor.
                let sfsa = if effect::deletes_before_it_installs(occasion.recipe) { None } else { sfsa(look, part) };
                let (size_bytes, fus_version) = (Some(bytes.len() as u64), self.fus_version);
                let what = fus_check::Plan {
                    binary,
                    size_bytes,
                    part,
                    release,
                    address: self.image_address,
                    fus_version,
                    sfsa,
                };
                fus_check::judge(&table, &what)
            }
            _ if self.despite_check => Vec::new(),
            _ => {
                let text = "the image cannot be checked without --part and --release; an unchecked image is not installed (or say \
                            --despite-check)";
                return Err(usage(text.to_owned()));
            }
        };
        let _ = writeln!(plan, "Image: {}, {} bytes", FieldText::from(binary).for_terminal(), bytes.len());
        judgements.iter().for_each(|judgement| {
            let _ = writeln!(plan, "  {}", FieldText::new(judgement.to_string()).for_terminal());
        });
        let wrong: Vec<&Judgement> = judgements.iter().filter(|it| it.grade == Grade::Wrong).collect();
        if let (Some(first), false) = (wrong.first(), self.despite_check) {
            return Err(usage(format!(
                "this image will not go in: {}; nothing was changed (--despite-check tries it all the same)",
                first.text
            )));
        }
        let of_release = || table_address(&table, binary, part?, self.release.as_deref()?);
        let address = self.image_address.or_else(of_release).ok_or_else(|| {
            usage(
                "where the image goes is not known: say it with --image-address, or name --release and --part"
                    .to_owned(),
            )
        })?;
        if flash_sectors(&look.layouts, address, filled_bytes(bytes.len() as u32)).is_empty() {
            return Err(usage(format!(
                "{address}, {} bytes, is not inside the board's flash; nothing was changed",
                bytes.len()
            )));
        }
        let _ = writeln!(plan, "  goes to {address}");
        Ok(Image { address, data: Payload::new(bytes) })
    }
}

/// The case may hold a board that was left altered; some recipes would make it worse.
pub fn refuse_on_top(journal: &Journal, recipe: &Recipe, case: &str, console: &mut Console) -> Result<(), Refusal> {
    let left = recovery::of(journal, case);
    if left.is_empty() {
        return Ok(());
    }
    console.note(recovery::in_words(&left).trim_end());
    if !recovery::allows(&left, recipe) {
        let text = format!(
            "recipe {} would alter a board that this case left altered; do what stands above first",
            recipe.name
        );
        return Err(Refusal { code: ExitCode::Usage, text });
    }
    Ok(())
}

fn whole_sectors(range: Range, look: &Look, occasion: &Occasion<'_>) -> Result<Scratch, Refusal> {
    let sectors = flash_sectors(&look.layouts, range.address, range.length_bytes);
    let (Some((address, _)), Some((last, size))) = (sectors.first(), sectors.last()) else {
        let text = format!(
            "{}, {} bytes, is not inside the board's flash; nothing was changed",
            range.address, range.length_bytes
        );
        return Err(Refusal { code: ExitCode::Usage, text });
    };
    Ok(Scratch { address: *address, length_bytes: last.0 - address.0 + size, seed: occasion.seed })
}

fn sfsa(look: &Look, part: &str) -> Option<u8> {
    let devices = device::catalogue().ok()?;
    let decoded = option_bytes::decode(devices.by_part(part)?, View::Dfu, &look.option_bytes);
    decoded.value("SFSA").and_then(|value| u8::try_from(value).ok())
}

fn table_address(table: &fus::FusTable, binary: &str, part: &str, release: &str) -> Option<Address> {
    let family = table.family_of_part(part)?;
    let flash_kb = fus::flash_kb_of_part(part);
    let fits = |place: &fus::FusPlace| flash_kb.is_none() || place.flash_kb.is_none() || place.flash_kb == flash_kb;
    let mut places = family.of_release(release).filter(|(image, place)| image.binary == binary && fits(place));
    places.next().map(|(_, place)| place.address)
}

/// What the evidence can use of the image: name, address, and whether the tables have that address.
fn image_facts(
    path: &std::path::Path,
    image: &Image,
    release: Option<&str>,
    part: Option<&str>,
) -> Result<Vec<Fact>, Refusal> {
    let binary = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fact = |key: &str, value| Fact { key: key.to_owned(), value, origin: Origin::Operator, quote: None };
    let mut facts = vec![
        fact("fus-image", FactValue::Text(FieldText::from(binary))),
        fact("fus-image-address", FactValue::Address(image.address)),
    ];
    let table = fus::table().map_err(|error| Refusal::of(ExitCode::UnreadableInput, &error))?;
    let fit = table.check_address(binary, part.and_then(fus::flash_kb_of_part), image.address);
    if fit.known {
        let wanted = part.zip(release).and_then(|(part, release)| table_address(&table, binary, part, release));
        let right = wanted.map_or(!fit.fits.is_empty(), |wanted| wanted == image.address);
        let quote = Some(FieldText::new(format!("{binary} at {}: {fit}", image.address)));
        facts.push(Fact { quote, ..fact("fus-address-known", FactValue::Flag(right)) });
    }
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_an_address_and_perhaps_a_length() {
        assert_eq!(range("0x0800C000"), Ok(Range { address: Address(0x0800_c000), length_bytes: 1 }));
        assert_eq!(range("0x0800C000:16384"), Ok(Range { address: Address(0x0800_c000), length_bytes: 16_384 }));
        for text in ["", "0x0800C000:", "0x0800C000:0", "x:1", "0x0800C000:-1"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
