//! What became of reports that read alike: a second opinion on a report, learned from public threads whose cause is known.
//!
//! The knowledge base says what a sign means, and knows only the signs that somebody wrote down. People say the same in more words than that, so
//! a linear model weighs every word and every sign of a report for every family (multinomial logistic regression; `investigation/learning.rs` fits
//! it). Its table, `profiles/likeness/reports.csv`, has one row for each mark and one column for each family.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::subject::Subject;
use crate::evidence::finding::Finding;
use crate::profile::loader::ProfileError;
use crate::profile::shelf::Sheet;

/// The mark of the row that holds how often each family is met at all.
const ANY_REPORT: &str = "*";
/// The table holds hundredths of a unit of the natural logarithm of the odds.
const PER_UNIT: f64 = 100.0;
/// The finding that stands for the opinion of the table.
pub const READS_ALIKE: &str = "reads-alike";
/// A report of which fewer marks are known reads like none.
const FEWEST_MARKS: usize = 5;
/// Nor does one of which a smaller share is known: of reports seven in ten and more are, of noise a quarter.
const LEAST_KNOWN: f64 = 0.5;
/// So many marks are named as a reason.
const NAMED_MARKS: usize = 5;
/// Words that have their weight, but tell a person nothing about a board: of any talk, of letters, of a program's own banner.
static PLAIN_WORDS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("plain_words.txt").split_whitespace().collect());

/// The table of weights.
#[derive(Clone, Debug, Default)]
pub struct Likeness {
    families: Vec<String>,
    /// For any report, before its marks are known.
    base: Vec<f64>,
    rows: HashMap<String, Row>,
}

/// What one mark says.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The logarithm of how many reports there are for one with the mark; the rarer, the more it counts.
    pub rarity: f64,
    /// By family, in the order of the table.
    pub weights: Vec<f64>,
}

/// How a report reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion<'l> {
    families: &'l [String],
    /// In the order of the families; together one.
    shares: Vec<f64>,
    known: Vec<(&'l str, &'l Row)>,
}

impl Opinion<'_> {
    pub fn share(&self, family: &str) -> f64 {
        self.place(family).map_or(0.0, |place| self.shares[place])
    }

    /// The marks that speak most for a family, as a person reads them.
    pub fn telling(&self, family: &str) -> Vec<String> {
        self.place(family).map(|place| most_telling(&self.known, place)).unwrap_or_default()
    }

    fn place(&self, family: &str) -> Option<usize> {
        self.families.iter().position(|known| known == family)
    }
}

/// What a report is judged by: its words, and what the readers and rules made of them. Nothing but a report has marks.
pub fn marks(subject: &Subject, findings: &[Finding]) -> BTreeSet<String> {
    if !subject.is_reported() {
        return BTreeSet::new();
    }
    let found = findings.iter().map(|finding| format!("finding:{}", finding.id));
    subject.marks.iter().cloned().chain(found).collect()
}

impl Likeness {
    pub fn new(families: Vec<String>, base: Vec<f64>, rows: HashMap<String, Row>) -> Self {
        Self { families, base, rows }
    }

    pub fn from_sheets(sheets: &[Sheet]) -> Result<Self, ProfileError> {
        let Some(sheet) = sheets.first() else { return Ok(Self::default()) };
        let malformed = |line: usize, message: String| ProfileError::Malformed {
            file: sheet.file.clone(),
            line,
            message,
            hint: Some("`flakescope triage --learn DIR` writes such a table".to_owned()),
        };
        let mut lines = sheet.text.lines().enumerate();
        let (_, header) = lines.next().ok_or_else(|| malformed(1, "the table is empty".to_owned()))?;
        let families: Vec<_> = header.split(',').skip(2).map(str::to_owned).collect();
        let mut likeness = Self { base: vec![0.0; families.len()], families, rows: HashMap::new() };
        for (at, line) in lines {
            likeness.take_in(line).map_err(|message| malformed(at + 1, message))?;
        }
        Ok(likeness)
    }

