//! A report for issue trackers and chat: Markdown that GitHub and others render alike.

use std::io::{self, Write};

use super::alterations;
use super::failures::{FailureGroup, grouped};
use super::wording;
use crate::diagnosis::verdict::{Argument, RankedCause, Verdict};
use crate::evidence::finding::Finding;
use crate::investigation::snapshot::Snapshot;
use crate::observation::field_text::FieldText;

/// Writes a verdict; with the snapshot of its campaign, figures, latencies, findings and limits too.
pub fn write(out: &mut impl Write, verdict: &Verdict, snapshot: Option<&Snapshot>) -> io::Result<()> {
    writeln!(out, "# {}: {}\n", wording::verdict_word(verdict.verdict), safe(&wording::headline(verdict)))?;
    writeln!(out, "{}, from {}.", safe(&wording::subject(verdict, snapshot)), verdict.source.for_markdown())?;
    if let Some(snapshot) = snapshot {
        figures(out, snapshot)?;
    }
    causes(out, verdict)?;
    next(out, verdict)?;
    failures(out, verdict)?;
    if let Some(snapshot) = snapshot {
        altered(out, snapshot)?;
        says(out, snapshot)?;
        latencies(out, snapshot)?;
        findings(out, &snapshot.findings)?;
        limits(out, snapshot)?;
    }
    Ok(())
}

fn figures(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    writeln!(out)?;
    if let Some(why) = wording::unfinished(&snapshot.state) {
        writeln!(out, "- {}", safe(&why))?;
    }
    for rate in &snapshot.rates {
        writeln!(out, "- {}", wording::rate(rate))?;
    }
    Ok(())
}

fn causes(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    if verdict.causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Likely causes\n")?;
    if let Some(both) = wording::together(verdict) {
        writeln!(out, "{}\n", safe(&both))?;
    }
    for cause in &verdict.causes {
        let percent = wording::probability(cause.probability);
        writeln!(out, "- **{percent}** {} (`{}`)", safe(wording::cause_name(cause)), code(&cause.id))?;
        arguments(out, cause, wording::place_word(verdict))?;
    }
    Ok(())
}

fn arguments(out: &mut impl Write, cause: &RankedCause, place: &str) -> io::Result<()> {
    let mut list = |word: &str, arguments: &[Argument]| {
        arguments.iter().try_for_each(|argument| {
            let places = wording::places(&argument.at, place).map_or(String::new(), |places| format!(" ({places})"));
            writeln!(out, "  - {word}: {}{places}", safe(&argument.text))
        })
    };
    list("for", &cause.speaks_for)?;
    list("against", &cause.speaks_against)
}

fn next(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    if verdict.next.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Next experiment\n")?;
    for (next, number) in verdict.next.iter().zip(1..) {
        writeln!(out, "{number}. {} ({})", safe(&next.text), safe(&wording::experiment_terms(next)))?;
    }
    Ok(())
}

fn failures(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    if verdict.failures.is_empty() {
        return Ok(());
    }
    let place = wording::place_word(verdict);
    writeln!(out, "\n## Failures\n")?;
    writeln!(out, "| n | class | step | code | place | median time to failure | where |")?;
    writeln!(out, "| ---: | --- | --- | --- | --- | ---: | --- |")?;
    for group in grouped(&verdict.failures) {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            group.count,
            group.class,
            group.phase,
            group.codes_in_words(3, FieldText::for_markdown),
            group.place_in_words(FieldText::for_markdown).unwrap_or_default(),
            group.elapsed_ms.map_or("not known".to_owned(), wording::milliseconds),
            where_seen(&group, place),
        )?;
    }
    Ok(())
}

fn where_seen(group: &FailureGroup, place: &str) -> String {
    let worked = group.worked_in_words().map(|worked| format!("went well in the same boots: {worked}"));
    wording::places(&group.at, place).into_iter().chain(worked).collect::<Vec<_>>().join("; ")
}

fn says(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    if snapshot.says.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Read from the board\n")?;
    snapshot.says.iter().try_for_each(|words| writeln!(out, "- {}", safe(words)))
}

fn altered(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let told = alterations::told(snapshot);
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Alterations\n")?;
    for line in told {
        let mark = if line.bad { "**!** " } else { "" };
        writeln!(out, "- {mark}{}", safe(&line.text))?;
    }
    alterations::advice(snapshot).lines().try_for_each(|line| writeln!(out, "\n{}", safe(line.trim())))
}

fn latencies(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    if snapshot.latencies.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Time per step\n")?;
    writeln!(out, "| step | n | p50 | p95 | max |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: |")?;
    for step in &snapshot.latencies {
        writeln!(out, "| {} | {} | {} | {} | {} |", step.phase, step.n, step.p50, step.p95, step.max)?;
    }
    Ok(())
}

fn findings(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Findings\n")?;
    for finding in findings {
        let basis = wording::count(finding.n, finding.unit.name());
        writeln!(out, "- {} (`{}`; {basis}; {})", safe(&finding.text), code(&finding.id), safe(&finding.method))?;
    }
    Ok(())
}

fn limits(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    writeln!(out, "\n## Limits and method\n")?;
    for limit in &snapshot.limits {
        writeln!(out, "- {}", safe(limit))?;
    }
    for note in wording::METHOD {
        writeln!(out, "- {note}")?;
    }
    Ok(())
}

fn safe(text: &str) -> String {
    FieldText::from(text).for_markdown()
}

/// For ids. Inside a code span nothing is escaped, so that a back quote must go.
fn code(text: &str) -> String {
    FieldText::from(text).for_terminal().replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::field_text::is_unsafe_to_show;
    use crate::report::sample;

    fn markdown(snapshot: &Snapshot) -> String {
        let mut out = Vec::new();
        write(&mut out, &snapshot.verdict, Some(snapshot)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_markdown_of_a_campaign() {
        insta::assert_snapshot!(markdown(&sample::campaign()));
    }

    #[test]
    fn nothing_hostile_gets_through() {
        let text = markdown(&sample::hostile_campaign());
        for markup in ["<script", "|*x*", "alert(1)<"] {
            assert!(!text.contains(markup), "{text}");
        }
        for line in text.lines() {
            assert!(!line.contains(is_unsafe_to_show), "{line}");
        }
    }
}
