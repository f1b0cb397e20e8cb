//! `flakescope explain`: what a failure class, cause, finding, experiment or message means, how to confirm it, how to mend it.

use std::io::{self, Write};

use clap::Args;

use super::console::Console;
use super::exit::ExitCode;
use super::explain_message;
use crate::diagnosis::cause::{Cause, Link};
use crate::diagnosis::experiment::Experiment;
use crate::diagnosis::grades::Chance;
use crate::diagnosis::knowledge::Knowledge;
use crate::evidence::catalogue::Entry;
use crate::observation::failure::FailureClass;
use crate::profile::loader;
use crate::profile::message::Messages;

/// Explain a failure class, a cause, a finding, an experiment, or a message of another program
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flakescope explain hse-misdetected\n  flakescope explain stall\n  flakescope explain LIBUSB_ERROR_IO\n  flakescope explain device descriptor read/64, error -71"
)]
pub struct ExplainArgs {
    /// A name from a report, or a message or code as a tool shows it; without one, all names are listed
    #[arg(value_name = "CODE", allow_negative_numbers = true)]
    code: Vec<String>,
}

pub fn run(args: &ExplainArgs, console: &mut Console) -> ExitCode {
    let knowledge = match Knowledge::load() {
        Ok(knowledge) => knowledge,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let messages = match Messages::load() {
        Ok(messages) => messages,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::UnreadableInput;
        }
    };
    let code = args.code.join(" ");
    let written = if code.is_empty() {
        list(&knowledge, &mut console.out).map(|()| true)
    } else {
        match explain(&knowledge, &code.to_ascii_lowercase().replace('_', "-"), &mut console.out) {
            Ok(false) => explain_message::explain(&messages, &knowledge, &code, &mut console.out),
            told => told,
        }
    };
    match written {
        Ok(true) => ExitCode::Clean,
        Ok(false) => {
            console.error(&unknown(&knowledge, &code));
            ExitCode::Usage
        }
        Err(error) => console.end(Err(error), ExitCode::Clean),
    }
}

fn unknown(knowledge: &Knowledge, code: &str) -> String {
    let shown: String = code.chars().filter(|c| !c.is_control()).collect();
    let is_of_a_part = ["0x", "stm32"].iter().any(|prefix| code.to_ascii_lowercase().starts_with(prefix));
    let hint = match loader::nearest(code, names(knowledge)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if is_of_a_part => format!("`flakescope profile show {shown}` tells of parts"),
        None => "`flakescope explain` lists all names, and `flakescope triage FILE` reads a log".to_owned(),
    };
    format!("nothing is called `{shown}`; {hint}")
}

fn names(knowledge: &Knowledge) -> impl Iterator<Item = &str> {
    let causes = knowledge.causes.iter().map(|cause| cause.id.as_str());
    let families = knowledge.families.iter().map(|family| family.id.as_str());
    let classes = FailureClass::ALL.iter().map(|class| class.name());
    let findings = knowledge.catalogue.entries().map(|entry| entry.id.as_str());
    causes.chain(families).chain(classes).chain(findings).chain(knowledge.experiments.iter().map(|e| e.id.as_str()))
}

fn list(knowledge: &Knowledge, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Failure classes:")?;
    for class in FailureClass::ALL {
        writeln!(out, "  {class:<28} {}", class.meaning())?;
    }
    writeln!(out, "\nCauses:")?;
    for cause in &knowledge.causes {
        writeln!(out, "  {:<28} {}", cause.id, cause.name)?;
    }
    writeln!(out, "\nFindings:")?;
    for entry in knowledge.catalogue.entries() {
        writeln!(out, "  {:<28} {}", entry.id, entry.meaning())?;
    }
    writeln!(out, "\nExperiments:")?;
    for experiment in &knowledge.experiments {
        writeln!(out, "  {:<28} {}", experiment.id, experiment.text)?;
    }
    Ok(())
}

/// Everything of that name; false if there is nothing.
fn explain(knowledge: &Knowledge, code: &str, out: &mut impl Write) -> io::Result<bool> {
    let mut found = false;
    if let Some(class) = FailureClass::ALL.iter().find(|class| class.name() == code) {
        writeln!(out, "{class} (failure class): {}", class.meaning())?;
        found = true;
    }
    if let Some(cause) = knowledge.cause(code) {
        explain_cause(knowledge, cause, out)?;
        found = true;
    }
    if let Some(family) = knowledge.families.iter().find(|family| family.id == code) {
        writeln!(out, "{} (family of causes): {}", family.id, family.text)?;
        for cause in knowledge.causes.iter().filter(|cause| cause.family == code) {
            writeln!(out, "  {:<28} {}", cause.id, cause.name)?;
        }
        found = true;
    }
    if let Some(entry) = knowledge.catalogue.entry(code) {
        explain_finding(knowledge, entry, out)?;
        found = true;
    }
    if let Some(experiment) = knowledge.experiment(code) {
        explain_experiment(knowledge, experiment, out)?;
        found = true;
    }
    Ok(found)
}