    /// A row of the table; an empty cell is a zero.
    fn take_in(&mut self, line: &str) -> Result<(), String> {
        let mut cells = line.split(',');
        let mark = cells.next().unwrap_or_default();
        let number = |cell: &str| {
            let number = if cell.is_empty() { Ok(0) } else { cell.parse::<i32>() };
            number.map(|number| f64::from(number) / PER_UNIT).map_err(|_| format!("`{cell}` is not a whole number"))
        };
        let rarity = number(cells.next().unwrap_or_default())?;
        let weights: Vec<_> = cells.map(number).collect::<Result<_, _>>()?;
        if weights.len() != self.families.len() {
            return Err(format!("{} weights for {} families", weights.len(), self.families.len()));
        }
        if mark == ANY_REPORT {
            self.base = weights;
        } else {
            self.rows.insert(mark.to_owned(), Row { rarity, weights });
        }
        Ok(())
    }

    /// The table as `from_sheets` reads it, rows in alphabetical order.
    pub fn to_table(&self) -> String {
        let mut table = format!("mark,rarity,{}\n", self.families.join(","));
        let mut write = |mark: &str, rarity: f64, weights: &[f64]| {
            let cell = |value: f64| match (value * PER_UNIT).round() as i32 {
                0 => String::new(),
                number => number.to_string(),
            };
            let cells: Vec<_> = weights.iter().map(|weight| cell(*weight)).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{mark},{},{}", cell(rarity), cells.join(","));
        };
        write(ANY_REPORT, 0.0, &self.base);
        let rows: BTreeMap<_, _> = self.rows.iter().collect();
        for (mark, row) in rows {
            write(mark, row.rarity, &row.weights);
        }
        table
    }

    pub fn families(&self) -> &[String] {
        &self.families
    }

    /// Nothing where hardly any mark is known.
    pub fn opinion(&self, marks: &BTreeSet<String>) -> Option<Opinion<'_>> {
        let row_of = |mark| self.rows.get_key_value(mark).map(|(mark, row)| (mark.as_str(), row));
        let known: Vec<_> = marks.iter().filter_map(row_of).collect();
        if known.len() < FEWEST_MARKS || (known.len() as f64) < LEAST_KNOWN * marks.len() as f64 {
            return None;
        }
        let length = known.iter().map(|(_, row)| row.rarity.powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let mut scores = self.base.clone();
        for (_, row) in &known {
            for (score, weight) in scores.iter_mut().zip(&row.weights) {
                *score += row.rarity / length * weight;
            }
        }
        Some(Opinion { families: &self.families, shares: soft_max(&scores), known })
    }
}

/// Shares in proportion to the exponentials.
pub fn soft_max(scores: &[f64]) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raised: Vec<_> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f64 = raised.iter().sum();
    raised.into_iter().map(|share| share / sum).collect()
}

fn most_telling(known: &[(&str, &Row)], family: usize) -> Vec<String> {
    let says = |row: &Row| row.rarity * row.weights[family];
    let is_named = |(mark, row): &&(&str, &Row)| says(row) > 0.0 && !PLAIN_WORDS.contains(mark);
    let mut telling: Vec<_> = known.iter().filter(is_named).collect();
    telling.sort_by(|a, b| says(b.1).total_cmp(&says(a.1)).then_with(|| a.0.cmp(b.0)));
    let mut named = Vec::new();
    for (mark, _) in telling {
        let words = in_words(mark);
        if named.len() < NAMED_MARKS && !named.contains(&words) {
            named.push(words);
        }
    }
    named
}

