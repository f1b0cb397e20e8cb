//! JUnit XML for build servers: a suite per boot, a test case per cycle.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::wording;
use crate::diagnosis::verdict::Verdict;
use crate::investigation::snapshot::{BootStrip, Snapshot};
use crate::observation::cycle::Cycle;
use crate::observation::failure::Failure;
use crate::observation::field_text::FieldText;
use crate::observation::units::Micros;

/// Writes the cycles of a campaign; the verdict stands in the properties of the first suite.
pub fn write(out: &mut impl Write, snapshot: &Snapshot, cycles: &[Cycle]) -> io::Result<()> {
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = totals(&cycles.iter().collect::<Vec<_>>());
    xml.create_element("testsuites")
        .with_attributes([("name", "flakescope")])
        .with_attributes(totals.iter().map(|(name, value)| (*name, value.as_str())))
        .write_inner_content(|xml| {
            verdict_suite(xml, &snapshot.verdict)?;
            for strip in &snapshot.boots {
                let of_boot: Vec<_> = cycles.iter().filter(|cycle| cycle.boot == Some(strip.boot.number)).collect();
                suite(xml, strip, &of_boot)?;
            }
            Ok(())
        })?;
    writeln!(xml.into_inner())
}

/// A suite without cases that carries the verdict, because build servers show the properties of suites.
fn verdict_suite<W: Write>(xml: &mut Writer<W>, verdict: &Verdict) -> io::Result<()> {
    let mut properties = vec![
        ("verdict".to_owned(), wording::verdict_word(verdict.verdict).to_lowercase()),
        ("summary".to_owned(), wording::headline(verdict)),
        ("source".to_owned(), verdict.source.raw().to_owned()),
    ];
    for cause in &verdict.causes {
        properties.push((format!("cause.{}", cause.id), format!("{:.3}", cause.probability)));
    }
    xml.create_element("testsuite")
        .with_attributes([("name", "verdict"), ("tests", "0"), ("failures", "0"), ("skipped", "0"), ("time", "0.000")])
        .write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| {
                for (name, value) in &properties {
                    let (name, value) = (safe(name), safe(value));
                    xml.create_element("property")
                        .with_attributes([("name", name.as_str()), ("value", value.as_str())])
                        .write_empty()?;
                }
                Ok(())
            })?;
            Ok(())
        })?;
    Ok(())
}

fn suite<W: Write>(xml: &mut Writer<W>, strip: &BootStrip, cycles: &[&Cycle]) -> io::Result<()> {
    let name = format!("boot {} ({}, {})", strip.boot.number, strip.boot.kind, strip.boot.proof.name());
    xml.create_element("testsuite")
        .with_attributes([("name", name.as_str())])
        .with_attributes(totals(cycles).iter().map(|(name, value)| (*name, value.as_str())))
        .write_inner_content(|xml| cycles.iter().try_for_each(|cycle| case(xml, strip.boot.number, cycle)))?;
    Ok(())
}

fn case<W: Write>(xml: &mut Writer<W>, boot: u32, cycle: &Cycle) -> io::Result<()> {
    let (name, class) = (format!("cycle {}", cycle.number), format!("boot-{boot}"));
    let time = seconds(elapsed(cycle));
    let element = xml.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", class.as_str()),
        ("time", time.as_str()),
    ]);
    match cycle.failure() {
        Some(failure) => element.write_inner_content(|xml| write_failure(xml, failure))?,
        None if cycle.is_interrupted() => element.write_inner_content(|xml| {
            xml.create_element("skipped").with_attribute(("message", "interrupted")).write_empty()?;
            Ok(())
        })?,
        None => element.write_empty()?,
    };
    Ok(())
}

fn write_failure<W: Write>(xml: &mut Writer<W>, failure: &Failure) -> io::Result<()> {
    let message = format!("{} at {}", failure.class, failure.phase);
    let code = failure.code.as_ref().map_or("no code".to_owned(), FieldText::for_html);
    let mut words = format!("{} Raw code: {code}.", failure.class.meaning());
    if let Some(elapsed) = failure.elapsed {
        words.push_str(&format!(" After {elapsed}."));
    }
    if let Some(address) = failure.address {
        words.push_str(&format!(" At {address}."));
    }
    xml.create_element("failure")
        .with_attributes([("type", failure.class.name()), ("message", message.as_str())])
        .write_text_content(BytesText::new(&words))?;
    Ok(())
}

fn totals(cycles: &[&Cycle]) -> [(&'static str, String); 4] {
    let failed = cycles.iter().filter(|cycle| cycle.failure().is_some()).count();
    let skipped = cycles.iter().filter(|cycle| cycle.failure().is_none() && cycle.is_interrupted()).count();
    let time = cycles.iter().fold(Micros::ZERO, |sum, cycle| sum + elapsed(cycle));
    [
        ("tests", cycles.len().to_string()),
        ("failures", failed.to_string()),
        ("skipped", skipped.to_string()),
        ("time", seconds(time)),
    ]
}

fn elapsed(cycle: &Cycle) -> Micros {
    cycle.steps.iter().filter_map(|step| step.elapsed).fold(Micros::ZERO, |sum, elapsed| sum + elapsed)
}

fn seconds(span: Micros) -> String {
    format!("{:.3}", span.as_secs_f64())
}

/// XML 1.0 cannot hold control characters at all, not even escaped.
fn safe(text: &str) -> String {
    FieldText::from(text).for_html()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn xml(snapshot: &Snapshot, cycles: &[Cycle]) -> String {
        let mut out = Vec::new();
        write(&mut out, snapshot, cycles).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_junit_file_of_a_campaign() {
        let text = xml(&sample::campaign(), &sample::cycles());
        let of_interest: Vec<_> =
            text.lines().take(30).chain(text.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev()).collect();
        insta::assert_snapshot!(of_interest.join("\n"));
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = xml(&sample::hostile_campaign(), &sample::hostile_cycles());
        assert!(!text.contains("<script"), "{text}");
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut cases = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"testcase" => cases += 1,
                _ => {}
            }
        }
        assert_eq!(cases, 80);
        assert!(text.lines().all(|line| !line.contains(char::is_control)));
    }
}
