//! What a scenario file may not say: a truth that no verdict can name, and a board or a campaign that cannot be.

use super::scenario::{CLEAN, Scenario};
use crate::bench::blueprint::Blueprint;
use crate::campaign::recipe::Recipe;
use crate::diagnosis::knowledge::Knowledge;
use crate::diagnosis::verdict::UNKNOWN_CAUSE;
use crate::link::link_used::LinkUsed;
use crate::profile::loader::{self, ProfileError};

/// A mistake: the keys that lead to it, what is wrong, and what may have been meant.
struct Mistake {
    keys: Vec<String>,
    what: String,
    hint: Option<String>,
}

impl Mistake {
    fn at(key: &str, what: impl Into<String>) -> Self {
        Self { keys: vec![key.to_owned()], what: what.into(), hint: None }
    }
}

/// Refuses the first scenario that cannot be, with its line in the file.
pub fn check(file: &str, text: &str, scenarios: &[Scenario], knowledge: &Knowledge) -> Result<(), ProfileError> {
    for (number, scenario) in scenarios.iter().enumerate() {
        let from = heads(text).nth(number).unwrap_or(0);
        let called = |what: String| format!("scenario `{}`: {what}", scenario.name);
        if scenarios[..number].iter().any(|other| other.name == scenario.name) {
            let what = called("the name occurs twice".to_owned());
            return Err(loader::refuse_after(file, text, from, &["name"], what, None));
        }
        if let Some(Mistake { keys, what, hint }) = mistake(scenario, knowledge) {
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            return Err(loader::refuse_after(file, text, from, &keys, called(what), hint));
        }
        check_board(scenario).map_err(|(end, error)| {
            let ProfileError::Malformed { line, message, hint, .. } = error else { return error };
            let begins = text[from..].find(&scenario.board).map_or(from, |at| from + at);
            let line = loader::line_of(text, begins) + line - 1;
            let drawn = if scenario.range.is_empty() { "the board" } else { end };
            ProfileError::Malformed {
                file: file.to_owned(),
                line,
                message: called(format!("{drawn}: {message}")),
                hint,
            }
        })?;
    }
    Ok(())
}

/// Where each scenario begins.
fn heads(text: &str) -> impl Iterator<Item = usize> {
    let at_a_line_start = |at: &usize| text[..*at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty());
    text.match_indices("[[scenario]]").map(|(at, _)| at).filter(at_a_line_start)
}

fn mistake(scenario: &Scenario, knowledge: &Knowledge) -> Option<Mistake> {
    truth(scenario, knowledge).or_else(|| campaign(scenario)).or_else(|| ranges(scenario))
}

fn truth(scenario: &Scenario, knowledge: &Knowledge) -> Option<Mistake> {
    if scenario.expect.is_empty() {
        return Some(Mistake::at("expect", "it must say what is expected: families, `clean` or `unknown`"));
    }
    for (key, families) in [("expect", &scenario.expect), ("beside", &scenario.beside)] {
        let also: &[&str] = if key == "expect" { &[CLEAN, UNKNOWN_CAUSE] } else { &[] };
        let names: Vec<_> =
            knowledge.families.iter().map(|family| family.id.as_str()).chain(also.iter().copied()).collect();
        if let Some(wrong) = families.iter().find(|family| !names.contains(&family.as_str())) {
            let hint = knowledge.family_hint(wrong);
            return Some(Mistake { hint, ..Mistake::at(key, format!("no family is called `{wrong}`")) });
        }
    }
    if scenario.is_healthy() && scenario.expect.len() + scenario.beside.len() > 1 {
        return Some(Mistake::at("expect", "a board that is `clean` has no family of causes beside it"));
    }
    let wrong = scenario.separated_by.iter().find(|experiment| knowledge.experiment(experiment).is_none())?;
    let near = loader::nearest(wrong, knowledge.experiments.iter().map(|experiment| experiment.id.as_str()));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    Some(Mistake { hint, ..Mistake::at("separated-by", format!("no experiment is called `{wrong}`")) })
}

fn campaign(scenario: &Scenario) -> Option<Mistake> {
    for (key, number) in [("boots", scenario.boots), ("cycles", scenario.cycles)] {
        if number == 0 {
            return Some(Mistake::at(key, format!("`{key}` must be at least 1, or nothing runs")));
        }
    }
    let (recipe, beside) = Recipe::for_links(scenario.link, None).ok()?;
    let recipes: Vec<_> = std::iter::once(&recipe).chain(&beside).collect();
    scenario.vary.iter().find_map(|varied| {
        let (name, factor) = (varied.0.name.name(), varied.0.name);
        let why = if factor.is_of_the_bench() {
            (scenario.link != LinkUsed::Dfu)
                .then(|| format!("`{name}` can only be varied over the link dfu, which needs no probe"))
        } else {
            let names: Vec<_> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
            let idle = !recipes.iter().any(|recipe| factor.changes_a_step_of(recipe));
            idle.then(|| format!("varying `{name}` changes no step of {}, which this link does", names.join(" or ")))
        };
        why.map(|why| Mistake::at("vary", why))
    })
}