/// A mark as a person reads it.
fn in_words(mark: &str) -> String {
    match mark.split_once(':') {
        Some(("failure", what)) => what.replace('@', " at ").replace('-', " "),
        Some(("no", what)) => format!("not {}", what.replace('-', " ")),
        Some(("tool" | "link", what)) => what.to_owned(),
        Some((_, what)) => what.replace('-', " "),
        None => format!("“{mark}”"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::knowledge::Knowledge;

    fn likeness() -> Likeness {
        let text = "mark,rarity,usb-power,swd-wiring\n*,,-20,20\n\
                    hub,200,300,-300\njumper,200,-300,300\nthe,1,,\nwith,1,,\nlong,50,,40\nit,1,,\n";
        let sheet = Sheet { name: "reports".to_owned(), file: "reports.csv".to_owned(), text: text.to_owned() };
        Likeness::from_sheets(&[sheet]).unwrap()
    }

    fn marks_of(text: &str) -> BTreeSet<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_rare_word_decides_and_is_named() {
        let likeness = likeness();
        let opinion = likeness.opinion(&marks_of("the hub it with long")).unwrap();
        assert!(opinion.share("usb-power") > 0.98, "{opinion:?}");
        assert!((opinion.share("usb-power") + opinion.share("swd-wiring") - 1.0).abs() < 1e-12);
        assert_eq!(opinion.telling("usb-power"), ["“hub”"]);
        assert_eq!(opinion.telling("swd-wiring"), ["“long”"]);
    }

    #[test]
    fn a_plain_word_counts_and_is_not_named() {
        let text = "mark,rarity,usb-power\n*,,\nhub,200,300\nyou,200,300\nlong,1,1\nit,1,1\nboard,1,1\n";
        let sheet = Sheet { name: "reports".to_owned(), file: "reports.csv".to_owned(), text: text.to_owned() };
        let likeness = Likeness::from_sheets(&[sheet]).unwrap();
        let opinion = likeness.opinion(&marks_of("hub you long it board")).unwrap();
        assert_eq!(opinion.telling("usb-power"), ["“hub”", "“board”", "“long”"]);
    }

    #[test]
    fn opposite_words_leave_what_any_report_has() {
        let likeness = likeness();
        let opinion = likeness.opinion(&marks_of("hub jumper the it with")).unwrap();
        assert!((opinion.share("swd-wiring") - 1.0 / (1.0 + (-0.4_f64).exp())).abs() < 1e-9);
    }

    #[test]
    fn a_report_of_unknown_words_reads_like_none() {
        assert_eq!(likeness().opinion(&marks_of("hub it nothing else known")), None);
        let noise: Vec<_> = (0..7).map(|number| format!("z{number}")).collect();
        let words = format!("hub jumper the with long it {}", noise.join(" "));
        assert_eq!(likeness().opinion(&marks_of(&words)), None);
        assert!(likeness().opinion(&marks_of(words.rsplit_once(' ').unwrap().0)).is_some());
    }

    #[test]
    fn the_table_speaks_of_families_of_the_knowledge_base() {
        let knowledge = Knowledge::built_in().unwrap();
        let known: BTreeSet<_> = knowledge.families.iter().map(|family| &family.id).collect();
        let families = knowledge.likeness.families();
        assert!(families.len() > 40 && families.iter().all(|family| known.contains(family)), "{families:?}");
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = likeness().to_table();
        let sheet = Sheet { name: String::new(), file: String::new(), text: table.clone() };
        assert_eq!(Likeness::from_sheets(&[sheet]).unwrap().to_table(), table);
    }

    #[test]
    fn what_is_wrong_in_a_table_is_told_with_its_line() {
        for (text, told) in [
            ("mark,rarity,usb-power\nhub,1,2,3\n", "x.csv:2: 2 weights for 1 families"),
            ("mark,rarity,usb-power\n*,,1\nhub,1,much\n", "x.csv:3: `much` is not a whole number"),
            ("", "x.csv:1: the table is empty"),
        ] {
            let sheet = Sheet { name: String::new(), file: "x.csv".to_owned(), text: text.to_owned() };
            let error = Likeness::from_sheets(&[sheet]).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