fn explain_cause(knowledge: &Knowledge, cause: &Cause, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} (cause, family {}): {}\n\n{}\n", cause.id, cause.family, cause.name, cause.meaning)?;
    links(knowledge, &cause.raises, "Speaks for it:", out)?;
    links(knowledge, &cause.lowers, "Speaks against it:", out)?;
    writeln!(out, "How to confirm it:")?;
    let telling = knowledge.experiments.iter().filter(|experiment| {
        cause.predicts(experiment) >= Chance::Likely.probability() && experiment.otherwise < Chance::Likely
    });
    let (own, of_side): (Vec<_>, Vec<_>) =
        telling.partition(|experiment| cause.experiments.iter().any(|prediction| prediction.id == experiment.id));
    for experiment in own.into_iter().chain(of_side).take(4) {
        let command = experiment.command.as_ref().map(|command| format!(" ({command})")).unwrap_or_default();
        writeln!(
            out,
            "  {} ({} min): {}{command} It is confirmed if {}.",
            experiment.id, experiment.minutes, experiment.text, experiment.positive
        )?;
    }
    writeln!(out, "\nHow to mend it: {}\n", cause.remedy)?;
    writeln!(out, "Sources ({}): {}", cause.confidence, cause.sources.join("; "))
}

fn links(knowledge: &Knowledge, links: &[Link], head: &str, out: &mut impl Write) -> io::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let mut links: Vec<_> = links.iter().collect();
    links.sort_by_key(|link| std::cmp::Reverse(link.grade));
    writeln!(out, "{head}")?;
    for link in links {
        let text = knowledge.catalogue.entry(&link.finding).map_or_else(String::new, Entry::meaning);
        writeln!(out, "  {} ({}): {text}\n    Because {}.", link.finding, link.grade.name(), link.because)?;
    }
    writeln!(out)
}

fn explain_finding(knowledge: &Knowledge, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} (finding): {}", entry.id, entry.meaning())?;
    for (head, links) in [("speaks for", true), ("speaks against", false)] {
        for cause in &knowledge.causes {
            let list = if links { &cause.raises } else { &cause.lowers };
            for link in list.iter().filter(|link| link.finding == entry.id) {
                writeln!(out, "  {head} {} ({}): {}.", cause.id, link.grade.name(), link.because)?;
            }
        }
    }
    Ok(())
}

fn explain_experiment(knowledge: &Knowledge, experiment: &Experiment, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} (experiment, {} min): {}", experiment.id, experiment.minutes, experiment.text)?;
    let changes = if experiment.changes.is_empty() { "nothing".to_owned() } else { experiment.changes.join(", ") };
    writeln!(out, "It changes: {changes}.")?;
    if let Some(command) = &experiment.command {
        writeln!(out, "With this program: {command}.")?;
    }
    let likely = |cause: &&Cause| cause.predicts(experiment) >= Chance::Likely.probability();
    let names: Vec<_> = knowledge.causes.iter().filter(likely).map(|cause| cause.id.as_str()).collect();
    if !names.is_empty() {
        writeln!(out, "If {}, it points at: {}.", experiment.positive, names.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> String {
        let mut out = Vec::new();
        assert!(explain(&Knowledge::built_in().unwrap(), code, &mut out).unwrap(), "{code}");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_clock_cause_is_explained() {
        insta::assert_snapshot!(said("hse-no-start"));
    }

    #[test]
    fn every_name_has_an_explanation() {
        let knowledge = Knowledge::built_in().unwrap();
        for name in names(&knowledge) {
            assert!(explain(&knowledge, name, &mut Vec::new()).unwrap(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let knowledge = Knowledge::built_in().unwrap();
        assert_eq!(unknown(&knowledge, "usb-cabel"), "nothing is called `usb-cabel`; did you mean `usb-cable`?");
        assert!(!explain(&knowledge, "usb-cabel", &mut Vec::new()).unwrap());
    }
}