fn ranges(scenario: &Scenario) -> Option<Mistake> {
    for (name, range) in &scenario.range {
        let at = |what: String| Some(Mistake { keys: vec!["range".to_owned(), name.clone()], what, hint: None });
        if !range.low.is_finite() || !range.high.is_finite() || range.low > range.high {
            return at(format!("nothing can be drawn for `{name}`: low is {}, high is {}", range.low, range.high));
        }
        if !scenario.board.contains(&format!("{{{name}}}")) {
            return at(format!("`{name}` has a range, but {{{name}}} does not stand in the board"));
        }
    }
    let open = placeholders(&scenario.board).find(|name| !scenario.range.contains_key(*name))?;
    let near = loader::nearest(open, scenario.range.keys().map(String::as_str));
    let hint = near.map(|near| format!("did you mean {{{near}}}?"));
    let what = format!("{{{open}}} stands in the board, and `{open}` has no range to draw from");
    Some(Mistake { keys: vec!["board".to_owned(), format!("{{{open}}}")], what, hint })
}

/// Names in braces; an inline table holds more than a name.
fn placeholders(board: &str) -> impl Iterator<Item = &str> {
    let inner = board.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(inner, _)| inner));
    inner.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// A board is tried with everything at its lowest, and with everything at its highest.
fn check_board(scenario: &Scenario) -> Result<(), (&'static str, ProfileError)> {
    for (end, share) in [
        ("the board with all that is drawn at its lowest", 0.0),
        ("the board with all that is drawn at its highest", 1.0),
    ] {
        let text = scenario.drawn_by(|| share);
        Blueprint::parse(&scenario.name, &text).map_err(|error| (end, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    const GOOD: &str = "# [[scenario]] in a comment is none
[[scenario]]
name = \"first\"
expect = [\"clean\"]
boots = 2
cycles = 1
board = '''
text = \"a board\"
part = \"STM32F407VGT6\"
rom = \"f40x-v9\"
crystal-mhz = 8.0
'''
[[scenario]]
name = \"second\"
expect = [\"usb-signal-integrity\"]
beside = [\"usb-power\"]
separated-by = [\"swap-cable\"]
boots = 2
cycles = 1
link = \"dfu\"
vary = [\"transfer-size=64,2048\"]
board = '''
text = \"a board\"
part = \"STM32F407VGT6\"
rom = \"f40x-v9\"
crystal-mhz = 8.0
[mechanism.bursts]
every-s = {every}
open-ms = 5.0
'''
[scenario.range]
every = { low = 1.0, high = 20.0 }
";

    fn said(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.toml");
        std::fs::write(&file, text).unwrap();
        let read = super::super::scenario::read(&file);
        read.map_or_else(|error| error.to_string(), |_| "sound".to_owned()).replace(&format!("{}:", file.display()), "")
    }

    #[test]
    fn each_mistake_is_told_with_line_and_scenario() {
        assert_eq!(said(GOOD), "sound");
        for (found, instead, told) in [
            ("[\"usb-signal-integrity\"]", "[\"usb-cabel\"]", "15: scenario `second`: no family is called `usb-cabel`"),
            (
                "[\"usb-signal-integrity\"]",
                "[\"usb-cable\"]",
                "15: scenario `second`: no family is called `usb-cable`; the cause `usb-cable` is of the family `usb-signal-integrity`",
            ),
            ("[\"usb-power\"]", "[\"clean\"]", "16: scenario `second`: no family is called `clean`"),
            (
                "swap-cable",
                "swop-cable",
                "17: scenario `second`: no experiment is called `swop-cable`; did you mean `swap-cable`?",
            ),
            (
                "boots = 2\ncycles = 1\nlink",
                "boots = 0\ncycles = 1\nlink",
                "18: scenario `second`: `boots` must be at least 1",
            ),
            (
                "transfer-size=64,2048",
                "speed=480kHz,4MHz",
                "21: scenario `second`: varying `speed` changes no step of dfu-read",
            ),
            (
                "low = 1.0",
                "low = 21.0",
                "32: scenario `second`: nothing can be drawn for `every`: low is 21, high is 20",
            ),
            (
                "{every}",
                "{evry}",
                "32: scenario `second`: `every` has a range, but {every} does not stand in the board",
            ),
            (
                "open-ms = 5.0",
                "open-ms = {opn}",
                "29: scenario `second`: {opn} stands in the board, and `opn` has no range",
            ),
            (
                "open-ms = 5.0",
                "opn-ms = 5.0",
                "29: scenario `second`: the board with all that is drawn at its lowest: unknown field `opn-ms`",
            ),
            ("high = 20.0", "high = 2e9", "28: scenario `second`: the board with all that is drawn at its highest: "),
            ("\"second\"", "\"first\"", "14: scenario `first`: the name occurs twice"),
        ] {
            assert!(GOOD.contains(found), "{found}");
            let said = said(&GOOD.replacen(found, instead, 1));
            assert!(said.starts_with(told), "{said}\nand not\n{told}");
        }
    }
}
